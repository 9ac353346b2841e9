/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "master/schedule/plan.h"
#include "master/schedule/sketch.h"
#include "master/schedule/verdict.h"
#include "proto/cause.h"
#include "proto/result.h"

/*
 * rollup - what is left of a check's runs when the results are gone: an hour (UTC) of one check,
 * and what hours are merged to: days, 90 days, or the last day of many checks.
 *
 * It holds the runs by outcome, the slots missed by reason, the time in each state, and a sketch
 * (sketch.h: quantiles within 1.6 %) of each phase of the runs. Merging adds: it is associative and
 * commutative, with rollup_init() as the neutral element, so that an hour may be written again and
 * days be made of hours in any order. Each hour goes in once; it is for who stores them to see to
 * that.
 *
 * The sum of the times in the states is the time that was watched, in whole milliseconds, and never
 * more than ROLLUP_HOUR_MS for each cell (one check in one hour): a clock that is put back covers
 * nothing twice.
 *
 * Pure; owned by one thread. Memory is some hundred bytes and sketch.h's. Encoded it is at most
 * ROLLUP_BYTES_MAX; measured by tests/bench/rollup.sh with log-normal latencies (sigma 0.35) of
 * HTTPS, one agent and all six phases:
 *
 *      an hour at every 30 s   394 bytes     at every 60 s   306 bytes
 *      a day   at every 30 s   966 bytes     90 days         2,043 bytes
 *
 *     version:1   varints: first hour, hours, cells
 *     n, the runs by outcome; n, the misses by reason: without the zeroes at the end
 *     the time in each state; phases:1, a bit for each that has a sketch; the sketches
 *
 * There is one encoding for each rollup. Outcomes, reasons and phases that are added at the end of
 * their tables keep the version; what else changes raises it.
 */
#define ROLLUP_VERSION   1
#define ROLLUP_HOUR_MS   (3600 * INT64_C(1000))
#define ROLLUP_HOUR_MAX  (UINT32_C(1) << 24) /* since 1970: the year 3883 */
#define ROLLUP_CELLS_MAX (UINT64_C(1) << 36) /* as many as a count; times an hour it is 58 bits */
#define ROLLUP_COUNT_MAX SKETCH_COUNT_MAX
#define ROLLUP_BYTES_MAX 40960 /* six full sketches whose counts have 36 bits take 32 KiB */

#define ROLLUP_PHASE_TABLE(X)                                                                      \
    X(dns)                                                                                         \
    X(connect)                                                                                     \
    X(tls)                                                                                         \
    X(wait)                                                                                        \
    X(download)                                                                                    \
    X(total)

enum rollup_phase {
#define X(name) ROLLUP_##name,
    ROLLUP_PHASE_TABLE(X)
#undef X
        ROLLUP_PHASES
};
const char *rollup_phase_name(enum rollup_phase p); /* "dns" */

struct rollup {
    uint32_t first_hour, end_hour; /* since 1970, the second is not in it; equal: it is empty */
    uint64_t cells;
    uint64_t runs[OUTCOME_COUNT];     /* by enum outcome */
    uint64_t missed[PLAN_MISS_COUNT]; /* by enum plan_miss; the first is never used */
    int64_t state_ms[VERDICT_STATES];
    struct sketch phases[ROLLUP_PHASES];
};

void rollup_init(struct rollup *r);
/* One cell: the hour of one check in which `at` lies. */
void rollup_init_hour(struct rollup *r, struct wall at);
void rollup_fini(struct rollup *r);

/* A run that ended; t may be NULL, and phases that never happened are left out. What was not
 * measured (undetermined and beyond) leaves no latency: it is the agent's, not the target's. */
void rollup_run(struct rollup *r, enum outcome o, const struct result_timings *t);
void rollup_missed(struct rollup *r, enum plan_miss why, uint64_t count);
/* The check was in this state in [from, to); what lies outside of r's hours is not r's. Returns the
 * milliseconds that were added. */
int64_t rollup_state(struct rollup *r, enum verdict_state s, struct wall from, struct wall to);

int64_t rollup_watched_ms(const struct rollup *r); /* the sum of the states */

/* ERR_TOO_BIG: a bound would be passed, and into is as it was. */
MUST_USE enum err rollup_merge(struct rollup *into, const struct rollup *from);

void rollup_encode(const struct rollup *r, struct strbuf *b);
/* Into one that is not initialised. ERR_CORRUPT: not what rollup_encode() writes; ERR_VERSION:
 * another release wrote it. Nothing is to be freed then. */
MUST_USE enum err rollup_decode(struct rollup *out, const void *p, size_t n);
/* The same without latencies, which are neither read nor checked: for overviews of many checks. */
MUST_USE enum err rollup_decode_head(struct rollup *out, const void *p, size_t n);
