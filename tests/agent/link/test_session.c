/* SPDX-License-Identifier: MIT */
#include "tests/agent/link/session_rig.h"

START_TEST(hello_opens_the_connection_and_ends_with_inflight_end)
{
    session_on_connected(sess, now);
    hear();
    ck_assert_uint_eq(position("{\"type\":\"hello\""), 0);
    ck_assert(heard("\"run_id\":\"00000000000000000000000000000002\""));
    ck_assert(heard("\"tags\":{\"site\":\"bj\"}"));
    ck_assert(heard("\"store_id\":\"\""));
    ck_assert(heard("inflight_end"));
}
END_TEST

START_TEST(nothing_but_hello_is_said_before_the_verdicts_end)
{
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 10, 1 << 20);
    pass_ms(6000);
    ck_assert_uint_eq(hear(), 0);
}
END_TEST

START_TEST(hello_names_what_runs_and_what_waits_for_its_ack)
{
    make_ready();
    send_task(1);
    send_task(2);
    done(2);
    lose();
    session_on_connected(sess, now);
    hear();
    ck_assert(heard(
        "{\"type\":\"inflight\",\"task\":\"1\",\"ticket\":\"1.1.1.aa\",\"state\":\"running\"}"));
    ck_assert(
        heard("{\"type\":\"inflight\",\"task\":\"2\",\"ticket\":\"1.1.1.aa\",\"state\":\"done\"}"));
    ck_assert(heard("\"store_id\":\"store-a\""));
}
END_TEST

START_TEST(a_long_hello_comes_in_whole_lines_of_bounded_frames)
{
    teardown();
    open_with(4000);
    places = 2000;
    make_ready();
    for (uint64_t t = 1; t <= 1000; t++) {
        send_task(t);
        hear();
        if (t % 50 == 0)
            pass_ms(500);
    }
    ck_assert_uint_eq(info().tasks, 1000);
    lose();
    session_on_connected(sess, now);
    strbuf_reset(&frame);
    session_produce(sess, &frame, now);
    ck_assert_uint_le(frame.len, FRAME_COALESCE_BYTES);
    ck_assert_int_eq(frame.data[frame.len - 1], '\n');
    ck_assert_uint_ge(hear(), 1);
    ck_assert(heard("inflight_end"));
}
END_TEST

START_TEST(a_dropped_running_task_is_cancelled_and_its_result_not_sent)
{
    make_ready();
    send_task(1);
    lose();
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 10, 1 << 20);
    verdict(1, false);
    verdicts_end();
    ck_assert_uint_eq(n_cancelled, 1);
    done(1);
    hear();
    ck_assert(!heard("\"result\""));
    ck_assert_uint_eq(info().drops, 1);
}
END_TEST

START_TEST(a_dropped_result_is_forgotten)
{
    make_ready();
    send_task(1);
    done(1);
    lose();
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 10, 1 << 20);
    verdict(1, false);
    verdicts_end();
    hear();
    ck_assert(!heard("\"result\""));
    ck_assert_uint_eq(info().results, 0);
}
END_TEST

START_TEST(unacknowledged_results_are_offered_again_after_a_reconnect)
{
    make_ready();
    send_task(1);
    send_task(2);
    done(1);
    done(2);
    hear();
    ck_assert_uint_eq(count("\"type\":\"result\""), 2);
    ack(1, ACK_STORED, 1000);
    lose();
    make_ready(); /* its last hear() is what follows the verdicts */
    ck_assert_uint_eq(count("\"type\":\"result\""), 1);
    ck_assert(heard("\"type\":\"result\",\"task\":\"2\""));
}
END_TEST

START_TEST(another_store_sets_aside_what_the_old_one_was_owed)
{
    make_ready();
    send_task(1);
    send_task(2);
    done(2);
    lose();
    session_on_connected(sess, now);
    hear();
    welcome_as("store-b", 10, 1 << 20);
    verdicts_end();
    hear();
    ck_assert(!heard("\"result\""));
    ck_assert_uint_eq(n_cancelled, 1);
    ck_assert_uint_eq(info().drops, 1);
    ck_assert_str_eq(info().store_id, "store-b");
}
END_TEST

START_TEST(welcome_hands_the_denials_to_the_policy)
{
    make_ready();
    ck_assert_uint_eq(n_denied, 1);
}
END_TEST

START_TEST(a_welcome_with_a_zero_heartbeat_closes_1008)
{
    session_on_connected(sess, now);
    hear();
    say("{\"type\":\"welcome\",\"proto\":1,\"session\":\"sess\",\"store_id\":\"a\",\"heartbeat_"
        "ms\":1,"
        "\"timeout_ms\":15000,"
        "\"results\":{\"count\":1,\"bytes\":1},\"time\":\"2026-01-01T00:00:00Z\"}");
    ck_assert_uint_eq(close_code, CLOSE_POLICY);
}
END_TEST

START_TEST(credit_is_received_plus_the_smaller_of_places_and_reservations)
{
    teardown();
    open_with(5);
    make_ready();
    ck_assert_uint_eq(info().credit.count, 5);
    ck_assert_uint_eq(info().credit.bytes, BYTE_WINDOW_MIN);
}
END_TEST

START_TEST(credit_never_falls_when_places_vanish)
{
    make_ready();
    ck_assert_uint_eq(info().credit.count, 8);
    places = 0;
    pass_ms(1000);
    send_task(1);
    hear();
    ck_assert_uint_eq(info().credit.count, 8);
}
END_TEST

START_TEST(credit_rises_with_an_ack_that_frees_the_outbox)
{
    teardown();
    open_with(2);
    make_ready();
    send_task(1);
    send_task(2);
    done(1);
    done(2);
    hear();
    ck_assert_uint_eq(info().credit.count, 2);
    ack(1, ACK_STORED, 1000);
    hear();
    ck_assert(heard("\"type\":\"credit\""));
    ck_assert_uint_eq(info().credit.count, 3);
}
END_TEST

START_TEST(the_last_result_of_a_frame_carries_the_credit)
{
    make_ready();
    for (uint64_t t = 1; t <= 3; t++)
        send_task(t);
    hear();
    for (uint64_t t = 1; t <= 3; t++)
        done(t);
    ck_assert_uint_eq(hear(), 1);
    ck_assert_uint_eq(count("\"type\":\"result\""), 3);
    ck_assert_uint_eq(count("\"credit\":"), 1);
    ck_assert_uint_gt(position("\"credit\":"), position("\"task\":\"3\""));
}
END_TEST

START_TEST(the_byte_window_widens_with_the_received_rate)
{
    char spec[2048];
    snprintf(spec, sizeof(spec), "{\"url\":\"http://example.com/%0*d\"}", 1500, 1);
    places = 90;
    make_ready();
    for (uint64_t t = 1; t <= 80; t++) {
        send_spec(t, "1.1.1.aa", spec);
        if (t % 8 == 0)
            pass_ms(250);
        hear();
    }
    ck_assert_uint_eq(close_code, 0);
    ck_assert_uint_gt(info().credit.bytes - info().received.bytes, BYTE_WINDOW_MIN);
    ck_assert_uint_le(info().credit.bytes - info().received.bytes, BYTE_WINDOW_MAX);
}
END_TEST

START_TEST(more_tasks_than_granted_close_4408)
{
    places = 2;
    make_ready();
    send_task(1);
    send_task(2);
    places = 0;
    ck_assert_uint_eq(close_code, 0);
    send_task(3);
    ck_assert_uint_eq(close_code, CLOSE_OVER_CREDIT);
    ck_assert_uint_eq(n_admitted, 2);
}
END_TEST

START_TEST(more_bytes_than_granted_close_4408)
{
    char spec[20000];
    places = 90;
    make_ready();
    snprintf(spec, sizeof(spec),
             "{\"url\":\"http://example.com/\",\"method\":\"POST\",\"body\":\"%*sess\"}", 17000,
             "x");
    send_spec(1, "1.1.1.aa", spec); /* one line may pass the end of the window */
    ck_assert_uint_eq(close_code, 0);
    send_task(2);
    ck_assert_uint_eq(close_code, CLOSE_OVER_CREDIT);
}
END_TEST

START_TEST(a_task_before_the_verdicts_end_closes_1008)
{
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 10, 1 << 20);
    send_task(1);
    ck_assert_uint_eq(close_code, CLOSE_POLICY);
}
END_TEST

START_TEST(a_spec_that_cannot_be_read_is_answered_with_nack)
{
    make_ready();
    send_spec(1, "1.1.1.aa", "{\"gopher\":\"x\"}");
    hear();
    ck_assert(heard("{\"type\":\"nack\",\"task\":\"1\",\"ticket\":\"1.1.1.aa\",\"cause\":\"agent_"
                    "unsupported\""));
    ck_assert_uint_eq(info().tasks, 0);
    ck_assert_uint_eq(close_code, 0);
}
END_TEST

START_TEST(a_task_without_a_place_is_released_and_credit_pauses)
{
    make_ready();
    admit_full = true;
    send_task(1);
    hear();
    ck_assert(heard("{\"type\":\"release\",\"task\":\"1\",\"ticket\":\"1.1.1.aa\"}"));
    ck_assert_uint_eq(info().credit.count, 8);
    pass_ms(500);
    ck_assert_uint_eq(info().released, 1);
    hear();
    ck_assert_uint_eq(info().tasks, 0);
}
END_TEST

START_TEST(a_task_leased_again_while_it_runs_answers_with_the_newest_ticket)
{
    make_ready();
    send_task(1);
    send_spec(1, "1.1.9.bb", "{\"url\":\"http://example.com/\"}");
    ck_assert_uint_eq(n_admitted, 1);
    done(1);
    hear();
    ck_assert(heard("\"ticket\":\"1.1.9.bb\""));
}
END_TEST

START_TEST(a_task_whose_result_waits_is_not_run_again)
{
    make_ready();
    send_task(1);
    done(1);
    send_task(1);
    ck_assert_uint_eq(n_admitted, 1);
    ck_assert_uint_eq(info().results, 1);
}
END_TEST

START_TEST(results_wait_for_the_masters_window)
{
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 2, 1 << 20);
    verdicts_end();
    hear();
    for (uint64_t t = 1; t <= 4; t++)
        send_task(t);
    for (uint64_t t = 1; t <= 4; t++)
        done(t);
    hear();
    ck_assert_uint_eq(count("\"type\":\"result\""), 2);
    ack(1, ACK_STORED, 3);
    hear();
    ck_assert_uint_eq(count("\"type\":\"result\""), 1);
}
END_TEST

START_TEST(a_result_window_that_shrinks_is_ignored)
{
    make_ready();
    ack(99, ACK_STORED, 5);
    ck_assert_uint_eq(info().results_window.count, 1000);
}
END_TEST

START_TEST(results_wait_for_the_masters_byte_window)
{
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 100, 5);
    verdicts_end();
    hear();
    send_task(1);
    send_task(2);
    done(1);
    done(2);
    hear();
    ck_assert_uint_eq(count("\"type\":\"result\""), 1);
    ck_assert_uint_gt(info().results_sent.bytes, 5);
}
END_TEST

START_TEST(an_unknown_or_doubled_ack_is_counted_and_harmless)
{
    make_ready();
    send_task(1);
    done(1);
    hear();
    ack(1, ACK_STORED, 1000);
    ack(1, ACK_DUPLICATE, 1000);
    ack(5, ACK_STORED, 1000);
    ck_assert_uint_eq(info().unknown_acks, 2);
    ck_assert_uint_eq(close_code, 0);
}
END_TEST

START_TEST(a_rejected_result_is_forgotten_and_counted)
{
    make_ready();
    send_task(1);
    done(1);
    hear();
    ack(1, ACK_REJECTED, 1000);
    ck_assert_uint_eq(info().results, 0);
    ck_assert_uint_eq(info().drops, 1);
}
END_TEST

START_TEST(a_fault_of_the_agent_is_a_nack_and_no_result)
{
    make_ready();
    send_task(1);
    session_on_fault(sess, 1, CAUSE_agent_ports_exhausted, "no port", now);
    hear();
    ck_assert(heard("\"type\":\"nack\",\"task\":\"1\""));
    ck_assert(heard("\"cause\":\"agent_ports_exhausted\",\"detail\":\"no port\""));
    ck_assert_uint_eq(info().tasks + info().results, 0);
    ck_assert_uint_eq(info().nacked, 1);
}
END_TEST

START_TEST(cancel_reaches_only_tasks_held)
{
    make_ready();
    send_task(1);
    uint64_t ids[] = {1, 2};
    msg_put_cancel(&peer, ids, 2);
    flush();
    ck_assert_uint_eq(n_cancelled, 1);
    ck_assert_uint_eq(cancelled[0], 1);
    session_on_end(sess, 1, SESSION_CANCELLED, NULL, 0, now);
    ck_assert_uint_eq(info().tasks, 0);
}
END_TEST

START_TEST(control_goes_before_results)
{
    make_ready();
    send_task(1);
    done(1);
    send_spec(2, "1.1.1.aa", "{}");
    pass_ms(5000);
    hear();
    ck_assert_uint_lt(position("heartbeat"), position("\"type\":\"result\""));
    ck_assert_uint_lt(position("nack"), position("\"type\":\"result\""));
}
END_TEST

TESTS(hello, hello_opens_the_connection_and_ends_with_inflight_end,
      nothing_but_hello_is_said_before_the_verdicts_end,
      hello_names_what_runs_and_what_waits_for_its_ack,
      a_long_hello_comes_in_whole_lines_of_bounded_frames,
      a_dropped_running_task_is_cancelled_and_its_result_not_sent, a_dropped_result_is_forgotten,
      unacknowledged_results_are_offered_again_after_a_reconnect,
      another_store_sets_aside_what_the_old_one_was_owed, welcome_hands_the_denials_to_the_policy,
      a_welcome_with_a_zero_heartbeat_closes_1008)
TESTS(credit, credit_is_received_plus_the_smaller_of_places_and_reservations,
      credit_never_falls_when_places_vanish, credit_rises_with_an_ack_that_frees_the_outbox,
      the_last_result_of_a_frame_carries_the_credit, the_byte_window_widens_with_the_received_rate,
      more_tasks_than_granted_close_4408, more_bytes_than_granted_close_4408)
TESTS(tasks, a_task_before_the_verdicts_end_closes_1008,
      a_spec_that_cannot_be_read_is_answered_with_nack,
      a_task_without_a_place_is_released_and_credit_pauses,
      a_task_leased_again_while_it_runs_answers_with_the_newest_ticket,
      a_task_whose_result_waits_is_not_run_again, cancel_reaches_only_tasks_held)
TESTS(results, a_fault_of_the_agent_is_a_nack_and_no_result, results_wait_for_the_masters_window,
      a_result_window_that_shrinks_is_ignored, results_wait_for_the_masters_byte_window,
      an_unknown_or_doubled_ack_is_counted_and_harmless, a_rejected_result_is_forgotten_and_counted,
      control_goes_before_results)
FIXTURE(hello)
FIXTURE(credit)
FIXTURE(tasks)
FIXTURE(results)
CHECK_MAIN("session", hello_fixed, credit_fixed, tasks_fixed, results_fixed)
