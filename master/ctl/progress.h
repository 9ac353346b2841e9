/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "proto/cause.h"

/* progress - how far a batch is, as one line. Pure. */
struct progress {
    uint64_t total, queued, running;
    uint64_t ended[OUTCOME_COUNT];
    double rate;           /* ends a second */
    int64_t eta_s;         /* -1: not known */
    const char *waits_for; /* borrowed of the document; NULL: nothing */
    bool over;             /* the batch has ended */
};

/* From the master's batch object. */
struct progress progress_of(const struct json_node *batch);
uint64_t progress_done(const struct progress *p);
/* Whole percent; 100 only when everything has ended. */
unsigned progress_percent(const struct progress *p);

/* With a bar, in at most `width` columns, without a line's end. */
void progress_bar(const struct progress *p, size_t width, bool colour, struct strbuf *out);
/* For logs: words and commas, without a line's end. */
void progress_plain(const struct progress *p, struct strbuf *out);
