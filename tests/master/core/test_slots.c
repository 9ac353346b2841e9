/* SPDX-License-Identifier: MIT */
#include "tests/support/core_audit.h"
#include "tests/support/core_fixture.h"

/* Targets that ask for several agents: each of their tasks is answered by another one. */

static void open_slots(uint32_t num, uint64_t targets, uint32_t slots)
{
    world_batch(w, num, targets * slots, 0, 0);
    w->batches[num].def.slots = slots;
    world_open(w, num);
}

static void agents(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[8];
        snprintf(name, sizeof(name), "a%u", i);
        world_connect(w, i, name, "1");
    }
}

static void go_on(unsigned n_agents, int rounds, bool answer)
{
    for (int i = 0; i < rounds; i++) {
        for (unsigned k = 0; k < n_agents; k++) {
            if (!w->agents[k].id)
                continue;
            world_credit(w, &w->agents[k], 200);
            if (answer)
                world_answer_all(w, &w->agents[k]);
        }
        world_tick(w, 250, true);
        core_audit(w->core);
    }
}

static void all_different(uint32_t num)
{
    const struct w_batch *b = &w->batches[num];
    for (uint64_t i = 0; i < b->total; i++)
        for (uint64_t k = i - i % b->def.slots; k < i; k++)
            ck_assert(!b->tasks[i].agent || b->tasks[i].agent != b->tasks[k].agent);
}

START_TEST(three_agents_answer_each_target)
{
    setup();
    agents(3);
    open_slots(1, 400, 3);
    go_on(3, 40, true);
    ck_assert(world_all_ended(w, 1));
    all_different(1);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->results_again), 0);
    done();
}
END_TEST

START_TEST(two_of_many_agents_are_enough)
{
    setup();
    agents(6);
    open_slots(1, 1000, 2);
    go_on(6, 40, true);
    ck_assert(world_all_ended(w, 1));
    all_different(1);
    done();
}
END_TEST

/* The third slots fill no window: 3 × 8,192 tasks, of which two thirds can be answered. */
START_TEST(too_few_agents_hold_up_no_other_target)
{
    setup();
    agents(2);
    open_slots(1, 9000, 3);
    go_on(2, 200, true);
    struct core_counts n = counts(1);
    ck_assert_uint_eq(n.ended[OUTCOME_OK], 18000);
    ck_assert_str_eq(n.waits_for, "agents: its targets ask for more than are connected");
    done();
}
END_TEST

START_TEST(what_is_missing_expires_for_want_of_an_agent)
{
    setup();
    agents(2);
    world_batch(w, 1, 30, 0, 0);
    w->batches[1].def.slots = 3;
    w->batches[1].def.deadline_in_ms = 10000;
    world_open(w, 1);
    go_on(2, 80, true);
    ck_assert(world_all_ended(w, 1));
    unsigned missing = 0;
    for (int i = 0; i < 30; i++)
        missing += strcmp(w->batches[1].tasks[i].cause, "no_agent") == 0;
    ck_assert_uint_eq(missing, 10);
    done();
}
END_TEST

START_TEST(an_agent_that_comes_later_takes_what_is_missing)
{
    setup();
    agents(2);
    open_slots(1, 500, 3);
    go_on(2, 20, true);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 1000);
    world_connect(w, 2, "a2", "1");
    go_on(3, 60, true);
    ck_assert(world_all_ended(w, 1));
    all_different(1);
    done();
}
END_TEST

START_TEST(an_agent_that_goes_makes_room_for_the_others)
{
    setup();
    agents(3);
    open_slots(1, 9000, 3);
    go_on(2, 4, true);
    core_session_closed(w->core, w->agents[2].id, END_connection_closed, "", w->now);
    w->agents[2].id = 0;
    go_on(2, 300, true);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 18000);
    done();
}
END_TEST

/* a0 answers slot 0 late, when another has it, and holds slot 1 meanwhile. */
START_TEST(a_second_answer_of_an_agent_leaves_its_task_open)
{
    setup();
    world_connect(w, 0, "a0", "1");
    world_batch(w, 1, 2, 0, 0);
    w->batches[1].def.slots = 2;
    w->batches[1].def.cls = CLASS_INTERACTIVE; /* bulk does not get the last of a credit */
    world_open(w, 1);
    world_credit(w, &w->agents[0], 1);
    ck_assert_uint_eq(w->agents[0].n_held, 1);
    struct w_held first = w->agents[0].held[0];
    core_session_closed(w->core, w->agents[0].id, END_connection_closed, "", w->now);
    w->agents[0].id = w->agents[0].n_held = 0;
    world_tick(w, 16000, true);
    world_connect(w, 0, "a0", "2");
    world_connect(w, 1, "a1", "1");
    world_credit(w, &w->agents[1], 1); /* the task that a0 has lost, or the other one */
    world_tick(w, 8000, true);
    world_credit(w, &w->agents[0], 1);
    ck_assert_uint_eq(w->agents[0].n_held, 1);
    world_result(w, &w->agents[0], &first, CAUSE_NONE);
    world_settle(w);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 1);
    world_answer_all(w, &w->agents[0]);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 1);
    go_on(2, 40, true);
    ck_assert(world_all_ended(w, 1));
    all_different(1);
    done();
}
END_TEST

START_TEST(a_restart_remembers_who_has_answered)
{
    setup();
    agents(2);
    open_slots(1, 50, 2);
    world_credit(w, &w->agents[0], 60);
    world_answer_all(w, &w->agents[0]);
    world_restart(w);
    agents(2);
    go_on(2, 100, true);
    ck_assert(world_all_ended(w, 1));
    all_different(1);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->results_again), 0);
    done();
}
END_TEST

START_TEST(pause_and_cancel_work_with_slots)
{
    setup();
    agents(2);
    open_slots(1, 300, 3);
    go_on(2, 2, false);
    core_pause(w->core, 1, true, NULL, w->now);
    go_on(2, 4, true);
    core_pause(w->core, 1, false, NULL, w->now);
    go_on(2, 40, true);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], 600);
    core_cancel(w->core, 1, NULL, w->now);
    world_settle(w);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

TESTS(slots, three_agents_answer_each_target, two_of_many_agents_are_enough,
      too_few_agents_hold_up_no_other_target, what_is_missing_expires_for_want_of_an_agent,
      an_agent_that_comes_later_takes_what_is_missing, an_agent_that_goes_makes_room_for_the_others,
      a_second_answer_of_an_agent_leaves_its_task_open, a_restart_remembers_who_has_answered,
      pause_and_cancel_work_with_slots)
CHECK_MAIN("slots", slots)
