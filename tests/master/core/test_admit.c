/* SPDX-License-Identifier: MIT */
#include "tests/support/core_audit.h"
#include "tests/support/core_fixture.h"

/* At which rate HELLOs are heard: who waits loses nothing by it. */

#define HELLO(name)                                                                                \
    "{\"type\":\"hello\",\"proto_min\":1,\"proto_max\":1,\"agent\":\"" name                        \
    "\",\"instance\":\"i\",\"run_id\":\"r\",\"version\":\"t\",\"slots\":1}"

/* One at once, and then one every so many seconds. */
static void slow_turns(double seconds)
{
    setup();
    bucket_init(&w->core->hellos, 1 / seconds, 1, w->now);
}

static session_id open_one(unsigned slot)
{
    w->n_agents = slot >= w->n_agents ? slot + 1 : w->n_agents;
    w->agents[slot] = (struct w_agent){.id = core_session_open(w->core, NULL, "peer", w->now)};
    return w->agents[slot].id;
}

static bool may_speak(session_id s)
{
    return core_session_may_speak(w->core, s, w->now);
}

static void say(session_id s, const char *line)
{
    ck_assert(may_speak(s));
    core_session_line(w->core, s, line, strlen(line), w->now);
    core_audit(w->core);
}

static int64_t waiting(void)
{
    core_audit(w->core);
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->hellos_waiting),
                     (int64_t)core_waiting(w->core));
    return (int64_t)core_waiting(w->core);
}

START_TEST(who_comes_within_the_rate_does_not_wait)
{
    setup();
    for (int i = 0; i < CORE_HELLO_BURST; i++)
        ck_assert(may_speak(core_session_open(w->core, NULL, "peer", w->now)));
    ck_assert_int_eq(waiting(), 0);
    ck_assert(!may_speak(core_session_open(w->core, NULL, "peer", w->now)));
    ck_assert_int_eq(waiting(), 1);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->hellos_paced), 1);
    done();
}
END_TEST

START_TEST(turns_come_in_order_and_nobody_passes)
{
    slow_turns(1);
    session_id s[4];
    for (unsigned i = 0; i < 4; i++)
        ck_assert(may_speak(s[i] = open_one(i)) == (i == 0));
    ck_assert(!may_speak(s[1])); /* asked again, it keeps its place */
    ck_assert_uint_eq(core_next_turn(w->core, w->now), 0);
    w->now = mono_add_ms(w->now, 1000);
    session_id late = open_one(4);
    ck_assert(!may_speak(late)); /* there is a turn, and it is another's */
    ck_assert_uint_eq(core_next_turn(w->core, w->now), s[1]);
    ck_assert_uint_eq(core_next_turn(w->core, w->now), 0);
    ck_assert(may_speak(s[1]) && !may_speak(s[2]));
    const session_id then[] = {s[2], s[3], late, 0};
    for (unsigned i = 0; i < 4; i++) {
        w->now = mono_add_ms(w->now, 1000);
        ck_assert_uint_eq(core_next_turn(w->core, w->now), then[i]);
    }
    done();
}
END_TEST

START_TEST(a_session_has_one_turn_whatever_it_says)
{
    slow_turns(10);
    session_id s = open_one(0);
    for (int i = 0; i < 5; i++)
        say(s, "{\"type\":\"something\"}");
    say(s, HELLO("a"));
    say(s, "{\"type\":\"inflight_end\"}");
    ck_assert(core_session_is_known(w->core, s) && may_speak(s));
    done();
}
END_TEST

/* It waits for longer than any deadline, says nothing meanwhile, and has all its time after that.
 */
START_TEST(no_deadline_runs_while_one_waits)
{
    slow_turns(60);
    say(open_one(0), HELLO("a"));
    session_id s = open_one(1);
    world_tick(w, HELLO_DEADLINE_MS - 1000, false);
    ck_assert(!may_speak(s));
    world_tick(w, 45000, false);
    ck_assert(w->agents[0].closed); /* of its HELLO alone nothing comes */
    ck_assert(!w->agents[1].closed);
    ck_assert_int_eq(waiting(), 1);
    world_tick(w, 6000, false);
    ck_assert_uint_eq(core_next_turn(w->core, w->now), s);
    say(s, HELLO("b"));
    world_tick(w, HELLO_DEADLINE_MS - 1000, false);
    ck_assert(!w->agents[1].closed);
    world_tick(w, 3000, false);
    ck_assert(w->agents[1].closed);
    ck_assert_int_eq(w->agents[1].close_code, CLOSE_HELLO_TIMEOUT);
    ck_assert_uint_eq(counter_get(&core_stats(w->core)->agents_dead), 0);
    done();
}
END_TEST

START_TEST(who_says_nothing_waits_for_nothing)
{
    slow_turns(60);
    ck_assert(may_speak(open_one(0)));
    open_one(1); /* no line came of it */
    world_tick(w, HELLO_DEADLINE_MS + 2000, false);
    ck_assert(w->agents[1].closed);
    ck_assert_int_eq(w->agents[1].close_code, CLOSE_HELLO_TIMEOUT);
    done();
}
END_TEST

START_TEST(who_goes_leaves_the_line)
{
    slow_turns(1);
    ck_assert(may_speak(open_one(0)));
    session_id gone = open_one(1), closed = open_one(2), last = open_one(3);
    ck_assert(!may_speak(gone) && !may_speak(closed) && !may_speak(last));
    core_session_closed(w->core, gone, END_connection_reset, "", w->now);
    w->agents[1].id = 0;
    ck_assert_int_eq(waiting(), 2);
    fleet_close(w->core, fleet_session(w->core, closed), CLOSE_REVOKED, "its token was revoked");
    ck_assert_int_eq(waiting(), 1);
    w->now = mono_add_ms(w->now, 1000);
    ck_assert_uint_eq(core_next_turn(w->core, w->now), last);
    ck_assert_int_eq(waiting(), 0);
    done();
}
END_TEST

/* All that there can be, after a restart of what they were connected to. */
START_TEST(the_largest_fleet_is_heard_within_its_grace)
{
    setup();
    struct mono began = w->now;
    unsigned heard = 0;
    for (int i = 0; i < CORE_AGENTS_MAX; i++)
        heard += may_speak(core_session_open(w->core, NULL, "peer", w->now));
    while (waiting() > 0) {
        w->now = mono_add_ms(w->now, 100);
        unsigned n = 0;
        while (core_next_turn(w->core, w->now) != 0)
            n++;
        ck_assert_uint_le(n, CORE_HELLO_RATE / 10 + 1);
        heard += n;
    }
    ck_assert_uint_eq(heard, CORE_AGENTS_MAX);
    ck_assert_int_le(mono_diff_ms(w->now, began), 9100);
    done();
}
END_TEST

START_TEST(a_rush_is_told_when_it_is_over)
{
    slow_turns(2);
    session_id s[3];
    for (unsigned i = 0; i < 3; i++)
        may_speak(s[i] = open_one(i));
    world_tick(w, 2000, false);
    ck_assert_uint_eq(core_next_turn(w->core, w->now), s[1]);
    world_tick(w, 2500, false);
    ck_assert_uint_eq(w->events, 0); /* one still waits */
    ck_assert_uint_eq(core_next_turn(w->core, w->now), s[2]);
    world_tick(w, 1000, false);
    ck_assert_str_eq(w->last_event, "hellos_paced");
    ck_assert_msg(strncmp(w->last_detail, "2 agents", 8) == 0, "%s", w->last_detail);
    ck_assert_ptr_nonnull(strstr(w->last_detail, "up to 4.5 s"));
    ck_assert_int_eq(gauge_get(&core_stats(w->core)->hello_wait_ms), 4500);
    world_tick(w, 3000, false);
    ck_assert_uint_eq(w->events, 1);
    done();
}
END_TEST

TESTS(admit, who_comes_within_the_rate_does_not_wait, turns_come_in_order_and_nobody_passes,
      a_session_has_one_turn_whatever_it_says, no_deadline_runs_while_one_waits,
      who_says_nothing_waits_for_nothing, who_goes_leaves_the_line,
      the_largest_fleet_is_heard_within_its_grace, a_rush_is_told_when_it_is_over)
CHECK_MAIN("admit", admit)
