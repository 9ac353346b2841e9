/* SPDX-License-Identifier: MIT */
#include "common/backoff.h"

#include "tests/support/check_main.h"

static struct backoff b;

static void fail_times(int n)
{
    for (int i = 0; i < n; i++)
        backoff_next_ms(&b, 0);
}

START_TEST(test_largest_random_gives_doubling_delays_up_to_the_cap)
{
    static const int64_t want[] = {100, 200, 400, 800, 1000, 1000};
    backoff_init(&b, 100, 1000, 0);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        ck_assert_int_eq(backoff_next_ms(&b, UINT64_MAX), want[i]);
}
END_TEST

START_TEST(test_smallest_random_gives_zero_without_floor)
{
    backoff_init(&b, 100, 1000, 0);
    ck_assert_int_eq(backoff_next_ms(&b, 0), 0);
}
END_TEST

START_TEST(test_middle_random_gives_half)
{
    backoff_init(&b, 1000, 1000, 0);
    ck_assert_int_eq(backoff_next_ms(&b, UINT64_MAX / 2 + 1), 500);
}
END_TEST

START_TEST(test_never_under_the_floor)
{
    backoff_init(&b, 100, 1000, 50);
    ck_assert_int_eq(backoff_next_ms(&b, 0), 50);
}
END_TEST

START_TEST(test_reset_starts_again_at_the_base)
{
    backoff_init(&b, 100, 1000, 0);
    fail_times(5);
    backoff_reset(&b);
    ck_assert_uint_eq(b.failures, 0);
    ck_assert_int_eq(backoff_next_ms(&b, UINT64_MAX), 100);
}
END_TEST

START_TEST(test_a_thousand_failures_stay_at_the_cap)
{
    backoff_init(&b, 1, INT64_MAX - 1, 0);
    fail_times(1000);
    ck_assert_int_eq(backoff_next_ms(&b, UINT64_MAX), INT64_MAX - 1);
}
END_TEST

START_TEST(test_a_narrower_window_is_drawn_from_as_a_whole)
{
    backoff_init(&b, 100, 1000, 10);
    fail_times(5);
    ck_assert_int_eq(backoff_next_within_ms(&b, 500, UINT64_MAX), 500);
    ck_assert_int_eq(backoff_next_within_ms(&b, 500, UINT64_MAX / 2 + 1), 250);
    ck_assert_int_eq(backoff_next_within_ms(&b, 500, 0), 10);
    backoff_reset(&b);
    ck_assert_int_eq(backoff_next_within_ms(&b, 500, UINT64_MAX), 100);
}
END_TEST

TESTS(delays, test_a_narrower_window_is_drawn_from_as_a_whole,
      test_largest_random_gives_doubling_delays_up_to_the_cap,
      test_smallest_random_gives_zero_without_floor, test_middle_random_gives_half,
      test_never_under_the_floor, test_reset_starts_again_at_the_base,
      test_a_thousand_failures_stay_at_the_cap)
CHECK_MAIN("backoff", delays)
