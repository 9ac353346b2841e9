/* SPDX-License-Identifier: MIT */
#include "master/schedule/incident.h"

#include <stdio.h>
#include <string.h>

#include "tests/master/schedule/zones.h"
#include "tests/support/check_main.h"

#define SEC       1000
#define AGENTS_BJ "bj-1"

static struct incidents *x;
static struct check_now now;
static unsigned did[INCIDENT_ACTIONS];
static struct incident last[INCIDENT_ACTIONS];
static struct incident_change base;

static void setup(void)
{
    now = (struct check_now){{1000 * NS_PER_SEC}, {utc_at("2026-03-02T01:00") * 1000000}};
    x = incidents_create(0);
    memset(did, 0, sizeof(did));
    base = (struct incident_change){
        .cause = CAUSE_connect_timeout, .host_checks = 1, .hosts_judged = 1000};
}

static void teardown(void)
{
    incidents_destroy(&x);
}

static void collect(void)
{
    struct incident_action a;
    while (incidents_take(x, &a)) {
        did[a.kind]++;
        last[a.kind] = a.incident;
    }
}

/* Second by second. */
static void pass(int s)
{
    for (int i = 0; i < s; i++) {
        now.mono = mono_add_ms(now.mono, SEC);
        now.wall.us += 1000000;
        incidents_tick(x, now);
    }
    collect();
}

static void says(uint64_t check, const char *host, enum verdict_state state)
{
    struct incident_change c = base;
    c.check = check;
    c.host = host;
    c.state = state;
    c.result = check * 10 + state;
    incidents_change(x, &c, now);
    collect();
}

/* One check on each of n hosts. */
static void hosts(unsigned first, unsigned n, enum verdict_state state)
{
    for (unsigned i = first; i < first + n; i++) {
        char host[32];
        snprintf(host, sizeof(host), "h%u.example", i);
        says(i + 1, host, state);
    }
}

START_TEST(test_one_dead_host_with_200_urls_is_one_incident)
{
    base.host_checks = 200;
    for (unsigned i = 1; i <= 200; i++) {
        says(i, "shop.example", VERDICT_DOWN);
        if (i % 10 == 0)
            pass(1);
    }
    pass(30);
    ck_assert_uint_eq(did[INCIDENT_DID_OPEN], 1);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 1);
    ck_assert_uint_le(did[INCIDENT_DID_GROW], 8);
    ck_assert_uint_eq(incidents_find(x, 1)->not_up, 200);
    ck_assert_uint_eq(incidents_find(x, 1)->first.check, 1);
    ck_assert_uint_eq(incidents_find(x, 1)->last.result, 2003);
    for (unsigned i = 1; i < 200; i++)
        says(i, "shop.example", VERDICT_UP);
    pass(600);
    ck_assert_uint_eq(did[INCIDENT_DID_RESOLVE], 0);
    says(200, "shop.example", VERDICT_UP);
    pass(INCIDENT_CALM_MS / SEC - 1);
    ck_assert_uint_eq(did[INCIDENT_DID_RESOLVE], 0);
    pass(1);
    ck_assert_uint_eq(did[INCIDENT_DID_RESOLVE], 1);
    ck_assert_uint_eq(last[INCIDENT_DID_RESOLVE].id, 1);
    ck_assert_uint_eq(incidents_count(x), 0);
}
END_TEST

START_TEST(test_a_dying_host_changes_its_cause_and_a_later_fault_is_another)
{
    says(1, "a.example", VERDICT_DOWN);
    pass(59);
    base.cause = CAUSE_connect_refused;
    says(2, "a.example", VERDICT_DOWN);
    ck_assert_uint_eq(incidents_count(x), 1);
    ck_assert_uint_eq(incidents_find(x, 1)->n_causes, 2);
    pass(1);
    base.cause = CAUSE_tls_expired;
    says(3, "a.example", VERDICT_DOWN);
    ck_assert_uint_eq(incidents_count(x), 2);
    base.cause = CAUSE_connect_refused;
    says(4, "a.example", VERDICT_DOWN);
    ck_assert_uint_eq(incidents_find(x, 1)->checks, 3);
}
END_TEST

START_TEST(test_a_deploy_that_flaps_is_one_incident)
{
    for (int i = 0; i < 20; i++) {
        says(1, "a.example", i % 2 ? VERDICT_UP : VERDICT_DOWN);
        pass(60);
    }
    base.flapping = true;
    says(1, "a.example", VERDICT_UP);
    pass(600);
    ck_assert_uint_eq(did[INCIDENT_DID_RESOLVE], 0);
    base.flapping = false;
    says(1, "a.example", VERDICT_UP);
    pass(180);
    ck_assert_uint_eq(did[INCIDENT_DID_OPEN], 1);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 1);
    ck_assert_uint_eq(did[INCIDENT_DID_RESOLVE], 1);
    ck_assert_uint_eq(last[INCIDENT_DID_RESOLVE].relapses, 10);
}
END_TEST

START_TEST(test_a_blip_is_recorded_and_wakes_nobody)
{
    says(1, "a.example", VERDICT_DOWN);
    pass(10);
    says(1, "a.example", VERDICT_UP);
    pass(180);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 0);
    ck_assert_uint_eq(did[INCIDENT_DID_RESOLVE], 1);
    ck_assert_int_eq(last[INCIDENT_DID_RESOLVE].confirmed_at.us, 0);
}
END_TEST

START_TEST(test_degraded_and_silence_neither_open_nor_resolve)
{
    says(1, "a.example", VERDICT_DEGRADED);
    says(1, "a.example", VERDICT_UNKNOWN);
    ck_assert_uint_eq(incidents_count(x), 0);
    says(1, "a.example", VERDICT_DOWN);
    says(1, "a.example", VERDICT_DEGRADED);
    says(1, "a.example", VERDICT_UNKNOWN);
    pass(1000);
    ck_assert_uint_eq(incidents_count(x), 1);
    incidents_forget(x, 1, now);
    pass(180);
    ck_assert_uint_eq(incidents_count(x), 0);
}
END_TEST

START_TEST(test_the_night_of_the_sick_prober_is_one_system_event)
{
    base.agent = AGENTS_BJ;
    base.agent_hosts = 20;
    hosts(0, 15, VERDICT_DOWN);
    ck_assert_uint_eq(did[INCIDENT_SYSTEM_EVENT], 0);
    hosts(15, 5, VERDICT_DOWN);
    pass(300);
    ck_assert_uint_eq(did[INCIDENT_SYSTEM_EVENT], 1);
    ck_assert_int_eq(last[INCIDENT_SYSTEM_EVENT].kind, INCIDENT_AGENT);
    ck_assert_str_eq(last[INCIDENT_SYSTEM_EVENT].agent, AGENTS_BJ);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 0);
    ck_assert_uint_eq(did[INCIDENT_DID_WITHDRAW], 16);
    ck_assert_uint_eq(last[INCIDENT_DID_WITHDRAW].cause_id, last[INCIDENT_SYSTEM_EVENT].id);
    base.agent = NULL; /* others see this one: it is no matter of bj-1 */
    says(500, "real.example", VERDICT_DOWN);
    pass(30);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 1);
    ck_assert_str_eq(last[INCIDENT_DID_CONFIRM].host, "real.example");
}
END_TEST

START_TEST(test_what_others_see_too_is_no_matter_of_one_agent)
{
    base.agent = AGENTS_BJ;
    base.agent_hosts = 6;
    hosts(0, 4, VERDICT_DOWN);
    base.agent = NULL;
    hosts(0, 1, VERDICT_DEGRADED);
    base.agent = AGENTS_BJ;
    hosts(4, 1, VERDICT_DOWN);
    ck_assert_uint_eq(did[INCIDENT_SYSTEM_EVENT], 0); /* four by its word, and one that is not */
    hosts(5, 1, VERDICT_DOWN);
    ck_assert_uint_eq(did[INCIDENT_SYSTEM_EVENT], 1);
    ck_assert_uint_eq(did[INCIDENT_DID_WITHDRAW], 5);
    ck_assert_uint_eq(incidents_of(x, 1), 1);
    base.agent = NULL; /* what it was of is its own, whoever sees it later */
    hosts(1, 1, VERDICT_DEGRADED);
    ck_assert_str_eq(incidents_find(x, incidents_of(x, 2))->agent, AGENTS_BJ);
}
END_TEST

START_TEST(test_a_third_of_the_fleet_by_one_word_is_that_agents_event)
{
    base.agent = AGENTS_BJ;
    base.agent_hosts = base.hosts_judged = 16;
    hosts(0, 5, VERDICT_DOWN);
    ck_assert_uint_eq(did[INCIDENT_SYSTEM_EVENT], 1);
    ck_assert_int_eq(last[INCIDENT_SYSTEM_EVENT].kind, INCIDENT_AGENT);
}
END_TEST

START_TEST(test_our_network_is_cut_and_what_stays_down_is_told_after)
{
    base.hosts_judged = 100;
    hosts(0, 100, VERDICT_DOWN);
    pass(120);
    ck_assert_uint_eq(did[INCIDENT_SYSTEM_EVENT], 1);
    ck_assert_int_eq(last[INCIDENT_SYSTEM_EVENT].kind, INCIDENT_FLEET);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 0);
    ck_assert_uint_eq(incidents_count(x), 1);
    hosts(0, 99, VERDICT_UP);
    pass(70);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 1);
    ck_assert_str_eq(last[INCIDENT_DID_CONFIRM].host, "h99.example");
    pass(180);
    ck_assert_uint_eq(did[INCIDENT_DID_RESOLVE], 1);
    ck_assert_int_eq(last[INCIDENT_DID_RESOLVE].kind, INCIDENT_FLEET);
}
END_TEST

START_TEST(test_four_hosts_or_a_few_of_many_are_incidents_of_their_own)
{
    base.hosts_judged = 4;
    hosts(0, 4, VERDICT_DOWN);
    base.hosts_judged = 1000;
    hosts(4, 200, VERDICT_DOWN);
    pass(30);
    ck_assert_uint_eq(did[INCIDENT_SYSTEM_EVENT], 0);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 204);
}
END_TEST

START_TEST(test_one_path_of_many_on_each_host_is_no_fleet_failure)
{
    base.hosts_judged = 10;
    base.host_checks = 2;
    hosts(0, 10, VERDICT_DOWN);
    pass(30);
    ck_assert_uint_eq(did[INCIDENT_SYSTEM_EVENT], 0);
}
END_TEST

START_TEST(test_maintenance_mutes_and_says_when_it_is_over)
{
    struct zone *z = zone_of("UTC");
    struct windows ws = {z, 1, {{WINDOW_DAYS_ALL, 60, 70}}}; /* 01:00 to 01:10 */
    base.maintenance = &ws;
    says(1, "a.example", VERDICT_DOWN);
    says(2, "a.example", VERDICT_DOWN);
    pass(30);
    ck_assert(last[INCIDENT_DID_OPEN].muted && last[INCIDENT_DID_CONFIRM].muted);
    pass(569);
    ck_assert_uint_eq(did[INCIDENT_UNMUTED], 0);
    pass(1);
    ck_assert_uint_eq(did[INCIDENT_UNMUTED], 1);
    ck_assert_int_eq(last[INCIDENT_UNMUTED].state, INCIDENT_CONFIRMED);
    zone_close(&z);
}
END_TEST

START_TEST(test_maintenance_that_begins_in_the_middle_mutes)
{
    struct zone *z = zone_of("UTC");
    struct windows ws = {z, 1, {{WINDOW_DAYS_ALL, 61, 70}}};
    base.maintenance = &ws;
    says(1, "a.example", VERDICT_DOWN);
    says(2, "a.example", VERDICT_DOWN);
    pass(59);
    ck_assert_uint_eq(did[INCIDENT_DID_MUTE], 0);
    pass(1);
    ck_assert_uint_eq(did[INCIDENT_DID_MUTE], 1);
    zone_close(&z);
}
END_TEST

START_TEST(test_maintenance_of_one_check_does_not_mute_the_others)
{
    struct zone *z = zone_of("UTC");
    struct windows ws = {z, 1, {{WINDOW_DAYS_ALL, 60, 70}}};
    base.maintenance = &ws;
    says(1, "a.example", VERDICT_DOWN);
    base.maintenance = NULL;
    says(2, "a.example", VERDICT_DOWN);
    ck_assert_uint_eq(did[INCIDENT_UNMUTED], 1);
    ck_assert(!incidents_find(x, 1)->muted);
    zone_close(&z);
}
END_TEST

START_TEST(test_the_first_who_acknowledges_stays)
{
    says(1, "a.example", VERDICT_DOWN);
    ck_assert_int_eq(incidents_ack(x, 7, "li", NULL, now), ERR_NOT_FOUND);
    ck_assert_int_eq(incidents_ack(x, 1, "li", "disk", now), ERR_NONE);
    ck_assert_int_eq(incidents_ack(x, 1, "wang", NULL, now), ERR_EXISTS);
    collect();
    ck_assert_uint_eq(did[INCIDENT_DID_ACK], 1);
    ck_assert_str_eq(last[INCIDENT_DID_ACK].acked_by, "li");
    ck_assert_str_eq(last[INCIDENT_DID_ACK].note, "disk");
    ck_assert_int_eq(last[INCIDENT_DID_ACK].acked_at.us, now.wall.us);
}
END_TEST

START_TEST(test_more_incidents_than_anybody_reads_are_a_system_event)
{
    base.hosts_judged = 1000000;
    hosts(0, INCIDENTS_MAX, VERDICT_DOWN);
    pass(30); /* confirmed: they stay */
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], INCIDENTS_MAX);
    hosts(INCIDENTS_MAX, 10, VERDICT_DOWN);
    ck_assert_uint_eq(did[INCIDENT_SYSTEM_EVENT], 1);
    ck_assert_uint_eq(incidents_count(x), INCIDENTS_MAX + 1);
    ck_assert_uint_eq(incidents_find(x, INCIDENTS_MAX + 1)->not_up, 10);
}
END_TEST

START_TEST(test_checks_over_the_bound_are_counted)
{
    base.host_checks = 2 * INCIDENT_CHECKS_MAX;
    for (unsigned i = 1; i <= INCIDENT_CHECKS_MAX + 5; i++)
        says(i, "a.example", VERDICT_DOWN);
    ck_assert_uint_eq(incidents_find(x, 1)->checks, INCIDENT_CHECKS_MAX);
    ck_assert_uint_eq(incidents_find(x, 1)->untracked, 5);
}
END_TEST

/* Any course of events: what was opened ends once, and when all is well nothing is left. */
START_TEST(test_after_any_night_the_books_are_even)
{
    uint32_t dice = 20260302;
    for (int i = 0; i < 20000; i++) {
        dice = dice * 1664525 + 1013904223;
        unsigned check = 1 + (dice >> 8) % 60;
        char host[32];
        snprintf(host, sizeof(host), "h%u.example", check % 20);
        base.cause = (dice >> 16) % 3 ? CAUSE_connect_timeout : CAUSE_http_5xx;
        base.agent = (dice >> 18) % 4 ? NULL : AGENTS_BJ;
        base.agent_hosts = 8;
        base.hosts_judged = i % 4000 < 2000 ? 15 : 1000;
        base.flapping = (dice >> 20) % 8 == 0;
        says(check, host, i % 1000 < 700 ? VERDICT_UP : (dice >> 24) % VERDICT_STATES);
        if ((dice >> 28) == 0)
            incidents_forget(x, check, now);
        pass(1);
    }
    base.flapping = false;
    hosts(0, 60, VERDICT_UP);
    pass(INCIDENT_CALM_MS / SEC);
    ck_assert_uint_eq(incidents_count(x), 0);
    ck_assert_uint_gt(did[INCIDENT_SYSTEM_EVENT], 1);
    ck_assert_uint_gt(did[INCIDENT_DID_WITHDRAW], 1);
    ck_assert_uint_eq(did[INCIDENT_DID_OPEN] + did[INCIDENT_SYSTEM_EVENT],
                      did[INCIDENT_DID_RESOLVE] + did[INCIDENT_DID_WITHDRAW]);
}
END_TEST

/* ---- another process */

static struct incident known(uint64_t id)
{
    ck_assert_ptr_nonnull(incidents_find(x, id));
    return *incidents_find(x, id);
}

static void reborn(const struct incident *i)
{
    incidents_destroy(&x);
    now.mono = (struct mono){5 * NS_PER_SEC};
    x = incidents_create(0);
    memset(did, 0, sizeof(did));
    incidents_restore(x, i, now);
}

static bool taken_up(uint64_t id, uint64_t check, enum verdict_state state)
{
    struct incident_change c = base;
    c.check = check;
    c.host = "a.example";
    c.state = state;
    return incidents_restore_check(x, id, &c, now);
}

START_TEST(test_after_a_start_it_goes_on_under_its_number_and_is_told_no_more)
{
    base.host_checks = 3;
    for (uint64_t check = 1; check <= 3; check++)
        says(check, "a.example", VERDICT_DOWN);
    pass(30);
    struct incident i = known(1);
    ck_assert_int_eq(i.state, INCIDENT_CONFIRMED);
    reborn(&i);
    ck_assert(taken_up(1, 1, VERDICT_DOWN) && taken_up(1, 2, VERDICT_UP));
    ck_assert(!taken_up(1, 1, VERDICT_DOWN) && !taken_up(7, 3, VERDICT_DOWN));
    says(3, "a.example", VERDICT_DOWN); /* what was lost joins */
    ck_assert_uint_eq(incidents_of(x, 3), 1);
    ck_assert_uint_eq(incidents_of(x, 4), 0);
    pass(300);
    ck_assert_uint_eq(known(1).checks, 3);
    ck_assert_uint_eq(known(1).not_up, 2);
    for (unsigned k = 0; k < INCIDENT_ACTIONS; k++)
        ck_assert_uint_eq(did[k], 0);
    says(1, "a.example", VERDICT_UP);
    says(3, "a.example", VERDICT_UP);
    pass(INCIDENT_CALM_MS / SEC);
    ck_assert_uint_eq(did[INCIDENT_DID_RESOLVE], 1);
    says(9, "b.example", VERDICT_DOWN);
    ck_assert_uint_eq(incidents_of(x, 9), 2); /* numbers go on, too */
}
END_TEST

START_TEST(test_after_a_start_an_open_one_is_confirmed_in_its_time)
{
    says(1, "a.example", VERDICT_DOWN);
    pass(20);
    struct incident i = known(1);
    reborn(&i);
    ck_assert(taken_up(1, 1, VERDICT_DOWN));
    pass(9);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 0);
    pass(1);
    ck_assert_uint_eq(did[INCIDENT_DID_CONFIRM], 1);
}
END_TEST

START_TEST(test_after_a_start_one_without_checks_ends)
{
    says(1, "a.example", VERDICT_DOWN);
    pass(30);
    struct incident i = known(1);
    reborn(&i);
    pass(1 + INCIDENT_CALM_MS / SEC);
    ck_assert_uint_eq(did[INCIDENT_DID_RESOLVE], 1);
}
END_TEST

START_TEST(test_after_a_start_what_was_muted_stays_so)
{
    struct windows night = {.zone = zone_of("UTC"), .n = 1, .w = {{WINDOW_DAYS_ALL, 0, 120}}};
    base.maintenance = &night;
    says(1, "a.example", VERDICT_DOWN);
    pass(30);
    struct incident i = known(1);
    ck_assert(i.muted);
    reborn(&i);
    ck_assert(taken_up(1, 1, VERDICT_DOWN));
    pass(60);
    ck_assert_uint_eq(did[INCIDENT_UNMUTED], 0);
    pass(3600);
    ck_assert_uint_eq(did[INCIDENT_UNMUTED], 1);
    zone_close((struct zone **)&night.zone);
}
END_TEST

static TCase *stories(void)
{
    const TTest *const tests[] = {
        test_one_dead_host_with_200_urls_is_one_incident,
        test_a_dying_host_changes_its_cause_and_a_later_fault_is_another,
        test_a_deploy_that_flaps_is_one_incident,
        test_a_blip_is_recorded_and_wakes_nobody,
        test_degraded_and_silence_neither_open_nor_resolve,
        test_the_night_of_the_sick_prober_is_one_system_event,
        test_what_others_see_too_is_no_matter_of_one_agent,
        test_a_third_of_the_fleet_by_one_word_is_that_agents_event,
        test_our_network_is_cut_and_what_stays_down_is_told_after,
        test_four_hosts_or_a_few_of_many_are_incidents_of_their_own,
        test_one_path_of_many_on_each_host_is_no_fleet_failure,
        test_maintenance_mutes_and_says_when_it_is_over,
        test_maintenance_that_begins_in_the_middle_mutes,
        test_maintenance_of_one_check_does_not_mute_the_others,
        test_the_first_who_acknowledges_stays,
        test_more_incidents_than_anybody_reads_are_a_system_event,
        test_checks_over_the_bound_are_counted,
        test_after_any_night_the_books_are_even,
        test_after_a_start_it_goes_on_under_its_number_and_is_told_no_more,
        test_after_a_start_an_open_one_is_confirmed_in_its_time,
        test_after_a_start_one_without_checks_ends,
        test_after_a_start_what_was_muted_stays_so,
    };
    TCase *tc = tcase_create("stories");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, tests[i]);
    return tc;
}
CHECK_MAIN("incident", stories)
