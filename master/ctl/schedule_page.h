/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/node.h"
#include "common/strbuf.h"

/* schedule_page - one schedule for people: how it stands, and its definition as a file for
 * `schedule apply` has it. Pure; root is the answer of GET /schedules/{name}. What the definition
 * holds is written as it is: to a terminal it goes through screen_put(). */
void schedule_page_put(struct strbuf *out, const struct json_node *root);
