/* SPDX-License-Identifier: MIT */
#include "common/human.h"
#include "tests/support/check_main.h"

static char buf[HUMAN_MAX];

START_TEST(test_counts_have_separators)
{
    ck_assert_str_eq(human_count(0, buf), "0");
    ck_assert_str_eq(human_count(999, buf), "999");
    ck_assert_str_eq(human_count(1000, buf), "1,000");
    ck_assert_str_eq(human_count(1234567, buf), "1,234,567");
    ck_assert_str_eq(human_count(UINT64_MAX, buf), "18,446,744,073,709,551,615");
}
END_TEST

START_TEST(test_milliseconds_have_three_digits_or_so)
{
    ck_assert_str_eq(human_ms(0.06, buf), "0.06");
    ck_assert_str_eq(human_ms(12.34, buf), "12.3");
    ck_assert_str_eq(human_ms(1500.4, buf), "1500");
}
END_TEST

START_TEST(test_durations_show_two_units)
{
    ck_assert_str_eq(human_duration(-5, buf), "0s");
    ck_assert_str_eq(human_duration(59, buf), "59s");
    ck_assert_str_eq(human_duration(185, buf), "3m05s");
    ck_assert_str_eq(human_duration(7800, buf), "2h10m");
    ck_assert_str_eq(human_duration(356400, buf), "4d03h");
}
END_TEST

START_TEST(test_what_took_short_shows_fractions)
{
    ck_assert_str_eq(human_took(54, buf), "0.05s");
    ck_assert_str_eq(human_took(7480, buf), "7.5s");
    ck_assert_str_eq(human_took(61000, buf), "1m01s");
}
END_TEST

START_TEST(test_bytes_have_units)
{
    ck_assert_str_eq(human_bytes(91, buf), "91 B");
    ck_assert_str_eq(human_bytes(1536, buf), "1.5 KiB");
    ck_assert_str_eq(human_bytes(64u << 20, buf), "64 MiB");
}
END_TEST

START_TEST(test_rates)
{
    ck_assert_str_eq(human_rate(0.44, buf), "0.4/s");
    ck_assert_str_eq(human_rate(12345, buf), "12,345/s");
}
END_TEST

START_TEST(test_durations_are_read)
{
    int64_t s = 0;
    ck_assert_int_eq(human_parse_duration("90", &s), ERR_NONE);
    ck_assert_int_eq(s, 90);
    ck_assert_int_eq(human_parse_duration("5m", &s), ERR_NONE);
    ck_assert_int_eq(s, 300);
    ck_assert_int_eq(human_parse_duration("7d", &s), ERR_NONE);
    ck_assert_int_eq(s, 7 * 86400);
    ck_assert_int_eq(human_parse_duration("1h30m", &s), ERR_NONE);
    ck_assert_int_eq(s, 5400);
    ck_assert_int_eq(human_parse_duration("2d3h4m5s", &s), ERR_NONE);
    ck_assert_int_eq(s, 2 * 86400 + 3 * 3600 + 4 * 60 + 5);
    ck_assert_int_eq(human_parse_duration("106751991167d25975s", &s), ERR_NONE);
    ck_assert_int_eq(s, HUMAN_SPAN_MAX_S);
}
END_TEST

START_TEST(test_spans_read_back)
{
    static const int64_t all[] = {1, 30, 59, 60, 61, 90, 3600, 5400, 86399, 86400, 90061};
    int64_t s;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ck_assert_int_eq(human_parse_duration(human_span(all[i], buf), &s), ERR_NONE);
        ck_assert_int_eq(s, all[i]);
    }
    ck_assert_str_eq(human_span(0, buf), "0s");
    ck_assert_str_eq(human_span(5400, buf), "1h30m");
    ck_assert_str_eq(human_span(30 * 86400, buf), "30d");
}
END_TEST

START_TEST(test_bad_durations_are_refused)
{
    static const char *const bad[] = {"",
                                      "0",
                                      "s",
                                      "-5",
                                      "5x",
                                      "5 m",
                                      "1.5h",
                                      "99999999999999999d",
                                      "99999999999999999999",
                                      "9223372036854776",
                                      "106751991168d",
                                      "106751991167d86400s",
                                      "5m1h",
                                      "1h1h",
                                      "1h5",
                                      "0s",
                                      "h5m"};
    int64_t s = 77;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_int_eq(human_parse_duration(bad[i], &s), ERR_INVALID);
    ck_assert_int_eq(s, 77);
}
END_TEST

TESTS(human, test_counts_have_separators, test_milliseconds_have_three_digits_or_so,
      test_durations_show_two_units, test_what_took_short_shows_fractions, test_bytes_have_units,
      test_rates, test_durations_are_read, test_bad_durations_are_refused, test_spans_read_back)
CHECK_MAIN("human", human)
