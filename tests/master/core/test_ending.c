/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

static struct w_agent *a;

static void begin(void)
{
    setup();
    a = world_connect(w, 0, "a", "1");
}

static void expect_end(enum end cause)
{
    ck_assert_uint_eq(w->ends, 1);
    ck_assert_str_eq(end_word(w->last_end), end_word(cause));
    done();
}

START_TEST(the_socket_tells_when_nobody_else_has)
{
    begin();
    world_tick(w, 3000, true);
    core_session_closed(w->core, a->id, END_connection_reset, "by \xff peer", w->now);
    a->id = 0;
    ck_assert_int_ge(w->last_end_age_ms, 3000);
    ck_assert_str_eq(w->last_end_detail, "by \xef\xbf\xbd peer");
    expect_end(END_connection_reset);
}
END_TEST

START_TEST(silence_is_the_cause_although_the_socket_is_closed_later)
{
    begin();
    world_tick(w, DEAD_MS + 2000, false);
    expect_end(END_heartbeat_missed);
}
END_TEST

START_TEST(a_connection_without_hello_names_its_deadline)
{
    setup();
    w->n_agents = 1;
    w->agents[0] = (struct w_agent){.id = core_session_open(w->core, NULL, "peer", w->now)};
    world_tick(w, HELLO_DEADLINE_MS + 2000, false);
    expect_end(END_hello_timeout);
}
END_TEST

START_TEST(bye_keeps_the_agents_own_words)
{
    struct strbuf b;
    begin();
    strbuf_init(&b, 1000);
    msg_put_text(&b, MSG_BYE, "the agent ends", 0);
    w_say(w, a, &b);
    world_settle(w);
    ck_assert_str_eq(w->last_end_detail, "the agent ends");
    expect_end(END_bye);
}
END_TEST

START_TEST(a_take_over_ends_the_old_session_once)
{
    begin();
    world_connect(w, 1, "a", "1");
    world_settle(w);
    ck_assert_ptr_nonnull(strstr(w->last_end_detail, "from 127.0.0.1"));
    expect_end(END_replaced);
}
END_TEST

START_TEST(a_malformed_line_is_a_protocol_error)
{
    begin();
    core_session_line(w->core, a->id, "{", 1, w->now);
    world_settle(w);
    expect_end(END_protocol_error);
}
END_TEST

START_TEST(a_name_that_the_token_may_not_speak_for_is_refused)
{
    struct strbuf b;
    struct msg_hello h = {.proto_min = 1,
                          .proto_max = 1,
                          .agent = "a",
                          .instance = "00000000000000000000000000000001",
                          .run_id = "00000000000000000000000000000001",
                          .version = "t",
                          .store_id = "",
                          .slots = 1,
                          .workers = 1,
                          .queue = 1};
    setup();
    w->n_agents = 1;
    w->agents[0] = (struct w_agent){.id = core_session_open(w->core, "other", "peer", w->now)};
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_hello(&b, &h);
    w_say(w, &w->agents[0], &b);
    world_settle(w);
    expect_end(END_refused);
}
END_TEST

START_TEST(the_view_tells_the_last_end_and_reconnects_of_a_day)
{
    struct agent_view *v;
    begin();
    for (int i = 0; i < 3; i++) {
        world_tick(w, 60000, true);
        core_session_closed(w->core, a->id, END_connection_closed, "", w->now);
        a->id = 0;
        a = world_connect(w, 0, "a", "1");
    }
    world_tick(w, 2000, true);
    ck_assert_uint_eq(core_agents(w->core, "a", w->now, &v), 1);
    ck_assert_int_eq(v[0].last_end.cause, END_connection_closed);
    ck_assert_int_eq(v[0].last_end.age_ms / 1000, 60);
    ck_assert_int_eq(v[0].last_end.ago_ms / 1000, 2);
    ck_assert_uint_eq(v[0].reconnects_24h, 3);
    core_views_free(v, 1);
    ck_assert_uint_eq(w->ends, 3);
    done();
}
END_TEST

/* An agent that was sent a hundred tasks and says every two seconds how many it has taken. */
static void takes(uint64_t each, unsigned beats)
{
    struct strbuf b;
    begin();
    world_batch(w, 1, 100, 0, 0);
    world_open(w, 1);
    world_credit(w, a, 200); /* more than the share that bulk is never given */
    uint64_t sent = a->received;
    ck_assert_uint_eq(sent, 100);
    for (unsigned i = 0; i < beats; i++) {
        uint64_t taken = (i + 1) * each < sent ? (i + 1) * each : sent;
        world_tick(w, 2000, false);
        strbuf_init(&b, LINE_MAX_BYTES);
        msg_put_heartbeat(&b, &(struct msg_heartbeat){.seq = i,
                                                      .received = {taken, taken * 100},
                                                      .credit = a->granted,
                                                      .recvq_bytes = 4096,
                                                      .trouble = ""});
        w_say(w, a, &b);
    }
}

static void cut(enum end cause)
{
    core_session_closed(w->core, a->id, cause, "by peer", w->now);
    a->id = 0;
}

START_TEST(who_had_not_taken_what_was_sent_was_cut_for_it)
{
    takes(1, 2);
    cut(END_connection_reset);
    ck_assert_ptr_nonnull(
        strstr(w->last_end_detail, "it does not read: 2 of 100 tasks received, "));
    ck_assert_ptr_nonnull(strstr(w->last_end_detail,
                                 "not, for 4.0 s by its last heartbeat, its Recv-Q then 4.0 KiB"));
    ck_assert_ptr_nonnull(strstr(w->last_end_detail, "connection_reset: by peer"));
    expect_end(END_slow_consumer);
}
END_TEST

START_TEST(whose_socket_takes_nothing_was_cut_for_it)
{
    begin();
    world_tick(w, 1000, true);
    fleet_want_write(w->core, fleet_session(w->core, a->id));
    a->wants = false; /* it is not writable */
    world_tick(w, 4000, false);
    cut(END_connection_reset);
    ck_assert_ptr_nonnull(strstr(w->last_end_detail, "the socket took nothing for 4.0 s; silent"));
    expect_end(END_slow_consumer);
}
END_TEST

START_TEST(who_is_behind_by_no_more_than_a_slow_link_is_not)
{
    takes(1, 1);
    cut(END_connection_reset);
    expect_end(END_connection_reset);
}
END_TEST

START_TEST(who_has_taken_all_is_not)
{
    takes(50, 10);
    cut(END_connection_timeout);
    expect_end(END_connection_timeout);
}
END_TEST

START_TEST(a_network_that_is_gone_says_nothing_of_the_agent)
{
    takes(1, 4);
    cut(END_unreachable);
    expect_end(END_unreachable);
}
END_TEST

START_TEST(who_reads_a_little_now_and_then_is_slow)
{
    struct agent_view *v;
    takes(1, 7);
    ck_assert_uint_eq(core_agents(w->core, "a", w->now, &v), 1);
    ck_assert(!v[0].slow);
    core_views_free(v, 1);
    done();
    takes(1, 8);
    ck_assert_uint_eq(core_agents(w->core, "a", w->now, &v), 1);
    ck_assert(v[0].slow);
    core_views_free(v, 1);
    done();
}
END_TEST

/* What the master did not hear, or did not write, while it stood is not the agent's. */
START_TEST(a_master_that_overslept_calls_nobody_slow)
{
    struct agent_view *v;
    takes(1, 1);
    w->now = mono_add_ms(w->now, SLOW_MS + 5000);
    a->received = 2;
    world_heartbeat(w, a);
    ck_assert_uint_eq(core_agents(w->core, "a", w->now, &v), 1);
    ck_assert(!v[0].slow);
    core_views_free(v, 1);
    fleet_want_write(w->core, fleet_session(w->core, a->id));
    cut(END_connection_reset);
    expect_end(END_connection_reset);
}
END_TEST

TESTS(slow, a_master_that_overslept_calls_nobody_slow,
      who_had_not_taken_what_was_sent_was_cut_for_it, whose_socket_takes_nothing_was_cut_for_it,
      who_is_behind_by_no_more_than_a_slow_link_is_not, who_has_taken_all_is_not,
      a_network_that_is_gone_says_nothing_of_the_agent, who_reads_a_little_now_and_then_is_slow)
TESTS(all, the_socket_tells_when_nobody_else_has,
      silence_is_the_cause_although_the_socket_is_closed_later,
      a_connection_without_hello_names_its_deadline, bye_keeps_the_agents_own_words,
      a_take_over_ends_the_old_session_once, a_malformed_line_is_a_protocol_error,
      a_name_that_the_token_may_not_speak_for_is_refused,
      the_view_tells_the_last_end_and_reconnects_of_a_day)
CHECK_MAIN("ending", all, slow)
