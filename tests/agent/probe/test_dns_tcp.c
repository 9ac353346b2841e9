/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_tcp.h"
#include "agent/probe/dns_wire.h"
#include "common/mem.h"
#include "tests/support/check_main.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The server is a socket of the test itself: what it says and when is in the test's hand. */
static struct loop *loop;
static struct dns_tcp tcp;
static int listener, peer;
static struct ip server_ip;
static uint16_t server_port;

static const uint8_t question[] = {0, 3, 'a', 's', 'k'};
static const uint8_t *last; /* the bytes of the last message */
static size_t last_len;
static unsigned connects, messages, troubles;
static enum dns_tcp_trouble trouble;
static int trouble_errno;
static bool stop_at_message;

static void on_connected(struct dns_tcp *t)
{
    ck_assert_ptr_eq(t, &tcp);
    connects++;
}

static void on_message(struct dns_tcp *t, const uint8_t *msg, size_t len)
{
    messages++;
    last = msg;
    last_len = len;
    if (stop_at_message)
        dns_tcp_stop(t);
    loop_stop(loop);
}

static void on_trouble(struct dns_tcp *t, enum dns_tcp_trouble what, int errnum)
{
    troubles++;
    trouble = what;
    trouble_errno = errnum;
    dns_tcp_stop(t);
    loop_stop(loop);
}

static const struct dns_tcp_events events = {on_connected, on_message, on_trouble};

static void setup(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    loop = loop_create(NULL, NULL);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert(listener >= 0 && bind(listener, (struct sockaddr *)&a, len) == 0 &&
              listen(listener, 4) == 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&a, &len), 0);
    ck_assert(ip_from_sockaddr((struct sockaddr *)&a, &server_ip, &server_port));
    tcp = (struct dns_tcp){0};
    connects = messages = troubles = 0;
    stop_at_message = false;
    peer = -1;
}

static void teardown(void)
{
    dns_tcp_fini(&tcp);
    loop_destroy(&loop);
    close(listener);
    if (peer >= 0)
        close(peer);
}

static void begin(void)
{
    ck_assert_int_eq(
        dns_tcp_start(&tcp, loop, &events, &server_ip, server_port, question, sizeof(question)), 0);
    peer = accept(listener, NULL, NULL);
    ck_assert_int_ge(peer, 0);
}

static void say(const void *p, size_t n)
{
    ck_assert_int_eq(send(peer, p, n, MSG_NOSIGNAL), (ssize_t)n);
}

static void end_of_speech(void)
{
    close(peer);
    peer = -1;
}

START_TEST(test_question_arrives_in_its_frame)
{
    uint8_t got[sizeof(question)];
    begin();
    say("\0\1x", 3);
    loop_run(loop);
    ck_assert_int_eq(recv(peer, got, sizeof(got), MSG_WAITALL), (ssize_t)sizeof(got));
    ck_assert_mem_eq(got, question, sizeof(got));
    ck_assert_uint_eq(connects, 1);
}
END_TEST

static void on_rest(struct timer *t, struct mono now)
{
    say("bc", 2);
}

START_TEST(test_message_in_pieces_is_put_together)
{
    struct timer rest = {0};
    begin();
    say("\0\3a", 3);
    timer_arm(loop_timers(loop), &rest, mono_add_ms(mono_now(), 20), on_rest);
    loop_run(loop);
    ck_assert_uint_eq(messages, 1);
    ck_assert(last_len == 3 && memcmp(last, "abc", 3) == 0);
}
END_TEST

START_TEST(test_next_message_follows)
{
    begin();
    say("\0\1a\0\0\0\2bc", 9); /* the second is empty */
    while (messages < 3)
        loop_run(loop);
    ck_assert(last_len == 2 && memcmp(last, "bc", 2) == 0);
}
END_TEST

START_TEST(test_stop_at_a_message_keeps_its_bytes)
{
    begin();
    stop_at_message = true;
    say("\0\1a\0\1b", 6);
    loop_run(loop);
    ck_assert_uint_eq(messages, 1);
    ck_assert(!tcp.active && last[0] == 'a');
}
END_TEST

START_TEST(test_it_can_be_started_again)
{
    begin();
    say("\0\5abc", 5); /* it is left in the middle of a message */
    dns_tcp_stop(&tcp);
    end_of_speech();
    begin();
    say("\0\1d", 3);
    loop_run(loop);
    ck_assert(messages == 1 && last_len == 1 && last[0] == 'd');
}
END_TEST

START_TEST(test_longest_message)
{
    uint8_t *big = mem_zalloc(2 + DNS_MESSAGE_MAX);
    big[0] = big[1] = 0xff;
    big[1 + DNS_MESSAGE_MAX] = 'z';
    begin();
    say(big, 2 + DNS_MESSAGE_MAX);
    loop_run(loop);
    ck_assert(last_len == DNS_MESSAGE_MAX && last[DNS_MESSAGE_MAX - 1] == 'z');
    free(big);
}
END_TEST

static void troubled(enum dns_tcp_trouble want)
{
    loop_run(loop);
    ck_assert_uint_eq(troubles, 1);
    ck_assert_int_eq(trouble, want);
    ck_assert_uint_eq(messages, 0);
}

START_TEST(test_closed_without_an_answer)
{
    uint8_t got[sizeof(question)];
    begin();
    shutdown(peer, SHUT_WR); /* a close before the question is read would be a reset */
    troubled(DNS_TCP_CLOSED);
    ck_assert_int_eq(recv(peer, got, sizeof(got), MSG_WAITALL), (ssize_t)sizeof(got));
}
END_TEST

START_TEST(test_closed_in_the_middle)
{
    begin();
    say("\0\5abc", 5);
    shutdown(peer, SHUT_WR);
    troubled(DNS_TCP_CUT_SHORT);
}
END_TEST

START_TEST(test_closed_in_the_middle_of_a_length)
{
    begin();
    say("\0", 1);
    shutdown(peer, SHUT_WR);
    troubled(DNS_TCP_CUT_SHORT);
}
END_TEST

START_TEST(test_reset_is_told)
{
    struct linger l = {.l_onoff = 1};
    begin();
    ck_assert_int_eq(setsockopt(peer, SOL_SOCKET, SO_LINGER, &l, sizeof(l)), 0);
    end_of_speech();
    loop_run(loop);
    ck_assert_uint_eq(troubles, 1);
    ck_assert_int_eq(trouble_errno, ECONNRESET);
}
END_TEST

START_TEST(test_nobody_listens)
{
    close(listener);
    ck_assert_int_eq(
        dns_tcp_start(&tcp, loop, &events, &server_ip, server_port, question, sizeof(question)), 0);
    troubled(DNS_TCP_NOT_CONNECTED);
    ck_assert_int_eq(trouble_errno, ECONNREFUSED);
    ck_assert_uint_eq(connects, 0);
    listener = dup(0);
}
END_TEST

TESTS(plain, test_question_arrives_in_its_frame, test_message_in_pieces_is_put_together,
      test_next_message_follows, test_stop_at_a_message_keeps_its_bytes,
      test_it_can_be_started_again, test_longest_message, test_closed_without_an_answer,
      test_closed_in_the_middle, test_closed_in_the_middle_of_a_length, test_reset_is_told,
      test_nobody_listens)
static TCase *talking(void)
{
    TCase *tc = plain();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("dns_tcp", talking)
