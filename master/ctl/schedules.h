/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/node.h"
#include "common/strbuf.h"

/* schedules - what is said of schedules and checks in more than one place. Pure. */

/* "every 30s", "cron 0 3 * * * Europe/Berlin" of a schedule's row. */
void schedules_put_when(const struct json_node *schedule, struct strbuf *out);
/* "12 overloaded, 3 no_agent" of an object of counts; "" when there is none. */
void schedules_put_counts(const struct json_node *object, struct strbuf *out);
/* Whether the word may stand in an address as the name of a schedule or a channel. */
bool schedules_name_ok(const char *name);
/* The same with a sentence, and an exit code. */
int schedules_check_name(const char *name);
