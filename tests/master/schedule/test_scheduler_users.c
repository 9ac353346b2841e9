/* SPDX-License-Identifier: MIT */
#include "tests/master/schedule/scheduler_rig.h"

#include "tests/support/check_main.h"

/* What users change and look at, while everything goes on. */

#define MINUTE 60

static void setup(void)
{
    rig_start("2026-03-02T01:00");
}

static void teardown(void)
{
    rig_end();
}

static enum cause all_down(unsigned agent, uint64_t check)
{
    return CAUSE_connect_refused;
}

static struct rig_run held(size_t i)
{
    ck_assert_uint_lt(i, rig.n_runs);
    return rig.runs[i];
}

/* ---- users */

START_TEST(test_a_schedule_is_deleted_while_it_runs)
{
    rig.sees = all_down;
    struct schedule *s = schedule_every("s", 30000, 1);
    schedule_alert(s, "ops");
    rig_put_since(1, s, 1, 10, "shop.example");
    rig_pass(2 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_CONFIRM], 1);
    rig.hold = true;
    rig_pass(30);
    struct rig_run r = held(0), late = held(1);
    rig_begin(&r);
    ck_assert(scheduler_remove(rig.x, 1, rig.now));
    ck_assert(!scheduler_remove(rig.x, 1, rig.now));
    size_t before = rig.n_log;
    rig_begin(&late);
    rig_say(r.first, 0, CAUSE_NONE);
    rig_say(late.first, 0, CAUSE_NONE);
    rig.hold = false;
    rig.n_runs = 0;
    rig_pass(5 * MINUTE);
    ck_assert_uint_eq(rig.n_log, before + 1); /* who was alerted hears that it is over */
    ck_assert_uint_eq(rig.did[INCIDENT_DID_RESOLVE], 1);
    ck_assert_str_eq(rig.log[before].alert, "ops");
    ck_assert_str_eq(rig.log[before].schedule, "s");
    ck_assert_int_eq(gauge_get(&scheduler_stats(rig.x)->checks), 0);
    ck_assert_int_eq(gauge_get(&scheduler_stats(rig.x)->running), 0);
}
END_TEST

/* The incident outlives the schedule, and its maintenance that mutes it. */
START_TEST(test_what_was_muted_ends_muted_when_its_schedule_is_gone)
{
    rig.sees = all_down;
    struct schedule *s = schedule_every("s", 30000, 1);
    s->zone = zone_of("UTC");
    s->maintenance =
        (struct windows){.zone = s->zone, .n = 1, .w = {{WINDOW_DAYS_ALL, 0, WINDOW_DAY_MIN}}};
    rig_put_since(1, s, 1, 1, NULL);
    rig_pass(2 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_CONFIRM], 1);
    ck_assert(scheduler_remove(rig.x, 1, rig.now));
    rig_pass(5 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_RESOLVE], 1);
    ck_assert_uint_eq(rig.did[INCIDENT_UNMUTED], 0);
    ck_assert(rig.log[rig.n_log - 1].incident.muted);
}
END_TEST

START_TEST(test_a_pause_is_unknown_and_no_slot_of_it_is_missed)
{
    rig_put_since(1, schedule_every("s", 30000, 1), 1, 1, NULL);
    rig_pass(2 * MINUTE);
    rig.hold = true;
    rig_pass(30);
    struct rig_run r = held(0);
    rig_begin(&r);
    ck_assert(scheduler_pause(rig.x, 1, true, rig.now));
    ck_assert(scheduler_pause(rig.x, 1, true, rig.now));
    ck_assert_int_eq(rig_state(1), VERDICT_UNKNOWN);
    rig_say(r.first, 0, CAUSE_http_5xx); /* of before: nobody asks */
    ck_assert_int_eq(rig_state(1), VERDICT_UNKNOWN);
    ck_assert_uint_eq(rig.n_runs, 1);
    rig.hold = false;
    rig.n_runs = 0;
    rig_pass(20 * MINUTE);
    ck_assert_uint_eq(rig.asked, 5);
    ck_assert_int_eq(rig_view(1).next.us, 0);
    ck_assert(scheduler_pause(rig.x, 1, false, rig.now));
    rig_pass(MINUTE);
    ck_assert_uint_eq(rig_view(1).slot, 7);
    ck_assert_int_eq(rig_state(1), VERDICT_UP);
    ck_assert_uint_eq(rig.n_gaps, 0);
    ck_assert(!scheduler_pause(rig.x, 9, false, rig.now));
}
END_TEST

START_TEST(test_another_rule_keeps_numbers_and_state)
{
    rig_put_since(1, schedule_every("s", 10000, 1), 1, 1, NULL);
    rig_pass(2 * MINUTE);
    uint64_t slot = rig_view(1).slot;
    struct schedule *s = schedule_cron("s", "* * * * *", "UTC", 1);
    scheduler_put(rig.x, 1, s, NULL, 0, NULL, 0, rig.now);
    ck_assert_int_eq(rig_state(1), VERDICT_UP);
    rig_pass(3 * MINUTE + 10);
    ck_assert_uint_eq(rig_view(1).slot, slot + 4); /* that of the put was late by its spread */
    ck_assert_uint_eq(rig_count(ENTRY_TRANSITION), 1);
    ck_assert_uint_eq(rig.n_gaps, 0);
}
END_TEST

START_TEST(test_a_put_without_another_rule_moves_nothing)
{
    rig_put_since(1, schedule_every("s", 30000, 1), 1, 3, NULL);
    rig_pass(2 * MINUTE);
    uint64_t slot = rig_view(2).slot, gone = 3;
    int64_t next = rig_view(2).next.us;
    struct schedule *s = schedule_every("s", 30000, 2);
    schedule_alert(s, "ops");
    scheduler_put(rig.x, 1, s, NULL, 0, &gone, 1, rig.now);
    ck_assert_int_eq(rig_view(2).next.us, next);
    rig_pass(2 * MINUTE);
    ck_assert_uint_eq(rig_view(2).slot, slot + 4);
    struct scheduler_view *v;
    ck_assert_uint_eq(scheduler_views(rig.x, "s", "s", &v), 1);
    ck_assert_uint_eq(v->checks, 2);
    ck_assert_uint_eq(v->by_state[VERDICT_UP], 2);
    ck_assert_int_ne(v->next.us, 0);
    free(v);
}
END_TEST

static size_t views(const char *from, const char *to)
{
    struct scheduler_view *v;
    size_t n = scheduler_views(rig.x, from, to, &v);
    free(v);
    return n;
}

START_TEST(test_schedules_and_checks_are_found_by_what_they_are)
{
    rig_put_since(1, schedule_every("s", 30000, 1), 1, 100, NULL);
    rig_put_since(2, schedule_every("t", 30000, 1), 101, 100, "one.example");
    ck_assert_uint_eq(views("s", "s"), 1);
    ck_assert_uint_eq(views("s", NULL), 2);
    ck_assert_uint_eq(views("sa", NULL), 1);
    ck_assert_uint_eq(views(NULL, "sa"), 1);
    ck_assert_uint_eq(views("sa", "sb"), 0);
    rig_pass(30);
    struct scheduler_check_view *v;
    struct scheduler_filter f = {.schedule = "t", .host = "one.example", .state = VERDICT_UP};
    uint64_t last;
    bool more;
    f.limit = 60;
    ck_assert_uint_eq(scheduler_checks(rig.x, &f, &v, &last, &more), 60);
    ck_assert(more && last == 160 && v[0].id == 101);
    scheduler_check_views_free(v, 60);
    f.after = last;
    ck_assert_uint_eq(scheduler_checks(rig.x, &f, &v, &last, &more), 40);
    ck_assert(!more);
    ck_assert_str_eq(v[39].key, "https://h200.example/");
    scheduler_check_views_free(v, 40);
    f = (struct scheduler_filter){.only = 5, .state = VERDICT_DOWN, .limit = 1};
    ck_assert_uint_eq(scheduler_checks(rig.x, &f, &v, &last, &more), 0);
    scheduler_check_views_free(v, 0);
}
END_TEST

START_TEST(test_somebody_takes_an_incident)
{
    rig.sees = all_down;
    rig_put_since(1, schedule_every("s", 30000, 1), 1, 1, NULL);
    rig_pass(30);
    ck_assert_int_eq(scheduler_ack(rig.x, 1, "eva", "on it", rig.now), ERR_NONE);
    ck_assert_int_eq(scheduler_ack(rig.x, 1, "ben", "", rig.now), ERR_EXISTS);
    ck_assert_int_eq(scheduler_ack(rig.x, 7, "ben", "", rig.now), ERR_NOT_FOUND);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_ACK], 1);
}
END_TEST

/* ---- certificates */

static void certificate(int64_t days)
{
    rig_pass(60);
    struct rig_run r = rig.runs[--rig.n_runs];
    rig_begin(&r);
    struct scheduler_result res = {.task = r.first,
                                   .agent = "a0",
                                   .total_ms = 1,
                                   .cert_not_after =
                                       rig.now.wall.us / 1000000 + days * 86400 + 3600};
    scheduler_result(rig.x, &res, rig.now);
}

START_TEST(test_each_threshold_of_a_certificate_is_told_once)
{
    struct schedule *s = schedule_every("s", 60000, 1);
    static const uint16_t days[] = {30, 14, 7};
    memcpy(s->cert_days, days, sizeof(days));
    s->n_cert_days = 3;
    rig.hold = true;
    rig_put_since(1, s, 1, 1, NULL);
    certificate(90);
    certificate(30);
    ck_assert_uint_eq(rig_count(ENTRY_CERTIFICATE), 0);
    certificate(29);
    certificate(20);
    ck_assert_uint_eq(rig_count(ENTRY_CERTIFICATE), 1);
    ck_assert_int_eq(rig.log[rig.n_log - 1].threshold, 30);
    ck_assert_int_eq(rig.log[rig.n_log - 1].days_left, 29);
    certificate(5);
    certificate(-3);
    ck_assert_uint_eq(rig_count(ENTRY_CERTIFICATE), 2);
    ck_assert_int_eq(rig.log[rig.n_log - 1].threshold, 7);
    certificate(90);
    ck_assert_int_eq(rig.log[rig.n_log - 1].threshold, 0);
    certificate(13);
    ck_assert_uint_eq(rig_count(ENTRY_CERTIFICATE), 4);
    ck_assert_int_eq(rig.log[rig.n_log - 1].threshold, 14);
}
END_TEST

TESTS(users_, test_a_schedule_is_deleted_while_it_runs,
      test_what_was_muted_ends_muted_when_its_schedule_is_gone,
      test_a_pause_is_unknown_and_no_slot_of_it_is_missed,
      test_another_rule_keeps_numbers_and_state, test_a_put_without_another_rule_moves_nothing,
      test_schedules_and_checks_are_found_by_what_they_are, test_somebody_takes_an_incident,
      test_each_threshold_of_a_certificate_is_told_once)

static TCase *users(void)
{
    TCase *tc = users_();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("scheduler_users", users)
