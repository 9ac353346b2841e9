/* SPDX-License-Identifier: MIT */
#include "tests/master/core/lane_rig.h"

/* Batches that grow: tasks come while they run. */

/* ---- growing */

START_TEST(what_is_added_runs_and_the_lane_goes_on)
{
    begin(0, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    for (unsigned i = 1; i <= 5; i++) {
        world_runs(w, 1, 20, 1, i * 20, MINUTE);
        ck_assert_uint_eq(counts(1).total, i * 20);
        ck_assert_uint_eq(counts(1).queued + counts(1).running, 20);
        ck_assert_uint_eq(a->n_held, i == 1 ? 0 : 20); /* it has credit by then */
        go_on(1, 1000);
        ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], i * 20);
        ck_assert_int_eq(counts(1).waits, WAITS_NONE);
    }
    ck_assert_uint_eq(gauge_get(&core_stats(w->core)->open_tasks), 0);
    ck_assert_uint_eq(w->refill_rows, 0); /* it was all here */
    world_lane_close(w, 1);
    world_settle(w);
    ck_assert(!is_open(1) && world_all_ended(w, 1));
    ck_assert_str_eq(w->last_event, "batch_ended");
    over();
}
END_TEST

START_TEST(a_closed_lane_ends_with_its_last_task)
{
    begin(0, 1);
    world_runs(w, 1, 3, 1, 0, MINUTE);
    world_lane_close(w, 1);
    world_settle(w);
    ck_assert(is_open(1));
    world_connect(w, 0, "a", "1");
    go_on(1, 1000);
    ck_assert(!is_open(1) && world_all_ended(w, 1));
    over();
}
END_TEST

START_TEST(an_idle_lane_is_not_stuck_and_one_with_work_is)
{
    setup();
    struct core_stuck told[CORE_STUCK_MAX];
    unsigned more;
    open_lane(1, 0, 1);
    world_tick(w, 2 * CORE_STUCK_MS, false);
    ck_assert_uint_eq(core_stuck(w->core, w->now, told, &more), 0);
    ck_assert_str_eq(counts(1).waits_for, "");
    world_runs(w, 1, 1, 1, 0, MINUTE);
    ck_assert_uint_eq(core_stuck(w->core, w->now, told, &more), 0); /* it has just come */
    world_tick(w, CORE_STUCK_SURE_MS, false);
    ck_assert_uint_eq(core_stuck(w->core, w->now, told, &more), 1);
    ck_assert_int_eq(told[0].counts.waits, WAITS_NO_AGENT);
    over();
}
END_TEST

START_TEST(room_says_who_could_take_it_and_what_waits)
{
    begin(0, 1);
    ck_assert(room(1).matching == 0 && room(1).able == 0 && room(1).ready == 0);
    world_connect(w, 0, "a", "1");
    struct w_agent *b = world_connect(w, 1, "b", "1");
    world_runs(w, 1, 7, 1, 0, MINUTE);
    ck_assert(room(1).matching == 2 && room(1).able == 2 && room(1).ready == 7);
    stall(b);
    ck_assert(room(1).matching == 2 && room(1).able == 1);
    struct core_room r;
    ck_assert(!core_batch_room(w->core, 2, &r));
    core_cancel(w->core, 1, NULL, w->now);
    ck_assert(!core_batch_room(w->core, 1, &r));
    over();
}
END_TEST

START_TEST(selections_and_turns_hold_for_lanes)
{
    setup();
    static const char *const only[] = {"b"};
    open_lane_for(1, only, 1);
    struct w_agent *a = agent(0, "a", 10), *b = agent(1, "b", 10);
    world_runs(w, 1, 3, 1, 0, MINUTE); /* both are hungry: only one is asked */
    ck_assert_uint_eq(a->n_held, 0);
    ck_assert_uint_eq(b->n_held, 3);
    ck_assert_int_eq(b->held[0].cls, CLASS_SCHEDULE);
    ck_assert_uint_eq(room(1).matching, 1);
    over();
}
END_TEST

/* However many wait for one host: none of them leaves memory, and none holds up another host. */
START_TEST(a_busy_host_keeps_its_runs_in_memory)
{
    begin(2, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    for (int i = 0; i < 2000; i++)
        world_runs(w, 1, 1, 1, 7, 10 * MINUTE);
    world_runs(w, 1, 5, 1, 100, 10 * MINUTE);
    world_credit(w, a, 4000);
    core_audit(w->core);
    ck_assert_uint_eq(a->n_held, 7); /* two of the host, and the five others */
    ck_assert_uint_eq(w->core->tasks.count, 2005);
    ck_assert_uint_eq(w->refill_rows, 0);
    for (int i = 0; i < 1100; i++) {
        world_credit(w, a, 4000);
        world_answer_all(w, a);
    }
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 2005);
    over();
}
END_TEST

START_TEST(a_paused_lane_keeps_what_it_has_and_takes_more)
{
    begin(0, 2);
    world_connect(w, 0, "a", "1");
    world_connect(w, 1, "b", "1");
    world_runs(w, 1, 5, 2, 0, MINUTE);
    ck_assert(core_pause(w->core, 1, true, NULL, w->now));
    world_settle(w);
    world_runs(w, 1, 5, 2, 10, 2000);
    core_audit(w->core);
    go_on(2, 3000);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_EXPIRED], 10); /* deadlines go on */
    ck_assert(ended_so(1, 10, OUTCOME_EXPIRED, "deadline"));
    ck_assert_uint_eq(counts(1).queued, 10);
    ck_assert(core_pause(w->core, 1, false, NULL, w->now));
    world_settle(w);
    go_on(2, 2000);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 10);
    ck_assert_uint_eq(w->refill_rows, 0);
    over();
}
END_TEST

/* What was committed before the mark comes after it: it counts, and is swept. */
START_TEST(what_comes_to_a_cancelled_lane_is_swept)
{
    begin(0, 1);
    world_runs(w, 1, 5, 1, 0, MINUTE);
    ck_assert(w_commit_runs(w, 1, 5, 1, 10, MINUTE));
    ck_assert(core_cancel(w->core, 1, NULL, w->now));
    ck_assert(!w_commit_runs(w, 1, 5, 1, 20, MINUTE));
    w->sweeps_silent = true;
    world_settle(w);
    ck_assert_uint_eq(counts(1).total, 10);
    w->sweeps_silent = false;
    world_settle(w);
    ck_assert(!is_open(1) && world_all_ended(w, 1));
    ck_assert_uint_eq(w->batches[1].ended[OUTCOME_CANCELLED], 10);
    over();
}
END_TEST

/* Its last task ends before what was committed meanwhile is known here: it is not over. */
START_TEST(a_cancelled_lane_waits_for_its_sweep)
{
    begin(0, 1);
    struct w_agent *a = agent(0, "a", 10);
    world_runs(w, 1, 1, 1, 0, MINUTE);
    w->silent = true;
    world_answer_all(w, a);
    ck_assert(w_commit_runs(w, 1, 5, 1, 10, MINUTE));
    ck_assert(core_cancel(w->core, 1, NULL, w->now));
    world_settle(w);
    w->silent = false;
    world_settle(w);
    ck_assert(!is_open(1) && world_all_ended(w, 1));
    ck_assert_uint_eq(w->batches[1].ended[OUTCOME_CANCELLED], 5);
    over();
}
END_TEST

/* ---- restart */

START_TEST(a_new_master_finds_what_was_open_and_goes_on_behind_it)
{
    begin(0, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_runs(w, 1, 50, 1, 0, 2 * MINUTE);
    world_credit(w, a, 10);
    world_answer_all(w, a);
    world_restart(w);
    core_audit(w->core);
    ck_assert_uint_eq(counts(1).total, 50);
    ck_assert_uint_eq(counts(1).queued, 40);
    uint64_t read = w->refill_rows;
    world_runs(w, 1, 30, 1, 100, 2 * MINUTE);
    world_connect(w, 0, "a", "1");
    go_on(1, 20000);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 80);
    ck_assert_uint_eq(w->refill_rows, read);
    for (unsigned i = 0; i < 80; i++)
        ck_assert_int_eq(w->batches[1].tasks[i].stored, 1);
    over();
}
END_TEST

/* Committed, and the core was not told: they are found as what was open. */
START_TEST(runs_that_only_the_store_knows_are_found)
{
    begin(0, 2);
    world_runs(w, 1, 5, 2, 0, MINUTE);
    ck_assert(w_commit_runs(w, 1, 5, 2, 10, MINUTE));
    world_restart(w);
    ck_assert_uint_eq(counts(1).total, 20);
    world_connect(w, 0, "a", "1");
    world_connect(w, 1, "b", "1");
    world_runs(w, 1, 5, 2, 20, MINUTE);
    go_on(2, 20000);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 30);
    over();
}
END_TEST

START_TEST(deadlines_hold_over_a_restart)
{
    begin(0, 1);
    world_runs(w, 1, 5, 1, 0, 10000);
    world_tick(w, 6000, false);
    world_restart(w);
    world_runs(w, 1, 1, 1, 9, MINUTE);
    world_tick(w, 3750, false);
    ck_assert_uint_eq(counts(1).queued, 6);
    world_tick(w, 250, false);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_EXPIRED], 5);
    world_restart(w);
    ck_assert_uint_eq(counts(1).queued, 1);
    over();
}
END_TEST

START_TEST(what_an_agent_kept_running_is_taken_up_with_its_deadline)
{
    begin(0, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_runs(w, 1, 2, 1, 0, 20000);
    world_credit(w, a, 10);
    world_restart(w);
    world_connect(w, 0, "a", "1");
    ck_assert_uint_eq(a->n_held, 2);
    ck_assert_uint_eq(counts(1).running, 2);
    answer_first(a);
    world_tick(w, 20000 + DEADLINE_GRACE_MS, true);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 1);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_EXPIRED], 1);
    ck_assert_uint_eq(a->cancels, 1);
    over();
}
END_TEST

START_TEST(an_idle_lane_is_resumed_and_asks_nothing)
{
    begin(0, 1);
    world_connect(w, 0, "a", "1");
    world_runs(w, 1, 3, 1, 0, MINUTE);
    go_on(1, 1000);
    w->batches[1].def.low_water = 3;
    world_restart(w);
    ck_assert(is_open(1));
    ck_assert_uint_eq(w->refill_rows, 0);
    world_lane_close(w, 1);
    world_settle(w);
    ck_assert(!is_open(1));
    over();
}
END_TEST

/* ---- who is asked */

/* Forty agents that match sit idle: as many of them are asked to write as there are tasks. */
static void open_lane_of_idle_agents(void)
{
    enum { AGENTS = 40 };
    static const char *names[AGENTS];
    static char text[AGENTS][8];
    for (unsigned i = 0; i < AGENTS; i++) {
        snprintf(text[i], sizeof(text[i]), "a%u", i);
        names[i] = text[i];
    }
    open_lane_for(1, names, AGENTS);
    for (unsigned i = 0; i < AGENTS; i++)
        agent(i, names[i], 200);
    world_settle(w);
}

START_TEST(one_run_asks_one_idle_agent)
{
    setup();
    open_lane_of_idle_agents();
    uint64_t before = w->asked_to_write;
    world_runs(w, 1, 1, 1, 0, MINUTE);
    ck_assert_uint_eq(counts(1).running, 1);
    ck_assert_uint_le(w->asked_to_write - before, 2);
    over();
}
END_TEST

START_TEST(runs_that_come_together_ask_no_more_agents_than_they_are)
{
    setup();
    open_lane_of_idle_agents();
    uint64_t before = w->asked_to_write;
    world_runs(w, 1, 10, 1, 0, MINUTE);
    ck_assert_uint_eq(counts(1).running, 10);
    ck_assert_uint_le(w->asked_to_write - before, 11);
    over();
}
END_TEST

TESTS(growing, what_is_added_runs_and_the_lane_goes_on, a_closed_lane_ends_with_its_last_task,
      an_idle_lane_is_not_stuck_and_one_with_work_is, room_says_who_could_take_it_and_what_waits,
      selections_and_turns_hold_for_lanes, a_busy_host_keeps_its_runs_in_memory,
      a_paused_lane_keeps_what_it_has_and_takes_more, what_comes_to_a_cancelled_lane_is_swept,
      a_cancelled_lane_waits_for_its_sweep)
TESTS(restarts, a_new_master_finds_what_was_open_and_goes_on_behind_it,
      runs_that_only_the_store_knows_are_found, deadlines_hold_over_a_restart,
      what_an_agent_kept_running_is_taken_up_with_its_deadline,
      an_idle_lane_is_resumed_and_asks_nothing)
TESTS(asking, one_run_asks_one_idle_agent, runs_that_come_together_ask_no_more_agents_than_they_are)
CHECK_MAIN("lane", growing, restarts, asking)
