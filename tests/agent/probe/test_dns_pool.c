/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_pool.h"
#include "tests/support/check_main.h"
#include "tests/support/own_net.h"
#include <dirent.h>
#include <errno.h>
#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* The server is a socket of the test itself: what it got and when it answers is in the test's hand.
 */
static struct loop *loop;
static struct dns_pool *pool;
static int server;
static struct ip server_ip;
static uint16_t server_port;

static int64_t age_ms = DNS_POOL_AGE_MS;

/* With those who say so, too; a fresh port is nobody else's. */
static void share_port(void)
{
    int on = 1;
    ck_assert_int_eq(setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
}

static void server_bind(uint16_t port)
{
    struct sockaddr_storage sa;
    socklen_t len;
    uint16_t got;
    server = socket(server_ip.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ip_to_sockaddr(&server_ip, port, &sa, &len);
    if (port != 0)
        share_port();
    ck_assert(server >= 0 && bind(server, (struct sockaddr *)&sa, len) == 0);
    share_port();
    ck_assert_int_eq(getsockname(server, (struct sockaddr *)&sa, &len), 0);
    ck_assert(ip_from_sockaddr((struct sockaddr *)&sa, &server_ip, &got));
    server_port = got;
}

static void begin(const char *address)
{
    loop = loop_create(NULL, NULL);
    pool = dns_pool_create(loop, age_ms);
    ck_assert_int_eq(ip_parse(address, &server_ip), ERR_NONE);
    server_bind(0);
}

static void setup(void)
{
    begin("127.0.0.1");
}

static void teardown(void)
{
    dns_pool_destroy(&pool);
    loop_destroy(&loop);
    close(server);
}

struct question {
    struct dns_wait wait;
    struct dns_query query;
    uint8_t msg[DNS_QUERY_MAX];
    size_t len;
    unsigned replies;
    int errnum;
    struct sockaddr_storage from; /* as the server saw it */
    socklen_t from_len;
};

static void on_reply(struct dns_wait *w, const uint8_t *msg, size_t len)
{
    struct question *q = CONTAINER_OF(w, struct question, wait);
    ck_assert(w->socket == NULL && len == q->len);
    q->replies++;
    loop_stop(loop);
}

static void on_error(struct dns_wait *w, int errnum)
{
    struct question *q = CONTAINER_OF(w, struct question, wait);
    ck_assert_ptr_null(w->socket);
    q->errnum = errnum;
    loop_stop(loop);
}

static int try_ask(struct question *q)
{
    *q = (struct question){.query = {.name = "example.com", .type = 1},
                           .wait = {.on_reply = on_reply, .on_error = on_error}};
    q->wait.query = &q->query;
    ck_assert_int_eq(dns_query_build(&q->query, q->msg, sizeof(q->msg), &q->len), ERR_NONE);
    return dns_pool_ask(pool, &server_ip, server_port, &q->wait, q->msg, q->len);
}

static void ask(struct question *q)
{
    ck_assert_int_eq(try_ask(q), 0);
}

/* Reads one question at the server. */
static void arrives(struct question *q)
{
    uint8_t got[DNS_QUERY_MAX];
    q->from_len = sizeof(q->from);
    ssize_t n = recvfrom(server, got, sizeof(got), 0, (struct sockaddr *)&q->from, &q->from_len);
    ck_assert_int_eq(n, (ssize_t)q->len);
    ck_assert_mem_eq(got, q->msg, q->len);
}

static void reply_as(const struct question *q, unsigned id, unsigned type)
{
    uint8_t msg[DNS_QUERY_MAX];
    memcpy(msg, q->msg, q->len);
    msg[0] = (uint8_t)(id >> 8);
    msg[1] = (uint8_t)id;
    msg[2] |= 0x80;
    msg[q->len - 3] = (uint8_t)type;
    ck_assert_int_eq(sendto(server, msg, q->len, 0, (struct sockaddr *)&q->from, q->from_len),
                     (ssize_t)q->len);
}

static void reply(const struct question *q)
{
    reply_as(q, q->query.id, 1);
}

/* One callback each. */
static void answer(struct question *q)
{
    reply(q);
    loop_run(loop);
    ck_assert_uint_eq(q->replies, 1);
}

static uint16_t port_of(const struct question *q)
{
    struct ip ip;
    uint16_t port;
    ck_assert(ip_from_sockaddr((const struct sockaddr *)&q->from, &ip, &port));
    return port;
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    ck_assert_ptr_nonnull(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void ask_and_answer(struct question *q)
{
    ask(q);
    arrives(q);
    answer(q);
}

START_TEST(test_answers_find_their_questions_on_one_socket)
{
    struct question q[DNS_POOL_WAITS];
    for (int i = 0; i < DNS_POOL_WAITS; i++) {
        ask(&q[i]);
        arrives(&q[i]);
        ck_assert_uint_eq(port_of(&q[i]), port_of(&q[0]));
    }
    for (int i = DNS_POOL_WAITS - 1; i >= 0; i--)
        answer(&q[i]);
    for (int i = 0; i < DNS_POOL_WAITS; i++)
        ck_assert(q[i].replies == 1 && q[i].wait.foreign == 0);
}
END_TEST

START_TEST(test_ids_under_way_differ)
{
    struct question q[DNS_POOL_WAITS];
    for (int i = 0; i < DNS_POOL_WAITS; i++) {
        ask(&q[i]);
        for (int k = 0; k < i; k++)
            ck_assert_uint_ne(q[i].query.id, q[k].query.id);
    }
    for (int i = 0; i < DNS_POOL_WAITS; i++)
        dns_pool_give_up(&q[i].wait);
}
END_TEST

START_TEST(test_full_socket_takes_no_more)
{
    struct question q[DNS_POOL_WAITS + 1];
    for (int i = 0; i <= DNS_POOL_WAITS; i++) {
        ask(&q[i]);
        arrives(&q[i]);
    }
    ck_assert_uint_ne(port_of(&q[0]), port_of(&q[DNS_POOL_WAITS]));
    for (int i = 0; i <= DNS_POOL_WAITS; i++)
        answer(&q[i]);
}
END_TEST

START_TEST(test_socket_is_renewed_after_its_questions)
{
    struct question first, q;
    unsigned before = open_descriptors();
    ask_and_answer(&first);
    for (int i = 1; i < DNS_POOL_QUESTIONS; i++) {
        ask_and_answer(&q);
        ck_assert_uint_eq(port_of(&q), port_of(&first));
    }
    ck_assert_uint_eq(open_descriptors(), before);
    ask_and_answer(&q);
    ck_assert_uint_ne(port_of(&q), port_of(&first));
}
END_TEST

START_TEST(test_foreign_replies_are_counted_for_those_that_wait)
{
    struct question early, q, late;
    ask_and_answer(&early);
    ask(&q);
    arrives(&q);
    reply_as(&q, q.query.id ^ 1u, 1);
    reply_as(&q, q.query.id, 2);
    answer(&q);
    ck_assert_uint_eq(q.wait.foreign, 2);
    ask_and_answer(&late);
    ck_assert_uint_eq(late.wait.foreign, 0);
}
END_TEST

START_TEST(test_after_a_question_given_up_another_port_is_used)
{
    struct question given_up, q;
    ask(&given_up);
    arrives(&given_up);
    dns_pool_give_up(&given_up.wait);
    dns_pool_give_up(&given_up.wait);
    ask(&q);
    arrives(&q);
    ck_assert_uint_ne(port_of(&given_up), port_of(&q));
    reply(&given_up); /* late: to nobody */
    answer(&q);
    ck_assert(given_up.replies == 0 && q.wait.foreign == 0);
}
END_TEST

START_TEST(test_bystanders_of_a_question_given_up_get_their_answers)
{
    struct question given_up, bystander;
    ask(&given_up);
    ask(&bystander);
    arrives(&given_up);
    arrives(&bystander);
    dns_pool_give_up(&given_up.wait);
    answer(&bystander);
}
END_TEST

/* Closed, and nobody else gets its port: there is a socket on it that takes from another alone. */
static void server_close_and_hold(void)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int first = server;
    server_bind(server_port);
    ip_to_sockaddr(&server_ip, 9, &sa, &len);
    ck_assert_int_eq(connect(server, (struct sockaddr *)&sa, len), 0);
    close(first);
}

/* The first question arrives; the second meets a closed port. */
static void error_of_one(struct question *bystander, struct question *unlucky)
{
    ask(bystander);
    arrives(bystander);
    server_close_and_hold();
    ask(unlucky);
}

START_TEST(test_error_is_for_the_question_it_quotes)
{
    struct question bystander, unlucky;
    error_of_one(&bystander, &unlucky);
    loop_run(loop);
    ck_assert_int_eq(unlucky.errnum, ECONNREFUSED);
    ck_assert(bystander.errnum == 0 && bystander.wait.doubt == 0);
    server_bind(server_port);
    answer(&bystander);
}
END_TEST

START_TEST(test_error_over_ipv6_is_for_the_question_it_quotes)
{
    if (!own_net_enter((const char *const[]){"link set lo up", NULL}))
        return;
    begin("::1");
    struct question bystander, unlucky;
    error_of_one(&bystander, &unlucky);
    loop_run(loop);
    ck_assert_int_eq(unlucky.errnum, ECONNREFUSED);
    server_bind(server_port);
    answer(&bystander);
    teardown();
}
END_TEST

START_TEST(test_error_of_another_question_does_not_stop_a_new_one)
{
    struct question bystander, unlucky, q;
    error_of_one(&bystander, &unlucky);
    server_bind(server_port);
    ask(&q); /* the error stands on the socket, not yet read */
    arrives(&q);
    ck_assert_uint_ne(port_of(&q), port_of(&bystander));
    loop_run(loop);
    ck_assert_int_eq(unlucky.errnum, ECONNREFUSED);
    answer(&q);
    answer(&bystander);
}
END_TEST

static uint16_t checksum(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < n; i += 2)
        sum += (uint32_t)b[i] << 8 | b[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t) ~(sum + (sum >> 16)));
}

/* Host unreachable, from a router that quotes the UDP header and nothing behind it. */
static void bare_error(const struct question *q)
{
    struct {
        struct icmphdr icmp;
        struct iphdr ip;
        struct udphdr udp;
    } m = {.icmp = {.type = ICMP_DEST_UNREACH, .code = ICMP_HOST_UNREACH},
           .ip = {.version = 4,
                  .ihl = 5,
                  .ttl = 64,
                  .protocol = IPPROTO_UDP,
                  .tot_len = htons(28 + (uint16_t)q->len),
                  .saddr = htonl(INADDR_LOOPBACK),
                  .daddr = htonl(INADDR_LOOPBACK)},
           .udp = {.source = htons(port_of(q)),
                   .dest = htons(server_port),
                   .len = htons(8 + (uint16_t)q->len)}};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
    ck_assert_int_ge(fd, 0);
    m.icmp.checksum = checksum(&m, sizeof(m));
    ck_assert_int_eq(sendto(fd, &m, sizeof(m), 0, (struct sockaddr *)&to, sizeof(to)),
                     (ssize_t)sizeof(m));
    close(fd);
}

START_TEST(test_error_that_quotes_nothing_is_that_of_a_lone_question)
{
    struct question q;
    if (!own_net_enter((const char *const[]){"link set lo up", NULL}))
        return;
    setup();
    ask(&q);
    arrives(&q);
    bare_error(&q);
    loop_run(loop);
    ck_assert_int_eq(q.errnum, EHOSTUNREACH);
    teardown();
}
END_TEST

START_TEST(test_error_that_quotes_nothing_is_a_doubt_of_several)
{
    struct question q[2];
    if (!own_net_enter((const char *const[]){"link set lo up", NULL}))
        return;
    setup();
    for (int i = 0; i < 2; i++) {
        ask(&q[i]);
        arrives(&q[i]);
    }
    bare_error(&q[0]);
    answer(&q[0]);
    ck_assert_int_eq(q[1].wait.doubt, EHOSTUNREACH);
    ck_assert(q[0].errnum == 0 && q[1].errnum == 0);
    answer(&q[1]);
    teardown();
}
END_TEST

START_TEST(test_noise_on_an_idle_socket_closes_it)
{
    struct question idle, q;
    unsigned before = open_descriptors();
    ask_and_answer(&idle);
    ck_assert_uint_eq(open_descriptors(), before + 1);
    uint16_t port = server_port;
    server_port = 0; /* another server: its answer ends the turn of the loop */
    int first = server;
    server_bind(0);
    ask(&q);
    arrives(&q);
    int second = server;
    server = first;
    reply(&idle);
    server = second;
    answer(&q);
    ck_assert_uint_eq(open_descriptors(), before + 2); /* the second server, and its socket */
    close(first);
    server_port = port;
}
END_TEST

START_TEST(test_idle_sockets_are_bounded)
{
    struct question q;
    unsigned before = open_descriptors();
    for (int i = 0; i < 3 * DNS_POOL_IDLE; i++) {
        close(server);
        server_bind(0);
        ask_and_answer(&q);
    }
    ck_assert_uint_eq(open_descriptors(), before + DNS_POOL_IDLE);
}
END_TEST

static void on_stop(struct timer *t, struct mono now)
{
    loop_stop(loop);
}

static void turn_for(int64_t ms)
{
    struct timer stop = {0};
    timer_arm(loop_timers(loop), &stop, mono_add_ms(mono_now(), ms), on_stop);
    loop_run(loop);
}

START_TEST(test_idle_sockets_are_closed_when_they_are_old)
{
    struct question q;
    age_ms = 20;
    begin("127.0.0.1");
    unsigned before = open_descriptors();
    ask_and_answer(&q);
    turn_for(100); /* the sweep was armed before the stop, and is due before it */
    ck_assert_uint_eq(open_descriptors(), before);
    teardown();
}
END_TEST

START_TEST(test_old_sockets_take_no_new_questions)
{
    struct question old, q;
    age_ms = 20;
    begin("127.0.0.1");
    ask(&old);
    arrives(&old);
    turn_for(100);
    ask(&q);
    arrives(&q);
    ck_assert_uint_ne(port_of(&q), port_of(&old));
    answer(&old);
    answer(&q);
    teardown();
}
END_TEST

START_TEST(test_no_descriptors_is_told)
{
    struct rlimit old, few;
    struct question q;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    int next = dup(0);
    close(next);
    few = old;
    few.rlim_cur = (rlim_t)next;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    int errnum = try_ask(&q);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(errnum, EMFILE);
    ck_assert_ptr_null(q.wait.socket);
}
END_TEST

TESTS(plain, test_answers_find_their_questions_on_one_socket, test_ids_under_way_differ,
      test_full_socket_takes_no_more, test_socket_is_renewed_after_its_questions,
      test_foreign_replies_are_counted_for_those_that_wait,
      test_after_a_question_given_up_another_port_is_used,
      test_bystanders_of_a_question_given_up_get_their_answers,
      test_error_is_for_the_question_it_quotes,
      test_error_of_another_question_does_not_stop_a_new_one,
      test_noise_on_an_idle_socket_closes_it, test_idle_sockets_are_bounded,
      test_no_descriptors_is_told)
TESTS(aging, test_idle_sockets_are_closed_when_they_are_old, test_old_sockets_take_no_new_questions)
TESTS(own_net, test_error_over_ipv6_is_for_the_question_it_quotes,
      test_error_that_quotes_nothing_is_that_of_a_lone_question,
      test_error_that_quotes_nothing_is_a_doubt_of_several)
static TCase *sharing(void)
{
    TCase *tc = plain();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("dns_pool", sharing, aging, own_net)
