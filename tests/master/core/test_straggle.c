/* SPDX-License-Identifier: MIT */
#include "tests/support/core_audit.h"
#include "tests/support/core_fixture.h"

/* Tasks that take far longer than their fellows are tried at another agent, too. */

static struct w_agent *slow, *quick;

/* `slow` has n tasks of the batch's total; all the others have ended. */
static void begin(uint64_t total, unsigned n, const char *more)
{
    setup();
    slow = world_connect(w, 0, "slow", "1");
    world_batch(w, 1, total, 8, 0);
    w->batches[1].more = more;
    w->batches[1].def.cls = CLASS_INTERACTIVE;
    world_open(w, 1);
    world_credit(w, slow, n);
    ck_assert_uint_eq(slow->n_held, n);
    quick = world_connect(w, 1, "quick", "1");
    while (counts(1).queued > 0) {
        world_credit(w, quick, 200);
        world_answer_all(w, quick);
    }
    ck_assert_uint_eq(counts(1).ended[OUTCOME_OK], total - n);
    world_credit(w, quick, 200);
}

static uint64_t second_leases(void)
{
    return counter_get(&core_stats(w->core)->stragglers);
}

static void pass(int64_t ms)
{
    world_tick(w, ms, true);
    core_audit(w->core);
}

START_TEST(the_first_result_wins_and_the_other_agent_is_told)
{
    begin(40, 1, NULL);
    pass(4000);
    ck_assert_uint_eq(quick->n_held, 0);
    pass(3000);
    ck_assert_uint_eq(quick->n_held, 1);
    ck_assert_uint_eq(second_leases(), 1);
    struct w_held late = slow->held[0];
    world_answer_all(w, quick);
    ck_assert_uint_eq(slow->cancels, 1);
    ck_assert(world_all_ended(w, 1));
    world_result(w, slow, &late, CAUSE_NONE);
    world_settle(w);
    ck_assert_uint_eq(slow->acks_duplicate, 1);
    done();
}
END_TEST

START_TEST(the_slow_one_may_be_first_all_the_same)
{
    begin(40, 1, NULL);
    pass(7000);
    ck_assert_uint_eq(quick->n_held, 1);
    world_answer_all(w, slow);
    ck_assert_uint_eq(quick->cancels, 1);
    ck_assert(world_all_ended(w, 1));
    core_audit(w->core);
    done();
}
END_TEST

START_TEST(only_what_can_be_asked_twice)
{
    begin(40, 1, ",\"method\":\"POST\"");
    pass(20000);
    ck_assert_uint_eq(second_leases(), 0);
    done();
}
END_TEST

START_TEST(only_a_share_of_a_batch)
{
    begin(200, 30, NULL);
    pass(20000);
    ck_assert_uint_eq(second_leases(), 10);
    ck_assert_uint_eq(quick->n_held, 10);
    done();
}
END_TEST

/* Forty that take nine seconds are no stragglers: there is nobody whom they are slower than. */
START_TEST(not_while_most_of_the_batch_still_runs)
{
    begin(40, 40, NULL);
    pass(20000);
    ck_assert_uint_eq(second_leases(), 0);
    done();
}
END_TEST

START_TEST(not_while_something_of_the_batch_is_queued)
{
    begin(40, 1, NULL);
    world_batch(w, 2, 3, 1, 1); /* one in flight, two wait for their host */
    for (int i = 0; i < 3; i++)
        w->batches[2].tasks[i].host = 1000;
    world_open(w, 2);
    world_credit(w, quick, 200);
    ck_assert_uint_eq(quick->n_held, 1);
    world_connect(w, 2, "third", "1");
    world_credit(w, &w->agents[2], 200);
    pass(20000);
    ck_assert_uint_eq(second_leases(), 1); /* of batch 1 */
    done();
}
END_TEST

START_TEST(the_second_lease_goes_on_when_the_first_is_lost)
{
    begin(40, 1, NULL);
    pass(7000);
    ck_assert_uint_eq(quick->n_held, 1);
    core_session_closed(w->core, slow->id, END_connection_closed, "", w->now);
    slow->id = 0;
    pass(20000);
    ck_assert_uint_eq(counts(1).running, 1);
    ck_assert_uint_eq(quick->received, 40); /* not sent again */
    world_answer_all(w, quick);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(the_first_lease_goes_on_when_the_second_is_lost)
{
    begin(40, 1, NULL);
    pass(7000);
    core_session_closed(w->core, quick->id, END_connection_closed, "", w->now);
    quick->id = 0;
    pass(1000);
    ck_assert_uint_eq(counts(1).running, 1);
    world_connect(w, 1, "quick", "1");
    ck_assert_uint_eq(quick->verdict_drop, 1);
    world_answer_all(w, slow);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(an_agent_that_comes_and_goes_is_not_slow)
{
    begin(40, 1, NULL);
    for (int i = 0; i < 6; i++) {
        core_session_closed(w->core, slow->id, END_connection_closed, "", w->now);
        slow->id = 0;
        pass(2000);
        world_connect(w, 0, "slow", "1");
        pass(2000);
    }
    ck_assert_uint_eq(second_leases(), 0);
    pass(5000);
    ck_assert_uint_eq(second_leases(), 1);
    done();
}
END_TEST

START_TEST(a_second_lease_can_be_given_back)
{
    begin(40, 1, NULL);
    pass(7000);
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_release(&b, quick->held[0].task, quick->held[0].ticket);
    w_forget(quick, quick->held[0].task);
    w_say(w, quick, &b);
    pass(1000);
    ck_assert_uint_eq(counts(1).running, 1);
    world_answer_all(w, slow);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(cancel_reaches_both_agents)
{
    begin(40, 1, NULL);
    pass(7000);
    core_cancel(w->core, 1, NULL, w->now);
    world_settle(w);
    ck_assert_uint_eq(slow->cancels, 1);
    ck_assert_uint_eq(quick->cancels, 1);
    ck_assert(world_all_ended(w, 1));
    core_audit(w->core);
    done();
}
END_TEST

TESTS(stragglers, the_first_result_wins_and_the_other_agent_is_told,
      the_slow_one_may_be_first_all_the_same, only_what_can_be_asked_twice, only_a_share_of_a_batch,
      not_while_most_of_the_batch_still_runs, not_while_something_of_the_batch_is_queued,
      the_second_lease_goes_on_when_the_first_is_lost,
      the_first_lease_goes_on_when_the_second_is_lost, an_agent_that_comes_and_goes_is_not_slow,
      a_second_lease_can_be_given_back, cancel_reaches_both_agents)
CHECK_MAIN("straggle", stragglers)
