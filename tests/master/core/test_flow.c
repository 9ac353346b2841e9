/* SPDX-License-Identifier: MIT */
#include "tests/support/core_fixture.h"

/* The result window: two seconds of what the path carries, and a share of what can be kept. */

#define RECORD_BYTES 1000

static struct w_agent *a;

static void begin(void)
{
    setup();
    world_batch(w, 1, 4000, 0, 0);
    world_open(w, 1);
    a = world_connect(w, 0, "a", "1");
    for (int i = 0; i < 8; i++)
        world_credit(w, a, 2000);
    ck_assert_uint_ge(a->n_held, 2000);
}

/* A result of RECORD_BYTES; what the master says of it is not heard. */
static void send_one(void)
{
    char text[RECORD_BYTES + 1];
    struct w_held h = a->held[0];
    struct strbuf b;
    int n = snprintf(text, sizeof(text), "{\"outcome\":\"ok\",\"cause\":null,\"pad\":\"");
    memset(text + n, 'x', sizeof(text) - (size_t)n);
    memcpy(text + RECORD_BYTES - 2, "\"}", 3);
    w_forget(a, h.task);
    strbuf_init(&b, LINE_MAX_BYTES);
    msg_put_result(&b, &(struct msg_result){.task = h.task,
                                            .ticket = h.ticket,
                                            .record_text = text,
                                            .record_len = RECORD_BYTES});
    a->sent.count++;
    a->sent.bytes += RECORD_BYTES;
    w_say(w, a, &b);
}

static uint64_t room(void)
{
    return a->results.bytes - a->sent.bytes;
}

/* So many results, one each so many ms. */
static void send_steadily(unsigned n, int64_t each_ms)
{
    for (unsigned i = 0; i < n; i++) {
        send_one();
        world_settle(w);
        w->now = mono_add_ms(w->now, each_ms);
        core_tick(w->core, 0, w->now);
    }
}

START_TEST(a_session_begins_with_the_least)
{
    begin();
    ck_assert_uint_eq(a->results.bytes, BYTE_WINDOW_MIN);
    ck_assert_uint_gt(a->results.count, 64);
    done();
}
END_TEST

START_TEST(a_slow_path_keeps_the_least)
{
    begin();
    send_steadily(100, 125); /* 64 kbit/s */
    ck_assert_uint_le(room(), BYTE_WINDOW_MIN);
    ck_assert_uint_gt(room(), BYTE_WINDOW_MIN / 4);
    done();
}
END_TEST

START_TEST(a_fast_path_gets_the_most)
{
    begin();
    send_steadily(1500, 1);
    ck_assert_uint_gt(room(), BYTE_WINDOW_MAX / 2);
    ck_assert_uint_le(room(), BYTE_WINDOW_MAX);
    done();
}
END_TEST

START_TEST(it_opens_while_nothing_is_stored)
{
    begin();
    w->store_stalled = true;
    send_steadily(1000, 2);
    ck_assert_uint_eq(a->acks_stored, 0);
    ck_assert_uint_gt(room(), BYTE_WINDOW_MAX / 2);
    ck_assert_uint_gt(a->empty_acks, 0);
    ck_assert(!a->closed);
    done();
}
END_TEST

START_TEST(what_is_not_stored_bounds_it_all_the_same)
{
    begin();
    w->core->result_bytes_max = 300 * RECORD_BYTES;
    w->store_stalled = true;
    while (w_may_send(a))
        send_steadily(1, 1);
    ck_assert_uint_eq(a->sent.bytes, 300 * RECORD_BYTES);
    w->store_stalled = false;
    world_tick(w, 1000, true);
    ck_assert(w_may_send(a));
    ck_assert_uint_eq(a->acks_stored, 300);
    done();
}
END_TEST

START_TEST(one_who_used_it_up_is_told_of_more_without_a_commit_or_a_heartbeat)
{
    begin();
    w->store_stalled = true;
    while (w_may_send(a))
        send_one();
    ck_assert_uint_eq(a->empty_acks, 0);
    world_settle(w);
    ck_assert_uint_eq(a->empty_acks, 1);
    ck_assert(w_may_send(a));
    done();
}
END_TEST

START_TEST(acks_of_nothing_are_few)
{
    begin();
    w->store_stalled = true;
    send_steadily(1000, 10); /* 200 kB of window: told at each half */
    ck_assert_uint_le(a->empty_acks, 25);
    done();
}
END_TEST

/* A line that takes a slow path longer than the agent's patience. */
START_TEST(who_is_heard_but_says_nothing_whole_is_told_so)
{
    begin();
    for (int i = 0; i < 20 * 4; i++) {
        core_session_alive(w->core, a->id, w->now);
        world_tick(w, 250, false);
    }
    ck_assert_uint_ge(a->empty_acks, 1);
    ck_assert_uint_le(a->empty_acks, 2);
    done();
}
END_TEST

START_TEST(who_is_silent_or_beats_is_told_nothing_besides)
{
    begin();
    world_tick(w, 30000, true);
    ck_assert_uint_eq(a->empty_acks, 0);
    world_tick(w, DEAD_MS - 1000, false);
    ck_assert_uint_eq(a->empty_acks, 0);
    done();
}
END_TEST

TESTS(path, a_session_begins_with_the_least, a_slow_path_keeps_the_least, a_fast_path_gets_the_most)
TESTS(store, it_opens_while_nothing_is_stored, what_is_not_stored_bounds_it_all_the_same,
      one_who_used_it_up_is_told_of_more_without_a_commit_or_a_heartbeat, acks_of_nothing_are_few)
TESTS(heard, who_is_heard_but_says_nothing_whole_is_told_so,
      who_is_silent_or_beats_is_told_nothing_besides)
CHECK_MAIN("flow", path, store, heard)
