/* SPDX-License-Identifier: MIT */
#include "master/store/pace.h"

#include "tests/support/check_main.h"

#define AT_MS(ms) ((struct mono){(100000 + (ms)) * NS_PER_MS})

static struct pace p;

static void add(unsigned n, double ms, int64_t at_ms)
{
    for (unsigned i = 0; i < n; i++)
        pace_add(&p, ms, AT_MS(at_ms));
}

START_TEST(nothing_is_not_slow)
{
    ck_assert(pace_p99_ms(&p, AT_MS(0)) == 0);
}
END_TEST

START_TEST(of_few_the_slowest_counts)
{
    add(20, 5, 0);
    add(1, 1500, 0);
    ck_assert(pace_p99_ms(&p, AT_MS(0)) == 1500);
}
END_TEST

START_TEST(of_hundreds_one_in_a_hundred_may_be_slow)
{
    add(198, 5, 0);
    add(2, 1500, 0);
    ck_assert(pace_p99_ms(&p, AT_MS(0)) == 5);
    add(1, 1200, 0);
    ck_assert(pace_p99_ms(&p, AT_MS(0)) == 1200);
}
END_TEST

START_TEST(what_is_long_ago_is_forgotten)
{
    add(300, 1500, 0);
    add(10, 3, PACE_MS + 1);
    ck_assert(pace_p99_ms(&p, AT_MS(PACE_MS)) == 1500);
    ck_assert(pace_p99_ms(&p, AT_MS(PACE_MS + 1)) == 3);
    ck_assert(pace_p99_ms(&p, AT_MS(3 * PACE_MS)) == 0);
}
END_TEST

START_TEST(one_that_has_not_ended_took_no_less)
{
    struct mono none = {0}, at = AT_MS(0);
    ck_assert_int_eq(pace_told_ms(5, at, none, AT_MS(PACE_MS)), 5);
    ck_assert_int_eq(pace_told_ms(5, at, none, AT_MS(PACE_MS + 1)), 0);
    ck_assert_int_eq(pace_told_ms(5, at, AT_MS(10), AT_MS(12)), 5);
    ck_assert_int_eq(pace_told_ms(5, at, AT_MS(10), AT_MS(1210)), 1200);
    ck_assert_int_eq(pace_told_ms(5, at, AT_MS(10), AT_MS(60010)), 60000);
}
END_TEST

TESTS(pace, nothing_is_not_slow, of_few_the_slowest_counts,
      of_hundreds_one_in_a_hundred_may_be_slow, what_is_long_ago_is_forgotten,
      one_that_has_not_ended_took_no_less)
CHECK_MAIN("pace", pace)
