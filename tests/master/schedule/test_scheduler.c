/* SPDX-License-Identifier: MIT */
#include "tests/master/schedule/scheduler_rig.h"

#include "tests/support/check_main.h"

/* The stories of schedules, under clocks that only the tests move. */

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

static enum cause a0_is_ill(unsigned agent, uint64_t check)
{
    return agent == 0 ? CAUSE_connect_timeout : CAUSE_NONE;
}

static enum cause nobody_measures(unsigned agent, uint64_t check)
{
    return CAUSE_agent_network_down;
}

/* The nth transition of a check; NULL: there is none. */
static const struct rig_entry *transition(uint64_t check, unsigned nth)
{
    for (size_t i = 0; i < rig.n_log; i++)
        if (rig.log[i].kind == ENTRY_TRANSITION && rig.log[i].check == check && nth-- == 0)
            return &rig.log[i];
    return NULL;
}

/* ---- verdicts */

START_TEST(test_each_interval_is_one_run_and_the_state_is_up)
{
    rig_put_since(1, schedule_every("s", 30000, 1), 1, 100, NULL);
    rig_pass(10 * MINUTE);
    ck_assert_uint_eq(rig.asked, 2000);
    ck_assert_uint_eq(rig.confirms + rig.n_gaps, 0);
    ck_assert_uint_eq(rig_count(ENTRY_TRANSITION), 100);
    ck_assert_int_eq(rig_state(1), VERDICT_UP);
    ck_assert_uint_eq(rig_view(1).slot, 20);
    ck_assert_uint_gt(rig_view(1).recent[0], rig_view(1).recent[1]);
    ck_assert_uint_eq(transition(1, 0)->slot, 1);
    ck_assert_uint_ne(transition(1, 0)->task, 0);
}
END_TEST

START_TEST(test_two_agents_disagree_and_a_third_is_asked)
{
    rig.n_agents = 3;
    rig.sees = a0_is_ill;
    rig_put_since(1, schedule_every("s", 30000, 2), 1, 1, NULL);
    rig_pass(10 * MINUTE);
    ck_assert_uint_gt(rig.confirms, 0);
    ck_assert_int_eq(rig_state(1), VERDICT_UP);
    ck_assert_uint_eq(rig_count(ENTRY_TRANSITION), 1);
    ck_assert_uint_eq(rig_count(ENTRY_INCIDENT), 0);
}
END_TEST

START_TEST(test_two_agents_and_no_third_make_it_degraded)
{
    rig.sees = a0_is_ill;
    rig_put_since(1, schedule_every("s", 30000, 2), 1, 1, NULL);
    rig_pass(10 * MINUTE);
    ck_assert_int_eq(rig_state(1), VERDICT_DEGRADED);
    ck_assert_uint_eq(rig_count(ENTRY_TRANSITION), 1);
    ck_assert_str_eq(rig.log[0].advice, "down from a0 only");
    ck_assert_uint_le(rig.confirms, 4); /* of the first slot: it is known by then */
}
END_TEST

START_TEST(test_both_agents_make_it_down)
{
    struct schedule *s = schedule_every("shop", 30000, 2);
    schedule_alert(s, "ops");
    rig_put_since(1, s, 1, 1, NULL);
    rig_pass(MINUTE);
    rig.sees = all_down;
    rig_pass(MINUTE);
    ck_assert_int_eq(rig_state(1), VERDICT_DOWN);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_OPEN], 1);
    rig_pass(MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_CONFIRM], 1);
    ck_assert_uint_eq(rig_view(1).incident, 1);
    ck_assert_str_eq(rig.log[rig.n_log - 1].alert, "ops");
    ck_assert_str_eq(rig.log[rig.n_log - 1].schedule, "shop");
    rig.sees = NULL;
    rig_pass(5 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_RESOLVE], 1);
    ck_assert_uint_eq(rig_view(1).incident, 0);
}
END_TEST

/* One agent each, and others to ask: an agent that fails twice in a row is no second witness while
 * somebody else has seen the target well in between. */
START_TEST(test_an_ill_prober_brings_down_no_target_that_others_can_see)
{
    rig.n_agents = 3;
    rig.sees = a0_is_ill;
    rig_put_since(1, schedule_every("s", 60000, 1), 1, 60, NULL);
    rig_pass(30 * MINUTE);
    for (uint64_t i = 1; i <= 60; i++)
        ck_assert_int_eq(rig_state(i), VERDICT_UP);
    ck_assert_uint_eq(rig_count(ENTRY_INCIDENT), 0);
}
END_TEST

/* Hosts 1 to 60 only a0 can measure; the others have agents enough. */
static bool a0_sick;
static enum cause sick_night(unsigned agent, uint64_t check)
{
    return a0_sick && check <= 60 ? CAUSE_connect_timeout : CAUSE_NONE;
}

/* As the rig's pump, but that the first schedule is a0's alone. */
static void night(int s)
{
    for (int i = 0; i < s; i++) {
        rig_skip(1000);
        rig.hold = true;
        rig_tick();
        rig.hold = false;
        while (rig.n_runs > 0) {
            struct rig_run r = rig.runs[--rig.n_runs];
            rig_begin(&r);
            unsigned agent = r.check <= 60 ? 0 : 1 + (unsigned)(r.seq % 3);
            rig_say(r.first, agent, sick_night(agent, r.check));
        }
    }
}

START_TEST(test_the_night_of_the_sick_prober_is_one_event_and_no_incident)
{
    rig_put_since(1, schedule_every("far", 60000, 1), 1, 60, NULL);
    rig_put_since(2, schedule_every("near", 60000, 1), 61, 400, NULL);
    night(5 * MINUTE);
    a0_sick = true;
    night(30 * MINUTE);
    a0_sick = false;
    ck_assert_int_eq(rig_state(1), VERDICT_DOWN);
    ck_assert_uint_eq(rig.did[INCIDENT_SYSTEM_EVENT], 1);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_CONFIRM], 0);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_WITHDRAW], rig.did[INCIDENT_DID_OPEN]);
    night(10 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_RESOLVE], 1);
    for (size_t i = 0; i < rig.n_log; i++)
        if (rig.log[i].action == INCIDENT_SYSTEM_EVENT && rig.log[i].kind == ENTRY_INCIDENT)
            ck_assert_str_eq(rig.log[i].incident.agent, "a0");
}
END_TEST

static enum cause one_host(unsigned agent, uint64_t check)
{
    return check <= 200 ? CAUSE_connect_timeout : CAUSE_NONE;
}

START_TEST(test_a_dead_host_with_200_urls_is_one_incident)
{
    rig_put_since(1, schedule_every("shop", 60000, 2), 1, 200, "shop.example");
    rig_put_since(2, schedule_every("rest", 60000, 1), 201, 100, NULL);
    rig_pass(3 * MINUTE);
    rig.sees = one_host;
    rig_pass(10 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_OPEN], 1);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_CONFIRM], 1);
    ck_assert_uint_eq(rig.did[INCIDENT_SYSTEM_EVENT], 0);
    rig.sees = NULL;
    rig_pass(10 * MINUTE);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_RESOLVE], 1);
}
END_TEST

static bool odd_minutes;
static enum cause comes_and_goes(unsigned agent, uint64_t check)
{
    return odd_minutes ? CAUSE_connect_refused : CAUSE_NONE;
}

START_TEST(test_what_flaps_holds_one_incident_open)
{
    rig.sees = comes_and_goes;
    rig_put_since(1, schedule_every("s", 10000, 2), 1, 1, NULL);
    rig_pass(MINUTE);
    for (int i = 0; i < 20; i++) {
        odd_minutes = !odd_minutes;
        rig_pass(20);
    }
    ck_assert(rig_view(1).flapping);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_OPEN], 1);
    odd_minutes = false;
    rig_pass(15 * MINUTE);
    ck_assert(!rig_view(1).flapping);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_OPEN], 1);
    ck_assert_uint_eq(rig.did[INCIDENT_DID_RESOLVE], 1);
    struct scheduler_view *v;
    ck_assert_uint_eq(scheduler_views(rig.x, NULL, NULL, &v), 1);
    ck_assert_uint_eq(v->flapping + v->unconfirmed, 0);
    free(v);
}
END_TEST

START_TEST(test_no_data_becomes_unknown_in_two_intervals_and_never_up)
{
    rig_put_since(1, schedule_every("s", 30000, 1), 1, 1, NULL);
    rig_put_since(2, schedule_every("never", 30000, 1), 2, 1, NULL);
    rig.sees = nobody_measures;
    rig_pass(10 * MINUTE);
    ck_assert_uint_eq(rig_count(ENTRY_TRANSITION), 0); /* of silence nothing follows */
    ck_assert_int_eq(rig_state(2), VERDICT_UNKNOWN);
    rig.sees = NULL;
    rig_pass(MINUTE);
    ck_assert_int_eq(rig_state(1), VERDICT_UP);
    rig.sees = nobody_measures;
    rig_pass(30);
    ck_assert_int_eq(rig_state(1), VERDICT_UP);
    rig_pass(31);
    ck_assert_int_eq(rig_state(1), VERDICT_UNKNOWN);
    ck_assert_uint_eq(transition(1, 1)->task, 0);
    ck_assert_int_eq(transition(1, 1)->from, VERDICT_UP);
}
END_TEST

START_TEST(test_nothing_that_waits_is_told_of_before_it_is_due)
{
    rig_put_since(1, schedule_every("s", 30000, 1), 1, 1, NULL);
    rig_pass(MINUTE);
    rig.sees = nobody_measures;
    for (int i = 0; i < 20; i++) { /* as often as it says, and no oftener */
        rig_skip(scheduler_wait_ms(rig.x, rig.now, 60000));
        rig_tick();
    }
    ck_assert_uint_ge(rig.asked, 8);
    ck_assert_int_eq(rig_state(1), VERDICT_UNKNOWN);
}
END_TEST

/* ---- runs */

START_TEST(test_while_a_run_goes_on_slots_are_missed_and_told_by_the_minute)
{
    rig_put_since(1, schedule_every("s", 1000, 1), 1, 1, NULL);
    rig_pass(10);
    ck_assert_uint_eq(rig.n_gaps, 0);
    uint64_t before = rig_view(1).slot;
    rig.hold = true;
    rig_pass(150);
    ck_assert_uint_eq(rig.n_runs, 1);
    ck_assert_uint_eq(rig.gap_entries, 3); /* it began, and two minutes */
    rig.hold = false;
    rig_pass(2);
    ck_assert_uint_eq(rig.n_gaps, 1);
    ck_assert_int_eq(rig.gaps[0].why, PLAN_MISS_still_running);
    ck_assert_uint_eq(rig.gaps[0].first_seq, before + 2);
    ck_assert_uint_eq(rig_view(1).slot, rig.asked + rig.gaps[0].count);
    ck_assert_uint_eq(rig.gap_entries, 4); /* and how it ended */
}
END_TEST

START_TEST(test_one_gap_ends_where_another_begins)
{
    rig_put_since(1, schedule_every("s", 1000, 1), 1, 1, NULL);
    rig_pass(10);
    rig.room = PLAN_MISS_no_agent;
    rig_pass(10);
    rig.room = PLAN_MISS_overloaded;
    rig_pass(10);
    rig.room = PLAN_MISS_NONE;
    rig_pass(10);
    ck_assert_uint_eq(rig_missed(PLAN_MISS_no_agent), 10);
    ck_assert_uint_eq(rig_missed(PLAN_MISS_overloaded), 10);
    ck_assert_uint_eq(rig_view(1).slot, rig.asked + 20);
    ck_assert_uint_eq(counter_get(&scheduler_stats(rig.x)->missed[PLAN_MISS_no_agent]), 10);
}
END_TEST

static struct rig_run held(size_t i)
{
    ck_assert_uint_lt(i, rig.n_runs);
    return rig.runs[i];
}

START_TEST(test_a_run_says_what_is_to_be_stored)
{
    rig.hold = true;
    rig.n_agents = 5;
    rig_put_since(1, schedule_every("all", 30000, 0), 1, 1, NULL);
    rig_put_since(2, schedule_every("rare", 7200000, 1), 2, 1, NULL);
    rig_put_since(3, schedule_every("often", 5000, 1), 3, 1, NULL);
    rig_pass(7200);
    unsigned seen = 0;
    for (size_t i = 0; i < rig.n_runs; i++) {
        struct rig_run r = held(i);
        ck_assert_uint_eq(r.seq, 1);
        ck_assert_uint_eq(r.n, r.check == 1 ? 5 : 1);
        ck_assert_int_eq(r.deadline_ms, r.check == 2 ? 3600000 : 60000);
        seen |= 1u << r.check;
    }
    ck_assert_uint_eq(seen, 2 + 4 + 8);
}
END_TEST

START_TEST(test_all_is_at_least_one_and_at_most_what_a_target_may_have)
{
    rig.hold = true;
    rig.n_agents = 0;
    rig_put_since(1, schedule_every("s", 30000, 0), 1, 1, NULL);
    rig_pass(30);
    ck_assert_uint_eq(held(0).n, 1);
    rig.n_agents = 1000;
    rig_put_since(2, schedule_every("t", 30000, 0), 2, 1, NULL);
    rig_pass(30);
    ck_assert_uint_eq(held(1).n, AGENTS_COUNT_MAX);
}
END_TEST

START_TEST(test_who_has_spoken_is_not_asked_again_first)
{
    rig.hold = true;
    rig_put_since(1, schedule_every("s", 30000, 2), 1, 1, NULL);
    rig_pass(30);
    struct rig_run r = held(0);
    rig_begin(&r);
    rig_say(r.first, 3, CAUSE_NONE);
    ck_assert_uint_eq(rig.n_runs, 1); /* not before all is in */
    rig_say(r.first + 1, 4, CAUSE_dns_nxdomain);
    r = held(1);
    ck_assert(r.confirms && r.seq == 1 && r.n == 1 && r.n_shun == 2);
    ck_assert(rig_shunned(&r, 3) && rig_shunned(&r, 4));
    ck_assert(!rig_view(1).confirmed || rig_view(1).running);
    rig_begin(&r);
    rig_say(r.first, 5, CAUSE_dns_nxdomain);
    ck_assert_int_eq(rig_state(1), VERDICT_DOWN);
    ck_assert_uint_eq(transition(1, 0)->task, r.first);
    ck_assert(!rig_view(1).running);
}
END_TEST

START_TEST(test_asking_for_more_has_an_end)
{
    struct schedule *s = schedule_every("s", 60000, 1);
    s->confirm = VERDICT_CONFIRM_MAX;
    rig.hold = true;
    rig_put_since(1, s, 1, 1, NULL);
    rig_pass(60);
    unsigned tasks = 0;
    for (size_t i = 0; i < rig.n_runs; i++) {
        struct rig_run r = held(i);
        rig_begin(&r);
        for (unsigned k = 0; k < r.n; k++, tasks++) {
            struct scheduler_result none = {
                .task = r.first + k, .cause = CAUSE_no_agent, .total_ms = -1};
            if (tasks == 0)
                rig_say(r.first + k, 0, CAUSE_http_5xx);
            else
                scheduler_result(rig.x, &none, rig.now);
        }
    }
    ck_assert_uint_eq(tasks, 1 + VERDICT_CONFIRM_MAX);
    ck_assert_int_eq(rig_state(1), VERDICT_UNKNOWN);
    ck_assert(!rig_view(1).confirmed && !rig_view(1).running);
}
END_TEST

START_TEST(test_results_of_no_run_are_ignored)
{
    rig.hold = true;
    rig_put_since(1, schedule_every("s", 30000, 1), 1, 1, NULL);
    rig_pass(30);
    rig_say(77, 1, CAUSE_http_5xx);
    struct rig_run r = held(0);
    rig_begin(&r);
    rig_say(r.first, 1, CAUSE_NONE);
    rig_say(r.first, 1, CAUSE_http_5xx);
    ck_assert_int_eq(rig_state(1), VERDICT_UP);
    scheduler_began(rig.x, 99, 1, 5000, 1, rig.now);
    scheduler_began(rig.x, 1, 1, 5000, 1, rig.now);
    rig_say(5000, 1, CAUSE_http_5xx);
    ck_assert_int_eq(rig_state(1), VERDICT_UP);
}
END_TEST

START_TEST(test_a_run_whose_results_never_come_is_given_up)
{
    rig.hold = true;
    rig_put_since(1, schedule_every("s", 60000, 1), 1, 1, NULL);
    rig_pass(60);
    struct rig_run r = held(0);
    rig_pass(30 * MINUTE); /* with the store: that may take as long as it likes */
    ck_assert_uint_eq(rig.asked, 1);
    rig_begin(&r);
    rig_pass(10 * MINUTE);
    ck_assert_uint_eq(rig.asked, 1);
    rig_pass(3 * MINUTE);
    ck_assert_uint_eq(rig.asked, 2);
    ck_assert_uint_eq(counter_get(&scheduler_stats(rig.x)->lost), 1);
    rig_say(r.first, 0, CAUSE_http_5xx);
    ck_assert_int_eq(rig_state(1), VERDICT_UNKNOWN);
}
END_TEST

/* ---- clocks */

START_TEST(test_the_wall_clock_jumps_a_day_and_intervals_do_not_notice)
{
    rig_put_since(1, schedule_every("s", 30000, 1), 1, 50, NULL);
    rig_pass(5 * MINUTE);
    rig.now.wall.us += 86400 * INT64_C(1000000);
    rig_pass(5 * MINUTE);
    rig.now.wall.us -= 2 * 86400 * INT64_C(1000000);
    rig_pass(5 * MINUTE);
    ck_assert_uint_eq(rig.asked, 50 * 30);
    ck_assert_uint_eq(rig.n_gaps, 0);
    ck_assert_uint_eq(rig_count(ENTRY_TRANSITION), 50);
}
END_TEST

START_TEST(test_cron_over_the_change_of_the_clock)
{
    teardown();
    rig_start("2026-03-28T00:00");
    rig.hold = true;
    rig_put_since(1, schedule_cron("night", "30 2 * * *", "Europe/Berlin", 1), 1, 1, NULL);
    rig.hold = false;
    for (int day = 0; day < 3; day++)
        rig_pass(86400);
    ck_assert_uint_eq(rig.asked, 3);
    ck_assert_uint_eq(rig.n_gaps, 0);
    ck_assert_uint_eq(rig_view(1).slot, 3);
    ck_assert_int_eq(rig_state(1), VERDICT_UP); /* a day is not too long for a daily one */
    ck_assert_str_eq(utc_text(rig_view(1).next.us / 1000000), "2026-03-31T00:30:00");
}
END_TEST

static TCase *fixture(TCase *tc)
{
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
TESTS(verdicts_, test_each_interval_is_one_run_and_the_state_is_up,
      test_two_agents_disagree_and_a_third_is_asked, test_two_agents_and_no_third_make_it_degraded,
      test_both_agents_make_it_down, test_an_ill_prober_brings_down_no_target_that_others_can_see,
      test_the_night_of_the_sick_prober_is_one_event_and_no_incident,
      test_a_dead_host_with_200_urls_is_one_incident, test_what_flaps_holds_one_incident_open,
      test_no_data_becomes_unknown_in_two_intervals_and_never_up,
      test_nothing_that_waits_is_told_of_before_it_is_due)
TESTS(runs_, test_while_a_run_goes_on_slots_are_missed_and_told_by_the_minute,
      test_one_gap_ends_where_another_begins, test_a_run_says_what_is_to_be_stored,
      test_all_is_at_least_one_and_at_most_what_a_target_may_have,
      test_who_has_spoken_is_not_asked_again_first, test_asking_for_more_has_an_end,
      test_results_of_no_run_are_ignored, test_a_run_whose_results_never_come_is_given_up)
TESTS(clocks_, test_the_wall_clock_jumps_a_day_and_intervals_do_not_notice,
      test_cron_over_the_change_of_the_clock)

#define GROUP(name)                                                                                \
    static TCase *name(void)                                                                       \
    {                                                                                              \
        return fixture(name##_());                                                                 \
    }
GROUP(verdicts)
GROUP(runs)
GROUP(clocks)
CHECK_MAIN("scheduler", verdicts, runs, clocks)
