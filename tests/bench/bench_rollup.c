/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "common/random.h"
#include "master/schedule/rollup.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * bench_rollup - bytes of rollups, and the time to decode and merge them: 90 days of hours of one
 * check, and the last day (hours) of 10,000 checks. One line of figures. Latencies are log-normal
 * around those of HTTPS from afar, one agent, all six phases.
 */
#define DAYS     90
#define DAY      24
#define CHECKS   10000
#define MODELS   100 /* different checks; the others are as these */
#define SIGMA    0.35
#define START_US INT64_C(1789992000000000)

static struct rng rng;

static double log_normal(double median)
{
    double u = ((double)rng_below(&rng, 1000000) + 1) / 1000001;
    double v = (double)rng_below(&rng, 1000000) / 1000000;
    return median * exp(SIGMA * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
}

static void make_hour(struct strbuf *b, unsigned hour, unsigned every_s)
{
    struct rollup r;
    struct wall at = {START_US + hour * ROLLUP_HOUR_MS * 1000};
    rollup_init_hour(&r, at);
    for (unsigned i = 0; i < 3600 / every_s; i++) {
        struct result_timings t;
        result_timings_init(&t);
        t.dns_ms = log_normal(2);
        t.connect_ms = log_normal(12);
        t.tls_ms = log_normal(25);
        t.wait_ms = log_normal(60);
        t.download_ms = log_normal(1.5);
        t.total_ms = t.dns_ms + t.connect_ms + t.tls_ms + t.wait_ms + t.download_ms;
        rollup_run(&r, rng_below(&rng, 500) ? OUTCOME_OK : OUTCOME_FAILED, &t);
    }
    rollup_state(&r, VERDICT_UP, at, (struct wall){at.us + ROLLUP_HOUR_MS * 1000});
    strbuf_init(b, ROLLUP_BYTES_MAX);
    rollup_encode(&r, b);
    REQUIRE(!b->overflow);
    rollup_fini(&r);
}

static void merge(struct rollup *sum, const struct strbuf *b)
{
    struct rollup r;
    REQUIRE(rollup_decode(&r, b->data, b->len) == ERR_NONE);
    REQUIRE(rollup_merge(sum, &r) == ERR_NONE);
    rollup_fini(&r);
}

static size_t encoded(struct rollup *r)
{
    struct strbuf b;
    strbuf_init(&b, ROLLUP_BYTES_MAX);
    rollup_encode(r, &b);
    size_t n = b.len;
    strbuf_fini(&b);
    rollup_fini(r);
    return n;
}

static void one_check(unsigned every_s)
{
    static struct strbuf hours[DAYS * DAY];
    size_t bytes = 0;
    struct rollup day, all;
    for (unsigned i = 0; i < DAYS * DAY; i++) {
        make_hour(&hours[i], i, every_s);
        bytes += hours[i].len;
    }
    rollup_init(&day);
    rollup_init(&all);
    for (unsigned i = 0; i < DAY; i++)
        merge(&day, &hours[i]);
    struct mono start = mono_now();
    for (unsigned i = 0; i < DAYS * DAY; i++)
        merge(&all, &hours[i]);
    double ms = mono_diff_ms_f(mono_now(), start);
    printf(" hour_%us_bytes=%zu day_%us_bytes=%zu", every_s, bytes / (DAYS * DAY), every_s,
           encoded(&day));
    printf(" days90_%us_bytes=%zu days90_%us_ms=%.2f", every_s, encoded(&all), every_s, ms);
    for (unsigned i = 0; i < DAYS * DAY; i++)
        strbuf_fini(&hours[i]);
}

static void overview(unsigned every_s)
{
    static struct strbuf hours[MODELS * DAY];
    uint64_t p99 = 0;
    for (unsigned i = 0; i < MODELS * DAY; i++)
        make_hour(&hours[i], i % DAY, every_s);
    struct mono start = mono_now();
    for (unsigned c = 0; c < CHECKS; c++) {
        struct rollup day;
        rollup_init(&day);
        for (unsigned h = 0; h < DAY; h++)
            merge(&day, &hours[c % MODELS * DAY + h]);
        p99 += sketch_quantile(&day.phases[ROLLUP_total], 990000);
        rollup_fini(&day);
    }
    printf(" overview_%us_ms=%.0f p99_us=%llu", every_s, mono_diff_ms_f(mono_now(), start),
           (unsigned long long)(p99 / CHECKS));
    for (unsigned i = 0; i < MODELS * DAY; i++)
        strbuf_fini(&hours[i]);
}

/* Uptime alone from the hours, and all of it from one rollup of each check's day. */
static void overview_cheaply(unsigned every_s)
{
    static struct strbuf hours[DAY];
    struct rollup day, sum, r;
    struct strbuf b;
    int64_t up_ms = 0;
    rollup_init(&day);
    for (unsigned h = 0; h < DAY; h++) {
        make_hour(&hours[h], h, every_s);
        merge(&day, &hours[h]);
    }
    struct mono start = mono_now();
    for (unsigned i = 0; i < CHECKS * DAY; i++) {
        REQUIRE(rollup_decode_head(&r, hours[i % DAY].data, hours[i % DAY].len) == ERR_NONE);
        up_ms += r.state_ms[VERDICT_UP];
    }
    REQUIRE(up_ms == CHECKS * DAY * ROLLUP_HOUR_MS);
    printf(" overview_heads_ms=%.0f", mono_diff_ms_f(mono_now(), start));
    strbuf_init(&b, ROLLUP_BYTES_MAX);
    rollup_encode(&day, &b);
    rollup_init(&sum);
    start = mono_now();
    for (unsigned i = 0; i < CHECKS; i++)
        merge(&sum, &b);
    printf(" overview_days_ms=%.0f", mono_diff_ms_f(mono_now(), start));
    rollup_fini(&sum);
    rollup_fini(&day);
    strbuf_fini(&b);
    for (unsigned h = 0; h < DAY; h++)
        strbuf_fini(&hours[h]);
}

int main(void)
{
    rng_init(&rng, 1);
    printf("rollup");
    one_check(30);
    one_check(60);
    overview(60);
    overview_cheaply(60);
    printf("\n");
    return EXIT_SUCCESS;
}
