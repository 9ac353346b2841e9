/* SPDX-License-Identifier: MIT */
#include "tests/support/core_audit.h"
#include "tests/support/core_fixture.h"

static bool pause(uint32_t num, bool paused)
{
    bool found = core_pause(w->core, num, paused, NULL, w->now);
    world_settle(w);
    core_audit(w->core);
    return found;
}

/* Everything that is left, however long hosts and graces take. */
static void run_out(struct w_agent *a, uint32_t num)
{
    for (int i = 0; i < 200 && !world_all_ended(w, num); i++) {
        world_credit(w, a, 200);
        world_answer_all(w, a);
        world_tick(w, 1000, true);
    }
    ck_assert(world_all_ended(w, num));
}

START_TEST(nothing_of_a_paused_batch_goes_out_and_what_runs_ends)
{
    setup();
    world_batch(w, 1, 3000, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    unsigned held = a->n_held;
    ck_assert_uint_gt(held, 0);
    ck_assert(pause(1, true));
    ck_assert(counts(1).paused);
    ck_assert_str_eq(counts(1).waits_for, "it is paused");
    ck_assert_uint_eq(counts(1).running, held);
    world_answer_all(w, a);
    world_credit(w, a, 200);
    world_tick(w, 5000, true);
    ck_assert_uint_eq(a->n_held, 0);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], held);
    ck_assert(pause(1, false));
    ck_assert_uint_gt(a->n_held, 0);
    run_out(a, 1);
    done();
}
END_TEST

START_TEST(pausing_twice_is_fine_and_each_is_committed)
{
    setup();
    world_batch(w, 1, 10, 0, 0);
    world_open(w, 1);
    static const bool asked[] = {false, true, true, false};
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        ck_assert(core_pause(w->core, 1, asked[i], NULL, w->now));
        ck_assert_int_eq(w->batches[1].pausing, asked[i] ? 1 : -1);
        world_settle(w);
        ck_assert(w->batches[1].paused == asked[i]);
    }
    done();
}
END_TEST

START_TEST(an_ended_or_cancelled_batch_cannot_be_paused)
{
    setup();
    ck_assert(!pause(7, true));
    world_batch(w, 1, 10, 0, 0);
    world_open(w, 1);
    w->store_stalled = true;
    ck_assert(core_cancel(w->core, 1, NULL, w->now));
    ck_assert(!pause(1, true));
    ck_assert(!pause(1, false));
    done();
}
END_TEST

START_TEST(a_paused_batch_gives_its_window_to_the_others)
{
    setup();
    world_batch(w, 1, 20000, 0, 0);
    world_open(w, 1);
    world_connect(w, 0, "a", "1");
    world_tick(w, 1000, true);
    ck_assert_int_gt(gauge_get(&core_stats(w->core)->window_tasks), 1000);
    ck_assert(pause(1, true));
    world_tick(w, 1000, true);
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->window_tasks), 0);
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->queued_tasks), 0);
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->batches_paused), 1);
    done();
}
END_TEST

/* The refill that was under way must not bring its tasks in, nor lose them. */
START_TEST(a_refill_under_way_is_passed_over_and_read_again)
{
    setup();
    world_batch(w, 1, 2500, 0, 0);
    w->refill_stalled = true;
    core_batch_open(w->core, &w->batches[1].def, w->now);
    ck_assert(pause(1, true));
    w->refill_stalled = false;
    world_settle(w);
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->window_tasks), 0);
    ck_assert(pause(1, false));
    struct w_agent *a = world_connect(w, 0, "a", "1");
    run_out(a, 1);
    done();
}
END_TEST

START_TEST(resumed_while_the_refill_is_still_under_way)
{
    setup();
    world_batch(w, 1, 1500, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    w->refill_stalled = true;
    world_tick(w, 1000, true);
    ck_assert(pause(1, true));
    ck_assert(pause(1, false));
    w->refill_stalled = false;
    world_settle(w);
    run_out(a, 1);
    done();
}
END_TEST

START_TEST(a_task_that_comes_back_waits_and_keeps_its_history)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    for (int attempt = 1; attempt < ATTEMPTS_MAX; attempt++) {
        for (int i = 0; i < 60 && a->n_held == 0; i++) {
            world_credit(w, a, 50);
            world_tick(w, 1000, true);
        }
        ck_assert_uint_eq(a->n_held, 1);
        ck_assert(pause(1, true));
        struct w_held h = a->held[0];
        struct strbuf b;
        strbuf_init(&b, LINE_MAX_BYTES);
        msg_put_nack(&b, &(struct msg_nack){h.task, h.ticket, "agent_memory", "full"});
        w_forget(a, h.task);
        w_say(w, a, &b);
        core_audit(w->core);
        world_tick(w, 60000, true);
        ck_assert_uint_eq(a->n_held, 0);
        ck_assert_uint_eq(counts(1).queued, 1);
        ck_assert(core_pause(w->core, 1, false, NULL, w->now));
        ck_assert(core_pause(w->core, 1, true, NULL, w->now)); /* it waits, and is paused again */
        ck_assert(pause(1, false));
    }
    for (int i = 0; i < 60 && a->n_held == 0; i++)
        world_tick(w, 1000, true);
    ck_assert_uint_eq(a->n_held, 1);
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_nack(&b,
                 &(struct msg_nack){a->held[0].task, a->held[0].ticket, "agent_memory", "full"});
    w_say(w, a, &b);
    world_settle(w);
    ck_assert(world_all_ended(w, 1)); /* the last attempt was the last, pauses or not */
    ck_assert_int_eq(w->batches[1].tasks[0].outcome, OUTCOME_UNDETERMINED);
    done();
}
END_TEST

/* Its tasks stood first in the queue of a host that another batch wants too. */
START_TEST(hosts_are_left_to_the_others)
{
    setup();
    world_batch(w, 1, 50, 1, 1);
    world_batch(w, 2, 5, 1, 1);
    world_open(w, 1);
    world_open(w, 2);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 200);
    ck_assert_uint_eq(a->n_held, 1);
    ck_assert(pause(1, true));
    for (int i = 0; i < 6 && !world_all_ended(w, 2); i++) {
        world_credit(w, a, 200);
        world_answer_all(w, a);
    }
    ck_assert(world_all_ended(w, 2));
    ck_assert(pause(1, false));
    run_out(a, 1);
    done();
}
END_TEST

START_TEST(the_deadline_runs_through_a_pause)
{
    setup();
    world_batch(w, 1, 20, 0, 0);
    w->batches[1].def.deadline_in_ms = 10000;
    world_open(w, 1);
    ck_assert(pause(1, true));
    world_tick(w, 14000, true);
    ck_assert_uint_eq(counts(1).queued, 20);
    world_tick(w, 3000, true);
    ck_assert(world_all_ended(w, 1));
    ck_assert_str_eq(w->batches[1].tasks[0].cause, "deadline");
    done();
}
END_TEST

START_TEST(a_paused_batch_can_be_cancelled)
{
    setup();
    world_batch(w, 1, 500, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 50);
    ck_assert(pause(1, true));
    ck_assert(core_cancel(w->core, 1, NULL, w->now));
    world_settle(w);
    ck_assert(world_all_ended(w, 1));
    core_audit(w->core);
    done();
}
END_TEST

/* What agents report is counted as running once it is proved, and nothing else is read. */
START_TEST(a_restart_keeps_the_pause_and_takes_up_what_runs)
{
    setup();
    world_batch(w, 1, 3000, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    unsigned held = a->n_held;
    ck_assert(pause(1, true));
    world_restart(w);
    ck_assert(counts(1).paused);
    a = world_connect(w, 0, "a", "1");
    ck_assert_uint_eq(a->n_held, held);
    world_tick(w, 3000, true);
    core_audit(w->core);
    ck_assert_uint_eq(counts(1).running, held);
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->window_tasks), held);
    world_credit(w, a, 200);
    world_answer_all(w, a);
    world_tick(w, 60000, true);
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], held);
    ck_assert_uint_eq(a->n_held, 0);
    ck_assert(pause(1, false));
    run_out(a, 1);
    for (unsigned i = 0; i < 3000; i++)
        ck_assert_int_eq(w->batches[1].tasks[i].stored, 1);
    done();
}
END_TEST

TESTS(held_back, nothing_of_a_paused_batch_goes_out_and_what_runs_ends,
      pausing_twice_is_fine_and_each_is_committed, an_ended_or_cancelled_batch_cannot_be_paused,
      a_paused_batch_gives_its_window_to_the_others,
      a_refill_under_way_is_passed_over_and_read_again, resumed_while_the_refill_is_still_under_way,
      a_task_that_comes_back_waits_and_keeps_its_history, hosts_are_left_to_the_others,
      the_deadline_runs_through_a_pause, a_paused_batch_can_be_cancelled,
      a_restart_keeps_the_pause_and_takes_up_what_runs)
CHECK_MAIN("pause", held_back)
