/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

/* The process is killed; of what it held, only the results of the first n are on its disk. */
static struct w_agent *reborn_with(struct w_agent *a, unsigned n, const char *run)
{
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->n_held = n;
    for (unsigned i = 0; i < n; i++)
        a->held[i].done = true;
    return world_connect(w, 0, "a", run);
}

START_TEST(results_that_a_process_left_are_taken_from_the_next_and_the_rest_runs_again)
{
    setup();
    world_batch(w, 1, 5, 0, 0);
    world_open(w, 1);
    struct w_agent *b = world_connect(w, 1, "b", "1");
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    ck_assert_uint_eq(a->n_held, 5);
    a = reborn_with(a, 2, "2");
    ck_assert_uint_eq(counts(1).running, 2);
    world_credit(w, b, 500); /* it has waited for work all the time */
    ck_assert_uint_eq(b->n_held, 3);
    world_answer_all(w, a);
    world_answer_all(w, b);
    ck_assert_uint_eq(a->acks_stored, 2);
    ck_assert_uint_eq(b->acks_stored, 3);
    ck_assert_uint_eq(a->acks_duplicate + b->acks_duplicate, 0);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

/* Whatever killed those processes: it was not what had ended before. */
START_TEST(a_result_outlives_any_number_of_deaths)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    for (int life = 2; life < ATTEMPTS_MAX + 4; life++) {
        char run[8];
        snprintf(run, sizeof(run), "%x", life);
        a = reborn_with(a, 1, run);
        ck_assert_uint_eq(counts(1).running, 1);
    }
    world_answer_all(w, a);
    ck_assert_uint_eq(a->acks_stored, 1);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(a_process_cannot_run_what_the_last_one_was_given)
{
    setup();
    world_batch(w, 1, 2, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a = world_connect(w, 0, "a", "2"); /* its lines say that both run */
    ck_assert_uint_eq(counts(1).queued, 2);
    struct w_agent *b = world_connect(w, 1, "b", "1");
    world_credit(w, b, 500);
    ck_assert_uint_eq(b->n_held, 2);
    done();
}
END_TEST

/* The new process dies before it has said what it has: the grace goes on, then all is run again. */
START_TEST(a_process_that_dies_in_its_hello_keeps_nothing)
{
    setup();
    world_batch(w, 1, 3, 0, 0);
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 500);
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    session_id id = core_session_open(w->core, NULL, "127.0.0.1", w->now);
    static const char hello[] =
        "{\"type\":\"hello\",\"proto_min\":1,\"proto_max\":1,\"agent\":\"a\",\"instance\":"
        "\"00000000000000000000000000000001\",\"run_id\":\"2\",\"version\":\"t\",\"slots\":1}";
    ck_assert(core_session_may_speak(w->core, id, w->now));
    core_session_line(w->core, id, hello, strlen(hello), w->now);
    ck_assert_uint_eq(counts(1).running, 3);
    core_session_closed(w->core, id, END_connection_reset, "", w->now);
    world_tick(w, ORPHAN_GRACE_MS + 1000, true);
    ck_assert_uint_eq(counts(1).queued, 3);
    done();
}
END_TEST

TESTS(reborn, results_that_a_process_left_are_taken_from_the_next_and_the_rest_runs_again,
      a_result_outlives_any_number_of_deaths, a_process_cannot_run_what_the_last_one_was_given,
      a_process_that_dies_in_its_hello_keeps_nothing)
CHECK_MAIN("lease_reborn", reborn)
