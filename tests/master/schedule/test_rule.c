/* SPDX-License-Identifier: MIT */
#include "master/schedule/rule.h"

#include <stdio.h>
#include <string.h>

#include "tests/master/schedule/zones.h"
#include "tests/support/check_main.h"

#define NOW_S 1790000000

static void refused(struct rule r, const char *says)
{
    char why[RULE_WHY_MAX] = "";
    ck_assert(rule_check(&r, NOW_S, why) != ERR_NONE);
    ck_assert_msg(strstr(why, says) != NULL, "%s", why);
}

static struct rule every(int64_t ms)
{
    return (struct rule){.kind = RULE_EVERY, .every_ms = ms};
}

START_TEST(test_intervals_are_bounded)
{
    char why[RULE_WHY_MAX];
    struct rule least = every(1000), most = every(86400000);
    refused(every(999), "every: an interval from 1s to 1d");
    refused(every(86400001), "every: an interval from 1s to 1d");
    refused(every(0), "every");
    refused(every(-5), "every");
    ck_assert(rule_check(&least, NOW_S, why) == ERR_NONE);
    ck_assert(rule_check(&most, NOW_S, why) == ERR_NONE);
}
END_TEST

START_TEST(test_a_window_holds_a_slot_of_each_check)
{
    char why[RULE_WHY_MAX];
    struct rule r = every(1800001);
    r.windows = (struct windows){.zone = zone_of("UTC"), .n = 1, .w = {{1, 0, 30}}};
    refused(r, "longer than a window");
    r.every_ms = 1800000;
    ck_assert(rule_check(&r, NOW_S, why) == ERR_NONE);
    for (uint64_t key = 0; key < 1800000; key += 997) {
        int64_t offset = rule_offset_ms(&r, key), at = rule_next(&r, offset, NOW_S * 1000ll, 0);
        struct civil c = civil_from_seconds(at / 1000);
        ck_assert(c.hour == 0 && c.minute < 30);
        ck_assert_int_lt(at, (NOW_S + 8 * SEC_PER_DAY) * 1000);
    }
    zone_close((struct zone **)&r.windows.zone);
}
END_TEST

START_TEST(test_cron_outside_all_windows_is_refused)
{
    char why[RULE_WHY_MAX] = "";
    struct rule r = {.kind = RULE_CRON, .zone = zone_of("UTC")};
    r.windows = (struct windows){.zone = r.zone, .n = 1, .w = {{0x3e, 9 * 60, 17 * 60}}};
    ck_assert(cron_parse("0 3 * * *", &r.cron, why) == ERR_NONE);
    refused(r, "cron: it never falls into one of the windows");
    ck_assert(cron_parse("0 9 29 2 *", &r.cron, why) == ERR_NONE);
    ck_assert_msg(rule_check(&r, NOW_S, why) == ERR_NONE, "%s", why);
    r.spread_ms = 60000;
    refused(r, "spread");
    r.spread_ms = -1;
    refused(r, "spread");
    zone_close((struct zone **)&r.zone);
    refused(r, "time zone");
}
END_TEST

START_TEST(test_keys_are_the_same_on_every_machine)
{
    ck_assert_uint_eq(rule_key("s1", "https://example.com/"), UINT64_C(0xa39f836a56300d69));
    ck_assert(rule_key("a", "bc") != rule_key("ab", "c"));
    ck_assert(rule_key("a", "b") != rule_key("b", "a"));
}
END_TEST

/* 100,000 targets whose names differ in their numbers only: none of 1,000 parts of the interval has
 * half as many more than its 100 (a fair die does that once in 100,000 tables). */
START_TEST(test_checks_are_spread_over_their_interval)
{
    static unsigned parts[1000];
    struct rule r = every(60000);
    for (int i = 0; i < 100000; i++) {
        char target[64];
        snprintf(target, sizeof(target), "https://host-%d.example.com/", i);
        int64_t offset = rule_offset_ms(&r, rule_key("0193-schedule", target));
        ck_assert(offset >= 0 && offset < 60000);
        parts[offset / 60]++;
    }
    for (int i = 0; i < 1000; i++)
        ck_assert_msg(parts[i] > 50 && parts[i] < 150, "%u in part %d", parts[i], i);
}
END_TEST

TESTS(bounds, test_intervals_are_bounded, test_a_window_holds_a_slot_of_each_check,
      test_cron_outside_all_windows_is_refused)
TESTS(keys, test_keys_are_the_same_on_every_machine, test_checks_are_spread_over_their_interval)
CHECK_MAIN("rule", bounds, keys)
