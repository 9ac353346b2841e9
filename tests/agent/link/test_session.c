/* SPDX-License-Identifier: MIT */
#include "agent/link/session.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

/* One session with a fake pool, in virtual time; what it says is kept line by line. */
static struct session *sess;
static struct mono now;
static unsigned places;
static bool admit_full;
static uint64_t admitted[256], cancelled[256];
static unsigned n_admitted, n_cancelled, n_release_calls, n_denied;
static uint16_t close_code;
static struct strbuf said, frame, peer;

static enum err op_admit(void *arg, const struct session_task *t)
{
    if (admit_full)
        return ERR_FULL;
    struct target *target = t->target;
    admitted[n_admitted++ % 256] = t->task;
    target_destroy(&target);
    return ERR_NONE;
}
static void op_cancel(void *arg, uint64_t task)
{
    cancelled[n_cancelled++ % 256] = task;
}
static void op_release_waiting(void *arg)
{
    n_release_calls++;
}
static unsigned op_free_places(void *arg)
{
    return places;
}
static void op_deny(void *arg, const struct cidr *deny, size_t n)
{
    n_denied = (unsigned)n;
}
static void op_figures(void *arg, struct msg_heartbeat *hb, struct mono at)
{
    hb->lag_ms = 1.5;
    hb->running = 3;
    hb->queue = 2;
    hb->slots = 8;
    hb->probes = 77;
    hb->trouble = "";
}
static void op_close(void *arg, uint16_t code, const char *reason)
{
    close_code = code;
}
static const struct session_ops ops = {.admit = op_admit,
                                       .cancel = op_cancel,
                                       .release_waiting = op_release_waiting,
                                       .free_places = op_free_places,
                                       .deny = op_deny,
                                       .figures = op_figures,
                                       .close = op_close};

static void open_with(size_t outbox_results)
{
    struct session_config c = {.agent = "bj-1",
                               .instance = "00000000000000000000000000000001",
                               .run_id = "00000000000000000000000000000002",
                               .version = "0.1.0",
                               .tags = {{"site", "bj"}},
                               .n_tags = 1,
                               .slots = 8,
                               .workers = 1,
                               .queue = 8,
                               .outbox_results = outbox_results,
                               .outbox_bytes = 64 << 20};
    now = (struct mono){1000 * NS_PER_SEC};
    places = 8;
    sess = session_create(&c, &ops, NULL);
    strbuf_init(&said, 16 << 20);
    strbuf_init(&frame, SESSION_FRAME_MAX);
    strbuf_init(&peer, 4 << 20);
}
static void setup(void)
{
    open_with(100);
}
static void teardown(void)
{
    session_destroy(&sess);
    strbuf_fini(&said);
    strbuf_fini(&frame);
    strbuf_fini(&peer);
}

/* All that the session wants to say now replaces `said`; returns the number of frames. */
static unsigned hear(void)
{
    unsigned frames = 0;
    strbuf_reset(&said);
    while (session_wants_write(sess, now)) {
        strbuf_reset(&frame);
        session_produce(sess, &frame, now);
        strbuf_append(&said, frame.data, frame.len);
        if (frame.len == 0)
            break;
        frames++;
        ck_assert_uint_lt(frames, 10000);
    }
    return frames;
}
static bool heard(const char *text)
{
    return said.len > 0 && strstr(said.data, text) != NULL;
}
static unsigned count(const char *text)
{
    unsigned n = 0;
    for (const char *p = said.len ? strstr(said.data, text) : NULL; p; p = strstr(p + 1, text))
        n++;
    return n;
}
static size_t position(const char *text)
{
    ck_assert_msg(heard(text), "'%sess' was not said", text);
    return (size_t)(strstr(said.data, text) - said.data);
}

static void say(const char *line)
{
    session_on_bytes(sess, line, strlen(line), true, now);
}
static void flush(void)
{
    session_on_bytes(sess, peer.data, peer.len, true, now);
    strbuf_reset(&peer);
}
static void welcome_as(const char *store, uint64_t results, uint64_t bytes)
{
    struct msg_welcome m = {.proto = 1,
                            .session = "s1",
                            .store_id = store,
                            .heartbeat_ms = 5000,
                            .timeout_ms = 15000,
                            .results = {results, bytes},
                            .deny = {"10.0.0.0/8"},
                            .n_deny = 1,
                            .time = {1}};
    msg_put_welcome(&peer, &m);
    flush();
}
static void verdicts_end(void)
{
    msg_put_verdict_end(&peer);
    flush();
}
static void verdict(uint64_t task, bool keep)
{
    struct msg_verdict m = {task, keep};
    msg_put_verdict(&peer, &m);
    flush();
}
static void make_ready(void)
{
    session_on_connected(sess, now);
    hear();
    welcome_as("store-a", 1000, 1 << 20);
    verdicts_end();
    hear();
}
static void lose(void)
{
    session_on_disconnected(sess, now);
}
static void send_spec(uint64_t task, const char *ticket, const char *spec)
{
    struct msg_task m = {.task = task,
                         .ticket = ticket,
                         .trace = "4bf92f3577b34da6a3ce929d0e0e4736",
                         .cls = CLASS_BULK,
                         .deadline_in_ms = 60000,
                         .spec_text = spec,
                         .spec_len = strlen(spec)};
    msg_put_task(&peer, &m);
    flush();
}
static void send_task(uint64_t task)
{
    send_spec(task, "1.1.1.aa", "{\"url\":\"http://example.com/\"}");
}
static void ack(uint64_t task, enum ack_verdict v, uint64_t results)
{
    struct msg_ack a = {task, v};
    struct msg_results_ack m = {.acks = &a, .n = 1, .results = {results, 1 << 20}};
    msg_put_results_ack(&peer, &m);
    flush();
}
static void done(uint64_t task)
{
    session_on_end(sess, task, SESSION_DONE, "{\"outcome\":\"ok\"}", 16, now);
}
static struct session_info info(void)
{
    struct session_info i;
    session_info(sess, &i);
    return i;
}
static void pass_ms(int64_t ms)
{
    for (; ms > 0; ms -= 500) {
        now = mono_add_ms(now, ms < 500 ? ms : 500);
        session_on_tick(sess, now);
    }
}

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
    pass_ms(14000);
    say("{\"type\":\"something_new\"}");
    pass_ms(14000);
    ck_assert_uint_eq(close_code, 0);
    ck_assert_uint_eq(info().unknown_messages, 1);
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

#define FIXTURE(group)                                                                             \
    static TCase *group##_fixed(void)                                                              \
    {                                                                                              \
        TCase *tc = group();                                                                       \
        tcase_add_checked_fixture(tc, setup, teardown);                                            \
        return tc;                                                                                 \
    }
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
TESTS(results, results_wait_for_the_masters_window, a_result_window_that_shrinks_is_ignored,
      results_wait_for_the_masters_byte_window, an_unknown_or_doubled_ack_is_counted_and_harmless,
      a_rejected_result_is_forgotten_and_counted, control_goes_before_results)
TESTS(liveness, a_heartbeat_comes_every_interval_with_all_figures,
      a_heartbeat_ack_gives_the_round_trip, a_silent_master_is_given_up_after_the_timeout,
      a_master_that_never_welcomes_is_given_up, any_bytes_are_life,
      time_that_the_agent_itself_slept_is_not_the_masters_silence)
TESTS(bad_input, a_malformed_line_closes_1008, a_message_of_the_wrong_direction_closes_1008,
      an_endless_line_closes_1009, nothing_is_read_after_the_close,
      a_message_in_pieces_is_put_together)
TESTS(leaving, goaway_closes_and_says_when_to_come_back,
      drain_says_so_releases_finishes_flushes_and_parts, a_task_that_crosses_the_drain_is_released,
      an_idle_agent_drains_at_once, an_idle_agent_without_a_connection_is_finished_at_once,
      a_drain_outlives_a_lost_connection, a_drain_ends_even_if_nobody_acknowledges,
      the_masters_drain_hands_back_what_has_not_started_and_stays)
FIXTURE(hello)
FIXTURE(credit)
FIXTURE(tasks)
FIXTURE(results)
FIXTURE(liveness)
FIXTURE(bad_input)
FIXTURE(leaving)
CHECK_MAIN("session", hello_fixed, credit_fixed, tasks_fixed, results_fixed, liveness_fixed,
           bad_input_fixed, leaving_fixed)
