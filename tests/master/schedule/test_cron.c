/* SPDX-License-Identifier: MIT */
#include "master/schedule/cron.h"

#include <stdarg.h>
#include <string.h>

#include "common/require.h"
#include "tests/master/schedule/zones.h"
#include "tests/support/check_main.h"

static struct cron cron_of(const char *text)
{
    struct cron c;
    char why[CRON_WHY_MAX] = "";
    ck_assert_msg(cron_parse(text, &c, why) == ERR_NONE, "'%s': %s", text, why);
    return c;
}

/* From `after` on these are the next runs. */
static void runs(const char *text, const char *zone, const char *after, ...)
{
    struct cron c = cron_of(text);
    struct zone *z = zone_of(zone);
    int64_t at = utc_at(after);
    va_list ap;
    va_start(ap, after);
    for (const char *want; (want = va_arg(ap, const char *)) != NULL;) {
        at = cron_next(&c, z, at);
        ck_assert_msg(at != CRON_NEVER, "'%s': never, not %s", text, want);
        ck_assert_msg(at == utc_at(want), "'%s' in %s: %s, not %s", text, zone, utc_text(at), want);
    }
    va_end(ap);
    zone_close(&z);
}

static void refused(const char *text, const char *says)
{
    struct cron c;
    char why[CRON_WHY_MAX] = "";
    ck_assert_msg(cron_parse(text, &c, why) == ERR_INVALID, "'%s' is taken", text);
    ck_assert_msg(strstr(why, says) != NULL, "'%s': %s", text, why);
}

START_TEST(test_fields_are_read)
{
    struct cron c = cron_of("0,5-7,*/20 8-18/5 1,31 jan,MAR-May 1-5");
    ck_assert_uint_eq(c.minutes,
                      1ull | 1ull << 5 | 1ull << 6 | 1ull << 7 | 1ull << 20 | 1ull << 40);
    ck_assert_uint_eq(c.hours, 1u << 8 | 1u << 13 | 1u << 18);
    ck_assert_uint_eq(c.days, 1u << 1 | 1u << 31);
    ck_assert_uint_eq(c.months, 1u << 1 | 1u << 3 | 1u << 4 | 1u << 5);
    ck_assert_uint_eq(c.weekdays, 0x3e);
    ck_assert(c.star_minute && !c.star_hour && !c.star_day && !c.star_weekday);
}
END_TEST

START_TEST(test_sunday_is_0_and_7)
{
    ck_assert_uint_eq(cron_of("0 0 * * 0").weekdays, 1);
    ck_assert_uint_eq(cron_of("0 0 * * 7").weekdays, 1);
    ck_assert_uint_eq(cron_of("0 0 * * sunday").weekdays, 1);
    ck_assert_uint_eq(cron_of("0 0 * * 5-7").weekdays, 0x61);
    ck_assert_uint_eq(cron_of("0 0 * * fri-sun").weekdays, 0x61);
    ck_assert_uint_eq(cron_of("0 0 * * sun-tue").weekdays, 0x07);
    ck_assert_uint_eq(cron_of("0 0 * * 0-7").weekdays, 0x7f);
    ck_assert_uint_eq(cron_of("0 0 * * */2").weekdays, 0x55);
}
END_TEST

START_TEST(test_nicknames_and_blanks)
{
    runs("@hourly", "UTC", "2026-01-01T00:00", "2026-01-01T01:00", NULL);
    runs("@daily", "UTC", "2026-01-01T00:00", "2026-01-02T00:00", NULL);
    runs(" @midnight\t", "UTC", "2026-01-01T00:00", "2026-01-02T00:00", NULL);
    runs("@Weekly", "UTC", "2026-01-01T00:00", "2026-01-04T00:00", NULL);
    runs("@monthly", "UTC", "2026-01-01T00:00", "2026-02-01T00:00", NULL);
    runs("@yearly", "UTC", "2026-01-01T00:00", "2027-01-01T00:00", NULL);
    runs("@annually", "UTC", "2025-12-31T23:59:59", "2026-01-01T00:00", NULL);
    runs("\t 5  4\t* * * ", "UTC", "2026-01-01T00:00", "2026-01-01T04:05", NULL);
}
END_TEST

START_TEST(test_errors_name_the_field_and_the_fix)
{
    refused("60 * * * *", "minute '60': '60' is not known here: give 0 to 59");
    refused("* 24 * * *", "hour '24': '24' is not known here: give 0 to 23");
    refused("* * 0 * *", "day of month '0': '0' is not known here: give 1 to 31");
    refused("* * * 13 *", "give 1 to 12 or jan to dec");
    refused("* * * * 8", "day of week '8'");
    refused("* * * foo *", "month 'foo'");
    refused("* * * * mo", "day of week 'mo'");
    refused("* * * * mond", "day of week 'mond'");
    refused("* * L * *", "day of month 'L'");
    refused("* * ? * *", "day of month '?'");
    refused("* * * * fri#2", "day of week 'fri#2'");
    refused("50-10 * * * *", "minute '50-10': the range runs backwards: write 50-59,0-10");
    refused("* * * * sat-mon", "write 6-6,0-1");
    refused("5/15 * * * *", "minute '5/15': a step stands behind '*' or a range: write 5-59/...");
    refused("*/0 * * * *", "behind '/' belongs a number from 1 on");
    refused("*/ * * * *", "behind '/' belongs a number");
    refused("*/x * * * *", "behind '/' belongs a number");
    refused("*/90 * * * *", "minute '*/90': a step of 90 leaves only the first value");
    refused("1,,2 * * * *", "minute '': a value is missing");
    refused("1, * * * *", "minute '': a value is missing");
    refused("-5 * * * *", "minute '-5': a value is missing");
    refused("5- * * * *", "minute '5-': a value is missing");
    refused("1-2-3 * * * *", "minute '1-2-3': '2-3' is not known");
    refused("*5 * * * *", "minute '*5'");
    refused("0000005 * * * *", "minute '0000005'");
    refused("99999999999999999999 * * * *", "minute '99999999999999999999'");
    refused("", "0 fields: give five");
    refused("*", "1 field: give five");
    refused("* * * *", "4 fields: give five");
    refused("0 * * * * *", "6 fields: give five, minute, hour");
    refused("0 * * * * *", "there are no seconds");
    refused("@reboot", "'@reboot' is not known: give @hourly");
    refused("@daily 5", "'@daily 5' is not known");
    refused("* * * * \x80\xff", "day of week '\xef\xbf\xbd\xef\xbf\xbd'");
}
END_TEST

START_TEST(test_what_never_comes_is_refused)
{
    refused("30 2 31 2 *", "none of the months given has a day 31");
    refused("0 0 30 2 *", "none of the months given has a day 30");
    refused("0 0 31 4,6,9,11 *", "none of the months given has a day 31");
    refused("0 0 30,31 feb */2", "none of the months given has a day 30");
    cron_of("0 0 29 2 *");
    cron_of("0 0 31 2,3 *");
    cron_of("0 0 30 2 mon"); /* every Monday of February */
}
END_TEST

START_TEST(test_long_text_is_refused)
{
    char text[CRON_TEXT_MAX + 20];
    memset(text, ' ', sizeof(text));
    memcpy(text, "* * * * *", 9);
    text[CRON_TEXT_MAX] = '\0';
    cron_of(text);
    text[CRON_TEXT_MAX] = ' ';
    text[sizeof(text) - 1] = '\0';
    refused(text, "longer than 256 bytes");
}
END_TEST

START_TEST(test_days_of_month_and_week_are_united_when_both_are_restricted)
{
    runs("0 0 13 * fri", "UTC", "2026-03-01T00:00", "2026-03-06T00:00", "2026-03-13T00:00",
         "2026-03-20T00:00", "2026-03-27T00:00", "2026-04-03T00:00", "2026-04-10T00:00",
         "2026-04-13T00:00", NULL);
    runs("0 0 13 * *", "UTC", "2026-03-01T00:00", "2026-03-13T00:00", "2026-04-13T00:00", NULL);
    runs("0 0 * * fri", "UTC", "2026-03-01T00:00", "2026-03-06T00:00", "2026-03-13T00:00", NULL);
    runs("0 0 */2 * mon", "UTC", "2026-03-01T00:00", "2026-03-09T00:00", "2026-03-23T00:00", NULL);
}
END_TEST

START_TEST(test_leap_days_and_ends)
{
    runs("0 0 29 2 *", "UTC", "2026-01-01T00:00", "2028-02-29T00:00", "2032-02-29T00:00", NULL);
    runs("0 0 29 2 */6", "UTC", "2026-01-01T00:00", "2032-02-29T00:00", "2048-02-29T00:00",
         "2060-02-29T00:00", NULL); /* a Saturday or Sunday */
    runs("59 23 31 12 *", "UTC", "2026-12-31T23:59", "2027-12-31T23:59", NULL);
    runs("0 0 31 * *", "UTC", "2026-03-31T00:00", "2026-05-31T00:00", "2026-07-31T00:00", NULL);
    runs("* * * * *", "UTC", "2038-01-19T03:14:07", "2038-01-19T03:15", NULL);
    struct zone *z = zone_of("UTC");
    struct cron leap = cron_of("0 0 29 2 *"), minute = cron_of("* * * * *");
    ck_assert_int_eq(cron_next(&leap, z, utc_at("2096-03-01T00:00")), CRON_NEVER);
    ck_assert_int_eq(cron_next(&minute, z, ZONE_LAST), CRON_NEVER);
    ck_assert_int_eq(cron_next(&minute, z, INT64_MAX), CRON_NEVER);
    ck_assert_int_eq(cron_next(&minute, z, INT64_MIN), 0);
    zone_close(&z);
}
END_TEST

START_TEST(test_a_gap_is_made_good_right_after_it)
{
    runs("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", "2026-03-28T01:30", "2026-03-29T01:00",
         "2026-03-30T00:30", NULL);
    runs("0,15,30 2 * * *", "Europe/Berlin", "2026-03-29T00:59", "2026-03-29T01:00",
         "2026-03-30T00:00", NULL);
    runs("*/15 2 * * *", "Europe/Berlin", "2026-03-29T00:59", "2026-03-29T01:00",
         "2026-03-30T00:00", NULL);
    /* what runs right after the gap anyway runs once */
    runs("0 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T01:00", "2026-03-30T00:00",
         NULL);
    runs("30 * * * *", "Europe/Berlin", "2026-03-29T00:00", "2026-03-29T00:30", "2026-03-29T01:30",
         NULL);
    runs("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", "2026-10-03T15:30",
         "2026-10-04T15:15", NULL);
    runs("30 2 8 3 *", "America/New_York", "2026-01-01T00:00", "2026-03-08T07:00",
         "2027-03-08T07:30", NULL);
}
END_TEST

START_TEST(test_an_hour_that_comes_twice)
{
    runs("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", "2026-10-25T00:30", "2026-10-26T01:30",
         NULL);
    /* also for one that looks first in the second of the two hours */
    runs("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", "2026-10-26T01:30", NULL);
    runs("30 * * * *", "Europe/Berlin", "2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T01:30",
         "2026-10-25T02:30", NULL);
    runs("*/30 2 * * *", "Europe/Berlin", "2026-10-24T23:59", "2026-10-25T00:00",
         "2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-26T01:00", NULL);
    runs("*/30 2 25 10 *", "Europe/Berlin", "2026-10-25T00:30", "2026-10-25T01:00", NULL);
    runs("0 2 * * *", "Australia/Lord_Howe", "2026-04-04T10:00", "2026-04-04T15:30",
         "2026-04-05T15:30", NULL);
    runs("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T10:00", "2026-04-04T14:45",
         "2026-04-05T15:15", NULL);
}
END_TEST

START_TEST(test_the_day_that_apia_left_out)
{
    runs("0 9 * * *", "Pacific/Apia", "2011-12-29T00:00", "2011-12-29T19:00", "2011-12-30T10:00",
         "2011-12-30T19:00", NULL);
    runs("0 9 30 12 *", "Pacific/Apia", "2011-06-01T00:00", "2011-12-30T10:00", "2012-12-29T19:00",
         NULL);
    runs("0 * 30 12 *", "Pacific/Apia", "2011-06-01T00:00", "2012-12-29T10:00", NULL);
}
END_TEST

START_TEST(test_a_zone_without_summer_time)
{
    runs("30 2 * * *", "Asia/Shanghai", "2026-03-28T00:00", "2026-03-28T18:30", "2026-03-29T18:30",
         NULL);
    runs("30 2 * * *", "Europe/Berlin", "2050-03-27T00:59", "2050-03-27T01:00", NULL);
}
END_TEST

TESTS(parsing, test_fields_are_read, test_sunday_is_0_and_7, test_nicknames_and_blanks,
      test_errors_name_the_field_and_the_fix, test_what_never_comes_is_refused,
      test_long_text_is_refused)
TESTS(next, test_days_of_month_and_week_are_united_when_both_are_restricted,
      test_leap_days_and_ends, test_a_gap_is_made_good_right_after_it,
      test_an_hour_that_comes_twice, test_the_day_that_apia_left_out,
      test_a_zone_without_summer_time)
CHECK_MAIN("cron", parsing, next)
