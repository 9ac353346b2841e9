/* SPDX-License-Identifier: MIT */
#include "proto/byte_window.h"
#include "tests/support/check_main.h"

static struct byte_window w;
static struct mono now;

static void setup(void)
{
    w = (struct byte_window){0};
    now = (struct mono){1000 * NS_PER_SEC};
}

static void pass_ms(int64_t ms)
{
    now = mono_add_ms(now, ms);
}

static uint64_t size(void)
{
    return byte_window_size(&w, now);
}

/* Steadily for so long: some bytes every ms. */
static void carry(int64_t ms, uint64_t a_second)
{
    for (int64_t i = 0; i < ms; i++) {
        byte_window_add(&w, a_second / 1000, now);
        pass_ms(1);
    }
}

START_TEST(nothing_received_leaves_the_least)
{
    setup();
    ck_assert_uint_eq(size(), BYTE_WINDOW_MIN);
    pass_ms(3600 * 1000);
    ck_assert_uint_eq(size(), BYTE_WINDOW_MIN);
}
END_TEST

START_TEST(it_is_two_seconds_of_what_the_path_carries)
{
    setup();
    carry(10000, 40000);
    ck_assert_uint_ge(size(), 40000 * (BYTE_WINDOW_PARTS - 1) * 2 / BYTE_WINDOW_PARTS);
    ck_assert_uint_le(size(), 40000 * 2);
}
END_TEST

START_TEST(a_slow_path_keeps_the_least)
{
    setup();
    carry(10000, 8000); /* 64 kbit/s */
    ck_assert_uint_eq(size(), BYTE_WINDOW_MIN);
}
END_TEST

START_TEST(a_fast_path_gets_the_most)
{
    setup();
    carry(3000, 100000000);
    ck_assert_uint_eq(size(), BYTE_WINDOW_MAX);
}
END_TEST

START_TEST(what_was_held_back_and_comes_at_once_is_no_rate)
{
    setup();
    carry(10000, 10000);
    pass_ms(1500); /* a lost packet holds back what follows it … */
    byte_window_add(&w, 15000, now);
    ck_assert_uint_le(size(), 20000); /* … and all of it comes in one moment */
}
END_TEST

START_TEST(it_falls_when_the_path_gets_slow)
{
    setup();
    carry(3000, 100000);
    ck_assert_uint_gt(size(), 150000);
    carry(2000, 10000);
    ck_assert_uint_le(size(), 20000);
}
END_TEST

START_TEST(a_window_that_is_used_up_doubles_with_each_round_trip)
{
    setup();
    byte_window_add(&w, size(), now); /* the least is more than what has come */
    for (uint64_t wanted = BYTE_WINDOW_MIN; wanted <= BYTE_WINDOW_MAX; wanted *= 2) {
        ck_assert_uint_eq(size(), wanted);
        byte_window_add(&w, size(), now);
        pass_ms(20);
    }
}
END_TEST

START_TEST(after_a_long_silence_nothing_old_counts)
{
    setup();
    carry(3000, 1000000);
    pass_ms(BYTE_WINDOW_MS + 1);
    ck_assert_uint_eq(size(), BYTE_WINDOW_MIN);
}
END_TEST

TESTS(all, nothing_received_leaves_the_least, it_is_two_seconds_of_what_the_path_carries,
      a_slow_path_keeps_the_least, a_fast_path_gets_the_most,
      what_was_held_back_and_comes_at_once_is_no_rate, it_falls_when_the_path_gets_slow,
      a_window_that_is_used_up_doubles_with_each_round_trip,
      after_a_long_silence_nothing_old_counts)
CHECK_MAIN("byte_window", all)
