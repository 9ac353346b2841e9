/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

static struct w_agent *start(bool log_tasks)
{
    setup();
    world_batch(w, 1, 1, 0, 0);
    w->batches[1].def.log_tasks = log_tasks;
    world_open(w, 1);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    world_settle(w);
    return a;
}

START_TEST(of_an_ordinary_task_nothing_is_told)
{
    struct w_agent *a = start(false);
    world_answer_all(w, a);
    ck_assert(world_all_ended(w, 1));
    ck_assert_str_eq(w->steps, "");
    done();
}
END_TEST

START_TEST(of_a_batch_that_asks_every_step_is_told)
{
    struct w_agent *a = start(true);
    world_answer_all(w, a);
    ck_assert_str_eq(w->steps, "leased(a) result(a:ok) stored(a:ok) ");
    done();
}
END_TEST

START_TEST(a_fault_and_the_attempt_behind_it_are_told_unasked)
{
    struct w_agent *a = start(false);
    world_nack(w, a, "agent_fd_exhausted");
    struct w_agent *b = world_connect(w, 1, "b", "1");
    world_credit(w, b, 100);
    world_answer_all(w, b);
    ck_assert_str_eq(w->steps, "nack(a:agent_fd_exhausted) leased(b) result(b:ok) stored(b:ok) ");
    done();
}
END_TEST

START_TEST(a_verdict_of_the_masters_own_is_told)
{
    struct w_agent *a = start(false);
    world_nack(w, a, "policy_address");
    ck_assert_str_eq(w->steps, "nack(a:policy_address) verdict(:policy_address) stored(:refused) ");
    done();
}
END_TEST

START_TEST(a_batch_that_is_cancelled_is_told_once)
{
    start(true);
    w->steps[0] = '\0';
    ck_assert(core_cancel(w->core, 1, NULL, w->now));
    ck_assert(core_cancel(w->core, 1, NULL, w->now));
    ck_assert_str_eq(w->steps, "ending(:cancelled_by_user) ");
    world_settle(w);
    done();
}
END_TEST

TESTS(tell, of_an_ordinary_task_nothing_is_told, of_a_batch_that_asks_every_step_is_told,
      a_fault_and_the_attempt_behind_it_are_told_unasked, a_verdict_of_the_masters_own_is_told,
      a_batch_that_is_cancelled_is_told_once)
CHECK_MAIN("tell", tell)
