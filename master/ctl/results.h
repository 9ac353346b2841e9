/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/ctl.h"
#include "master/ctl/listing.h"

/* results - reads the results of a batch. One thread; all return exit codes. */
struct results_query {
    const char *outcome, *cause, *agent, *host; /* NULL: all */
};

/* Adds up to `rows` results to l, which stays the caller's. */
int results_add(struct ctl *c, const char *id, const struct results_query *q, uint64_t rows,
                struct listing *l);

/* Streams all of them to standard output, as NDJSON or CSV (c->form). */
int results_export(struct ctl *c, const char *id, const struct results_query *q);
