/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/sqlite.h"

/* selection - which of the agents that the store remembers a batch's selection means. Writer
 * thread. */

/* Of those connected or seen within AGENTS_SEEN_S; agents: as in batch_info. */
MUST_USE enum err selection_count(struct sqlite_db *d, const char *agents, struct wall now,
                                  uint32_t *out);
