/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

/* Clocks that agents compare with the master's: told, and nothing else. */

static struct w_agent *a;

static void beat(int64_t clock_ms, double rtt_ms)
{
    struct strbuf b;
    strbuf_init(&b, LINE_MAX_BYTES);
    struct msg_heartbeat h = {.seq = 1, .rtt_ms = rtt_ms, .has_clock = true, .clock_ms = clock_ms};
    msg_put_heartbeat(&b, &h);
    w->last_event[0] = '\0';
    w_say(w, a, &b);
}

static bool is_off(void)
{
    struct agent_view *v;
    ck_assert_uint_eq(core_agents(w->core, "a", w->now, &v), 1);
    bool off = v->clock_off;
    core_views_free(v, 1);
    return off;
}

START_TEST(a_clock_that_is_off_is_told_once_and_when_it_is_right_again)
{
    setup();
    a = world_connect(w, 0, "a", "1");
    beat(1900, 1);
    ck_assert(!is_off());
    ck_assert_str_eq(w->last_event, "");
    beat(-86400000, 1);
    ck_assert(is_off());
    ck_assert_str_eq(w->last_event, "agent_clock_skew");
    beat(-86400000, 1);
    ck_assert_str_eq(w->last_event, "");
    beat(3000, 20000); /* as far as that exchange can tell */
    ck_assert(!is_off());
    ck_assert_str_eq(w->last_event, "agent_clock_right");
    done();
}
END_TEST

START_TEST(an_agent_that_does_not_tell_has_no_verdict)
{
    setup();
    a = world_connect(w, 0, "a", "1");
    world_tick(w, 3000, true);
    ck_assert(!is_off());
    beat(86400000, 1);
    world_tick(w, 3000, true); /* an older agent in its place says nothing of it */
    ck_assert(is_off());
    done();
}
END_TEST

START_TEST(a_clock_that_is_off_changes_no_lease)
{
    setup();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    a = world_connect(w, 0, "a", "1");
    world_credit(w, a, 100);
    unsigned held = a->n_held;
    ck_assert_uint_gt(held, 50); /* what is kept for the other classes is not given to bulk */
    beat(INT64_C(86400000) * 365 * 20, 1);
    for (int i = 0; i < 60; i++) {
        beat(i % 2 ? 86400000 : -86400000, 1);
        world_tick(w, 1000, true);
    }
    ck_assert(!a->closed);
    ck_assert_uint_eq(a->n_held, held);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->requeued), 0);
    done();
}
END_TEST

TESTS(skew, a_clock_that_is_off_is_told_once_and_when_it_is_right_again,
      an_agent_that_does_not_tell_has_no_verdict, a_clock_that_is_off_changes_no_lease)
CHECK_MAIN("skew", skew)
