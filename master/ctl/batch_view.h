/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/listing.h"
#include "master/ctl/progress.h"

/* batch_view - a batch for people: its counts in words, the causes as a table. One thread. */

/* "5,000 targets: 4,900 ok, 80 failed, 20 expired" */
void batch_view_counts(const struct progress *p, struct strbuf *out);

/* COUNT CAUSE AT FAULT MEANING, most frequent first; nothing when there are none. */
void batch_view_causes(const struct json_node *batch, const struct table_style *style,
                       struct strbuf *out);

/* HOST FAILED CAUSES of "failures_by_host", the worst first; nothing when there are none. */
#define BATCH_VIEW_HOSTS 10
void batch_view_hosts(const struct json_node *batch, const struct table_style *style,
                      struct strbuf *out);

/* Members of the batch's "causes", the rarest first. */
#define BATCH_VIEW_CAUSES (CAUSE_COUNT + 64)
size_t batch_view_rare_first(const struct json_node *batch,
                             const struct json_node *causes[BATCH_VIEW_CAUSES]);

/* The exit code that a batch in this state stands for. */
int batch_view_exit_code(const struct progress *p);
