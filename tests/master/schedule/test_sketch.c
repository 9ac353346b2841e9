/* SPDX-License-Identifier: MIT */
#include "master/schedule/sketch.h"

#include "common/mem.h"
#include "common/random.h"
#include "tests/support/check_main.h"

#define ROUNDS     200
#define VALUES_MAX 500

static struct rng rng;
static uint32_t values[VALUES_MAX];

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Of any size from microseconds to minutes. */
static uint32_t any_value(void)
{
    return (uint32_t)rng_below(&rng, (UINT64_C(1) << (1 + rng_below(&rng, SKETCH_TOP_BITS))));
}

static unsigned fill(struct sketch *s, uint32_t *out, unsigned room)
{
    unsigned n = (unsigned)rng_below(&rng, room + 1);
    for (unsigned i = 0; i < n; i++) {
        out[i] = any_value();
        sketch_add(s, out[i]);
    }
    return n;
}

static void same(const struct sketch *a, const struct sketch *b)
{
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_uint_eq(a->sum_us, b->sum_us);
    ck_assert_uint_eq(a->min_us, b->min_us);
    ck_assert_uint_eq(a->max_us, b->max_us);
    ck_assert_uint_eq(a->n, b->n);
    ck_assert(a->n == 0 || memcmp(a->buckets, b->buckets, a->n * sizeof(*a->buckets)) == 0);
}

static void is_like(const struct sketch *s, uint32_t *all, unsigned n)
{
    static const uint32_t ppms[] = {0, 1, 100000, 500000, 900000, 950000, 990000, 1000000};
    uint64_t sum = 0;
    qsort(all, n, sizeof(*all), by_value);
    for (unsigned i = 0; i < n; i++)
        sum += all[i];
    ck_assert_uint_eq(s->count, n);
    ck_assert_uint_eq(s->sum_us, sum);
    ck_assert_uint_eq(s->min_us, n > 0 ? all[0] : 0);
    ck_assert_uint_eq(s->max_us, n > 0 ? all[n - 1] : 0);
    for (unsigned i = 0; n > 0 && i < ARRAY_LEN(ppms); i++) {
        uint64_t rank = ((uint64_t)n * ppms[i] + 999999) / 1000000;
        int64_t exact = all[rank > 0 ? rank - 1 : 0], got = sketch_quantile(s, ppms[i]);
        ck_assert_msg(llabs(got - exact) * 64 <= exact, "%lld for %lld", (long long)got,
                      (long long)exact);
    }
}

START_TEST(test_quantiles_are_within_the_stated_error_of_sorted_values)
{
    rng_init(&rng, 1);
    for (int round = 0; round < ROUNDS; round++) {
        struct sketch s = {0};
        is_like(&s, values, fill(&s, values, VALUES_MAX));
        sketch_fini(&s);
    }
}
END_TEST

START_TEST(test_every_bucket_is_within_the_stated_error)
{
    for (uint32_t v = 0; v < SKETCH_MAX_US; v += 1 + v / 1000) {
        struct sketch s = {0};
        sketch_add(&s, v);
        sketch_add(&s, SKETCH_MAX_US); /* so that max is no help */
        sketch_add(&s, 0);
        int64_t got = sketch_quantile(&s, 500000);
        ck_assert(llabs(got - (int64_t)v) * 64 <= v);
        sketch_fini(&s);
    }
}
END_TEST

START_TEST(test_a_merge_is_as_if_all_had_gone_into_one)
{
    rng_init(&rng, 2);
    for (int round = 0; round < ROUNDS; round++) {
        struct sketch a = {0}, b = {0};
        unsigned n = fill(&a, values, VALUES_MAX / 2);
        n += fill(&b, values + n, VALUES_MAX / 2);
        ck_assert_int_eq(sketch_merge(&a, &b), ERR_NONE);
        is_like(&a, values, n);
        sketch_fini(&a);
        sketch_fini(&b);
    }
}
END_TEST

START_TEST(test_too_long_counts_as_the_longest)
{
    struct sketch s = {0};
    sketch_add(&s, UINT64_MAX);
    ck_assert_uint_eq(s.max_us, SKETCH_MAX_US);
    ck_assert_uint_eq(sketch_quantile(&s, 500000), SKETCH_MAX_US);
    sketch_fini(&s);
}
END_TEST

START_TEST(test_a_merge_over_the_bound_changes_nothing)
{
    struct sketch a = {0}, b = {0}, was;
    sketch_add(&a, 7);
    sketch_add(&b, 9);
    b.count = b.buckets[0].count = SKETCH_COUNT_MAX;
    was = a;
    ck_assert_int_eq(sketch_merge(&a, &b), ERR_TOO_BIG);
    same(&a, &was);
    sketch_fini(&a);
    sketch_fini(&b);
}
END_TEST

START_TEST(test_what_is_encoded_is_decoded)
{
    rng_init(&rng, 3);
    for (int round = 0; round < ROUNDS; round++) {
        struct sketch s = {0}, back = {0};
        struct strbuf b;
        strbuf_init(&b, 1 << 16);
        sketch_add(&s, any_value());
        fill(&s, values, round % 2 ? 20 : VALUES_MAX);
        for (uint64_t more = rng_below(&rng, 2000); more > 0; more--)
            sketch_add(&s, s.min_us);
        sketch_encode(&s, &b);
        struct sketch_cursor c = {(uint8_t *)b.data, (uint8_t *)b.data + b.len, false};
        sketch_decode(&back, &c);
        ck_assert_int_eq(c.bad, false);
        ck_assert_ptr_eq(c.p, c.end);
        same(&back, &s);
        sketch_fini(&s);
        sketch_fini(&back);
        strbuf_fini(&b);
    }
}
END_TEST

TESTS(sketch, test_quantiles_are_within_the_stated_error_of_sorted_values,
      test_every_bucket_is_within_the_stated_error, test_a_merge_is_as_if_all_had_gone_into_one,
      test_too_long_counts_as_the_longest, test_a_merge_over_the_bound_changes_nothing,
      test_what_is_encoded_is_decoded)
CHECK_MAIN("sketch", sketch)
