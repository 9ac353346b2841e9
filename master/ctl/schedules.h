/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/ctl.h"
#include "common/node.h"

/* schedules - what is said of schedules and their checks, and done to them and to alert channels,
 * in more than one place. One thread. */

/* "every 30s", "0 3 * * * Europe/Berlin" of a schedule's row. */
void schedules_put_when(const struct json_node *schedule, struct strbuf *out);
/* "12 overloaded, 3 no_agent" of an object of counts; "" when there is none. */
void schedules_put_counts(const struct json_node *object, struct strbuf *out);
/* Whether the word may stand in an address as the name of a schedule or a channel. */
bool schedules_name_ok(const char *name);
/* The same with a sentence, and an exit code. */
int schedules_check_name(const char *name);

/* Removes /kind/{c->words[0]} after asking; an exit code. With thing "schedule" it asks for
 * "schedule 'NAME'" and what goes with it, and says "schedule NAME is removed" and what is done. */
int schedules_remove(struct ctl *c, const char *kind, const char *thing, const char *with,
                     const char *done);
