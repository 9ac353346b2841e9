/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include <stdatomic.h>
#include <stdint.h>

/*
 * metrics - counters, gauges and histograms, and their Prometheus text form (exposition format
 * 0.0.4).
 *
 * Values are atomics: any thread adds, any thread reads. The tables are static; labels other than a
 * fixed set are written by hand with metrics_sample().
 */
struct counter {
    _Atomic uint64_t v;
};
struct gauge {
    _Atomic int64_t v;
};
static inline void counter_add(struct counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->v, n, memory_order_relaxed);
}
static inline uint64_t counter_get(struct counter *c)
{
    return atomic_load_explicit(&c->v, memory_order_relaxed);
}
static inline void gauge_set(struct gauge *g, int64_t v)
{
    atomic_store_explicit(&g->v, v, memory_order_relaxed);
}
static inline int64_t gauge_get(struct gauge *g)
{
    return atomic_load_explicit(&g->v, memory_order_relaxed);
}

/* Milliseconds; bounds are powers of two from 1/8 ms to 65,536 ms, and +Inf. */
#define HISTOGRAM_BUCKETS 20
struct histogram {
    _Atomic uint64_t buckets[HISTOGRAM_BUCKETS + 1];
    _Atomic uint64_t sum_us;
};
void histogram_add(struct histogram *h, double ms);
/* An upper bound of the q-quantile (0..1) in ms, 0 when empty. */
double histogram_quantile(const struct histogram *h, double q);

void metrics_head(struct strbuf *b, const char *name, const char *type, const char *help);
/* labels: `agent="bj-1"` with values already escaped by metrics_label(), or NULL. */
void metrics_sample(struct strbuf *b, const char *name, const char *labels, double value);
void metrics_label(struct strbuf *b, const char *key, const char *value);
void metrics_histogram(struct strbuf *b, const char *name, const char *help,
                       const struct histogram *h);
