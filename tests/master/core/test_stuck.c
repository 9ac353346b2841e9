/* SPDX-License-Identifier: MIT */
#include "tests/support/core_audit.h"
#include "tests/support/core_fixture.h"

static struct core_stuck told[CORE_STUCK_MAX];
static unsigned more;

static unsigned stuck(void)
{
    return core_stuck(w->core, w->now, told, &more);
}

static void is_stuck(enum waits_for why)
{
    ck_assert_uint_eq(stuck(), 1);
    ck_assert_int_eq(told[0].counts.waits, why);
    ck_assert_uint_eq(more, 0);
}

static void open_batch(uint32_t num, uint64_t total)
{
    world_batch(w, num, total, 0, 0);
    world_open(w, num);
}

START_TEST(without_an_agent_it_is_told_soon)
{
    setup();
    open_batch(1, 10);
    world_tick(w, 1000, false);
    ck_assert_uint_eq(stuck(), 0);
    world_tick(w, 2000, false);
    is_stuck(WAITS_NO_AGENT);
    ck_assert_str_eq(told[0].uuid, w->batches[1].def.uuid);
    ck_assert_uint_eq(told[0].matching, 0);
    ck_assert_int_ge(told[0].still_ms, 2000);
    ck_assert_int_le(told[0].deadline_in_ms, 3600 * 1000);
    done();
}
END_TEST

START_TEST(one_that_advances_is_not_told_however_long_it_takes)
{
    setup();
    open_batch(1, 1000);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    for (int i = 0; i < 8; i++) {
        world_credit(w, a, 50);
        world_answer_all(w, a);
        world_tick(w, 20000, true);
        ck_assert_uint_eq(stuck(), 0);
    }
    world_tick(w, 12000, true);
    is_stuck(WAITS_CREDIT);
    ck_assert_uint_eq(told[0].matching, 1);
    ck_assert_uint_eq(told[0].able, 1);
    done();
}
END_TEST

START_TEST(what_runs_and_does_not_end_is_told)
{
    setup();
    open_batch(1, 10);
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 50);
    world_tick(w, 31000, true);
    is_stuck(WAITS_NONE);
    ck_assert_uint_eq(told[0].counts.running, 10);
    done();
}
END_TEST

/* A heartbeat that says nothing was received of what was sent. */
static void deaf_heartbeats(struct w_agent *a, int64_t ms)
{
    for (int64_t at = 0; at < ms; at += 1000) {
        uint64_t received = a->received;
        a->received = 0;
        world_heartbeat(w, a);
        a->received = received;
        world_tick(w, 1000, false);
    }
}

START_TEST(agents_that_are_silent_or_slow_are_no_able_ones)
{
    setup();
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_tick(w, 11000, false); /* suspect */
    open_batch(1, 10);
    ck_assert_int_eq(counts(1).waits, WAITS_UNABLE);
    ck_assert_str_eq(counts(1).waits_for,
                     "agents: those that match are silent, slow, stalled or draining");
    world_heartbeat(w, a);
    world_tick(w, 1000, true);
    ck_assert_int_eq(counts(1).waits, WAITS_CREDIT);
    world_credit(w, a, 50);
    deaf_heartbeats(a, 20000);
    ck_assert(w->core->agents->slow);
    ck_assert_uint_eq(counts(1).running, 10);
    done();
}
END_TEST

/* Two deaths: it waits for an agent of its own, while another one is emptied or none may take it.
 */
START_TEST(what_runs_alone_waits_for_no_store)
{
    setup();
    open_batch(1, 1);
    for (int life = 1; life <= 3; life++) {
        char run[4];
        snprintf(run, sizeof(run), "%d", life);
        struct w_agent *a = world_connect(w, 0, "a", run);
        world_tick(w, 4000, true);
        if (life < 3)
            world_credit(w, a, 50);
        core_session_closed(w->core, a->id, END_connection_lost, "", w->now);
        a->n_held = 0;
    }
    ck_assert_int_eq(counts(1).waits, WAITS_NO_AGENT);
    world_connect(w, 0, "a", "3");
    ck_assert_int_eq(counts(1).waits, WAITS_ALONE);
    world_tick(w, 60000, true);
    is_stuck(WAITS_ALONE);
    done();
}
END_TEST

START_TEST(paused_ones_are_told_and_resuming_starts_anew)
{
    setup();
    open_batch(1, 10);
    world_connect(w, 0, "a", "1");
    core_pause(w->core, 1, true, NULL, w->now);
    world_settle(w);
    world_tick(w, 31000, true);
    is_stuck(WAITS_PAUSED);
    core_pause(w->core, 1, false, NULL, w->now);
    world_settle(w);
    ck_assert_uint_eq(stuck(), 0);
    core_audit(w->core);
    done();
}
END_TEST

START_TEST(the_oldest_are_told_and_the_rest_is_counted)
{
    setup();
    unsigned n = W_BATCHES - 1 < CORE_STUCK_MAX + 3 ? W_BATCHES - 1 : CORE_STUCK_MAX + 3;
    for (uint32_t num = 1; num <= n; num++)
        open_batch(num, 1);
    world_tick(w, 3000, false);
    unsigned listed = stuck();
    ck_assert_uint_eq(listed + more, n);
    ck_assert_uint_le(listed, CORE_STUCK_MAX);
    done();
}
END_TEST

START_TEST(who_is_away_and_whether_it_said_so)
{
    struct agent_view *v;
    setup();
    struct w_agent *a = world_connect(w, 0, "a", "1");
    world_tick(w, 2000, true);
    unsigned n = core_agents(w->core, "a", w->now, &v);
    ck_assert_uint_eq(n, 1);
    ck_assert_int_eq(v->away_ms, -1);
    ck_assert(!v->left);
    core_views_free(v, n);
    core_session_closed(w->core, a->id, END_connection_lost, "", w->now);
    a->id = 0;
    world_tick(w, 3000, false);
    n = core_agents(w->core, "a", w->now, &v);
    ck_assert_int_ge(v->away_ms, 3000);
    ck_assert_int_le(v->away_ms, 5000);
    ck_assert(!v->left);
    core_views_free(v, n);
    done();
}
END_TEST

TESTS(standstill, without_an_agent_it_is_told_soon,
      one_that_advances_is_not_told_however_long_it_takes, what_runs_and_does_not_end_is_told,
      agents_that_are_silent_or_slow_are_no_able_ones, what_runs_alone_waits_for_no_store,
      paused_ones_are_told_and_resuming_starts_anew, the_oldest_are_told_and_the_rest_is_counted,
      who_is_away_and_whether_it_said_so)
CHECK_MAIN("stuck", standstill)
