/* SPDX-License-Identifier: MIT */
#include "master/ctl/result_list.h"
#include "proto/result_view.h"

#define PHASE(text, member, dropped)                                                               \
    {                                                                                              \
        {.title = text, .right = true, .drop = dropped}, "timings." member, CELL_MS                \
    }

/* Eighty columns have room for the phases when who measured and the outcome, which the answer tells
 * too, go. */
static const struct list_column columns[] = {
    {{.title = "OUTCOME", .drop = 6}, "outcome", CELL_TEXT},
    {{.title = "ANSWER"}, NULL, CELL_ANSWER},
    {{.title = "TARGET", .least = 20}, "target", CELL_TEXT},
    {{.title = "AGENT", .drop = 7}, "agent", CELL_TEXT},
    PHASE("DNS", "dns_ms", 3),
    PHASE("CONN", "connect_ms", 2),
    PHASE("TLS", "tls_ms", 4),
    PHASE("WAIT", "wait_ms", 1),
    PHASE("LOAD", "download_ms", 5),
    PHASE("TOTAL MS", "total_ms", 0),
};

const struct list_kind result_list = {.columns = columns,
                                      .n_columns = ARRAY_LEN(columns),
                                      .toned = 1,
                                      .tone = result_view_tone,
                                      .note = result_view_reason};
