/* SPDX-License-Identifier: MIT */
#include "agent/run/resolver.h"
#include "common/mem.h"
#include "tests/support/check_main.h"
#include "tests/support/closed_port.h"
#include "tests/support/dns_server.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static struct dns_server server;
static struct loop *loop;
static struct resolver *resolver;
static char servers[64];
static unsigned left; /* resolves that have not called back */

static void setup_as(uint16_t port, bool named)
{
    struct resolver_config c = {.servers = servers, .named = named};
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", port);
    loop = loop_create(NULL, NULL);
    ck_assert_ptr_nonnull(loop);
    resolver = resolver_create(loop, &c);
    ck_assert_ptr_nonnull(resolver);
    left = 0;
}

static void setup_at(uint16_t port)
{
    setup_as(port, false);
}

static void setup(void)
{
    dns_server_start(&server);
    setup_at(server.port);
}

static void teardown(void)
{
    resolver_destroy(&resolver);
    loop_destroy(&loop);
    dns_server_stop(&server);
}

static void on_done(struct resolve *q)
{
    ck_assert_uint_gt(left, 0);
    if (--left == 0)
        loop_stop(loop);
}

static void start(struct resolve *q, const char *host, enum ip_version v, int timeout_ms)
{
    *q = (struct resolve){.done = on_done};
    left++;
    unsigned before = left;
    resolve_start(resolver, q, host, v, mono_add_ms(mono_now(), timeout_ms));
    ck_assert_uint_eq(left, before); /* never inside start */
}

static void run(struct resolve *q, const char *host, enum ip_version v, int timeout_ms)
{
    start(q, host, v, timeout_ms);
    loop_run(loop);
}

static void fails(const char *host, int timeout_ms, enum cause want)
{
    struct resolve q;
    run(&q, host, IP_ANY, timeout_ms);
    ck_assert_msg(q.cause == want, "%s: %s (%s)", host, cause_word(q.cause), q.detail);
    ck_assert_uint_eq(q.n_addrs, 0);
    ck_assert_str_ne(q.detail, "");
}

static void addr_is(const struct ip *ip, const char *want)
{
    char text[IP_TEXT_MAX];
    ck_assert_str_eq(ip_format(ip, text), want);
}

START_TEST(test_both_families_ipv6_first)
{
    struct resolve q;
    run(&q, "host.example", IP_ANY, 3000);
    ck_assert_int_eq(q.cause, CAUSE_NONE);
    ck_assert_uint_eq(q.n_addrs, 2);
    addr_is(&q.addrs[0], "2001:db8::1");
    addr_is(&q.addrs[1], "192.0.2.1");
}
END_TEST

START_TEST(test_ip_version_asks_one_family)
{
    struct resolve q;
    run(&q, "host.example", IP_V4, 3000);
    ck_assert_uint_eq(q.n_addrs, 1);
    addr_is(&q.addrs[0], "192.0.2.1");
    ck_assert_uint_eq(atomic_load(&server.asked_aaaa), 0);
    run(&q, "host.example", IP_V6, 3000);
    ck_assert_uint_eq(q.n_addrs, 1);
    addr_is(&q.addrs[0], "2001:db8::1");
}
END_TEST

START_TEST(test_one_family_empty_is_no_failure)
{
    struct resolve q;
    run(&q, "v4.example", IP_ANY, 3000);
    ck_assert_uint_eq(q.n_addrs, 1);
    addr_is(&q.addrs[0], "192.0.2.1");
    run(&q, "v6.example", IP_ANY, 3000);
    ck_assert_uint_eq(q.n_addrs, 1);
    addr_is(&q.addrs[0], "2001:db8::1");
}
END_TEST

START_TEST(test_a_does_not_wait_for_a_silent_aaaa)
{
    struct resolve q;
    run(&q, "v6silent.example", IP_ANY,
        60000); /* a wait for the deadline would outlast the test's own */
    ck_assert_int_eq(q.cause, CAUSE_NONE);
    ck_assert_uint_eq(q.n_addrs, 1);
    addr_is(&q.addrs[0], "192.0.2.1");
}
END_TEST

START_TEST(test_aaaa_does_not_wait_for_a_silent_a)
{
    struct resolve q;
    run(&q, "v4silent.example", IP_ANY, 60000);
    ck_assert_int_eq(q.cause, CAUSE_NONE);
    ck_assert_uint_eq(q.n_addrs, 1);
    addr_is(&q.addrs[0], "2001:db8::1");
}
END_TEST

START_TEST(test_cname_is_followed_to_its_address)
{
    struct resolve q;
    run(&q, "cname.example", IP_V4, 3000);
    ck_assert_int_eq(q.cause, CAUSE_NONE);
    ck_assert_uint_eq(q.n_addrs, 1);
    addr_is(&q.addrs[0], "192.0.2.7");
}
END_TEST

START_TEST(test_truncated_answer_is_asked_again_over_tcp)
{
    struct resolve q;
    run(&q, "big.example", IP_V4, 3000);
    ck_assert_int_eq(q.cause, CAUSE_NONE);
    ck_assert_uint_eq(q.n_addrs, RESOLVE_ADDRS_MAX);
    ck_assert_uint_eq(atomic_load(&server.asked_tcp), 1);
}
END_TEST

START_TEST(test_each_failure_has_its_cause)
{
    fails("nx.example", 3000, CAUSE_dns_nxdomain);
    fails("nodata.example", 3000, CAUSE_dns_nodata);
    fails("dangling.example", 3000, CAUSE_dns_nodata);
    fails("servfail.example", 3000, CAUSE_dns_servfail);
    fails("refused.example", 3000, CAUSE_dns_refused);
    fails("formerr.example", 3000, CAUSE_dns_servfail);
}
END_TEST

START_TEST(test_name_too_long_does_not_exist)
{
    char name[300];
    memset(name, 'a', sizeof(name));
    name[299] = '\0';
    fails(name, 3000, CAUSE_dns_nxdomain);
}
END_TEST

START_TEST(test_silence_about_one_name_is_a_timeout)
{
    fails("silent.example", 1500, CAUSE_dns_timeout);
}
END_TEST

START_TEST(test_silence_about_everything_is_the_resolvers)
{
    atomic_store(&server.mute, true);
    fails("host.example", 1500, CAUSE_agent_resolver_down);
}
END_TEST

/* It is not the agent's own, so nothing follows for the agent. */
START_TEST(test_dead_server_that_a_target_names_is_a_timeout)
{
    resolver_destroy(&resolver);
    loop_destroy(&loop);
    setup_as(closed_port(), true);
    fails("host.example", 30000, CAUSE_dns_timeout);
}
END_TEST

START_TEST(test_silent_server_that_a_target_names_is_a_timeout)
{
    resolver_destroy(&resolver);
    loop_destroy(&loop);
    setup_as(server.port, true);
    atomic_store(&server.mute, true);
    fails("host.example", 1500, CAUSE_dns_timeout);
}
END_TEST

START_TEST(test_refusing_port_is_the_resolvers)
{
    resolver_destroy(&resolver);
    loop_destroy(&loop);
    setup_at(closed_port());
    struct resolve q[20]; /* one ICMP fails all that are in flight */
    for (unsigned i = 0; i < ARRAY_LEN(q); i++)
        start(&q[i], "host.example", IP_ANY, 30000);
    loop_run(loop);
    for (unsigned i = 0; i < ARRAY_LEN(q); i++)
        ck_assert_int_eq(q[i].cause, CAUSE_agent_resolver_down);
}
END_TEST

START_TEST(test_two_failures_are_told_apart)
{
    struct resolve q;
    run(&q, "v4fails.example", IP_ANY, 1500);
    ck_assert_int_eq(q.cause, CAUSE_dns_timeout);
    ck_assert_str_eq(q.detail, "AAAA: dns_nodata; A: dns_timeout");
}
END_TEST

START_TEST(test_no_descriptors_is_the_agents_fault)
{
    struct rlimit old, few;
    struct resolve q;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    int next = dup(0);
    ck_assert_int_ge(next, 0);
    close(next);
    few = old;
    few.rlim_cur = (rlim_t)next; /* exactly those that are open */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    run(&q, "host.example", IP_ANY, 3000);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(q.cause, CAUSE_agent_fd_exhausted);
}
END_TEST

START_TEST(test_literals_answer_without_a_question)
{
    struct resolve q;
    run(&q, "198.51.100.7", IP_ANY, 3000);
    ck_assert_uint_eq(q.n_addrs, 1);
    addr_is(&q.addrs[0], "198.51.100.7");
    run(&q, "2001:db8::7", IP_V6, 3000);
    addr_is(&q.addrs[0], "2001:db8::7");
    ck_assert_uint_eq(atomic_load(&server.asked), 0);
}
END_TEST

START_TEST(test_literal_of_the_other_family_is_nodata)
{
    struct resolve q;
    run(&q, "198.51.100.7", IP_V6, 3000);
    ck_assert_int_eq(q.cause, CAUSE_dns_nodata);
    ck_assert_uint_eq(q.n_addrs, 0);
}
END_TEST

START_TEST(test_cancel_calls_back_once_and_late_answers_are_dropped)
{
    struct resolve q, other;
    start(&q, "host.example", IP_ANY, 3000);
    resolve_cancel(&q);
    resolve_cancel(&q);
    ck_assert_uint_eq(left, 1);
    loop_run(loop);
    ck_assert(q.cancelled);
    ck_assert_uint_eq(q.n_addrs, 0);
    memset(&q, 0xee, sizeof(q)); /* nobody may touch it now */
    run(&other, "v4.example", IP_ANY, 3000);
    ck_assert_uint_eq(other.n_addrs, 1);
}
END_TEST

START_TEST(test_cancel_while_waiting_for_a_turn)
{
    struct resolve *q = mem_array(600, sizeof(*q));
    for (unsigned i = 0; i < 600; i++)
        start(&q[i], "host.example", IP_ANY, 20000);
    for (unsigned i = 590; i < 600; i++)
        resolve_cancel(&q[i]);
    loop_run(loop);
    for (unsigned i = 0; i < 600; i++)
        ck_assert_uint_eq(q[i].cancelled, i >= 590);
    free(q);
}
END_TEST

START_TEST(test_more_than_the_bound_are_all_answered)
{
    enum { N = 2000 };
    struct resolve *q = mem_array(N, sizeof(*q));
    for (unsigned i = 0; i < N; i++) {
        char host[32];
        snprintf(host, sizeof(host), "h%u.example", i);
        start(&q[i], host, IP_V4, 30000);
    }
    loop_run(loop);
    for (unsigned i = 0; i < N; i++)
        ck_assert_msg(q[i].n_addrs == 1, "%u: %s", i, q[i].detail);
    free(q);
}
END_TEST

START_TEST(test_a_name_whose_turn_never_comes_is_the_agents_fault)
{
    enum { BUSY = 300 };
    struct resolve *q = mem_array(BUSY, sizeof(*q)), last;
    for (unsigned i = 0; i < BUSY; i++)
        start(&q[i], "silent.example", IP_ANY, 1500);
    start(&last, "host.example", IP_ANY, 300);
    loop_run(loop);
    ck_assert_int_eq(last.cause, CAUSE_agent_resolver_down);
    free(q);
}
END_TEST

START_TEST(test_destroy_with_late_questions_frees_them)
{
    struct resolve q;
    run(&q, "silent.example", IP_ANY,
        50); /* c-ares goes on asking; teardown and the leak check do the rest */
    ck_assert_int_eq(q.cause, CAUSE_dns_timeout);
}
END_TEST

static struct resolve again;
static void on_first(struct resolve *q)
{
    start(&again, "v4.example", IP_ANY, 3000);
    on_done(q);
}

START_TEST(test_callback_may_start_the_next)
{
    struct resolve q = {.done = on_first};
    left++;
    resolve_start(resolver, &q, "nx.example", IP_ANY, mono_add_ms(mono_now(), 3000));
    loop_run(loop);
    ck_assert_uint_eq(again.n_addrs, 1);
}
END_TEST

START_TEST(test_bad_servers_are_refused)
{
    struct resolver_config c = {.servers = "not an address"};
    ck_assert_ptr_null(resolver_create(loop, &c));
}
END_TEST

#define GROUP(name, ...)                                                                           \
    TESTS(name##_tests, __VA_ARGS__)                                                               \
    static TCase *name(void)                                                                       \
    {                                                                                              \
        TCase *tc = name##_tests();                                                                \
        tcase_add_checked_fixture(tc, setup, teardown);                                            \
        return tc;                                                                                 \
    }
GROUP(answers, test_both_families_ipv6_first, test_ip_version_asks_one_family,
      test_one_family_empty_is_no_failure, test_a_does_not_wait_for_a_silent_aaaa,
      test_aaaa_does_not_wait_for_a_silent_a, test_cname_is_followed_to_its_address,
      test_truncated_answer_is_asked_again_over_tcp, test_literals_answer_without_a_question,
      test_literal_of_the_other_family_is_nodata)
GROUP(failures, test_each_failure_has_its_cause, test_name_too_long_does_not_exist,
      test_silence_about_one_name_is_a_timeout, test_silence_about_everything_is_the_resolvers,
      test_dead_server_that_a_target_names_is_a_timeout,
      test_silent_server_that_a_target_names_is_a_timeout, test_refusing_port_is_the_resolvers,
      test_bad_servers_are_refused, test_two_failures_are_told_apart,
      test_no_descriptors_is_the_agents_fault)
GROUP(life, test_cancel_calls_back_once_and_late_answers_are_dropped,
      test_cancel_while_waiting_for_a_turn, test_more_than_the_bound_are_all_answered,
      test_a_name_whose_turn_never_comes_is_the_agents_fault,
      test_destroy_with_late_questions_frees_them, test_callback_may_start_the_next)
CHECK_MAIN("resolver", answers, failures, life)
