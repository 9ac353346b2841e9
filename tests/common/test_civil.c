/* SPDX-License-Identifier: MIT */
#include "common/civil.h"

#include <time.h>

#include "tests/support/check_main.h"

START_TEST(test_agrees_with_libc_from_year_1_to_9999)
{
    for (int64_t t = -62135596800; t < 253402300800; t += 86400 * 5 + 3607) {
        time_t at = (time_t)t;
        struct tm tm;
        ck_assert_each(gmtime_r(&at, &tm) != NULL);
        struct civil c = civil_from_seconds(t);
        ck_assert_each(c.year == tm.tm_year + 1900);
        ck_assert_each(c.month == tm.tm_mon + 1);
        ck_assert_each(c.day == tm.tm_mday);
        ck_assert_each(c.hour * 3600 + c.minute * 60 + c.second ==
                       tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
        ck_assert_each(civil_weekday(civil_floor_div(t, SEC_PER_DAY)) == tm.tm_wday);
        ck_assert_each(civil_seconds(&c) == t);
    }
}
END_TEST

START_TEST(test_february_follows_the_centuries)
{
    ck_assert_int_eq(civil_days_in_month(1900, 2), 28);
    ck_assert_int_eq(civil_days_in_month(2000, 2), 29);
    ck_assert_int_eq(civil_days_in_month(2028, 2), 29);
    ck_assert_int_eq(civil_days_in_month(2100, 2), 28);
    ck_assert_int_eq(civil_days_in_month(2026, 11), 30);
}
END_TEST

START_TEST(test_floor_div_rounds_down)
{
    ck_assert_int_eq(civil_floor_div(7, 2), 3);
    ck_assert_int_eq(civil_floor_div(-7, 2), -4);
    ck_assert_int_eq(civil_floor_div(-8, 2), -4);
}
END_TEST

TESTS(calendar, test_agrees_with_libc_from_year_1_to_9999, test_february_follows_the_centuries,
      test_floor_div_rounds_down)
CHECK_MAIN("civil", calendar)
