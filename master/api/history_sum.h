/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/slo.h"
#include "master/store/timetable.h"

/*
 * history_sum - what the hours and days of one check come to: a total, and a point for each hour or
 * day. Pure; owned by one thread.
 *
 * Decoded where it is answered, on the api thread: 90 days are 2 ms, the most that may be asked for
 * (three years by day, a month by hour) 30 ms, so neither slices nor another thread are worth it.
 * (Overviews of many checks are sliced: overview.c.)
 */
struct history_point {
    uint32_t hour; /* since 1970; of a day: its first */
    struct slo_time time;
    uint64_t runs, missed;
    uint32_t p50_us, p95_us; /* of `total`; 0: nothing was measured */
};
struct history_sum {
    struct rollup total;
    struct history_point *points; /* in order; those of which something is known */
    size_t n;
    unsigned unreadable; /* hours whose bytes are damaged, or of another release: left out */
};

/* items: in order. by_day: a point is a day of UTC. */
void history_sum_make(struct history_sum *x, const struct store_hour *items, size_t n, bool by_day);
void history_sum_fini(struct history_sum *x);

/* The time in each state alone, of those that begin at this hour or later. Returns the hour at
 * which the last one ends, or `from`. */
uint32_t history_time(struct slo_time *t, const struct store_hour *items, size_t n, uint32_t from);

/*
 * The time in each state in [begin, end): for windows shorter than hours are fine for. ts: newest
 * first; none: it has been in `state` since `since`. more: there are older ones than these, and
 * what was before the oldest is left out.
 */
struct history_state {
    enum verdict_state state;
    struct wall since;
    const struct store_transition *ts;
    size_t n;
    bool more;
};
void history_spans(struct slo_time *t, const struct history_state *s, struct wall begin,
                   struct wall end);
