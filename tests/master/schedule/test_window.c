/* SPDX-License-Identifier: MIT */
#include "master/schedule/window.h"

#include <string.h>

#include "tests/master/schedule/zones.h"
#include "tests/support/check_main.h"

static struct windows ws;

static void setup(void)
{
    ws = (struct windows){.zone = zone_of("Europe/Berlin")};
}

static void teardown(void)
{
    zone_close((struct zone **)&ws.zone);
}

static void window(uint8_t days, unsigned from, unsigned to)
{
    char why[WINDOW_WHY_MAX] = "";
    ws.w[ws.n++] = (struct week_window){days, (uint16_t)from, (uint16_t)to};
    ck_assert_msg(window_check(&ws, why) == ERR_NONE, "%s", why);
}

/* Opens and closes at these seconds, one after the other. */
static void turns(const char *from, const char *first, const char *second, const char *third)
{
    const char *const at[] = {first, second, third};
    int64_t until = utc_at(from);
    bool open = window_open(&ws, until, &until);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_str_eq(utc_text(until), at[i]);
        bool next = window_open(&ws, until, &until);
        ck_assert(open != next);
        open = next;
    }
}

START_TEST(test_none_is_always_open)
{
    int64_t until;
    ck_assert(window_open(&ws, 1000, &until));
    ck_assert_int_gt(until, ZONE_LAST);
}
END_TEST

START_TEST(test_office_hours)
{
    window(0x3e, 9 * 60, 17 * 60 + 30);
    turns("2026-01-09T12:00", "2026-01-09T16:30:00", "2026-01-12T08:00:00", "2026-01-12T16:30:00");
}
END_TEST

START_TEST(test_past_midnight_belongs_to_the_day_of_its_beginning)
{
    window(1 << 6, 22 * 60, 6 * 60);
    turns("2026-01-10T12:00", "2026-01-10T21:00:00", "2026-01-11T05:00:00", "2026-01-17T21:00:00");
    int64_t until;
    ck_assert(window_open(&ws, utc_at("2026-01-11T03:00"), &until));
    ck_assert(!window_open(&ws, utc_at("2026-01-10T03:00"), &until));
}
END_TEST

START_TEST(test_the_whole_day_on_days_of_23_and_25_hours)
{
    window(1, 0, WINDOW_DAY_MIN);
    turns("2026-03-28T12:00", "2026-03-28T23:00:00", "2026-03-29T22:00:00", "2026-04-04T22:00:00");
    turns("2026-10-24T12:00", "2026-10-24T22:00:00", "2026-10-25T23:00:00", "2026-10-31T23:00:00");
}
END_TEST

START_TEST(test_a_clock_put_back_does_not_open_it_twice)
{
    window(1, 60, 150); /* 01:00 to 02:30, which comes twice */
    turns("2026-10-24T12:00", "2026-10-24T23:00:00", "2026-10-25T00:30:00", "2026-11-01T00:00:00");
}
END_TEST

START_TEST(test_a_gap_shortens_it_or_leaves_it_out)
{
    window(1, 60, 150); /* 02:30 does not exist */
    turns("2026-03-28T12:00", "2026-03-29T00:00:00", "2026-03-29T01:00:00", "2026-04-04T23:00:00");
    ws.n = 0;
    window(1, 120, 180);
    turns("2026-03-28T12:00", "2026-04-05T00:00:00", "2026-04-05T01:00:00", "2026-04-12T00:00:00");
}
END_TEST

START_TEST(test_windows_that_overlap_are_one)
{
    int64_t at = utc_at("2026-01-05T00:00"), until;
    window(WINDOW_DAYS_ALL, 8 * 60, 12 * 60);
    window(WINDOW_DAYS_ALL, 11 * 60, 14 * 60);
    window(1 << 3, 12 * 60, 15 * 60);
    unsigned minutes = 0; /* of a week, against plain arithmetic */
    for (int64_t t = at; t < at + 7 * SEC_PER_DAY; t += 60)
        minutes += window_open(&ws, t, &until);
    ck_assert_uint_eq(minutes, 7 * 6 * 60 + 60);
}
END_TEST

static void refused(struct week_window w, const char *says)
{
    char why[WINDOW_WHY_MAX] = "";
    ws.n = 1;
    ws.w[0] = w;
    ck_assert(window_check(&ws, why) == ERR_INVALID);
    ck_assert_msg(strstr(why, says) != NULL, "%s", why);
}

START_TEST(test_what_is_no_window_is_named)
{
    char why[WINDOW_WHY_MAX];
    refused((struct week_window){0, 0, 60}, "window 1: it needs days");
    refused((struct week_window){1, 60, 60}, "window 1");
    refused((struct week_window){1, 1440, 60}, "window 1");
    refused((struct week_window){1, 0, 1441}, "window 1");
    refused((struct week_window){0x80, 0, 60}, "window 1");
    ws.n = WINDOWS_MAX + 1;
    ck_assert(window_check(&ws, why) == ERR_TOO_BIG);
    ck_assert(strstr(why, "17 windows: at most 16") != NULL);
    struct windows nowhere = {.n = 1, .w = {{1, 0, 60}}};
    ck_assert(window_check(&nowhere, why) == ERR_INVALID);
    ck_assert(strstr(why, "time zone") != NULL);
}
END_TEST

static TCase *windows(void)
{
    const TTest *const tests[] = {
        test_none_is_always_open,
        test_office_hours,
        test_past_midnight_belongs_to_the_day_of_its_beginning,
        test_the_whole_day_on_days_of_23_and_25_hours,
        test_a_clock_put_back_does_not_open_it_twice,
        test_a_gap_shortens_it_or_leaves_it_out,
        test_windows_that_overlap_are_one,
        test_what_is_no_window_is_named,
    };
    TCase *tc = tcase_create("windows");
    tcase_add_checked_fixture(tc, setup, teardown);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    return tc;
}
CHECK_MAIN("window", windows)
