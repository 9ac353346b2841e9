/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "master/store/store.h"

/*
 * timeline - what a task went through, step by step: from the batch's row, the history that the
 * core told, and the result. Pure. What agents say is told by their clocks, so the steps stand in
 * the order in which they happened, not by time.
 */
struct timeline {
    struct wall accepted_at, committed_at;
    const struct store_result_row *row; /* record NULL: not ended */
    const char *history;                /* JSON of core_history, NULL = none */
};

/* The members "attempts", "history_lost" and "timeline" of the object that is open. */
void timeline_put(struct json_out *w, const struct timeline *t);
