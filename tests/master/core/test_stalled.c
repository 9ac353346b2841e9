/* SPDX-License-Identifier: MIT */
#include "tests/support/core_audit.h"
#include "tests/support/core_fixture.h"

/* Agents whose link lives and whose work stands still. */

static struct w_agent *ill, *good;

/* `ill` has n tasks of the batch, `good` none. */
static void begin(uint64_t n)
{
    setup();
    ill = world_connect(w, 0, "ill", "1");
    world_batch(w, 1, n, 0, 0);
    w->batches[1].def.cls = CLASS_INTERACTIVE;
    world_open(w, 1);
    world_credit(w, ill, n);
    ck_assert_uint_eq(ill->n_held, n);
    good = world_connect(w, 1, "good", "1");
}

static void say(struct w_agent *a, int64_t overdue_ms, int64_t still_ms)
{
    a->overdue_ms = overdue_ms;
    a->still_ms = still_ms;
    world_heartbeat(w, a);
    world_settle(w);
    core_audit(w->core);
}

static enum agent_state state(const char *name)
{
    struct agent_view *v;
    unsigned n = core_agents(w->core, name, w->now, &v);
    ck_assert_uint_eq(n, 1);
    enum agent_state s = v[0].state;
    core_views_free(v, n);
    return s;
}

static unsigned deaths_of(uint64_t i)
{
    return task_find(w->core, (UINT64_C(1) << 32) + i)->deaths;
}

static uint64_t stalls(void)
{
    return counter_get(&core_stats(w->core)->agent_stalls);
}

START_TEST(a_probe_over_its_time_out_gives_the_tasks_to_others)
{
    begin(10);
    say(ill, STALLED_OVERDUE_MS - 1, -1);
    ck_assert_int_eq(state("ill"), AGENT_ALIVE);
    ck_assert_uint_eq(counts(1).running, 10);
    say(ill, STALLED_OVERDUE_MS, -1);
    ck_assert_int_eq(state("ill"), AGENT_STALLED);
    ck_assert_str_eq(w->last_event, "agent_stalled");
    ck_assert_ptr_nonnull(strstr(w->last_detail, "a probe is 5 s over its time-out"));
    ck_assert_ptr_nonnull(strstr(w->last_detail, "10 tasks go to others"));
    ck_assert_uint_eq(counts(1).queued, 10);
    world_credit(w, good, 200);
    ck_assert_uint_eq(good->n_held, 10);
    world_answer_all(w, good);
    ck_assert(world_all_ended(w, 1));
    ck_assert_uint_eq(stalls(), 1);
    done();
}
END_TEST

START_TEST(a_queue_in_which_nothing_moves_is_a_stall_too)
{
    begin(10);
    say(ill, -1, STALLED_STILL_MS - 1);
    ck_assert_int_eq(state("ill"), AGENT_ALIVE);
    say(ill, -1, STALLED_STILL_MS);
    ck_assert_int_eq(state("ill"), AGENT_STALLED);
    ck_assert_ptr_nonnull(strstr(w->last_detail, "for 35 s none started or ended"));
    world_credit(w, good, 200);
    ck_assert_uint_eq(good->n_held, 10);
    done();
}
END_TEST

/* The longest time-out alone is no stall: a pool full of tarpits moves once in so long. */
START_TEST(a_pool_full_of_tarpits_is_none)
{
    begin(10);
    say(ill, -1, TIMEOUT_MS_MAX + 1000);
    ck_assert_int_eq(state("ill"), AGENT_ALIVE);
    done();
}
END_TEST

START_TEST(it_gets_nothing_until_it_moves)
{
    begin(10);
    say(ill, 9000, -1);
    world_credit(w, ill, 200);
    world_tick(w, 10000, true);
    ck_assert_uint_eq(ill->received, 10);
    ck_assert_uint_eq(counts(1).queued, 10);
    ck_assert_uint_eq(stalls(), 1); /* told once */
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->agents_stalled), 1);
    say(ill, -1, -1);
    ck_assert_int_eq(state("ill"), AGENT_ALIVE);
    ck_assert_str_eq(w->last_event, "agent_not_stalled");
    world_credit(w, ill, 200);
    world_tick(w, 5000, true);
    ck_assert_uint_gt(ill->received, 10);
    world_answer_all(w, ill);
    ck_assert(world_all_ended(w, 1));
    done();
}
END_TEST

START_TEST(what_it_answers_all_the_same_counts_once)
{
    begin(2);
    struct w_held first = ill->held[0], second = ill->held[1];
    say(ill, 9000, -1);
    world_result(w, ill, &first, CAUSE_NONE); /* still queued */
    world_credit(w, good, 200);
    ck_assert_uint_eq(good->n_held, 1);
    world_result(w, ill, &second, CAUSE_NONE); /* at another agent, which is told */
    world_settle(w);
    ck_assert_uint_eq(good->cancels, 1);
    ck_assert_uint_eq(ill->acks_stored, 2);
    ck_assert(world_all_ended(w, 1));
    core_audit(w->core);
    done();
}
END_TEST

START_TEST(the_death_that_follows_is_not_counted_again)
{
    begin(2);
    say(ill, 9000, -1);
    ck_assert_uint_eq(deaths_of(0), 1);
    world_credit(w, good, 1);
    core_session_closed(w->core, ill->id, END_connection_closed, "", w->now);
    ill->n_held = 0; /* its watchdog has ended it; another process comes */
    world_connect(w, 0, "ill", "2");
    ck_assert_int_eq(state("ill"), AGENT_ALIVE);
    ck_assert_uint_eq(deaths_of(0), 1);
    ck_assert_uint_eq(deaths_of(1), 1);
    done();
}
END_TEST

START_TEST(a_link_that_flaps_gives_it_nothing_back)
{
    begin(4);
    say(ill, 9000, -1);
    core_session_closed(w->core, ill->id, END_connection_closed, "", w->now);
    world_connect(w, 0, "ill", "1"); /* the same process, still ill, names its four */
    ck_assert_uint_eq(ill->verdict_drop, 4);
    ck_assert_uint_eq(counts(1).running, 0);
    ck_assert_int_eq(state("ill"), AGENT_STALLED);
    say(ill, 14000, -1);
    ck_assert_uint_eq(deaths_of(0), 1);
    ck_assert_uint_eq(stalls(), 1);
    done();
}
END_TEST

START_TEST(a_second_lease_there_ends_without_blame)
{
    setup();
    good = world_connect(w, 1, "good", "1");
    world_batch(w, 1, 40, 8, 0);
    w->batches[1].def.cls = CLASS_INTERACTIVE;
    world_open(w, 1);
    world_credit(w, good, 1);
    ill = world_connect(w, 0, "ill", "1");
    while (counts(1).queued > 0) {
        world_credit(w, ill, 200);
        world_answer_all(w, ill);
    }
    world_credit(w, ill, 200);
    world_tick(w, 7000, true);
    ck_assert_uint_eq(ill->n_held, 1); /* the straggler of good */
    say(ill, 9000, -1);
    ck_assert_uint_eq(counts(1).running, 1);
    ck_assert_uint_eq(counts(1).queued, 0);
    ck_assert_uint_eq(deaths_of((uint32_t)good->held[0].task), 0);
    world_answer_all(w, good);
    ck_assert(world_all_ended(w, 1));
    core_audit(w->core);
    done();
}
END_TEST

/* A task that makes each of its agents stand: two strikes, then alone, then convicted; bystanders
 * are acquitted. */
START_TEST(three_stalls_are_poison)
{
    setup();
    world_batch(w, 1, 6, 0, 0);
    w->batches[1].def.cls = CLASS_INTERACTIVE;
    world_open(w, 1);
    for (unsigned i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof(name), "a%u", i);
        world_connect(w, i, name, "1");
    }
    const uint64_t evil = UINT64_C(1) << 32; /* the first task */
    for (int round = 0; round < 200 && !world_all_ended(w, 1); round++) {
        for (unsigned i = 0; i < 3; i++) {
            struct w_agent *a = &w->agents[i];
            bool has = false;
            world_credit(w, a, 6);
            for (unsigned k = 0; k < a->n_held; k++)
                has |= a->held[k].task == evil;
            if (!has) {
                world_answer_all(w, a);
                continue;
            }
            say(a, 9000, -1);
            a->n_held = 0; /* a new process */
            say(a, -1, -1);
        }
        world_tick(w, 1000, true);
    }
    ck_assert(world_all_ended(w, 1));
    ck_assert_str_eq(w->batches[1].tasks[0].cause, "poison");
    for (unsigned i = 1; i < 6; i++)
        ck_assert_int_eq(w->batches[1].tasks[i].outcome, OUTCOME_OK);
    ck_assert_uint_eq(stalls(), 3);
    done();
}
END_TEST

TESTS(verdicts, a_probe_over_its_time_out_gives_the_tasks_to_others,
      a_queue_in_which_nothing_moves_is_a_stall_too, a_pool_full_of_tarpits_is_none,
      it_gets_nothing_until_it_moves)
TESTS(after, what_it_answers_all_the_same_counts_once, the_death_that_follows_is_not_counted_again,
      a_link_that_flaps_gives_it_nothing_back, a_second_lease_there_ends_without_blame,
      three_stalls_are_poison)
CHECK_MAIN("stalled", verdicts, after)
