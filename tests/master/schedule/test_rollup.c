/* SPDX-License-Identifier: MIT */
#include "master/schedule/rollup.h"

#include "common/mem.h"
#include "common/random.h"
#include "tests/support/check_main.h"

#define HOUR_US  (ROLLUP_HOUR_MS * 1000)
#define START_US (497222 * HOUR_US)
#define ROUNDS   100

static struct rng rng;

static void random_hour(struct rollup *r, unsigned hour)
{
    struct wall at = {START_US + hour * HOUR_US + (int64_t)rng_below(&rng, (uint64_t)HOUR_US)};
    rollup_init_hour(r, at);
    for (uint64_t n = rng_below(&rng, 60); n > 0; n--) {
        struct result_timings t;
        result_timings_init(&t);
        t.total_ms = (double)rng_below(&rng, 100000000) / 1000;
        t.dns_ms = rng_below(&rng, 2) ? (double)rng_below(&rng, 5000) / 1000 : -1;
        rollup_run(r, (enum outcome)rng_below(&rng, OUTCOME_COUNT), &t);
    }
    if (rng_below(&rng, 2))
        rollup_missed(r, PLAN_MISS_no_agent, 1 + rng_below(&rng, 9));
    int64_t from = START_US + hour * HOUR_US;
    rollup_state(r, (enum verdict_state)rng_below(&rng, VERDICT_STATES), (struct wall){from},
                 (struct wall){from + (int64_t)rng_below(&rng, 2 * (uint64_t)HOUR_US)});
}

static void bytes_of(const struct rollup *r, struct strbuf *b)
{
    strbuf_init(b, ROLLUP_BYTES_MAX);
    rollup_encode(r, b);
    ck_assert(!b->overflow);
}

/* There is one encoding for each, so equal bytes are equal rollups. */
static void same(const struct rollup *a, const struct rollup *b)
{
    struct strbuf x, y;
    bytes_of(a, &x);
    bytes_of(b, &y);
    ck_assert_uint_eq(x.len, y.len);
    ck_assert(memcmp(x.data, y.data, x.len) == 0);
    strbuf_fini(&x);
    strbuf_fini(&y);
}

static void merge(struct rollup *into, const struct rollup *from)
{
    ck_assert_int_eq(rollup_merge(into, from), ERR_NONE);
}

START_TEST(test_runs_are_counted_by_outcome_and_only_measured_ones_have_latency)
{
    struct rollup r;
    struct result_timings t;
    rollup_init_hour(&r, (struct wall){START_US});
    result_timings_init(&t);
    t.total_ms = 12.5;
    for (unsigned o = 0; o < OUTCOME_COUNT; o++)
        rollup_run(&r, (enum outcome)o, &t);
    rollup_run(&r, OUTCOME_FAILED, NULL);
    ck_assert_uint_eq(r.runs[OUTCOME_OK], 1);
    ck_assert_uint_eq(r.runs[OUTCOME_FAILED], 2);
    ck_assert_uint_eq(r.runs[OUTCOME_UNDETERMINED], 1);
    ck_assert_uint_eq(r.phases[ROLLUP_total].count, 2);
    ck_assert_uint_eq(r.phases[ROLLUP_total].sum_us, 25000);
    ck_assert_uint_eq(r.phases[ROLLUP_tls].count, 0);
    rollup_fini(&r);
}
END_TEST

START_TEST(test_an_hours_states_add_up_to_the_time_that_was_watched)
{
    rng_init(&rng, 4);
    for (int round = 0; round < ROUNDS; round++) {
        struct rollup r;
        int64_t us = START_US - HOUR_US, want[VERDICT_STATES] = {0}, begin_ms;
        rollup_init_hour(&r, (struct wall){START_US});
        while (us < START_US + HOUR_US) {
            int64_t to = us + (int64_t)rng_below(&rng, 700000000);
            enum verdict_state s = (enum verdict_state)rng_below(&rng, VERDICT_STATES);
            rollup_state(&r, s, (struct wall){us}, (struct wall){to});
            for (begin_ms = us / 1000; begin_ms < to / 1000; begin_ms++) /* the oracle */
                want[s] += begin_ms >= START_US / 1000 && begin_ms < (START_US + HOUR_US) / 1000;
            us = to;
        }
        for (unsigned s = 0; s < VERDICT_STATES; s++)
            ck_assert_int_eq(r.state_ms[s], want[s]);
        ck_assert_int_eq(rollup_watched_ms(&r), ROLLUP_HOUR_MS);
        rollup_fini(&r);
    }
}
END_TEST

START_TEST(test_a_clock_put_back_covers_nothing_twice)
{
    struct rollup r;
    struct wall from = {START_US}, to = {START_US + HOUR_US}, mid = {START_US + HOUR_US / 2};
    rollup_init_hour(&r, from);
    ck_assert_int_eq(rollup_state(&r, VERDICT_UP, from, mid), ROLLUP_HOUR_MS / 2);
    ck_assert_int_eq(rollup_state(&r, VERDICT_DOWN, from, to), ROLLUP_HOUR_MS / 2);
    ck_assert_int_eq(rollup_state(&r, VERDICT_DOWN, from, to), 0);
    ck_assert_int_eq(rollup_state(&r, VERDICT_UP, to, from), 0);
    rollup_fini(&r);
}
END_TEST

START_TEST(test_merging_is_associative_and_commutative)
{
    rng_init(&rng, 5);
    for (int round = 0; round < ROUNDS; round++) {
        struct rollup h[3], left, right, tail;
        for (unsigned i = 0; i < 3; i++)
            random_hour(&h[i], (unsigned)rng_below(&rng, 2000));
        rollup_init(&left);
        rollup_init(&right);
        rollup_init(&tail);
        merge(&left, &h[0]);
        merge(&left, &h[1]);
        merge(&left, &h[2]);
        merge(&tail, &h[2]);
        merge(&tail, &h[1]);
        merge(&right, &tail);
        merge(&right, &h[0]);
        same(&left, &right);
        ck_assert_uint_eq(left.cells, 3);
        for (unsigned o = 0; o < OUTCOME_COUNT; o++)
            ck_assert_uint_eq(left.runs[o], h[0].runs[o] + h[1].runs[o] + h[2].runs[o]);
        for (unsigned i = 0; i < 3; i++)
            rollup_fini(&h[i]);
        rollup_fini(&left);
        rollup_fini(&right);
        rollup_fini(&tail);
    }
}
END_TEST

START_TEST(test_what_is_encoded_is_decoded)
{
    rng_init(&rng, 6);
    for (int round = 0; round < ROUNDS; round++) {
        struct rollup r, back;
        struct strbuf b;
        random_hour(&r, (unsigned)round);
        bytes_of(&r, &b);
        ck_assert_int_eq(rollup_decode(&back, b.data, b.len), ERR_NONE);
        same(&r, &back);
        rollup_fini(&back);
        ck_assert_int_eq(rollup_decode_head(&back, b.data, b.len), ERR_NONE);
        for (unsigned p = 0; p < ROLLUP_PHASES; p++)
            sketch_fini(&r.phases[p]);
        same(&r, &back);
        rollup_fini(&r);
        strbuf_fini(&b);
    }
}
END_TEST

START_TEST(test_nothing_that_is_cut_is_decoded_and_nothing_changed_breaks_a_bound)
{
    struct rollup r, back;
    struct strbuf b;
    rng_init(&rng, 7);
    random_hour(&r, 1);
    bytes_of(&r, &b);
    for (size_t n = 0; n < b.len; n++)
        ck_assert_int_eq(rollup_decode(&back, b.data, n), ERR_CORRUPT);
    for (size_t bit = 8; bit < b.len * 8; bit++) {
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        if (rollup_decode(&back, b.data, b.len) == ERR_NONE) {
            ck_assert_int_le(rollup_watched_ms(&back), (int64_t)back.cells * ROLLUP_HOUR_MS);
            rollup_fini(&back);
        }
        b.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    strbuf_putc(&b, 0);
    ck_assert_int_eq(rollup_decode(&back, b.data, b.len), ERR_CORRUPT);
    b.data[0] = 2;
    ck_assert_int_eq(rollup_decode(&back, b.data, b.len), ERR_VERSION);
    strbuf_fini(&b);
    rollup_fini(&r);
}
END_TEST

START_TEST(test_a_merge_over_the_bound_changes_nothing)
{
    struct rollup a, b;
    rollup_init_hour(&a, (struct wall){START_US});
    rollup_init_hour(&b, (struct wall){START_US});
    rollup_missed(&a, PLAN_MISS_overloaded, 1);
    rollup_missed(&b, PLAN_MISS_overloaded, UINT64_MAX);
    ck_assert_int_eq(rollup_merge(&a, &b), ERR_TOO_BIG);
    ck_assert_uint_eq(a.missed[PLAN_MISS_overloaded], 1);
    ck_assert_uint_eq(a.cells, 1);
}
END_TEST

TESTS(rollup, test_runs_are_counted_by_outcome_and_only_measured_ones_have_latency,
      test_an_hours_states_add_up_to_the_time_that_was_watched,
      test_a_clock_put_back_covers_nothing_twice, test_merging_is_associative_and_commutative,
      test_what_is_encoded_is_decoded,
      test_nothing_that_is_cut_is_decoded_and_nothing_changed_breaks_a_bound,
      test_a_merge_over_the_bound_changes_nothing)
CHECK_MAIN("rollup", rollup)
