/* SPDX-License-Identifier: MIT */
#include "common/metrics.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The upper bound of the first bucket; each further one doubles it. */
#define FIRST_BOUND_MS 0.125

static double bound_ms(size_t bucket)
{
    return ldexp(FIRST_BOUND_MS, (int)bucket);
}

static size_t bucket_of(double ms)
{
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS && ms > bound_ms(i))
        i++;
    return i;
}

static void put_number(struct strbuf *b, double v)
{
    if (isnan(v))
        strbuf_puts(b, "NaN");
    else if (isinf(v))
        strbuf_puts(b, v > 0 ? "+Inf" : "-Inf");
    else if (fabs(v) < 1e15 && v == floor(v))
        strbuf_printf(b, "%.0f", v);
    else
        strbuf_printf(b, "%.15g", v);
}

void histogram_add(struct histogram *h, double ms)
{
    if (!(ms >= 0))
        return; /* a phase that never happened */
    atomic_fetch_add_explicit(&h->buckets[bucket_of(ms)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum_us, (uint64_t)(fmin(ms, 1e12) * 1000 + 0.5),
                              memory_order_relaxed);
}

double histogram_quantile(const struct histogram *h, double q)
{
    uint64_t counts[HISTOGRAM_BUCKETS + 1], total = 0, seen = 0;
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        total += counts[i] = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
    if (total == 0)
        return 0;
    double wanted = fmax(1, ceil(q * (double)total));
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += counts[i];
        if ((double)seen >= wanted)
            return bound_ms(i);
    }
    return INFINITY;
}

void metrics_head(struct strbuf *b, const char *name, const char *type, const char *help)
{
    strbuf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_sample(struct strbuf *b, const char *name, const char *labels, double value)
{
    strbuf_puts(b, name);
    if (labels != NULL && labels[0] != '\0')
        strbuf_printf(b, "{%s}", labels);
    strbuf_putc(b, ' ');
    put_number(b, value);
    strbuf_putc(b, '\n');
}

void metrics_label(struct strbuf *b, const char *key, const char *value)
{
    if (b->len > 0)
        strbuf_putc(b, ',');
    strbuf_printf(b, "%s=\"", key);
    for (const char *p = value; *p != '\0'; p++) {
        if (*p == '\n')
            strbuf_puts(b, "\\n");
        else if (*p == '"' || *p == '\\')
            strbuf_append(b, (const char[2]){'\\', *p}, 2);
        else
            strbuf_putc(b, *p);
    }
    strbuf_putc(b, '"');
}

void metrics_histogram(struct strbuf *b, const char *name, const char *help,
                       const struct histogram *h)
{
    uint64_t seen = 0;
    metrics_head(b, name, "histogram", help);
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
        seen += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        strbuf_printf(b, "%s_bucket{le=\"", name);
        put_number(b, i < HISTOGRAM_BUCKETS ? bound_ms(i) : INFINITY);
        strbuf_puts(b, "\"} ");
        strbuf_u64(b, seen);
        strbuf_putc(b, '\n');
    }
    strbuf_printf(b, "%s_sum ", name);
    put_number(b, (double)atomic_load_explicit(&h->sum_us, memory_order_relaxed) / 1000);
    strbuf_printf(b, "\n%s_count ", name);
    strbuf_u64(b, seen);
    strbuf_putc(b, '\n');
}
