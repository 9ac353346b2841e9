/* SPDX-License-Identifier: MIT */
#include "tests/master/core/lane_rig.h"

/* What each task of a lane has of its own: a deadline, agents not to be asked first, other slots.
 */

/* ---- deadlines */

START_TEST(a_run_that_no_agent_is_there_for_says_so)
{
    begin(0, 1);
    world_runs(w, 1, 1, 1, 0, 5000);
    world_runs(w, 1, 1, 1, 1, 9000);
    world_tick(w, 4750, false);
    ck_assert_uint_eq(counts(1).queued, 2);
    world_tick(w, 250, false);
    ck_assert(ended_so(1, 0, OUTCOME_EXPIRED, "no_agent"));
    ck_assert_uint_eq(counts(1).queued, 1);
    world_tick(w, 4000, false);
    ck_assert(ended_so(1, 1, OUTCOME_EXPIRED, "no_agent"));
    ck_assert_uint_eq(counts(1).ended[OUTCOME_EXPIRED], 2);
    over();
}
END_TEST

START_TEST(a_run_that_waited_for_credit_or_its_host_says_deadline)
{
    begin(1, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_runs(w, 1, 1, 1, 7, MINUTE);
    world_credit(w, a, 1);
    world_runs(w, 1, 1, 1, 7, 3000); /* behind it */
    world_credit(w, a, 1);
    world_runs(w, 1, 1, 1, 8, 3000);
    ck_assert_uint_eq(a->n_held, 2);
    world_runs(w, 1, 1, 1, 9, 3000); /* no credit */
    world_tick(w, 3000, true);
    ck_assert(ended_so(1, 1, OUTCOME_EXPIRED, "deadline"));
    ck_assert(ended_so(1, 3, OUTCOME_EXPIRED, "deadline"));
    ck_assert(!w->batches[1].tasks[0].has_result && !w->batches[1].tasks[2].has_result);
    over();
}
END_TEST

START_TEST(one_at_an_agent_gets_a_moment_and_is_then_cancelled)
{
    begin(0, 1);
    struct w_agent *a = agent(0, "a", 10);
    world_runs(w, 1, 2, 1, 0, 5000);
    struct w_held late = a->held[1];
    world_tick(w, 5000 + DEADLINE_GRACE_MS - 250, true);
    ck_assert(a->n_held == 2 && counts(1).running == 2);
    answer_first(a);
    world_tick(w, 250, true);
    ck_assert(ended_so(1, 0, OUTCOME_OK, ""));
    ck_assert(ended_so(1, 1, OUTCOME_EXPIRED, "deadline"));
    ck_assert_uint_eq(a->cancels, 1);
    uint64_t before = a->acks_duplicate;
    world_result(w, a, &late, CAUSE_NONE); /* it could not be stopped any more */
    world_settle(w);
    ck_assert_uint_eq(a->acks_duplicate, before + 1);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_EXPIRED], 1);
    over();
}
END_TEST

START_TEST(one_that_comes_back_after_its_deadline_ends_at_once)
{
    begin(0, 1);
    struct w_agent *a = agent(0, "a", 10);
    world_runs(w, 1, 1, 1, 0, 2000);
    world_tick(w, 2500, true);
    world_nack(w, a, "agent_memory");
    ck_assert_uint_eq(agent(1, "b", 10)->n_held, 0);
    core_audit(w->core);
    world_tick(w, 250, true);
    ck_assert(ended_so(1, 0, OUTCOME_EXPIRED, "deadline"));
    over();
}
END_TEST

/* Stored is stored, but until that is known the deadline passes. */
START_TEST(a_result_on_its_way_to_the_store_is_not_overtaken)
{
    begin(0, 1);
    struct w_agent *a = agent(0, "a", 10);
    world_runs(w, 1, 1, 1, 0, 2000);
    w->store_stalled = true;
    world_answer_all(w, a);
    world_tick(w, 20000, true);
    ck_assert_uint_eq(counts(1).running, 1);
    core_audit(w->core);
    w->store_stalled = false;
    world_settle(w);
    ck_assert(ended_so(1, 0, OUTCOME_OK, ""));
    ck_assert_int_eq(w->batches[1].tasks[0].stored, 1);
    over();
}
END_TEST

START_TEST(the_agent_is_told_the_earlier_deadline)
{
    begin(0, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_runs(w, 1, 1, 1, 0, 4321);
    struct strbuf b, frame;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_credit(&b, w_grant(a, 10, BYTE_WINDOW_MAX));
    core_session_line(w->core, a->id, b.data, b.len - 1, w->now);
    strbuf_init(&frame, FRAME_COALESCE_BYTES + LINE_MAX_BYTES);
    core_produce(w->core, a->id, &frame, FRAME_COALESCE_BYTES, w->now);
    strbuf_putc(&frame, '\0');
    const char *at = strstr(frame.data, "\"deadline_in_ms\":");
    ck_assert_ptr_nonnull(at);
    ck_assert_int_eq(strtoll(at + strlen("\"deadline_in_ms\":"), NULL, 10), 4321);
    strbuf_fini(&b);
    strbuf_fini(&frame);
    over();
}
END_TEST

START_TEST(more_deadlines_than_a_tick_tells_end_with_the_next)
{
    begin(0, 1);
    for (int i = 0; i < 50; i++)
        world_runs(w, 1, 100, 1, (uint64_t)i * 100, 1000);
    world_tick(w, 1000, false);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_EXPIRED], 4096);
    world_tick(w, 250, false);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_EXPIRED], 5000);
    over();
}
END_TEST

/* ---- whom not to ask first */

static const char *const shun_a[] = {"a"};
static const char *const shun_ab[] = {"a", "b"};

START_TEST(another_agent_is_preferred_for_a_while)
{
    begin(0, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1"), *b = world_connect(w, 1, "b", "1");
    world_credit(w, a, 10);
    world_shun(w, 1, shun_a);
    world_runs(w, 1, 1, 1, 0, MINUTE); /* b has no credit */
    ck_assert_uint_eq(a->n_held, 0);
    world_tick(w, CORE_SHUN_MS - 250, true);
    ck_assert_uint_eq(a->n_held, 0);
    core_audit(w->core);
    world_runs(w, 1, 1, 1, 1, MINUTE);
    world_credit(w, b, 1);
    ck_assert(a->n_held == 0 && b->n_held == 1);
    world_tick(w, 250, true);
    ck_assert(a->n_held == 0); /* its task has gone to b: the other one waits yet */
    world_tick(w, CORE_SHUN_MS, true);
    ck_assert_uint_eq(a->n_held, 1);
    over();
}
END_TEST

START_TEST(a_hungry_agent_that_is_not_shunned_gets_it_at_once)
{
    begin(0, 1);
    struct w_agent *a = agent(0, "a", 10), *b = agent(1, "b", 10);
    world_shun(w, 1, shun_a);
    for (unsigned i = 1; i <= 5; i++) {
        world_runs(w, 1, 1, 1, i, MINUTE);
        ck_assert_uint_eq(b->n_held, i);
    }
    ck_assert_uint_eq(a->n_held, 0);
    over();
}
END_TEST

START_TEST(when_all_are_shunned_they_may_take_it_at_once)
{
    begin(0, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_connect(w, 1, "b", "1");
    world_credit(w, a, 10);
    world_shun(w, 2, shun_ab);
    world_runs(w, 1, 1, 1, 0, MINUTE);
    ck_assert_uint_eq(a->n_held, 1);
    over();
}
END_TEST

/* One that could not take it for its own reasons is no other. */
START_TEST(an_agent_that_is_not_able_is_no_other)
{
    begin(0, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1"), *b = world_connect(w, 1, "b", "1");
    world_credit(w, a, 10);
    stall(b);
    world_shun(w, 1, shun_a);
    world_runs(w, 1, 1, 1, 0, MINUTE);
    ck_assert_uint_eq(a->n_held, 1);
    over();
}
END_TEST

START_TEST(shunned_runs_hold_up_no_others)
{
    begin(0, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_connect(w, 1, "b", "1");
    world_shun(w, 1, shun_a);
    world_runs(w, 1, 500, 1, 0, MINUTE);
    world_shun(w, 0, NULL);
    world_runs(w, 1, 20, 1, 1000, MINUTE);
    world_credit(w, a, 100);
    ck_assert_uint_eq(a->n_held, 20);
    over();
}
END_TEST

/* ---- several agents */

START_TEST(slots_of_a_run_go_to_different_agents)
{
    begin(0, AGENTS_COUNT_MAX);
    for (unsigned i = 0; i < 4; i++)
        world_connect(w, i, (const char *const[]){"a", "b", "c", "d"}[i], "1");
    world_runs(w, 1, 50, 3, 0, MINUTE);
    world_runs(w, 1, 50, 1, 100, MINUTE);
    world_runs(w, 1, 50, 4, 200, MINUTE);
    go_on(4, 5000);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 400);
    const struct w_batch *b = &w->batches[1];
    for (uint64_t i = 0; i < b->total; i++)
        for (uint64_t k = i - b->tasks[i].slot; k < i; k++)
            ck_assert_uint_ne(b->tasks[i].agent, b->tasks[k].agent);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->results_again), 0);
    over();
}
END_TEST

/* As when a check of one agent is tried anew by several. */
START_TEST(tasks_behind_the_slots_of_a_lane_go_to_anyone)
{
    begin(0, 1);
    world_connect(w, 0, "a", "1");
    world_runs(w, 1, 5, 4, 0, MINUTE);
    go_on(1, 1000);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 20);
    open_lane(2, 0, 2);
    world_runs(w, 2, 5, 4, 0, MINUTE);
    go_on(1, 1000);
    ck_assert_uint_eq(counts(2).ended[OUTCOME_OK], 15); /* but the second slots */
    over();
}
END_TEST

START_TEST(runs_that_want_more_agents_stand_aside_until_they_come)
{
    begin(0, 3);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_runs(w, 1, 3000, 3, 0, 10 * MINUTE); /* more than are looked at in a queue */
    ck_assert_uint_eq(w->batches[1].total, 9000);
    ck_assert_uint_eq(w->core->ready, 3000);
    for (int i = 0; i < 3; i++) /* by the bytes of its window */
        world_credit(w, a, 4000);
    ck_assert_uint_eq(a->n_held, 3000);
    go_on(1, 1000);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 3000);
    ck_assert_int_eq(counts(1).waits, WAITS_MORE_AGENTS);
    ck_assert_uint_eq(room(1).ready, 0);
    world_connect(w, 1, "b", "1");
    go_on(2, SLOTS_RESCAN_MS + 10000);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 6000);
    world_tick(w, 10 * MINUTE, true);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_EXPIRED], 3000);
    for (unsigned i = 0; i < 9000; i++)
        ck_assert(w->batches[1].tasks[i].outcome == OUTCOME_OK ||
                  ended_so(1, i, OUTCOME_EXPIRED, "no_agent"));
    over();
}
END_TEST

START_TEST(an_agent_that_goes_leaves_its_places_aside)
{
    begin(0, 2);
    world_connect(w, 0, "a", "1");
    world_connect(w, 1, "b", "1");
    world_runs(w, 1, 10, 2, 0, 10 * MINUTE);
    ck_assert_uint_eq(w->core->ready, 20);
    core_session_closed(w->core, w->agents[1].id, END_connection_closed, "", w->now);
    w->agents[1].id = 0;
    world_tick(w, SLOTS_RESCAN_MS + 1000, true);
    core_audit(w->core);
    ck_assert_uint_eq(w->core->ready, 10);
    world_connect(w, 1, "b", "1");
    go_on(2, SLOTS_RESCAN_MS + 2000);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 20);
    over();
}
END_TEST

TESTS(deadlines, a_run_that_no_agent_is_there_for_says_so,
      a_run_that_waited_for_credit_or_its_host_says_deadline,
      one_at_an_agent_gets_a_moment_and_is_then_cancelled,
      one_that_comes_back_after_its_deadline_ends_at_once,
      a_result_on_its_way_to_the_store_is_not_overtaken, the_agent_is_told_the_earlier_deadline,
      more_deadlines_than_a_tick_tells_end_with_the_next)
TESTS(shunning, another_agent_is_preferred_for_a_while,
      a_hungry_agent_that_is_not_shunned_gets_it_at_once,
      when_all_are_shunned_they_may_take_it_at_once, an_agent_that_is_not_able_is_no_other,
      shunned_runs_hold_up_no_others)
TESTS(several, slots_of_a_run_go_to_different_agents, tasks_behind_the_slots_of_a_lane_go_to_anyone,
      runs_that_want_more_agents_stand_aside_until_they_come,
      an_agent_that_goes_leaves_its_places_aside)
CHECK_MAIN("lane runs", deadlines, shunning, several)
