/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"

/*
 * schedule_diff - what changes between two definitions, field by field. Pure.
 *
 * [{"field": "goal.availability", "from": 99.9, "to": 99.95}, …]: members that are objects in both
 * are told by their own members, one level deep. Absent is null. Definitions hold no secrets: those
 * are in the targets. old_doc NULL: there was none, so each field is new. `paused` stands beside
 * the documents and is told like a field.
 */
void schedule_diff_put(struct json_out *w, const char *old_doc, const char *new_doc,
                       bool old_paused, bool new_paused);
