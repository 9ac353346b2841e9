/* SPDX-License-Identifier: MIT */
#include "tests/master/schedule/scheduler_rig.h"

#include "tests/support/check_main.h"

/* A master that ends, and another one that goes on from what was kept. */

#define MINUTE 60

static struct incident open_[64];
static size_t n_open;

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

static void keep_incidents(void)
{
    n_open = 0;
    for (size_t i = 0; i < rig.n_log; i++) {
        if (rig.log[i].kind != ENTRY_INCIDENT)
            continue;
        size_t k = 0;
        while (k < n_open && open_[k].id != rig.log[i].incident.id)
            k++;
        n_open += k == n_open;
        open_[k] = rig.log[i].incident;
    }
}

/* Everything but the tasks, which a test adds before rig_loaded(). */
static void restart(int64_t down_ms, struct schedule *s, struct wall changed_at, const char *host)
{
    rig_snapshot();
    keep_incidents();
    scheduler_destroy(&rig.x);
    rig.n_runs = 0;
    rig_skip(down_ms);
    rig.now.mono.ns = (7 + rig.now.wall.us % 1000) * NS_PER_SEC;
    rig.x = scheduler_create(&rig_ops, NULL, n_open, rig.now);
    scheduler_load_schedule(rig.x, 1, s, changed_at);
    for (size_t i = 0; i < rig.n_saved; i++) {
        char key[64], name[64];
        snprintf(key, sizeof(key), "https://h%llu.example/",
                 (unsigned long long)rig.saved[i].check);
        snprintf(name, sizeof(name), "h%llu.example", (unsigned long long)rig.saved[i].check);
        struct scheduler_check c = {.id = rig.saved[i].check,
                                    .key = key,
                                    .spec = "{}",
                                    .spec_len = 2,
                                    .host = host != NULL ? host : name,
                                    .created = {rig.saved[i].since.us}};
        scheduler_load_check(rig.x, 1, &c, &rig.saved[i]);
    }
    for (size_t i = 0; i < n_open; i++)
        if (open_[i].state < INCIDENT_RESOLVED)
            scheduler_load_incident(rig.x, &open_[i]);
}

START_TEST(test_ten_minutes_without_a_master_are_one_gap_and_one_run)
{
    rig_put_since(1, schedule_every("s", 10000, 1), 1, 100, NULL);
    rig_pass(5 * MINUTE);
    uint64_t before = rig_view(1).slot;
    size_t asked = rig.asked;
    restart(10 * MINUTE * 1000, schedule_every("s", 10000, 1), (struct wall){1}, NULL);
    scheduler_loaded(rig.x, rig.now);
    ck_assert_uint_eq(rig.n_runs, 0);
    ck_assert_int_eq(rig_state(1), VERDICT_UP); /* believed for two intervals more */
    rig_pass(10);
    ck_assert_uint_eq(rig.n_gaps, 100);
    ck_assert_uint_eq(rig_missed(PLAN_MISS_master_down) / 100, 59);
    ck_assert_uint_le(rig.asked - asked, 200);
    ck_assert_uint_eq(rig_view(1).slot, before + 61);
    rig_pass(MINUTE);
    ck_assert_uint_eq(rig_count(ENTRY_TRANSITION), 100);
}
END_TEST

START_TEST(test_a_confirmed_incident_is_not_told_again)
{
    rig_put_since(1, schedule_every("s", 30000, 2), 1, 200, "shop.example");
    rig_pass(MINUTE);
    rig.sees = all_down;
    rig_pass(2 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_CONFIRM], 1);
    struct schedule *s = schedule_every("s", 30000, 2);
    schedule_alert(s, "ops");
    restart(5000, s, (struct wall){1}, "shop.example");
    scheduler_loaded(rig.x, rig.now);
    rig_pass(5 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_OPEN], 1);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_CONFIRM], 1);
    ck_assert_uint_eq(rig_view(77).incident, 1);
    rig.sees = NULL;
    rig_pass(5 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_RESOLVE], 1);
    ck_assert_str_eq(rig.log[rig.n_log - 1].alert, "ops");
    ck_assert_uint_eq(rig.log[rig.n_log - 1].incident.checks, 200);
    ck_assert_uint_eq(rig.log[rig.n_log - 1].incident.id, 1);
}
END_TEST

static enum cause a0_only(unsigned agent, uint64_t check)
{
    return agent == 0 ? CAUSE_connect_refused : CAUSE_NONE;
}

START_TEST(test_a_check_that_is_not_up_stays_in_its_incident)
{
    rig.sees = all_down;
    rig_put_since(1, schedule_every("s", 30000, 2), 1, 1, NULL);
    rig_pass(2 * MINUTE);
    rig.sees = a0_only;
    rig_pass(MINUTE);
    ck_assert_int_eq(rig_state(1), VERDICT_DEGRADED);
    restart(5000, schedule_every("s", 30000, 2), (struct wall){1}, NULL);
    scheduler_loaded(rig.x, rig.now);
    ck_assert_uint_eq(rig_view(1).incident, 1);
    rig_pass(5 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_RESOLVE], 0);
}
END_TEST

START_TEST(test_who_is_down_and_was_not_told_of_is_told_of)
{
    rig_put_since(1, schedule_every("s", 30000, 2), 1, 10, "shop.example");
    rig_pass(MINUTE);
    rig.sees = all_down;
    rig_pass(30);
    rig.n_log = 0; /* what opened it was lost */
    memset(rig.did, 0, sizeof(rig.did));
    restart(1000, schedule_every("s", 30000, 2), (struct wall){1}, "shop.example");
    scheduler_loaded(rig.x, rig.now);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_OPEN], 1);
    rig_pass(MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_CONFIRM], 1);
    ck_assert_uint_eq(rig.did[INCIDENT_SYSTEM_EVENT], 0);
}
END_TEST

START_TEST(test_a_run_goes_on_with_the_votes_that_are_known)
{
    rig_put_since(1, schedule_every("s", 60000, 3), 1, 1, NULL);
    rig.hold = true;
    rig_pass(60);
    struct rig_run r = rig.runs[0];
    ck_assert_uint_eq(rig.asked, 1);
    restart(3000, schedule_every("s", 60000, 3), (struct wall){1}, NULL);
    scheduler_load_task(rig.x, 1, r.seq, r.at, 500, "a0", OUTCOME_FAILED, CAUSE_http_5xx);
    scheduler_load_task(rig.x, 1, r.seq, r.at, 501, NULL, -1, CAUSE_NONE);
    scheduler_load_task(rig.x, 1, r.seq, r.at, 502, "a1", OUTCOME_FAILED, CAUSE_http_5xx);
    scheduler_loaded(rig.x, rig.now);
    ck_assert(rig_view(1).running);
    ck_assert_uint_eq(rig.asked, 1);
    rig_say(501, 2, CAUSE_NONE);
    ck_assert_int_eq(rig_state(1), VERDICT_DOWN);
    ck_assert(!rig_view(1).running);
    ck_assert_uint_eq(rig.confirms, 0);
}
END_TEST

START_TEST(test_a_run_of_which_all_is_known_is_judged_once_and_not_run_again)
{
    rig_put_since(1, schedule_every("s", 60000, 1), 1, 2, NULL);
    rig.hold = true;
    rig_pass(60);
    struct rig_run r = rig.runs[0].check == 1 ? rig.runs[0] : rig.runs[1];
    restart(3000, schedule_every("s", 60000, 1), (struct wall){1}, NULL);
    scheduler_load_task(rig.x, 1, r.seq, r.at, 500, "a0", OUTCOME_OK, CAUSE_NONE);
    scheduler_load_task(rig.x, 99, 1, r.at, 501, "a0", OUTCOME_OK, CAUSE_NONE); /* is no more */
    scheduler_loaded(rig.x, rig.now);
    ck_assert_int_eq(rig_state(1), VERDICT_UP);
    ck_assert_uint_eq(rig_count(ENTRY_TRANSITION), 1);
    ck_assert_uint_eq(rig.asked + rig.confirms, 2);
    ck_assert_uint_eq(rig_view(1).recent[0], 500);
}
END_TEST

START_TEST(test_one_failure_whose_confirmation_was_lost_is_asked_about_again)
{
    rig_put_since(1, schedule_every("s", 60000, 1), 1, 1, NULL);
    rig.hold = true;
    rig_pass(60);
    struct rig_run r = rig.runs[0];
    restart(3000, schedule_every("s", 60000, 1), (struct wall){1}, NULL);
    scheduler_load_task(rig.x, 1, r.seq, r.at, 500, "a0", OUTCOME_FAILED, CAUSE_http_5xx);
    scheduler_loaded(rig.x, rig.now);
    ck_assert_uint_eq(rig.confirms, 1);
    ck_assert(rig.runs[0].confirms && rig.runs[0].seq == r.seq);
    ck_assert(rig_shunned(&rig.runs[0], 0));
}
END_TEST

START_TEST(test_a_pause_that_the_snapshot_does_not_know_is_no_gap)
{
    rig_put_since(1, schedule_every("s", 10000, 1), 1, 1, NULL);
    rig_pass(MINUTE);
    /* paused and resumed while nobody took a snapshot: the row alone says when */
    struct wall resumed = {rig.now.wall.us + 3600 * INT64_C(1000000)};
    restart(3600 * 1000 + 5000, schedule_every("s", 10000, 1), resumed, NULL);
    scheduler_loaded(rig.x, rig.now);
    rig_pass(MINUTE);
    ck_assert_uint_le(rig_missed(PLAN_MISS_master_down), 1);
}
END_TEST

START_TEST(test_what_was_paused_is_unknown_after_a_start)
{
    rig_put_since(1, schedule_every("s", 10000, 1), 1, 1, NULL);
    rig_pass(MINUTE);
    struct schedule *s = schedule_every("s", 10000, 1);
    s->paused = true;
    restart(1000, s, (struct wall){1}, NULL);
    scheduler_loaded(rig.x, rig.now);
    ck_assert_int_eq(rig_state(1), VERDICT_UNKNOWN);
    ck_assert_uint_eq(rig_count(ENTRY_TRANSITION), 2);
    rig_pass(MINUTE);
    ck_assert_uint_eq(rig.n_gaps, 0);
}
END_TEST

static TCase *fixture(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
TESTS(starts_, test_ten_minutes_without_a_master_are_one_gap_and_one_run,
      test_a_confirmed_incident_is_not_told_again,
      test_a_check_that_is_not_up_stays_in_its_incident,
      test_who_is_down_and_was_not_told_of_is_told_of,
      test_a_run_goes_on_with_the_votes_that_are_known,
      test_a_run_of_which_all_is_known_is_judged_once_and_not_run_again,
      test_one_failure_whose_confirmation_was_lost_is_asked_about_again,
      test_a_pause_that_the_snapshot_does_not_know_is_no_gap,
      test_what_was_paused_is_unknown_after_a_start)
static TCase *starts(void)
{
    return fixture(starts_());
}
CHECK_MAIN("scheduler_restart", starts)
