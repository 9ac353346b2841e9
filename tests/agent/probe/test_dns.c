/* SPDX-License-Identifier: MIT */
#include "tests/agent/probe/dns_given.h"
#include "tests/support/closed_port.h"
#include "tests/support/own_net.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

START_TEST(test_answer_over_udp)
{
    char want[64];
    run("host.example", "A", "", 3000);
    snprintf(want, sizeof(want), "127.0.0.1:%u", server.port);
    ck_assert_int_eq(result->outcome, OUTCOME_OK);
    ck_assert_str_eq(result->dns->server, want);
    ck_assert_str_eq(result->dns->transport, "udp");
    ck_assert(!result->dns->truncated);
    ck_assert_int_eq(result->dns->rcode, 0);
    ck_assert_uint_eq(result->dns->n_sections[0], 1);
    ck_assert_str_eq(result->dns->sections[0][0].name, "host.example.");
    ck_assert_str_eq(result->dns->sections[0][0].type, "A");
    ck_assert_str_eq(result->dns->sections[0][0].data, "192.0.2.1");
    ck_assert_uint_eq(result->dns->sections[0][0].ttl, 60);
    ck_assert_int_gt(result->dns->size_bytes, 12);
}
END_TEST

START_TEST(test_phases_of_udp)
{
    run("host.example", "A", "", 3000);
    ck_assert(result->t.dns_ms >= 0 && result->t.dns_ms <= result->t.total_ms);
    ck_assert(result->t.connect_ms < 0 && result->t.tls_ms < 0);
}
END_TEST

START_TEST(test_recursion_flag_is_sent_as_asked)
{
    run("host.example", "A", "", 3000);
    ck_assert(result->dns->rd);
    run("host.example", "A", ", \"recursion\": false", 3000);
    ck_assert(!result->dns->rd);
}
END_TEST

START_TEST(test_agents_own_resolver_is_used_when_none_is_named)
{
    start("{\"dns\": \"host.example\", \"type\": \"AAAA\"}", 3000);
    loop_run(env.loop);
    ck_assert_int_eq(result->outcome, OUTCOME_OK);
    ck_assert_str_eq(result->dns->sections[0][0].data, "2001:db8::1");
}
END_TEST

START_TEST(test_truncation_leads_to_tcp)
{
    run("big.example", "A", "", 3000);
    ck_assert_int_eq(result->outcome, OUTCOME_OK);
    ck_assert_str_eq(result->dns->transport, "tcp");
    ck_assert(result->dns->truncated);
    ck_assert_uint_eq(result->dns->n_sections[0], 100);
    ck_assert(result->t.connect_ms >= 0 && result->t.dns_ms >= 0);
    ck_assert(result->t.connect_ms + result->t.dns_ms <= result->t.total_ms);
}
END_TEST

START_TEST(test_transport_tcp_asks_no_udp)
{
    run("host.example", "A", ", \"transport\": \"tcp\"", 3000);
    ck_assert_int_eq(result->outcome, OUTCOME_OK);
    ck_assert_str_eq(result->dns->transport, "tcp");
    ck_assert(!result->dns->truncated);
    ck_assert_uint_eq(atomic_load(&server.asked), 1);
    ck_assert_uint_eq(atomic_load(&server.asked_tcp), 1);
}
END_TEST

START_TEST(test_each_rcode_has_its_cause)
{
    ends("nx.example", "", 3000, CAUSE_dns_nxdomain);
    ck_assert_int_eq(result->dns->rcode, 3);
    ends("servfail.example", "", 3000, CAUSE_dns_servfail);
    ends("refused.example", "", 3000, CAUSE_dns_refused);
    ends("notimp.example", "", 3000, CAUSE_rcode_mismatch);
    ck_assert_ptr_nonnull(strstr(result->message, "NOTIMP"));
}
END_TEST

START_TEST(test_nodata)
{
    ends("nodata.example", "", 3000, CAUSE_dns_nodata);
    ends("dangling.example", "", 3000, CAUSE_dns_nodata);
    ck_assert_uint_eq(result->dns->n_sections[0], 1);
}
END_TEST

START_TEST(test_alias_with_address_is_ok)
{
    ends("cname.example", "", 3000, CAUSE_NONE);
    ck_assert_uint_eq(result->dns->n_sections[0], 2);
    ck_assert_str_eq(result->dns->sections[0][0].data, "other.cname.example.");
    ck_assert_str_eq(result->dns->sections[0][1].name, "other.cname.example.");
}
END_TEST

START_TEST(test_malformed_answer)
{
    ends("short.example", "", 3000, CAUSE_dns_malformed);
    ck_assert_ptr_nonnull(strstr(result->message, "answer record 1"));
}
END_TEST

START_TEST(test_silence_is_a_timeout)
{
    ends("silent.example", "", 100, CAUSE_dns_timeout);
    ck_assert_int_eq(result->dns->rcode, -1);
    ck_assert_uint_eq(atomic_load(&server.asked), 1); /* one try, no hidden ones */
    ck_assert(result->t.connect_ms < 0);
    ck_assert(result->t.dns_ms > result->t.total_ms / 2); /* it was waited for */
}
END_TEST

START_TEST(test_foreign_replies_are_ignored_and_counted)
{
    ends("wrongid.example", "", 300, CAUSE_dns_timeout);
    ck_assert_ptr_nonnull(strstr(result->message, "2 replies with a wrong id or question"));
}
END_TEST

START_TEST(test_the_right_reply_behind_foreign_ones_is_taken)
{
    ends("spoof.example", "", 3000, CAUSE_NONE);
    ck_assert_str_eq(result->dns->sections[0][0].data, "192.0.2.1");
}
END_TEST

START_TEST(test_tcp_closed_without_an_answer)
{
    ends("tcpclose.example", "", 3000, CAUSE_empty_reply);
    ck_assert(result->dns->truncated);
}
END_TEST

START_TEST(test_tcp_without_an_answer_is_a_timeout)
{
    ends("tcphang.example", "", 200, CAUSE_dns_timeout);
    ck_assert_ptr_nonnull(strstr(result->message, "TCP"));
}
END_TEST

static void ask_own_resolver(const char *name, int timeout_ms)
{
    char json[200];
    snprintf(json, sizeof(json), "{\"dns\": \"%s\", \"type\": \"A\"}", name);
    start(json, timeout_ms);
    loop_run(env.loop);
    ck_assert_uint_eq(ended, 1);
}

START_TEST(test_own_resolver_that_is_silent_is_the_agents_fault)
{
    atomic_store(&server.mute, true);
    ask_own_resolver("host.example", 1200);
    ck_assert_int_eq(result->cause, CAUSE_agent_resolver_down);
}
END_TEST

START_TEST(test_own_resolver_that_is_silent_on_one_name_only_is_a_timeout)
{
    ask_own_resolver("silent.example", 1200);
    ck_assert_int_eq(result->cause, CAUSE_dns_timeout);
    ck_assert_ptr_null(strstr(result->message, "ignored")); /* the canary's reply is not foreign */
}
END_TEST

START_TEST(test_silence_too_short_to_judge_the_own_resolver_is_a_timeout)
{
    atomic_store(&server.mute, true);
    ask_own_resolver("host.example", 100);
    ck_assert_int_eq(result->cause, CAUSE_dns_timeout);
    ck_assert_uint_eq(atomic_load(&server.asked), 1);
}
END_TEST

START_TEST(test_named_resolver_that_is_silent_gets_no_canary)
{
    atomic_store(&server.mute, true);
    ends("host.example", "", 1200, CAUSE_dns_timeout);
    ck_assert_uint_eq(atomic_load(&server.asked), 1);
}
END_TEST

START_TEST(test_own_resolver_that_closes_tcp_is_the_agents_fault)
{
    ask_own_resolver("tcpclose.example", 3000);
    ck_assert_int_eq(result->cause, CAUSE_agent_resolver_down);
}
END_TEST

START_TEST(test_named_resolver_without_a_route_is_the_agents_fault)
{
    if (!own_net_enter((const char *const[]){"link set lo up", NULL}))
        return;
    setup(); /* here, because its thread would forbid the new network */
    start("{\"dns\": \"host.example\", \"type\": \"A\", \"resolver\": \"1.1.1.1\"}", 3000);
    loop_run(env.loop);
    ck_assert_int_eq(result->cause, CAUSE_agent_network_down);
    ck_assert(result->t.dns_ms < 0);
    teardown();
}
END_TEST

static void run_at_closed_port(const char *transport)
{
    char json[200], want[32];
    uint16_t port = closed_port();
    snprintf(want, sizeof(want), "127.0.0.1:%u", port);
    snprintf(
        json, sizeof(json),
        "{\"dns\": \"host.example\", \"type\": \"A\", \"resolver\": \"%s\", \"transport\": \"%s\"}",
        want, transport);
    start(json, 3000);
    loop_run(env.loop);
    ck_assert_int_eq(result->cause, CAUSE_connect_refused);
    ck_assert_ptr_nonnull(strstr(result->message, want));
}

START_TEST(test_closed_port_is_refused_over_udp)
{
    run_at_closed_port("udp");
}
END_TEST

START_TEST(test_closed_port_is_refused_over_tcp)
{
    run_at_closed_port("tcp");
}
END_TEST

START_TEST(test_own_resolver_that_refuses_is_the_agents_fault)
{
    struct probe_env other = env;
    char servers[32];
    snprintf(servers, sizeof(servers), "127.0.0.1:%u", closed_port());
    other.resolver_servers = servers;
    ck_assert(probe_dns.setup(&other, &other.state[TARGET_DNS]));
    take_target("{\"dns\": \"host.example\", \"type\": \"A\"}");
    result = result_create(1, NULL);
    probe_dns.start(&other, target, result, mono_add_ms(mono_now(), 3000), on_done, &env);
    loop_run(env.loop);
    ck_assert_int_eq(result->cause, CAUSE_agent_resolver_down);
    ck_assert_int_eq(result->outcome, OUTCOME_UNDETERMINED);
    probe_dns.teardown(&other, other.state[TARGET_DNS]);
}
END_TEST

START_TEST(test_denied_resolver_is_never_asked)
{
    struct policy_config c = {0};
    struct policy *dev = env.policy;
    env.policy = policy_create(&c);
    ends("host.example", "", 3000, CAUSE_policy_resolver);
    ck_assert_int_eq(result->outcome, OUTCOME_REFUSED);
    ck_assert(result->t.dns_ms < 0);
    ck_assert_uint_eq(atomic_load(&server.asked), 0);
    start("{\"dns\": \"host.example\", \"type\": \"A\"}",
          3000); /* the agent's own one is no matter of policy */
    loop_run(env.loop);
    ck_assert_int_eq(result->cause, CAUSE_NONE);
    policy_destroy(&env.policy);
    env.policy = dev;
}
END_TEST

START_TEST(test_expected_rcode)
{
    ends("nx.example", ", \"expect\": {\"rcode\": \"NXDOMAIN\"}", 3000, CAUSE_NONE);
    ck_assert_uint_eq(result->n_checks, 1);
    ck_assert_str_eq(result->checks[0].check, "rcode");
    ck_assert(result->checks[0].ok);
    ends("host.example", ", \"expect\": {\"rcode\": \"NXDOMAIN\"}", 3000, CAUSE_rcode_mismatch);
    ck_assert(!result->checks[0].ok);
}
END_TEST

START_TEST(test_min_answers)
{
    ends("host.example", ", \"expect\": {\"min_answers\": 1}", 3000, CAUSE_NONE);
    ends("host.example", ", \"expect\": {\"min_answers\": 2}", 3000, CAUSE_answer_mismatch);
    ck_assert_ptr_nonnull(strstr(result->message, "1 A record in the answer, at least 2"));
    ends("nodata.example", ", \"expect\": {\"min_answers\": 0}", 3000, CAUSE_NONE);
    ends("cname.example", ", \"expect\": {\"min_answers\": 2}", 3000, CAUSE_answer_mismatch);
}
END_TEST

START_TEST(test_expected_answers)
{
    ends("host.example", ", \"expect\": {\"answers\": {\"equals\": [\"192.0.2.1\"]}}", 3000,
         CAUSE_NONE);
    ends("host.example", ", \"expect\": {\"answers\": {\"contains\": [\"192.0.2.2\"]}}", 3000,
         CAUSE_answer_mismatch);
    ends("nodata.example", ", \"expect\": {\"answers\": {\"regex\": \".\"}}", 3000,
         CAUSE_dns_nodata);
    ck_assert_uint_eq(result->n_checks, 1);
}
END_TEST

START_TEST(test_too_slow)
{
    ends("host.example", ", \"expect\": {\"max_total_ms\": 30000}", 30000, CAUSE_NONE);
    ck_assert_str_eq(result->checks[0].check, "max_total_ms");
}
END_TEST

START_TEST(test_cancel_calls_back_once)
{
    char json[200];
    snprintf(json, sizeof(json),
             "{\"dns\": \"silent.example\", \"type\": \"A\", \"resolver\": \"127.0.0.1:%u\"}",
             server.port);
    struct probe *p = start(json, 30000);
    probe_dns.cancel(p);
    probe_dns.cancel(p);
    ck_assert_uint_eq(ended, 0);
    loop_run(env.loop);
    ck_assert_uint_eq(ended, 1);
}
END_TEST

START_TEST(test_no_descriptors_is_the_agents_fault)
{
    struct rlimit old, few;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
    int next = dup(0);
    ck_assert_int_ge(next, 0);
    close(next);
    few = old;
    few.rlim_cur = (rlim_t)next; /* exactly those that are open */
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    run("host.example", "A", "", 3000);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
    ck_assert_int_eq(result->cause, CAUSE_agent_fd_exhausted);
}
END_TEST

START_TEST(test_many_at_once)
{
    enum { N = 200 };
    char json[200];
    struct result *r[N];
    struct target *t[N];
    for (int i = 0; i < N; i++) {
        snprintf(json, sizeof(json),
                 "{\"dns\": \"h%d.example\", \"type\": \"%s\", \"resolver\": \"127.0.0.1:%u\"%s}",
                 i, i % 2 ? "A" : "AAAA", server.port, i % 10 ? "" : ", \"transport\": \"tcp\"");
        start(json, 20000);
        r[i] = result;
        t[i] = target;
        result = NULL;
        target = NULL;
    }
    ended = 0;
    while (ended < N)
        loop_run(env.loop);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(r[i]->outcome, OUTCOME_OK);
        result_destroy(&r[i]);
        target_destroy(&t[i]);
    }
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
GROUP(asking, test_answer_over_udp, test_phases_of_udp, test_recursion_flag_is_sent_as_asked,
      test_agents_own_resolver_is_used_when_none_is_named, test_truncation_leads_to_tcp,
      test_transport_tcp_asks_no_udp, test_alias_with_address_is_ok, test_many_at_once)
GROUP(failing, test_each_rcode_has_its_cause, test_nodata, test_malformed_answer,
      test_silence_is_a_timeout, test_foreign_replies_are_ignored_and_counted,
      test_the_right_reply_behind_foreign_ones_is_taken, test_tcp_closed_without_an_answer,
      test_tcp_without_an_answer_is_a_timeout, test_closed_port_is_refused_over_udp,
      test_closed_port_is_refused_over_tcp, test_own_resolver_that_refuses_is_the_agents_fault,
      test_denied_resolver_is_never_asked, test_no_descriptors_is_the_agents_fault,
      test_cancel_calls_back_once)
GROUP(own_faults, test_own_resolver_that_is_silent_is_the_agents_fault,
      test_own_resolver_that_is_silent_on_one_name_only_is_a_timeout,
      test_silence_too_short_to_judge_the_own_resolver_is_a_timeout,
      test_named_resolver_that_is_silent_gets_no_canary,
      test_own_resolver_that_closes_tcp_is_the_agents_fault)
TESTS(without_route, test_named_resolver_without_a_route_is_the_agents_fault)
GROUP(expecting, test_expected_rcode, test_min_answers, test_expected_answers, test_too_slow)
CHECK_MAIN("dns", asking, failing, own_faults, without_route, expecting)
