/* SPDX-License-Identifier: MIT */
#include "tests/master/hub/rig.h"

/* HELLOs on the wire that come faster than they are heard. */

#define AGENTS_MAX  20
#define HELD_LINES  60000
#define HELD_BYTES  (1 << 20) /* the sockets hold less, and all the lines are several times that */
#define FRAME_BYTES 60000
#define QUIET_MS    300 /* nothing moved for so long: nobody reads */

/* One at once, and then one a second. */
static void setup(void)
{
    rig_hello_rate = rig_hello_burst = 1;
    rig_start(AGENTS_MAX);
}

static void teardown(void)
{
    rig_stop();
}

static int64_t waiting(void)
{
    return gauge_get(&hub_core_stats(rig.hub)->hellos_waiting);
}

static void wait_waiting(int64_t n)
{
    struct mono until = mono_add_ms(mono_now(), PATIENCE_MS);
    while (waiting() != n) {
        ck_assert_msg(mono_before(mono_now(), until), "%lld wait", (long long)waiting());
        poll(NULL, 0, 1);
    }
}

/* In the order of the calls: one is seen before the next comes. */
static void say_hello(struct peer *p, int i)
{
    char hello[512];
    snprintf(hello, sizeof(hello), HELLO_AS("agent-%d", "r1"), i);
    peer_open(p);
    peer_say(p, hello);
}

/* The first is heard at once. */
static void line_up(struct peer *p, int n)
{
    say_hello(&p[0], 0);
    peer_say(&p[0], INFLIGHT_END);
    ck_assert_ptr_nonnull(peer_wait(&p[0], "verdict_end"));
    for (int i = 1; i < n; i++) {
        say_hello(&p[i], i);
        wait_waiting(i);
    }
}

static bool has_answer(const struct peer *p, int timeout_ms)
{
    struct pollfd f = {.fd = p->fd, .events = POLLIN};
    return poll(&f, 1, timeout_ms) > 0;
}

START_TEST(test_they_are_heard_in_order_and_none_is_refused)
{
    enum { N = 4 };
    struct peer p[N];
    struct mono began = mono_now();
    line_up(p, N);
    for (int i = 1; i < N; i++)
        peer_say(&p[i], INFLIGHT_END);
    for (int i = 1; i < N; i++) {
        ck_assert(i == N - 1 || !has_answer(&p[N - 1], 0));
        ck_assert_ptr_nonnull(peer_wait(&p[i], "verdict_end"));
    }
    ck_assert_int_ge(mono_diff_ms(mono_now(), began), (N - 2) * 1000);
    ck_assert_int_eq(waiting(), 0);
    ck_assert_uint_eq(counter_get(&hub_core_stats(rig.hub)->hellos_paced), N - 1);
    for (int i = 0; i < N; i++)
        peer_close(&p[i]);
}
END_TEST

START_TEST(test_who_goes_leaves_the_line)
{
    struct peer p[3];
    line_up(p, 3);
    peer_close(&p[1]);
    wait_waiting(1);
    ck_assert(!has_answer(&p[2], 0));
    peer_say(&p[2], INFLIGHT_END);
    ck_assert_ptr_nonnull(peer_wait(&p[2], "verdict_end"));
    peer_close(&p[0]);
    peer_close(&p[2]);
}
END_TEST

/* ---- one that has much to say behind its HELLO */

/* What it holds, in frames of whole lines, as they are on the wire. */
static void put_frame(struct strbuf *wire, const struct strbuf *lines)
{
    const unsigned char head[8] = {0x81, 0x80 | 126, (unsigned char)(lines->len >> 8),
                                   (unsigned char)lines->len}; /* the mask is zero */
    strbuf_append(wire, (const char *)head, sizeof(head));
    strbuf_append(wire, lines->data, lines->len);
}

static void put_inflight(struct strbuf *wire)
{
    struct strbuf lines;
    strbuf_init(&lines, LINE_MAX_BYTES);
    for (unsigned i = 1; i <= HELD_LINES; i++) {
        struct msg_inflight m = {i, "1.5.7.4426308fdbc8464a66776c4d036ac4fc", INFLIGHT_QUEUED};
        msg_put_inflight(&lines, &m);
        if (lines.len < FRAME_BYTES)
            continue;
        put_frame(wire, &lines);
        strbuf_reset(&lines);
    }
    msg_put_inflight_end(&lines);
    put_frame(wire, &lines);
    strbuf_fini(&lines);
}

/* As far as the sockets take them when nobody reads. */
static size_t send_what_is_taken(struct peer *p, const struct strbuf *wire)
{
    size_t at = 0;
    struct pollfd f = {.fd = p->fd, .events = POLLOUT};
    while (at < wire->len && poll(&f, 1, QUIET_MS) > 0) {
        ssize_t n = send(p->fd, wire->data + at, wire->len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        ck_assert_int_gt(n, 0);
        at += (size_t)n;
    }
    return at;
}

/* The last of those who wait; what it says then the hub leaves in its socket. */
static size_t fill_socket(struct peer *last, const struct strbuf *wire)
{
    ck_assert_int_eq(setsockopt(last->fd, SOL_SOCKET, SO_SNDBUF, &(int){FRAME_BYTES}, sizeof(int)),
                     0);
    size_t at = send_what_is_taken(last, wire);
    ck_assert_msg(waiting() > 0, "it was too slow to be held");
    ck_assert_uint_gt(wire->len, 2 * HELD_BYTES);
    ck_assert_uint_lt(at, HELD_BYTES);
    return at;
}

START_TEST(test_what_follows_a_hello_is_held_and_kept_in_order)
{
    enum { N = 4 };
    struct peer p[N];
    struct strbuf wire;
    char want[32];
    strbuf_init(&wire, 16 * HELD_BYTES);
    put_inflight(&wire);
    line_up(p, N);
    size_t at = fill_socket(&p[N - 1], &wire);
    sock_send(p[N - 1].fd, wire.data + at, wire.len - at);
    for (unsigned i = 1; i <= HELD_LINES; i++) {
        const char *verdict = peer_wait(&p[N - 1], "verdict");
        ck_assert_ptr_nonnull(verdict);
        snprintf(want, sizeof(want), "\"task\":\"%u\",", i);
        ck_assert_msg(strstr(verdict, want) != NULL, "%s is not of task %u", verdict, i);
    }
    ck_assert_ptr_nonnull(peer_wait(&p[N - 1], "verdict_end"));
    for (int i = 0; i < N; i++)
        peer_close(&p[i]);
    strbuf_fini(&wire);
}
END_TEST

/* It is read again, so that its close frame is heard: nothing takes longer for it. */
START_TEST(test_a_master_that_stops_takes_leave_of_who_is_held)
{
    enum { N = 4 };
    struct peer p[N];
    struct strbuf wire;
    strbuf_init(&wire, 16 * HELD_BYTES);
    put_inflight(&wire);
    line_up(p, N);
    fill_socket(&p[N - 1], &wire);
    rig_close();
    ck_assert_int_eq(peer_wait_close(&p[N - 1]), CLOSE_GOING_AWAY);
    for (int i = 0; i < N; i++)
        peer_close(&p[i]);
    strbuf_fini(&wire);
    rig_open(AGENTS_MAX);
}
END_TEST

static TCase *turns(void)
{
    TCase *tc = tcase_create("turns");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_they_are_heard_in_order_and_none_is_refused);
    tcase_add_test(tc, test_who_goes_leaves_the_line);
    tcase_add_test(tc, test_what_follows_a_hello_is_held_and_kept_in_order);
    tcase_add_test(tc, test_a_master_that_stops_takes_leave_of_who_is_held);
    return tc;
}

CHECK_MAIN("turns", turns)
