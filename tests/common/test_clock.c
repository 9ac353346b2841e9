/* SPDX-License-Identifier: MIT */
#include "common/clock.h"

#include <time.h>

#include "tests/support/check_main.h"

#define US 1000000LL

static void check_parse(const char *text, int64_t want_us)
{
    struct wall t = {-1};
    ck_assert_msg(wall_parse(text, &t) == ERR_NONE, "refused %s", text);
    ck_assert_msg(t.us == want_us, "%s gave %lld", text, (long long)t.us);
}

START_TEST(test_mono_is_set_and_does_not_go_back)
{
    struct mono a = mono_now(), b = mono_now();
    ck_assert(mono_is_set(a));
    ck_assert(!mono_before(b, a));
}
END_TEST

START_TEST(test_mono_arithmetic)
{
    struct mono a = {5 * NS_PER_SEC}, b = mono_add_ms(a, 1500);
    ck_assert_int_eq(mono_diff_ms(b, a), 1500);
    ck_assert_double_eq(mono_diff_ms_f((struct mono){a.ns + 250000}, a), 0.25);
    ck_assert(mono_before(a, b));
}
END_TEST

START_TEST(test_wall_now_is_near_libc_time)
{
    int64_t before = time(NULL);
    struct wall t = wall_now();
    ck_assert_int_ge(t.us / US, before);
}
END_TEST

START_TEST(test_format_epoch)
{
    char buf[WALL_TEXT_MAX];
    ck_assert_str_eq(wall_format((struct wall){0}, buf), "1970-01-01T00:00:00.000000Z");
}
END_TEST

START_TEST(test_format_leap_day_with_fraction)
{
    char buf[WALL_TEXT_MAX];
    struct wall t = {951782400 * US + 42};
    ck_assert_str_eq(wall_format(t, buf), "2000-02-29T00:00:00.000042Z");
}
END_TEST

START_TEST(test_format_before_the_epoch)
{
    char buf[WALL_TEXT_MAX];
    ck_assert_str_eq(wall_format((struct wall){-1}, buf), "1969-12-31T23:59:59.999999Z");
}
END_TEST

START_TEST(test_format_clamps_what_has_no_four_digit_year)
{
    char buf[WALL_TEXT_MAX];
    ck_assert_str_eq(wall_format((struct wall){INT64_MAX}, buf), "9999-12-31T23:59:59.999999Z");
    ck_assert_str_eq(wall_format((struct wall){INT64_MIN}, buf), "0000-01-01T00:00:00.000000Z");
}
END_TEST

START_TEST(test_format_agrees_with_gmtime_over_the_years)
{
    for (int64_t sec = -30000000000LL; sec < 100000000000LL; sec += 40000007LL) {
        char buf[WALL_TEXT_MAX], want[WALL_TEXT_MAX];
        struct tm tm;
        time_t at = sec;
        strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S.000000Z", gmtime_r(&at, &tm));
        ck_assert_str_eq(wall_format((struct wall){sec * US}, buf), want);
    }
}
END_TEST

START_TEST(test_parse_reads_back_what_format_wrote)
{
    for (int64_t us = -20000000000LL * US; us < 90000000000LL * US; us += 700000013000017LL) {
        char buf[WALL_TEXT_MAX];
        check_parse(wall_format((struct wall){us}, buf), us);
    }
}
END_TEST

START_TEST(test_parse_without_fraction)
{
    check_parse("2026-11-22T04:05:06Z", 1795320306 * US);
}
END_TEST

START_TEST(test_parse_short_fraction_is_scaled)
{
    check_parse("1970-01-01T00:00:01.5Z", 1500000);
}
END_TEST

START_TEST(test_parse_long_fraction_is_cut_to_microseconds)
{
    check_parse("1970-01-01T00:00:00.123456789Z", 123456);
}
END_TEST

START_TEST(test_parse_folds_offsets)
{
    check_parse("1970-01-01T08:00:00+08:00", 0);
    check_parse("1969-12-31T18:30:00-05:30", 0);
}
END_TEST

START_TEST(test_parse_accepts_lower_case_letters)
{
    check_parse("1970-01-01t00:00:07z", 7 * US);
}
END_TEST

START_TEST(test_parse_folds_leap_second)
{
    check_parse("2016-12-31T23:59:60Z", 1483228800 * US);
    check_parse("2017-01-01T07:59:60+08:00", 1483228800 * US);
}
END_TEST

static const char *const bad_times[] = {
    "",
    "2026",
    "2026-11-22",
    "2026-11-22 04:05:06Z",
    "2026-11-22T04:05:06",
    "2026-11-22T04:05Z",
    "2026-11-22T04:05:06.Z",
    "2026-11-22T04:05:06Zx",
    "2026-11-22T04:05:06 Z",
    " 2026-11-22T04:05:06Z",
    "2026-13-22T04:05:06Z",
    "2026-00-22T04:05:06Z",
    "2026-11-31T04:05:06Z",
    "2026-02-29T04:05:06Z",
    "1900-02-29T04:05:06Z",
    "2026-11-00T04:05:06Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T04:60:06Z",
    "2026-11-22T04:05:61Z",
    "2026-11-22T04:05:60Z",
    "2026-11-22T04:05:06+0800",
    "2026-11-22T04:05:06+08",
    "2026-11-22T04:05:06+24:00",
    "2026-11-22T04:05:06+08:60",
    "-026-11-22T04:05:06Z",
    "+2026-11-22T04:05:06Z",
    "20261-11-22T04:05:06Z",
    "2026-1-22T04:05:06Z",
    "now",
};

START_TEST(test_parse_refuses)
{
    struct wall t = {77};
    ck_assert_msg(wall_parse(bad_times[_i], &t) == ERR_INVALID, "took '%s'", bad_times[_i]);
    ck_assert_int_eq(t.us, 77);
}
END_TEST

START_TEST(test_patience_is_not_hurried_by_a_clock_that_jumps)
{
    const int64_t day_us = INT64_C(86400000000);
    struct anchor a = anchor_now();
    int64_t apart_us = wall_now().us - anchor_patient(a).us;
    ck_assert(apart_us > -1000000 && apart_us < 1000000);
    a.wall.us -= day_us; /* since then it was set a day forward … */
    int64_t late_us = wall_now().us - anchor_patient(a).us;
    ck_assert(late_us > day_us - 1000000 && late_us < day_us + 1000000);
    a.wall.us += 2 * day_us; /* … or back */
    apart_us = wall_now().us - anchor_patient(a).us;
    ck_assert(apart_us > -1000000 && apart_us < 1000000);
}
END_TEST

TESTS(clocks, test_mono_is_set_and_does_not_go_back, test_mono_arithmetic,
      test_wall_now_is_near_libc_time, test_patience_is_not_hurried_by_a_clock_that_jumps)
TESTS(formats, test_format_epoch, test_format_leap_day_with_fraction, test_format_before_the_epoch,
      test_format_clamps_what_has_no_four_digit_year, test_format_agrees_with_gmtime_over_the_years)
TESTS(parses, test_parse_reads_back_what_format_wrote, test_parse_without_fraction,
      test_parse_short_fraction_is_scaled, test_parse_long_fraction_is_cut_to_microseconds,
      test_parse_folds_offsets, test_parse_accepts_lower_case_letters, test_parse_folds_leap_second)

static TCase *refuses(void)
{
    TCase *tc = tcase_create("refuses");
    tcase_add_loop_test(tc, test_parse_refuses, 0, (int)ARRAY_LEN(bad_times));
    return tc;
}

CHECK_MAIN("clock", clocks, formats, parses, refuses)
