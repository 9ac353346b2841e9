/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/node.h"
#include "common/strbuf.h"
#include "common/table.h"

/*
 * apply_view - what an apply would change, or has changed, for people. Pure; one thread.
 *
 * plan: {"items": [{"kind": "schedule" | "alert", "name", "what": "new" | "changed" | "removed" |
 * "same" | "left", "checks", "new", "changed", "removed", "definition": [{field, from, to}],
 * "targets": [{key, what}]}]}. "left" is what only --prune would remove.
 */
void apply_view_put(struct strbuf *out, const struct json_node *plan,
                    const struct table_style *style);

/* "1 new, 2 changed, 1 removed, 3 as they are" */
void apply_view_counts(struct strbuf *out, const struct json_node *plan);
size_t apply_view_count(const struct json_node *plan, const char *what);
/* Items that are new, changed or removed. */
size_t apply_view_changes(const struct json_node *plan);

/* Is what a file gives for an alert channel what the master has? A secret reads back as "(set)",
 * which tells nothing but that there is one. */
enum apply_same { APPLY_SAME, APPLY_SECRET, APPLY_DIFFERENT };
enum apply_same apply_compare(const struct json_node *given, const struct json_node *there);
