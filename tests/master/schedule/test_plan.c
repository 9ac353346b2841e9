/* SPDX-License-Identifier: MIT */
#include "tests/master/schedule/plan_rig.h"
#include "tests/support/check_main.h"

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static void end(void)
{
    rig_prove();
    plan_remove(&rig.plan, &rig.item);
    plan_fini(&rig.plan);
    zone_close((struct zone **)&rig.rule.zone);
    zone_close((struct zone **)&rig.rule.windows.zone);
}

static void gap_is(size_t i, enum plan_miss why, uint64_t first, uint64_t count)
{
    ck_assert_uint_lt(i, rig.n_gaps);
    ck_assert_str_eq(plan_miss_name(rig.gaps[i].why), plan_miss_name(why));
    ck_assert_uint_eq(rig.gaps[i].first_seq, first);
    ck_assert_uint_eq(rig.gaps[i].count, count);
}

START_TEST(test_an_interval_never_drifts)
{
    rig_start("2026-03-01T10:00:17");
    rig_every(30000, 12345);
    for (int64_t done = 0; done < DAY; done += 777) { /* looked at at odd moments */
        rig_skip(777);
        rig_look();
    }
    ck_assert_uint_eq(rig.n_runs, DAY / 30000);
    ck_assert_uint_eq(rig.n_gaps, 0);
    for (size_t i = 0; i < rig.n_runs; i++) {
        ck_assert_int_eq(rig.runs[i].at.us / 1000 % 30000, 12345);
        ck_assert_int_lt(rig.late_ms[i], 777);
    }
    end();
}
END_TEST

START_TEST(test_an_interval_is_the_same_after_a_restart)
{
    rig_start("2026-03-01T10:00:17");
    rig_every(60000, 33333);
    for (int i = 0; i < 50; i++) {
        rig_run(7 * MINUTE);
        rig_restart(2000);
    }
    rig_run(MINUTE);
    ck_assert_uint_eq(rig.n_runs, 353); /* 5 h 52 min 40 s, the first after 16 s */
    ck_assert_uint_eq(rig.n_gaps, 0);
    for (size_t i = 0; i < rig.n_runs; i++)
        ck_assert_int_eq(rig.runs[i].at.us / 1000 % 60000, 33333);
    end();
}
END_TEST

/* The wall is corrected by less than a second, so that slots are told a little off what the next
 * process, which takes its line from the wall, makes of them. */
START_TEST(test_two_clocks_that_differ_a_little_do_not_repeat_a_slot)
{
    rig_start("2026-03-01T10:00:00");
    rig_every(60000, 30000);
    for (int i = 0; i < 20; i++) {
        size_t runs = rig.n_runs;
        rig_jump(i % 2 ? -700 : 700);
        while (rig.n_runs == runs)
            rig_run(100);
        rig_restart(1); /* just behind a slot */
        rig_run(20000);
        ck_assert_uint_eq(rig.n_runs, runs + 1);
        rig_jump(i % 3 ? 500 : -500);
        rig_run(20000);
    }
    ck_assert_uint_eq(rig.n_gaps, 0);
    end();
}
END_TEST

START_TEST(test_a_check_does_not_start_before_it_was_made)
{
    rig_start("2026-03-01T10:00:40");
    rig_every(60000, 30000);
    rig_look();
    ck_assert_uint_eq(rig.events, 0);
    rig_run(49999);
    ck_assert_uint_eq(rig.events, 0);
    rig_run(1);
    ck_assert_uint_eq(rig.n_runs, 1);
    end();
}
END_TEST

START_TEST(test_ten_minutes_without_a_master_are_one_record)
{
    rig_start("2026-03-01T10:00:00");
    rig_every(1000, 400);
    rig_run(MINUTE);
    size_t runs = rig.n_runs, events = rig.events;
    rig_restart(10 * MINUTE);
    rig_look();
    ck_assert_uint_eq(rig.n_gaps, 1);
    gap_is(0, PLAN_MISS_master_down, runs + 1, 599);
    ck_assert_str_eq(wall_text(rig.gaps[0].first_at), "2026-03-01T10:01:00");
    ck_assert_str_eq(wall_text(rig.gaps[0].last.at), "2026-03-01T10:10:58");
    ck_assert_uint_eq(rig.n_runs, runs + 1); /* the last one still runs */
    ck_assert_uint_eq(rig.events, events + 2);
    end();
}
END_TEST

START_TEST(test_a_short_restart_loses_nothing)
{
    rig_start("2026-03-01T10:00:00");
    rig_every(60000, 1000);
    rig_run(MINUTE);
    rig_restart(7000); /* a tenth late */
    rig_look();
    ck_assert_uint_eq(rig.n_runs, 2);
    ck_assert_int_eq(rig.late_ms[1], 6000);
    rig_run(53999);
    rig_restart(6002);
    rig_look();
    ck_assert_uint_eq(rig.n_runs, 2);
    gap_is(0, PLAN_MISS_master_down, 3, 1);
    end();
}
END_TEST

START_TEST(test_lateness_has_its_bounds)
{
    static const struct {
        int64_t every_ms, late_ms;
    } bounds[] = {{10000, 5000}, {30000, 5000}, {300000, 30000}, {600000, 60000}, {DAY, 60000}};
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
        for (int over = 0; over < 2; over++) {
            rig_start("2026-03-01T00:00:00");
            rig_every(bounds[i].every_ms, 0);
            rig_skip(bounds[i].every_ms + bounds[i].late_ms + over);
            rig_look();
            ck_assert_uint_eq(rig.n_runs, 1 - (unsigned)over);
            end();
        }
}
END_TEST

START_TEST(test_a_master_that_stood_still_says_so)
{
    rig_start("2026-03-01T10:00:00");
    rig_every(1000, 0);
    rig_run(10000);
    rig_skip(30000);
    rig_look();
    ck_assert_uint_eq(rig.n_runs, 11);
    gap_is(0, PLAN_MISS_master_late, 11, 29);
    end();
}
END_TEST

START_TEST(test_down_and_then_late_are_two_gaps)
{
    rig_start("2026-03-01T10:00:00");
    rig_every(10000, 0);
    rig_run(10000);
    rig_restart(MINUTE + 5000); /* slots of :20 to :10 */
    rig_skip(42000);            /* loads for long: :20 to :50; the last one is too late */
    rig_look();
    ck_assert_uint_eq(rig.n_runs, 1);
    ck_assert_uint_eq(rig.n_gaps, 2);
    gap_is(0, PLAN_MISS_master_down, 2, 6);
    gap_is(1, PLAN_MISS_master_late, 8, 4);
    end();
}
END_TEST

START_TEST(test_what_the_caller_refuses_grows_one_gap)
{
    rig_start("2026-03-01T10:00:00");
    rig_every(1000, 0);
    rig_run(5000);
    rig.refuse = PLAN_MISS_still_running;
    rig_run(30000);
    gap_is(0, PLAN_MISS_still_running, 6, 30);
    rig.refuse = PLAN_MISS_no_agent;
    rig_run(600000);
    gap_is(1, PLAN_MISS_no_agent, 36, 600);
    rig.refuse = PLAN_MISS_NONE;
    rig_run(1000);
    rig.refuse = PLAN_MISS_no_agent;
    rig_run(1000);
    ck_assert_uint_eq(rig.n_gaps, 3);
    gap_is(2, PLAN_MISS_no_agent, 637, 1); /* a run lay between */
    end();
}
END_TEST

START_TEST(test_a_gap_goes_on_over_a_restart)
{
    rig_start("2026-03-01T10:00:00");
    rig_every(1000, 0);
    rig_restart(30000);
    rig.refuse = PLAN_MISS_no_agent;
    rig_look();
    rig_run(9000);
    gap_is(0, PLAN_MISS_master_down, 1, 29);
    gap_is(1, PLAN_MISS_no_agent, 30, 10);
    rig_restart(2000);
    rig_look();
    gap_is(1, PLAN_MISS_no_agent, 30, 10);
    gap_is(2, PLAN_MISS_master_down, 40, 1);
    gap_is(3, PLAN_MISS_no_agent, 41, 1);
    rig_restart(500);
    rig_run(500);
    gap_is(3, PLAN_MISS_no_agent, 41, 2);
    end();
}
END_TEST

START_TEST(test_intervals_do_not_notice_the_wall_clock)
{
    static const int64_t jumps[] = {DAY, -DAY, 37 * MINUTE + 123, -3 * HOUR - 1};
    for (size_t j = 0; j < ARRAY_LEN(jumps); j++) {
        rig_start("2026-03-01T10:00:00");
        rig_every(1000, 500);
        rig_run(10000);
        rig_jump(jumps[j]);
        rig_run(10000);
        ck_assert_uint_eq(rig.n_runs, 20);
        ck_assert_uint_eq(rig.n_gaps, 0);
        ck_assert_int_eq(rig.runs[10].at.us - rig.runs[9].at.us, (jumps[j] + 1000) * 1000);
        rig_restart(3000); /* and the restart does not either */
        rig_run(5000);
        ck_assert_uint_ge(rig.item.last.seq, 27);
        ck_assert_uint_le(rig.item.last.seq, 29);
        end();
    }
}
END_TEST

START_TEST(test_cron_over_which_the_clock_is_put_forward)
{
    rig_start("2026-03-01T10:30:00");
    rig_cron("0 * * * *", "UTC", 0, 0);
    rig_run(HOUR);
    rig_jump(DAY);
    rig_look();
    ck_assert_uint_eq(rig.n_runs, 1);
    gap_is(0, PLAN_MISS_clock_jumped, 2, 24);
    rig_run(HOUR);
    ck_assert_uint_eq(rig.n_runs, 2);
    ck_assert_str_eq(wall_text(rig.runs[1].at), "2026-03-02T12:00:00");
    end();
}
END_TEST

START_TEST(test_cron_that_is_reached_late_by_a_jump_still_runs)
{
    rig_start("2026-03-01T10:30:00");
    rig_cron("0 * * * *", "UTC", 0, 0);
    rig_jump(30 * MINUTE + PLAN_LATE_MAX_MS);
    rig_look();
    ck_assert_uint_eq(rig.n_runs, 1);
    ck_assert_uint_eq(rig.n_gaps, 0);
    end();
}
END_TEST

START_TEST(test_cron_does_not_run_again_when_the_clock_is_put_back)
{
    rig_start("2026-03-02T10:30:00");
    rig_cron("0 * * * *", "UTC", 0, 0);
    rig_run(2 * HOUR);
    ck_assert_uint_eq(rig.n_runs, 2);
    rig_jump(-DAY);
    rig_run(DAY + 29 * MINUTE);
    ck_assert_uint_eq(rig.n_runs, 2);
    rig_restart(1000); /* nor after a restart */
    rig_run(MINUTE);
    ck_assert_uint_eq(rig.n_runs, 3);
    ck_assert_str_eq(wall_text(rig.runs[2].at), "2026-03-02T13:00:00");
    ck_assert_uint_eq(rig.n_gaps, 0);
    end();
}
END_TEST

START_TEST(test_a_clock_that_was_years_ahead_is_forgotten)
{
    rig_start("2036-03-02T10:30:00");
    rig_cron("0 * * * *", "UTC", 0, 0);
    rig_run(HOUR);
    rig_jump(-3650 * DAY);
    rig_run(HOUR);
    ck_assert_uint_eq(rig.n_runs, 2);
    ck_assert_uint_eq(rig.n_gaps, 0);
    rig_jump(3650 * DAY); /* found out only by the next process */
    rig_run(HOUR);
    rig_jump(-3650 * DAY);
    rig_restart(1000);
    size_t runs = rig.n_runs;
    rig_run(HOUR);
    ck_assert_uint_eq(rig.n_runs, runs + 1);
    end();
}
END_TEST

START_TEST(test_cron_is_spread_inside_its_minute)
{
    rig_start("2026-03-01T10:30:00");
    rig_cron("0 * * * *", "UTC", RULE_SPREAD_DEFAULT_MS, 4321);
    rig_run(30 * MINUTE + 4320);
    ck_assert_uint_eq(rig.n_runs, 0);
    rig_run(1);
    ck_assert_uint_eq(rig.n_runs, 1);
    ck_assert_str_eq(wall_text(rig.runs[0].at), "2026-03-01T11:00:00");
    rig_restart(1);
    rig_run(MINUTE);
    ck_assert_uint_eq(rig.n_runs, 1);
    end();
}
END_TEST

START_TEST(test_a_night_without_a_master_is_counted_by_cron)
{
    rig_start("2026-03-28T20:30:00");
    rig_cron("*/10 * * * *", "Europe/Berlin", 6000, 77);
    rig_run(HOUR);
    rig_restart(10 * HOUR + 5 * MINUTE);
    rig_look();
    ck_assert_uint_eq(rig.n_gaps, 1);
    gap_is(0, PLAN_MISS_master_down, 6, 61); /* 21:30 to 07:30 in UTC */
    rig_run(5 * MINUTE + 77);
    ck_assert_uint_eq(rig.n_runs, 6);
    end();
}
END_TEST

START_TEST(test_summer_time_is_kept_by_cron)
{
    rig_start("2026-03-27T12:00:00");
    rig_cron("30 2 * * *", "Europe/Berlin", 0, 0);
    rig_run(3 * DAY);
    ck_assert_uint_eq(rig.n_runs, 3);
    ck_assert_str_eq(wall_text(rig.runs[0].at), "2026-03-28T01:30:00");
    ck_assert_str_eq(wall_text(rig.runs[1].at), "2026-03-29T01:00:00");
    ck_assert_str_eq(wall_text(rig.runs[2].at), "2026-03-30T00:30:00");
    end();
}
END_TEST

START_TEST(test_a_pause_is_no_gap)
{
    rig_start("2026-03-01T10:00:00");
    rig_every(1000, 0);
    rig_run(5000);
    plan_remove(&rig.plan, &rig.item);
    rig_run(HOUR);
    rig.item.since = rig.now.wall;
    plan_add(&rig.plan, &rig.item, rig.now);
    rig_run(5000);
    ck_assert_uint_eq(rig.n_runs, 10);
    ck_assert_uint_eq(rig.n_gaps, 0);
    end();
}
END_TEST

START_TEST(test_a_rule_that_changes_owes_nothing_of_the_past)
{
    rig_start("2026-03-01T00:00:00");
    rig_every(DAY, 0);
    rig_run(DAY + 5 * HOUR);
    plan_remove(&rig.plan, &rig.item);
    rig.rule.every_ms = 1000;
    rig.item.since = rig.now.wall;
    plan_add(&rig.plan, &rig.item, rig.now);
    rig_run(2000);
    ck_assert_uint_eq(rig.n_runs, 3);
    ck_assert_uint_eq(rig.n_gaps, 0);
    end();
}
END_TEST

static void office_hours(void)
{
    rig.rule = (struct rule){.kind = RULE_EVERY, .every_ms = 60000};
    rig.rule.windows =
        (struct windows){.zone = zone_of("Europe/Berlin"), .n = 1, .w = {{0x3e, 9 * 60, 17 * 60}}};
    rig_add(30000);
}

START_TEST(test_an_interval_keeps_to_its_windows)
{
    rig_start("2026-03-27T00:00:00"); /* a Friday; summer time begins on Sunday */
    office_hours();
    rig_run(4 * DAY);
    ck_assert_uint_eq(rig.n_runs, 2 * 8 * 60);
    ck_assert_uint_eq(rig.n_gaps, 0);
    ck_assert_str_eq(wall_text(rig.runs[0].at), "2026-03-27T08:00:30");
    ck_assert_str_eq(wall_text(rig.runs[479].at), "2026-03-27T15:59:30");
    ck_assert_str_eq(wall_text(rig.runs[480].at), "2026-03-30T07:00:30");
    end();
}
END_TEST

START_TEST(test_only_slots_inside_windows_are_missed)
{
    rig_start("2026-03-27T00:00:00");
    office_hours();
    rig_restart(7 * DAY);
    rig_look();
    ck_assert_uint_eq(rig.n_gaps, 1);
    gap_is(0, PLAN_MISS_master_down, 1, 5 * 8 * 60);
    end();
}
END_TEST

START_TEST(test_windows_follow_a_clock_that_jumps)
{
    rig_start("2026-03-27T20:00:00");
    office_hours();
    rig_run(HOUR);
    ck_assert_uint_eq(rig.events, 0);
    rig_jump(-9 * HOUR); /* 12:00 */
    rig_run(10 * MINUTE);
    ck_assert_uint_eq(rig.n_runs, 10);
    rig_jump(9 * HOUR);
    rig_run(HOUR);
    ck_assert_uint_eq(rig.n_runs, 10);
    ck_assert_uint_eq(rig.n_gaps, 0);
    end();
}
END_TEST

START_TEST(test_cron_keeps_to_windows)
{
    rig_start("2026-03-27T00:00:00");
    rig.rule = (struct rule){.kind = RULE_CRON, .zone = zone_of("UTC")};
    rig.rule.windows = (struct windows){
        .zone = zone_of("Europe/Berlin"), .n = 2, .w = {{0x20, 22 * 60, 60}, {0x02, 0, 1440}}};
    char why[CRON_WHY_MAX];
    ck_assert(cron_parse("0 * * * *", &rig.rule.cron, why) == ERR_NONE);
    rig_add(0);
    rig_run(3 * DAY);
    rig_restart(DAY);
    rig_look();
    ck_assert_uint_eq(rig.n_runs, 3 + 3); /* Friday 22:00 to 01:00; Monday until 02:00 */
    gap_is(0, PLAN_MISS_master_down, 7, 21);
    end();
}
END_TEST

START_TEST(test_the_plan_says_when_to_look_again)
{
    rig_start("2026-03-01T10:00:00");
    ck_assert_int_eq(plan_wait_ms(&rig.plan, rig.now, 5000), 5000);
    rig_every(60000, 2500);
    ck_assert_int_eq(plan_wait_ms(&rig.plan, rig.now, 5000), 2500);
    ck_assert_int_eq(plan_wait_ms(&rig.plan, rig.now, 1000), 1000);
    rig_skip(9000);
    ck_assert_int_eq(plan_wait_ms(&rig.plan, rig.now, 5000), 0);
    rig_look();
    end();
}
END_TEST

TESTS(intervals, test_an_interval_never_drifts, test_an_interval_is_the_same_after_a_restart,
      test_two_clocks_that_differ_a_little_do_not_repeat_a_slot,
      test_a_check_does_not_start_before_it_was_made, test_the_plan_says_when_to_look_again)
TESTS(missed, test_ten_minutes_without_a_master_are_one_record, test_a_short_restart_loses_nothing,
      test_lateness_has_its_bounds, test_a_master_that_stood_still_says_so,
      test_down_and_then_late_are_two_gaps, test_what_the_caller_refuses_grows_one_gap,
      test_a_gap_goes_on_over_a_restart, test_a_pause_is_no_gap,
      test_a_rule_that_changes_owes_nothing_of_the_past)
TESTS(clocks, test_intervals_do_not_notice_the_wall_clock,
      test_cron_over_which_the_clock_is_put_forward,
      test_cron_that_is_reached_late_by_a_jump_still_runs,
      test_cron_does_not_run_again_when_the_clock_is_put_back,
      test_a_clock_that_was_years_ahead_is_forgotten)
TESTS(by_cron, test_cron_is_spread_inside_its_minute,
      test_a_night_without_a_master_is_counted_by_cron, test_summer_time_is_kept_by_cron)
TESTS(hours, test_an_interval_keeps_to_its_windows, test_only_slots_inside_windows_are_missed,
      test_windows_follow_a_clock_that_jumps, test_cron_keeps_to_windows)
CHECK_MAIN("plan", intervals, missed, clocks, by_cron, hours)
