/* SPDX-License-Identifier: MIT */
#include "master/api/history_sum.h"
#include "common/mem.h"
#include <stdlib.h>

#define P50       500000
#define P95       950000
#define DAY_HOURS 24

static uint64_t sum(const uint64_t *counts, size_t n)
{
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++)
        all += counts[i];
    return all;
}

static void close_point(struct history_sum *x, uint32_t hour, struct rollup *r)
{
    struct history_point *p = &x->points[x->n++];
    const struct sketch *total = &r->phases[ROLLUP_total];
    *p = (struct history_point){.hour = hour,
                                .runs = sum(r->runs, OUTCOME_COUNT),
                                .missed = sum(r->missed, PLAN_MISS_COUNT),
                                .p50_us = sketch_quantile(total, P50),
                                .p95_us = sketch_quantile(total, P95)};
    slo_add_rollup(&p->time, r);
    if (rollup_merge(&x->total, r) != ERR_NONE)
        x->unreadable++;
    rollup_fini(r);
}

void history_sum_make(struct history_sum *x, const struct store_hour *items, size_t n, bool by_day)
{
    struct rollup point;
    bool open = false;
    uint32_t at = 0;
    *x = (struct history_sum){.points = mem_array(n + 1, sizeof(*x->points))};
    rollup_init(&x->total);
    for (size_t i = 0; i < n; i++) {
        struct rollup r;
        uint32_t hour = by_day ? items[i].hour / DAY_HOURS * DAY_HOURS : items[i].hour;
        if (rollup_decode(&r, items[i].bytes, items[i].len) != ERR_NONE) {
            x->unreadable++;
            continue;
        }
        if (open && hour == at && rollup_merge(&point, &r) == ERR_NONE) {
            rollup_fini(&r);
            continue;
        }
        if (open)
            close_point(x, at, &point);
        point = r;
        at = hour;
        open = true;
    }
    if (open)
        close_point(x, at, &point);
}

void history_sum_fini(struct history_sum *x)
{
    rollup_fini(&x->total);
    free(x->points);
    *x = (struct history_sum){.n = 0};
}

uint32_t history_time(struct slo_time *t, const struct store_hour *items, size_t n, uint32_t from)
{
    uint32_t end = from;
    for (size_t i = 0; i < n; i++) {
        struct rollup r;
        if (items[i].hour < from ||
            rollup_decode_head(&r, items[i].bytes, items[i].len) != ERR_NONE)
            continue;
        slo_add_rollup(t, &r);
        end = r.end_hour > end ? r.end_hour : end;
        rollup_fini(&r);
    }
    return end;
}

void history_spans(struct slo_time *t, const struct history_state *s, struct wall begin,
                   struct wall end)
{
    struct wall until = end;
    if (s->n == 0) {
        slo_add_span(t, s->state, s->since, end, begin, end);
        return;
    }
    for (size_t i = 0; i < s->n && until.us > begin.us; i++) {
        const struct store_transition *x = &s->ts[i];
        if (x->at.us < until.us) {
            slo_add_span(t, x->to, x->at, until, begin, end);
            until = x->at;
        }
    }
    if (!s->more && until.us > begin.us)
        slo_add_span(t, s->ts[s->n - 1].from, begin, until, begin, end);
}
