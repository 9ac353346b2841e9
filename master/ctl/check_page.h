/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/node.h"
#include "common/strbuf.h"
#include "common/table.h"

/* check_page - one check for people: its state, the days as a bar, what was missed and why. Pure;
 * the answers of GET /checks/{id} and /checks/{id}/history. */
void check_page_put(struct strbuf *out, const struct json_node *check,
                    const struct json_node *history, const struct table_style *style);

/*
 * The bar: a column for each item of the history's series, the oldest first. Its height falls with
 * the bad part of the time that is known: full to 99.95 %, then 99 %, 95 %, 75 %, and less; a dot
 * is a time of which nothing is known. The colour says up, degraded or down.
 */
void check_page_bar(struct strbuf *out, const struct json_node *history,
                    const struct table_style *style);
