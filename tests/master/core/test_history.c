/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

static void start(uint64_t tasks)
{
    setup();
    world_batch(w, 1, tasks, 0, 0);
    world_open(w, 1);
}

static void hang_up(struct w_agent *a)
{
    core_session_closed(w->core, a->id, END_connection_reset, "", w->now);
    a->id = 0;
    a->n_held = 0;
}

static void expect_attempt(unsigned i, const char *agent, enum attempt_end end)
{
    ck_assert_uint_lt(i, w->told.n);
    const struct core_attempt *x = &w->told.attempts[i];
    ck_assert_str_eq(x->agent, agent);
    ck_assert_str_eq(attempt_end_word(x->end), attempt_end_word(end));
    ck_assert(mono_is_set(x->ended_at));
}

static bool begun_before_end(unsigned i)
{
    const struct core_attempt *x = &w->told.attempts[i];
    return mono_is_set(x->leased_at) && mono_diff_ms(x->ended_at, x->leased_at) >= 0;
}

START_TEST(an_ordinary_task_has_none)
{
    start(1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    world_answer_all(w, a);
    ck_assert(world_all_ended(w, 1));
    ck_assert(w->told.n == 0 && !w->told.lost);
    done();
}
END_TEST

START_TEST(a_nack_is_told_with_its_cause_and_who_answered_then)
{
    start(1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    world_tick(w, 200, true);
    world_nack(w, a, "agent_fd_exhausted");
    struct w_agent *b = world_connect(w, 1, "b", "1");
    world_credit(w, b, 100);
    world_answer_all(w, b);
    ck_assert_uint_eq(w->told.n, 2);
    expect_attempt(0, "a", ATTEMPT_NACK);
    ck_assert_str_eq(cause_word(w->told.attempts[0].cause), "agent_fd_exhausted");
    ck_assert_int_ge(mono_diff_ms(w->told.attempts[0].ended_at, w->told.attempts[0].leased_at),
                     200);
    expect_attempt(1, "b", ATTEMPT_RESULT);
    ck_assert(begun_before_end(0) && begun_before_end(1));
    ck_assert(!w->told.lost);
    done();
}
END_TEST

START_TEST(a_nack_that_ends_the_task_says_whose_it_was)
{
    start(1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    world_nack(w, a, "policy_address");
    ck_assert(world_all_ended(w, 1));
    ck_assert_uint_eq(w->told.n, 1);
    expect_attempt(0, "a", ATTEMPT_NACK);
    done();
}
END_TEST

START_TEST(all_attempts_that_used_it_up_are_told)
{
    start(1);
    struct w_agent *a = world_connect(w, 0, "a", "1"), *b = world_connect(w, 1, "b", "1");
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        world_credit(w, a, 100);
        world_credit(w, b, 100);
        world_nack(w, a->n_held ? a : b, "agent_fd_exhausted");
    }
    ck_assert(world_all_ended(w, 1));
    ck_assert_uint_eq(w->told.n, ATTEMPTS_MAX);
    ck_assert_uint_eq(w->told.left_out, 0);
    for (unsigned i = 0; i < ATTEMPTS_MAX; i++)
        expect_attempt(i, i % 2 ? "b" : "a", ATTEMPT_NACK);
    done();
}
END_TEST

START_TEST(of_many_leases_the_newest_are_told)
{
    start(1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    for (int i = 0; i < 20; i++) {
        world_credit(w, a, 100);
        struct strbuf b;
        strbuf_init(&b, LINE_MAX_BYTES);
        msg_put_release(&b, a->held[0].task, a->held[0].ticket);
        a->n_held = 0;
        w_say(w, a, &b);
        world_settle(w);
    }
    world_credit(w, a, 100);
    world_answer_all(w, a);
    ck_assert_uint_eq(w->told.n, CORE_HISTORY_MAX);
    ck_assert_uint_eq(w->told.left_out, 21 - CORE_HISTORY_MAX);
    expect_attempt(0, "a", ATTEMPT_RELEASED);
    expect_attempt(CORE_HISTORY_MAX - 1, "a", ATTEMPT_RESULT);
    done();
}
END_TEST

START_TEST(a_lost_agent_and_a_dead_process_are_told_apart)
{
    start(1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    hang_up(a);
    world_tick(w, ORPHAN_GRACE_MS + 1000, true);
    a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    world_tick(w, 4000, true);
    ck_assert_uint_eq(a->n_held, 1);
    hang_up(a);
    a = world_connect(w, 0, "a", "2");
    world_credit(w, a, 100);
    world_tick(w, 4000, true);
    world_answer_all(w, a);
    ck_assert(world_all_ended(w, 1));
    ck_assert_uint_eq(w->told.n, 3);
    expect_attempt(0, "a", ATTEMPT_LOST);
    expect_attempt(1, "a", ATTEMPT_DIED);
    expect_attempt(2, "a", ATTEMPT_RESULT);
    done();
}
END_TEST

START_TEST(what_a_former_master_took_with_it_is_said_to_be_lost)
{
    start(3);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    world_restart(w);
    a = world_connect(w, 0, "a", "1");
    world_answer_all(w, a);
    ck_assert(world_all_ended(w, 1));
    ck_assert(w->told.lost);
    ck_assert_uint_eq(w->told.n, 1);
    expect_attempt(0, "a", ATTEMPT_RESULT);
    ck_assert(!mono_is_set(w->told.attempts[0].leased_at));
    done();
}
END_TEST

START_TEST(a_task_on_its_way_tells_where_it_is)
{
    struct core_task_view v;
    start(1);
    ck_assert(core_task(w->core, (1ull << 32) + 0, &v));
    ck_assert_str_eq(v.state, "queued");
    ck_assert_uint_eq(v.history.n, 0);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    ck_assert(core_task(w->core, (1ull << 32) + 0, &v));
    ck_assert_str_eq(v.state, "running");
    ck_assert_uint_eq(v.history.n, 1);
    ck_assert_str_eq(v.history.attempts[0].agent, "a");
    ck_assert_int_eq(v.history.attempts[0].end, ATTEMPT_RUNNING);
    world_nack(w, a, "agent_fd_exhausted");
    ck_assert(core_pause(w->core, 1, true, NULL, w->now));
    ck_assert(core_task(w->core, (1ull << 32) + 0, &v));
    ck_assert_str_eq(v.state, "paused");
    ck_assert_uint_eq(v.history.n, 1);
    ck_assert_int_eq(v.history.attempts[0].end, ATTEMPT_NACK);
    ck_assert(!core_task(w->core, (1ull << 32) + 7, &v));
    done();
}
END_TEST

TESTS(history, an_ordinary_task_has_none, a_nack_is_told_with_its_cause_and_who_answered_then,
      a_nack_that_ends_the_task_says_whose_it_was, all_attempts_that_used_it_up_are_told,
      of_many_leases_the_newest_are_told, a_lost_agent_and_a_dead_process_are_told_apart,
      what_a_former_master_took_with_it_is_said_to_be_lost, a_task_on_its_way_tells_where_it_is)
CHECK_MAIN("history", history)
