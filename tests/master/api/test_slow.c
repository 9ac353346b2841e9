/* SPDX-License-Identifier: MIT */
#include "master/api/slow.h"
#include "common/err.h"
#include "tests/support/check_main.h"

/* Slow clients: who is cut, and when. */

static struct slow client;
static struct slow_look at;
static struct mono now;

static void begin(enum slow_phase phase)
{
    now = (struct mono){NS_PER_SEC};
    at = (struct slow_look){.known = true, .in = 100, .out = 50};
    slow_enter(&client, phase, &at, now);
}

/* Looks once a second for so long; in, out: what moves in each. The verdict that ended it. */
static enum slow_verdict pass(int64_t ms, uint64_t in, uint64_t out)
{
    for (; ms > 0; ms -= 1000) {
        now = mono_add_ms(now, 1000);
        at.in += in;
        at.out += out;
        enum slow_verdict v = slow_judge(&client, &at, now);
        if (v != SLOW_FINE)
            return v;
    }
    return SLOW_FINE;
}

START_TEST(test_a_head_has_its_time_as_a_whole)
{
    begin(SLOW_HEAD);
    ck_assert_int_eq(pass(SLOW_HEAD_MS - 1000, 500, 0), SLOW_FINE);
    ck_assert_int_eq(pass(1000, 500, 0), SLOW_NO_HEAD);
}
END_TEST

START_TEST(test_the_next_head_begins_with_its_first_byte)
{
    begin(SLOW_IDLE);
    ck_assert_int_eq(pass(25000, 0, 0), SLOW_FINE);
    ck_assert_int_eq(pass(SLOW_HEAD_MS, 1, 0), SLOW_FINE);
    ck_assert_int_eq(pass(1000, 1, 0), SLOW_NO_HEAD);
}
END_TEST

START_TEST(test_a_dripped_body_is_no_progress)
{
    begin(SLOW_BUSY);
    ck_assert_int_eq(pass(SLOW_WINDOW_MS - 1000, 10, 0), SLOW_FINE);
    ck_assert_int_eq(pass(1000, 10, 0), SLOW_NO_PROGRESS);
}
END_TEST

START_TEST(test_a_slow_upload_that_gets_on_is_not_cut)
{
    begin(SLOW_BUSY);
    ck_assert_int_eq(pass(10 * SLOW_WINDOW_MS, SLOW_BYTES / 25, 0), SLOW_FINE);
}
END_TEST

START_TEST(test_what_is_read_is_progress_too)
{
    begin(SLOW_BUSY);
    ck_assert_int_eq(pass(10 * SLOW_WINDOW_MS, 0, SLOW_BYTES / 25), SLOW_FINE);
    ck_assert_int_eq(pass(2 * SLOW_WINDOW_MS, 0, 3), SLOW_NO_PROGRESS);
}
END_TEST

START_TEST(test_who_waits_for_us_is_not_slow)
{
    begin(SLOW_BUSY);
    at.ours = true;
    ck_assert_int_eq(pass(3 * SLOW_WINDOW_MS, 0, 0), SLOW_FINE);
    at.ours = false; /* from here on it is his turn */
    ck_assert_int_eq(pass(SLOW_WINDOW_MS - 1000, 0, 0), SLOW_FINE);
    ck_assert_int_eq(pass(1000, 0, 0), SLOW_NO_PROGRESS);
}
END_TEST

START_TEST(test_a_stream_may_be_silent)
{
    begin(SLOW_LASTING);
    ck_assert_int_eq(pass(10 * SLOW_WINDOW_MS, 0, 0), SLOW_FINE);
}
END_TEST

START_TEST(test_without_the_bytes_only_a_head_is_judged)
{
    begin(SLOW_BUSY);
    at.known = false;
    ck_assert_int_eq(pass(2 * SLOW_WINDOW_MS, 0, 0), SLOW_FINE);
    slow_enter(&client, SLOW_IDLE, &at, now);
    ck_assert_int_eq(pass(2 * SLOW_WINDOW_MS, 1, 0), SLOW_FINE);
    slow_enter(&client, SLOW_HEAD, &at, now);
    ck_assert_int_eq(pass(SLOW_HEAD_MS, 0, 0), SLOW_NO_HEAD);
}
END_TEST

TESTS(slow, test_a_head_has_its_time_as_a_whole, test_the_next_head_begins_with_its_first_byte,
      test_a_dripped_body_is_no_progress, test_a_slow_upload_that_gets_on_is_not_cut,
      test_what_is_read_is_progress_too, test_who_waits_for_us_is_not_slow,
      test_a_stream_may_be_silent, test_without_the_bytes_only_a_head_is_judged)
CHECK_MAIN("slow", slow)
