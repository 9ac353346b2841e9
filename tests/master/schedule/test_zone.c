/* SPDX-License-Identifier: MIT */
#include "tests/master/schedule/zones.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/require.h"
#include "tests/support/check_main.h"

static const char *const traps[] = {
    "UTC",           "Europe/Berlin",     "America/New_York", "Australia/Lord_Howe",
    "Asia/Shanghai", "Africa/Casablanca", "Pacific/Apia",     "America/Asuncion",
    "Asia/Gaza",     "America/Nuuk",      "Asia/Kathmandu",   "Africa/Cairo",
};

/* libc reads the same files with code of its own. */
START_TEST(test_offsets_are_those_of_libc_until_2100)
{
    struct zone *z = zone_of(traps[_i]);
    setenv("TZ", traps[_i], 1);
    tzset();
    for (int64_t t = ZONE_FIRST; t <= ZONE_LAST; t += 19 * 3600 + 1) {
        time_t at = (time_t)t;
        struct tm tm;
        ck_assert_each(localtime_r(&at, &tm) != NULL);
        int64_t offset = zone_local(z, t) - t;
        if (offset != tm.tm_gmtoff)
            ck_abort_msg("%s at %s: %lld, libc %ld", traps[_i], utc_text(t), (long long)offset,
                         tm.tm_gmtoff);
    }
    zone_close(&z);
}
END_TEST

START_TEST(test_every_second_is_a_moment_of_its_local_time)
{
    struct zone *z = zone_of(traps[_i]);
    for (int64_t t = ZONE_FIRST; t <= ZONE_LAST; t += 29 * 3600 + 599) {
        struct zone_moment m = zone_moment(z, zone_local(z, t));
        ck_assert_each(m.fit != ZONE_GAP && (m.first == t || m.last == t));
        ck_assert_each((m.fit == ZONE_TWICE) == (m.first < m.last));
        ck_assert_each(zone_local(z, m.first) == zone_local(z, m.last));
    }
    zone_close(&z);
}
END_TEST

/* first = the first second at which the clock shows this time or a later one, found step by step.
 */
START_TEST(test_first_moment_is_what_a_walk_finds)
{
    struct zone *z = zone_of(traps[_i]);
    int64_t at = utc_at("2011-01-01T00:00"), until = utc_at("2012-12-31T00:00"), change;
    for (; zone_change(z, at, until, &change); at = change) {
        for (int64_t local = zone_local(z, change) - 26 * 3600;
             local < zone_local(z, change) + 26 * 3600; local += 900) {
            int64_t t = local - 30 * 3600;
            while (zone_local(z, t) < local)
                t += 300; /* all changes of these years are at whole five minutes */
            ck_assert_each(zone_moment(z, local).first == t);
        }
    }
    zone_close(&z);
}
END_TEST

static void is_gap(const char *name, const char *local, const char *end)
{
    struct zone *z = zone_of(name);
    struct zone_moment m = zone_moment(z, utc_at(local));
    ck_assert_int_eq(m.fit, ZONE_GAP);
    ck_assert_str_eq(utc_text(m.first), end);
    ck_assert_int_eq(m.first, m.last);
    zone_close(&z);
}

START_TEST(test_times_that_do_not_exist)
{
    is_gap("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00:00");
    is_gap("Europe/Berlin", "2026-03-29T02:59:59", "2026-03-29T01:00:00");
    is_gap("America/New_York", "2026-03-08T02:30", "2026-03-08T07:00:00");
    is_gap("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00");
    is_gap("Pacific/Apia", "2011-12-30T00:00", "2011-12-30T10:00:00");
    is_gap("Pacific/Apia", "2011-12-30T23:59:59", "2011-12-30T10:00:00");
    is_gap("Europe/Berlin", "2045-03-26T02:30", "2045-03-26T01:00:00");
}
END_TEST

static void is_twice(const char *name, const char *local, const char *first, const char *last)
{
    struct zone *z = zone_of(name);
    struct zone_moment m = zone_moment(z, utc_at(local));
    ck_assert_int_eq(m.fit, ZONE_TWICE);
    ck_assert_str_eq(utc_text(m.first), first);
    ck_assert_str_eq(utc_text(m.last), last);
    zone_close(&z);
}

START_TEST(test_times_that_exist_twice)
{
    is_twice("Europe/Berlin", "2026-10-25T02:00", "2026-10-25T00:00:00", "2026-10-25T01:00:00");
    is_twice("Europe/Berlin", "2026-10-25T02:59:59", "2026-10-25T00:59:59", "2026-10-25T01:59:59");
    is_twice("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00", "2026-11-01T06:30:00");
    is_twice("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45:00",
             "2026-04-04T15:15:00");
    is_twice("Africa/Casablanca", "2026-02-15T02:30", "2026-02-15T01:30:00", "2026-02-15T02:30:00");
}
END_TEST

START_TEST(test_the_edges_of_a_change_exist_once)
{
    struct zone *z = zone_of("Europe/Berlin");
    ck_assert_int_eq(zone_moment(z, utc_at("2026-03-29T01:59:59")).fit, ZONE_ONCE);
    ck_assert_int_eq(zone_moment(z, utc_at("2026-03-29T03:00")).fit, ZONE_ONCE);
    ck_assert_int_eq(zone_moment(z, utc_at("2026-10-25T01:59:59")).fit, ZONE_ONCE);
    ck_assert_int_eq(zone_moment(z, utc_at("2026-10-25T03:00")).fit, ZONE_ONCE);
    zone_close(&z);
}
END_TEST

START_TEST(test_changes_are_found_to_the_second)
{
    struct zone *z = zone_of("Europe/Berlin");
    int64_t at = 0;
    ck_assert(zone_change(z, utc_at("2026-01-01T00:00"), utc_at("2026-06-01T00:00"), &at));
    ck_assert_str_eq(utc_text(at), "2026-03-29T01:00:00");
    ck_assert(zone_change(z, at - 1, at, &at));
    ck_assert_str_eq(utc_text(at), "2026-03-29T01:00:00");
    ck_assert(!zone_change(z, at, at + 1000, &at));
    ck_assert(!zone_change(z, at - 100, at - 1, &at));
    zone_close(&z);
}
END_TEST

static void is_refused(const char *name, const char *shown)
{
    struct zone *z = NULL;
    char why[ZONE_WHY_MAX] = "";
    ck_assert_msg(zone_open(name, &z, why) != ERR_NONE, "'%s' is taken", name);
    ck_assert_ptr_null(z);
    ck_assert_msg(strstr(why, shown) != NULL && strstr(why, "Europe/Berlin") != NULL, "%s", why);
}

START_TEST(test_what_is_no_zone_is_named)
{
    is_refused("Mars/Olympus", "unknown time zone 'Mars/Olympus'");
    is_refused("europe/berlin", "'europe/berlin'");
    is_refused("", "''");
    is_refused("Europe", "'Europe'"); /* a folder */
    is_refused("Foo5", "'Foo5'");     /* a rule of POSIX */
    is_refused("CET-1CEST,M3.5.0,M10.5.0/3", "'CET-1CEST");
    is_refused("+05:00", "'+05:00'");
    is_refused("Z", "'Z'");
    is_refused("../../../etc/passwd", "'../../../etc/passwd'");
    is_refused("/usr/share/zoneinfo/UTC", "'/usr/share/zoneinfo/UTC'");
    is_refused("A/../Europe/Berlin", "'A/../Europe/Berlin'");
    is_refused("right/Europe/Berlin", "'right/Europe/Berlin'"); /* counts leap seconds */
    is_refused("zone.tab", "'zone.tab'");
    is_refused("leapseconds", "'leapseconds'");
    is_refused("Europe/\x1b[31m", "'Europe/ [31m'");
    char name[5000] = "Europe/";
    memset(name + 7, 'x', sizeof(name) - 8);
    is_refused(name, "'Europe/xxx");
}
END_TEST

START_TEST(test_names_with_digits_are_zones)
{
    static const char *const names[] = {"EST5EDT", "Etc/GMT+12", "GMT0", "Asia/Ust-Nera", "W-SU"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct zone *z = zone_of(names[i]);
        ck_assert_str_eq(zone_name(z), names[i]);
        zone_close(&z);
    }
}
END_TEST

START_TEST(test_a_set_keeps_each_name_once_and_outlives_who_gave_it)
{
    static const char *const given[] = {"Europe/Berlin", "UTC", "Europe/Berlin"};
    const struct zone *kept[ARRAY_LEN(given)];
    struct zone_set set = {0};
    for (size_t i = 0; i < ARRAY_LEN(given); i++) {
        struct zone *z = zone_of(given[i]);
        kept[i] = zone_set_keep(&set, z);
        zone_close(&z);
    }
    ck_assert_uint_eq(set.n, 2);
    ck_assert_ptr_eq(kept[0], kept[2]);
    ck_assert_str_eq(zone_name(kept[0]), "Europe/Berlin");
    ck_assert_int_eq(zone_local(kept[0], 0), 3600);
    ck_assert_int_eq(zone_local(kept[1], 0), 0);
    zone_set_fini(&set);
}
END_TEST

static TCase *by_zone(void)
{
    TCase *tc = tcase_create("by_zone");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, test_offsets_are_those_of_libc_until_2100, 0, ARRAY_LEN(traps));
    tcase_add_loop_test(tc, test_every_second_is_a_moment_of_its_local_time, 0, ARRAY_LEN(traps));
    tcase_add_loop_test(tc, test_first_moment_is_what_a_walk_finds, 0, ARRAY_LEN(traps));
    return tc;
}

TESTS(changes, test_times_that_do_not_exist, test_times_that_exist_twice,
      test_the_edges_of_a_change_exist_once, test_changes_are_found_to_the_second)
TESTS(names, test_what_is_no_zone_is_named, test_names_with_digits_are_zones,
      test_a_set_keeps_each_name_once_and_outlives_who_gave_it)
CHECK_MAIN("zone", by_zone, changes, names)
