/* SPDX-License-Identifier: MIT */
#include "tests/agent/link/session_rig.h"

START_TEST(a_heartbeat_comes_every_interval_with_all_figures)
{
    make_ready();
    ck_assert(heard("\"type\":\"heartbeat\",\"seq\":1"));
    send_task(1);
    pass_ms(4500);
    hear();
    ck_assert(!heard("heartbeat"));
    pass_ms(500);
    hear();
    ck_assert_uint_eq(count("\"type\":\"heartbeat\",\"seq\":2"), 1);
    ck_assert(heard("\"received\":{\"count\":1,"));
    ck_assert(heard("\"lag_ms\":1.5"));
    ck_assert(heard("\"running\":3"));
    ck_assert(heard("\"outbox_results\":0"));
    ck_assert(heard("\"probes\":77"));
}
END_TEST

START_TEST(a_heartbeat_ack_gives_the_round_trip)
{
    make_ready();
    now = mono_add_ms(now, 12);
    say("{\"type\":\"heartbeat_ack\",\"seq\":1,\"lag_ms\":0,\"results\":{\"count\":1000,\"bytes\":"
        "1000}}");
    ck_assert_double_eq_tol(info().rtt_ms, 12, 0.001);
}
END_TEST

static void answer_beat(unsigned seq)
{
    char line[128];
    snprintf(line, sizeof(line),
             "{\"type\":\"heartbeat_ack\",\"seq\":%u,\"results\":{\"count\":1000,\"bytes\":1000}}",
             seq);
    say(line);
}

START_TEST(an_ack_that_comes_after_the_next_heartbeat_counts_from_its_own)
{
    make_ready();
    for (int s = 0; s < 7; s++) {
        pass_ms(1000);
        hear();
    }
    answer_beat(1);
    ck_assert_double_eq_tol(info().rtt_ms, 7000, 1);
    answer_beat(2);
    ck_assert_double_eq_tol(info().rtt_ms, 2000, 1);
}
END_TEST

START_TEST(an_ack_of_what_was_never_sent_tells_nothing)
{
    make_ready();
    pass_ms(1000);
    answer_beat(0);
    answer_beat(2);
    ck_assert_double_lt(info().rtt_ms, 0);
}
END_TEST

START_TEST(time_that_the_agent_slept_is_told_with_the_next_heartbeat)
{
    make_ready();
    now = mono_add_ms(now, 17000); /* and the first thing that it learns is that it was cut off */
    lose();
    pass_ms(100);
    make_ready();
    ck_assert(heard("\"lag_ms\":17000"));
    pass_ms(1000);
    for (int s = 0; s < 5; s++) {
        pass_ms(1000);
        hear();
    }
    ck_assert(!heard("\"lag_ms\":17000"));
}
END_TEST

START_TEST(the_clock_is_compared_with_the_masters)
{
    make_ready();
    now = mono_add_ms(now, 12);
    clock_now.us = INT64_C(1764288000000000) + 6000; /* half of the round trip later: the same */
    say("{\"type\":\"heartbeat_ack\",\"seq\":1,\"results\":{\"count\":1000,\"bytes\":1000},"
        "\"time\":\"2025-11-28T00:00:00Z\"}");
    ck_assert_int_eq(info().clock_skew_ms, 0);
    pass_ms(5000);
    hear();
    ck_assert(heard("\"clock_ms\":0,"));
    clock_now.us -= 86400 * INT64_C(1000000);
    say("{\"type\":\"heartbeat_ack\",\"seq\":2,\"results\":{\"count\":1000,\"bytes\":1000},"
        "\"time\":\"2025-11-28T00:00:00Z\"}");
    int64_t skew_ms = info().clock_skew_ms;
    ck_assert(skew_ms < -86390000 && skew_ms > -86410000);
    pass_ms(5000);
    hear();
    ck_assert(heard("\"clock_ms\":-86"));
    say("{\"type\":\"heartbeat_ack\",\"seq\":3,\"results\":{\"count\":1000,\"bytes\":1000}}");
    ck_assert_int_eq(info().clock_skew_ms, 0); /* a master that does not tell */
    pass_ms(5000);
    hear();
    ck_assert(!heard("clock_ms"));
}
END_TEST

START_TEST(a_silent_master_is_given_up_after_the_timeout)
{
    make_ready();
    pass_ms(14500);
    ck_assert_uint_eq(close_code, 0);
    pass_ms(500);
    ck_assert_uint_eq(close_code, CLOSE_SILENT);
}
END_TEST

START_TEST(a_master_that_never_welcomes_is_given_up)
{
    session_on_connected(sess, now);
    hear();
    pass_ms(15000);
    ck_assert_uint_eq(close_code, CLOSE_SILENT);
}
END_TEST

START_TEST(any_bytes_are_life)
{
    make_ready();
    pass_ms(10000);
    say("{\"type\":\"heartbeat_ack\",\"seq\":3,\"lag_ms\":0,\"results\":{\"count\":1000,\"bytes\":"
        "1000}}");
    pass_ms(4000);
    say("{\"type\":\"something_new\"}");
    pass_ms(10500);
    ck_assert_uint_eq(close_code, 0);
    ck_assert_uint_eq(info().unknown_messages, 1);
}
END_TEST

START_TEST(a_master_that_speaks_but_does_not_hear_is_given_up)
{
    make_ready();
    for (int i = 0; i < 3; i++) {
        pass_ms(4000);
        send_task(1 + (uint64_t)i);
        ck_assert_uint_eq(close_code, 0);
    }
    pass_ms(3500);
    ck_assert_uint_eq(close_code, CLOSE_SILENT);
}
END_TEST

START_TEST(results_that_are_acknowledged_are_proof_enough)
{
    make_ready();
    send_task(1);
    done(1);
    pass_ms(10000);
    ack(1, ACK_STORED, 1000);
    pass_ms(14000);
    ck_assert_uint_eq(close_code, 0);
}
END_TEST

START_TEST(time_that_the_agent_itself_slept_is_not_the_masters_silence)
{
    make_ready();
    now = mono_add_ms(now, 40000);
    session_on_tick(sess, now);
    ck_assert_uint_eq(close_code, 0);
}
END_TEST

START_TEST(a_malformed_line_closes_1008)
{
    make_ready();
    say("{\"type\":\"task\",");
    ck_assert_uint_eq(close_code, CLOSE_POLICY);
}
END_TEST

START_TEST(a_message_of_the_wrong_direction_closes_1008)
{
    make_ready();
    say("{\"type\":\"inflight_end\"}");
    ck_assert_uint_eq(close_code, CLOSE_POLICY);
}
END_TEST

START_TEST(an_endless_line_closes_1009)
{
    static char piece[65536];
    memset(piece, 'x', sizeof(piece));
    make_ready();
    for (int i = 0; i < 20; i++)
        session_on_bytes(sess, piece, sizeof(piece), false, now);
    ck_assert_uint_eq(close_code, CLOSE_TOO_BIG);
}
END_TEST

START_TEST(nothing_is_read_after_the_close)
{
    make_ready();
    say("nonsense\n");
    session_on_bytes(sess, "{\"type\":\"bye\"}\n", 15, true, now);
    ck_assert_int_eq(info().state, SESSION_CLOSING);
    ck_assert(!session_wants_write(sess, now));
}
END_TEST

START_TEST(a_message_in_pieces_is_put_together)
{
    const char *line = "{\"type\":\"future\"}\n";
    make_ready();
    for (const char *p = line; *p; p++)
        session_on_bytes(sess, p, 1, p[1] == '\0', now);
    ck_assert_uint_eq(info().unknown_messages, 1);
}
END_TEST

START_TEST(goaway_closes_and_says_when_to_come_back)
{
    make_ready();
    msg_put_text(&peer, MSG_GOAWAY, "moving", 2500);
    flush();
    ck_assert_uint_eq(close_code, CLOSE_NORMAL);
    ck_assert_int_eq(session_take_reconnect_ms(sess), 2500);
    ck_assert_int_eq(session_take_reconnect_ms(sess), -1);
}
END_TEST

START_TEST(drain_says_so_releases_finishes_flushes_and_parts)
{
    make_ready();
    send_task(1);
    send_task(2);
    hear();
    session_drain(sess, now);
    ck_assert_uint_eq(n_release_calls, 1);
    session_on_end(sess, 2, SESSION_RELEASED, NULL, 0, now);
    hear();
    ck_assert_uint_lt(position("\"drain\""), position("\"release\",\"task\":\"2\""));
    ck_assert(!heard("\"bye\""));
    done(1);
    hear();
    ck_assert(heard("\"type\":\"result\""));
    ck_assert(!heard("\"bye\""));
    ack(1, ACK_STORED, 1000);
    hear();
    ck_assert(heard("\"bye\""));
    ck_assert_uint_eq(close_code, CLOSE_NORMAL);
    ck_assert(!session_finished(sess));
    lose();
    ck_assert(session_finished(sess));
}
END_TEST

START_TEST(a_task_that_crosses_the_drain_is_released)
{
    make_ready();
    send_task(1);
    session_drain(sess, now);
    send_task(2);
    hear();
    ck_assert(heard("\"release\",\"task\":\"2\""));
    ck_assert_uint_eq(n_admitted, 1);
}
END_TEST

START_TEST(an_idle_agent_drains_at_once)
{
    make_ready();
    session_drain(sess, now);
    hear();
    ck_assert(heard("\"bye\""));
    ck_assert_uint_eq(close_code, CLOSE_NORMAL);
}
END_TEST

START_TEST(an_idle_agent_without_a_connection_is_finished_at_once)
{
    session_drain(sess, now);
    ck_assert(session_finished(sess));
}
END_TEST

START_TEST(a_drain_outlives_a_lost_connection)
{
    make_ready();
    send_task(1);
    session_drain(sess, now);
    lose();
    done(1);
    ck_assert(!session_finished(sess));
    make_ready();
    ck_assert(heard("\"type\":\"drain\""));
    ck_assert(heard("\"type\":\"result\""));
    ack(1, ACK_STORED, 1000);
    hear();
    ck_assert(heard("\"bye\""));
}
END_TEST

START_TEST(a_drain_ends_even_if_nobody_acknowledges)
{
    make_ready();
    send_task(1);
    session_drain(sess, now);
    done(1);
    for (int i = 0; i < 50; i++) {
        pass_ms(1000);
        say("{\"type\":\"future\"}");
    }
    hear();
    ck_assert(heard("\"bye\""));
}
END_TEST

START_TEST(a_drain_ends_even_if_the_verdicts_never_come)
{
    make_ready();
    send_task(1);
    session_drain(sess, now);
    lose();
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 1000, 1 << 20);
    for (int i = 0; i < 49; i++) {
        pass_ms(1000);
        say("{\"type\":\"future\"}");
    }
    ck_assert_uint_eq(close_code, 0);
    pass_ms(1000);
    ck_assert_uint_eq(close_code, CLOSE_NORMAL);
    lose();
    ck_assert(session_finished(sess));
}
END_TEST

START_TEST(the_masters_drain_hands_back_what_has_not_started_and_stays)
{
    make_ready();
    send_task(1);
    msg_put_text(&peer, MSG_DRAIN, "the master ends", 0);
    flush();
    ck_assert_uint_eq(n_release_calls, 1);
    session_on_end(sess, 1, SESSION_RELEASED, NULL, 0, now);
    hear();
    ck_assert(heard("\"release\",\"task\":\"1\""));
    ck_assert_int_eq(info().state, SESSION_READY);
}
END_TEST

TESTS(liveness, a_heartbeat_comes_every_interval_with_all_figures,
      a_heartbeat_ack_gives_the_round_trip,
      time_that_the_agent_slept_is_told_with_the_next_heartbeat,
      the_clock_is_compared_with_the_masters,
      an_ack_that_comes_after_the_next_heartbeat_counts_from_its_own,
      an_ack_of_what_was_never_sent_tells_nothing, a_silent_master_is_given_up_after_the_timeout,
      a_master_that_speaks_but_does_not_hear_is_given_up,
      results_that_are_acknowledged_are_proof_enough, a_master_that_never_welcomes_is_given_up,
      any_bytes_are_life, time_that_the_agent_itself_slept_is_not_the_masters_silence)
TESTS(bad_input, a_malformed_line_closes_1008, a_message_of_the_wrong_direction_closes_1008,
      an_endless_line_closes_1009, nothing_is_read_after_the_close,
      a_message_in_pieces_is_put_together)
TESTS(leaving, goaway_closes_and_says_when_to_come_back,
      drain_says_so_releases_finishes_flushes_and_parts, a_task_that_crosses_the_drain_is_released,
      an_idle_agent_drains_at_once, an_idle_agent_without_a_connection_is_finished_at_once,
      a_drain_outlives_a_lost_connection, a_drain_ends_even_if_the_verdicts_never_come,
      a_drain_ends_even_if_nobody_acknowledges,
      the_masters_drain_hands_back_what_has_not_started_and_stays)
FIXTURE(liveness)
FIXTURE(bad_input)
FIXTURE(leaving)
CHECK_MAIN("session_life", liveness_fixed, bad_input_fixed, leaving_fixed)
