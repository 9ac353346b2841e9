/* SPDX-License-Identifier: MIT */
#include "common/random.h"

#include <signal.h>
#include <string.h>

#include "tests/support/check_main.h"

START_TEST(test_bytes_fill_all_of_a_large_buffer)
{
    static uint8_t buf[4096], zeros[64];
    random_bytes(buf, sizeof(buf));
    for (size_t i = 0; i < sizeof(buf); i += sizeof(zeros))
        ck_assert_mem_ne(buf + i, zeros, sizeof(zeros));
}
END_TEST

START_TEST(test_no_bytes_takes_null)
{
    random_bytes(NULL, 0);
}
END_TEST

START_TEST(test_u64_differs_between_calls)
{
    ck_assert_uint_ne(random_u64(), random_u64());
}
END_TEST

START_TEST(test_xoshiro_matches_the_reference)
{
    struct rng r = {{1, 2, 3, 4}};
    ck_assert_uint_eq(rng_next(&r), 11520);
    ck_assert_uint_eq(rng_next(&r), 0);
    ck_assert_uint_eq(rng_next(&r), 1509978240);
    ck_assert_uint_eq(rng_next(&r), 1215971899390074240U);
}
END_TEST

START_TEST(test_seed_zero_matches_splitmix64)
{
    struct rng r;
    rng_init(&r, 0);
    ck_assert_uint_eq(r.s[0], 0xe220a8397b1dcdafU);
    ck_assert_uint_eq(r.s[1], 0x6e789e6aa1b965f4U);
}
END_TEST

START_TEST(test_same_seed_same_sequence)
{
    struct rng a, b;
    rng_init(&a, 42);
    rng_init(&b, 42);
    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(rng_next(&a), rng_next(&b));
}
END_TEST

START_TEST(test_below_stays_below_and_reaches_all)
{
    struct rng r;
    unsigned seen = 0;
    rng_init(&r, 7);
    for (int i = 0; i < 1000; i++) {
        uint64_t v = rng_below(&r, 7);
        ck_assert_uint_lt(v, 7);
        seen |= 1U << v;
    }
    ck_assert_uint_eq(seen, 0x7f);
}
END_TEST

START_TEST(test_below_one_is_zero)
{
    struct rng r;
    rng_init(&r, 7);
    ck_assert_uint_eq(rng_below(&r, 1), 0);
}
END_TEST

START_TEST(test_below_zero_aborts)
{
    struct rng r;
    rng_init(&r, 7);
    rng_below(&r, 0);
}
END_TEST

TESTS(numbers, test_bytes_fill_all_of_a_large_buffer, test_no_bytes_takes_null,
      test_u64_differs_between_calls, test_xoshiro_matches_the_reference,
      test_seed_zero_matches_splitmix64, test_same_seed_same_sequence,
      test_below_stays_below_and_reaches_all, test_below_one_is_zero)

static TCase *aborts(void)
{
    TCase *tc = tcase_create("aborts");
    tcase_add_test_raise_signal(tc, test_below_zero_aborts, SIGABRT);
    return tc;
}

CHECK_MAIN("random", numbers, aborts)
