/* SPDX-License-Identifier: MIT */
#include "common/bucket.h"

#include "tests/support/check_main.h"

#define AT_MS(ms) ((struct mono){(1000 + (ms)) * NS_PER_MS})

static struct bucket b;

static int take_all(struct mono now)
{
    int n = 0;
    while (bucket_take(&b, now))
        n++;
    return n;
}

START_TEST(test_starts_with_its_burst)
{
    bucket_init(&b, 10, 5, AT_MS(0));
    ck_assert_int_eq(take_all(AT_MS(0)), 5);
}
END_TEST

START_TEST(test_refills_at_its_rate)
{
    bucket_init(&b, 10, 5, AT_MS(0));
    take_all(AT_MS(0));
    ck_assert_int_eq(take_all(AT_MS(99)), 0);
    ck_assert_int_eq(take_all(AT_MS(101)), 1);
    ck_assert_int_eq(take_all(AT_MS(401)), 3);
}
END_TEST

START_TEST(test_saves_no_more_than_its_burst)
{
    bucket_init(&b, 10, 5, AT_MS(0));
    ck_assert_int_eq(take_all(AT_MS(3600000)), 5);
}
END_TEST

START_TEST(test_time_that_goes_back_gives_nothing)
{
    bucket_init(&b, 10, 5, AT_MS(500));
    take_all(AT_MS(500));
    ck_assert_int_eq(take_all(AT_MS(0)), 0);
    ck_assert_int_eq(take_all(AT_MS(601)), 1);
}
END_TEST

START_TEST(test_rate_zero_never_refills)
{
    bucket_init(&b, 0, 2, AT_MS(0));
    ck_assert_int_eq(take_all(AT_MS(0)), 2);
    ck_assert_int_eq(take_all(AT_MS(3600000)), 0);
}
END_TEST

START_TEST(test_a_new_rate_counts_from_now_on)
{
    bucket_init(&b, 10, 5, AT_MS(0));
    take_all(AT_MS(0));
    bucket_set(&b, 100, 50, AT_MS(200));
    ck_assert(bucket_level(&b, AT_MS(200)) > 1.9 && bucket_level(&b, AT_MS(200)) < 2.1);
    ck_assert_int_eq(take_all(AT_MS(301)), 12);
    bucket_set(&b, 1, 1, AT_MS(700));
    ck_assert_int_eq(take_all(AT_MS(700)), 1);
}
END_TEST

TESTS(tokens, test_starts_with_its_burst, test_refills_at_its_rate,
      test_saves_no_more_than_its_burst, test_time_that_goes_back_gives_nothing,
      test_rate_zero_never_refills, test_a_new_rate_counts_from_now_on)
CHECK_MAIN("bucket", tokens)
