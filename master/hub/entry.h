/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/scheduler.h"
#include "master/store/store.h"

/* entry - an entry of the scheduler's journal as the store takes it. Pure. */

/* With copies of all its strings, and the facts for those who are to be told: store_entry_fini().
 */
void entry_copy(const struct scheduler_entry *e, struct store_entry *out);
