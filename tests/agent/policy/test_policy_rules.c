/* SPDX-License-Identifier: MIT */
#include "agent/policy/policy.h"
#include "tests/support/check_main.h"
#include <string.h>

static struct ip ip_of(const char *text)
{
    struct ip ip;
    ck_assert_msg(ip_parse(text, &ip) == ERR_NONE, "bad address in test: %s", text);
    return ip;
}

static struct cidr cidr_of(const char *text)
{
    struct cidr c;
    ck_assert_msg(cidr_parse(text, &c) == ERR_NONE, "bad prefix in test: %s", text);
    return c;
}

START_TEST(test_denied_port_has_its_own_cause)
{
    static const struct port_range ports[] = {{25, 25}, {6379, 6379}};
    struct policy_config c = {.deny_ports = ports, .n_deny_ports = 2};
    struct policy *p = policy_create(&c);
    struct ip good = ip_of("8.8.8.8"), bad = ip_of("10.0.0.1");
    ck_assert_int_eq(policy_check(p, &good, 25), CAUSE_policy_port);
    ck_assert_int_eq(policy_check(p, &good, 6379), CAUSE_policy_port);
    ck_assert_int_eq(policy_check(p, &good, 26), CAUSE_NONE);
    ck_assert_int_eq(policy_check(p, &bad, 25), CAUSE_policy_address);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_methods)
{
    struct policy *p = policy_create(&(struct policy_config){.dev = false});
    ck_assert_int_eq(policy_check_method(p, "GET"), CAUSE_NONE);
    ck_assert_int_eq(policy_check_method(p, "DELETE"), CAUSE_NONE);
    ck_assert_int_eq(policy_check_method(p, "CONNECT"), CAUSE_policy_method);
    ck_assert_int_eq(policy_check_method(p, "connect"), CAUSE_policy_method);
    ck_assert_int_eq(policy_check_method(p, "TRACE"), CAUSE_policy_method);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_resolver_of_a_target_is_judged_as_an_address)
{
    static const struct port_range ports[] = {{5353, 5353}};
    struct policy_config c = {.deny_ports = ports, .n_deny_ports = 1};
    struct policy *p = policy_create(&c);
    struct ip good = ip_of("9.9.9.9"), bad = ip_of("192.168.1.1");
    ck_assert_int_eq(policy_check_resolver(p, &good, 53), CAUSE_NONE);
    ck_assert_int_eq(policy_check_resolver(p, &good, 5353), CAUSE_policy_resolver);
    ck_assert_int_eq(policy_check_resolver(p, &bad, 53), CAUSE_policy_resolver);
    policy_destroy(&p);
}
END_TEST

static void says(const char *got, const char *wanted)
{
    ck_assert_str_eq(got, wanted);
}

static const char *why_of(struct policy *p, const char *addr, uint16_t port)
{
    static char out[POLICY_WHY_MAX];
    struct ip ip = ip_of(addr);
    return policy_why(p, &ip, port, out);
}

START_TEST(test_port_ranges_end_where_they_end)
{
    static const struct port_range ports[] = {{8000, 8999}};
    struct policy_config c = {.deny_ports = ports, .n_deny_ports = 1};
    struct policy *p = policy_create(&c);
    struct ip ip = ip_of("8.8.8.8");
    ck_assert_int_eq(policy_check(p, &ip, 7999), CAUSE_NONE);
    ck_assert_int_eq(policy_check(p, &ip, 8000), CAUSE_policy_port);
    ck_assert_int_eq(policy_check(p, &ip, 8999), CAUSE_policy_port);
    ck_assert_int_eq(policy_check(p, &ip, 9000), CAUSE_NONE);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_allowed_ports_are_the_only_ones_and_deny_beats_them)
{
    static const struct port_range only[] = {{443, 443}, {8000, 8999}}, never[] = {{8080, 8080}};
    struct policy_config c = {
        .allow_ports = only, .n_allow_ports = 2, .deny_ports = never, .n_deny_ports = 1};
    struct policy *p = policy_create(&c);
    struct ip ip = ip_of("8.8.8.8");
    ck_assert_int_eq(policy_check(p, &ip, 443), CAUSE_NONE);
    ck_assert_int_eq(policy_check(p, &ip, 8500), CAUSE_NONE);
    ck_assert_int_eq(policy_check(p, &ip, 80), CAUSE_policy_port);
    ck_assert_int_eq(policy_check(p, &ip, 8080), CAUSE_policy_port);
    ck_assert_int_eq(policy_check_resolver(p, &ip, 53), CAUSE_policy_resolver);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_denied_methods)
{
    static const char *const never[] = {"DELETE", "put"};
    struct policy_config c = {.deny_methods = never, .n_deny_methods = 2};
    struct policy *p = policy_create(&c);
    ck_assert_int_eq(policy_check_method(p, "DELETE"), CAUSE_policy_method);
    ck_assert_int_eq(policy_check_method(p, "PUT"), CAUSE_policy_method);
    ck_assert_int_eq(policy_check_method(p, "POST"), CAUSE_NONE);
    ck_assert_int_eq(policy_check_method(p, "TRACK"), CAUSE_policy_method);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_allowed_methods_are_the_only_ones_and_deny_beats_them)
{
    static const char *const only[] = {"GET", "HEAD"}, *const never[] = {"HEAD"};
    struct policy_config c = {
        .allow_methods = only, .n_allow_methods = 2, .deny_methods = never, .n_deny_methods = 1};
    struct policy *p = policy_create(&c);
    ck_assert_int_eq(policy_check_method(p, "GET"), CAUSE_NONE);
    ck_assert_int_eq(policy_check_method(p, "HEAD"), CAUSE_policy_method);
    ck_assert_int_eq(policy_check_method(p, "POST"), CAUSE_policy_method);
    ck_assert_int_eq(policy_check_method(p, "TRACE"), CAUSE_policy_method);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_trace_is_allowed_by_name_and_connect_never)
{
    static const char *const only[] = {"GET", "TRACE", "CONNECT"};
    struct policy_config c = {.allow_methods = only, .n_allow_methods = 3};
    struct policy *p = policy_create(&c);
    ck_assert_int_eq(policy_check_method(p, "TRACE"), CAUSE_NONE);
    ck_assert_int_eq(policy_check_method(p, "TRACK"), CAUSE_policy_method);
    ck_assert_int_eq(policy_check_method(p, "CONNECT"), CAUSE_policy_method);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_denied_resolvers_may_still_be_probed)
{
    struct cidr never = cidr_of("9.9.9.0/24");
    struct policy_config c = {.deny_resolvers = &never, .n_deny_resolvers = 1};
    struct policy *p = policy_create(&c);
    struct ip bad = ip_of("9.9.9.9"), nat64 = ip_of("64:ff9b::909:909"), good = ip_of("8.8.8.8");
    ck_assert_int_eq(policy_check_resolver(p, &bad, 53), CAUSE_policy_resolver);
    ck_assert_int_eq(policy_check_resolver(p, &nat64, 53), CAUSE_policy_resolver);
    ck_assert_int_eq(policy_check_resolver(p, &good, 53), CAUSE_NONE);
    ck_assert_int_eq(policy_check(p, &bad, 53), CAUSE_NONE);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_allowed_resolvers_are_the_only_ones_and_lift_no_other_denial)
{
    struct cidr only[] = {cidr_of("9.9.9.0/24"), cidr_of("10.0.0.53/32")},
                never = cidr_of("9.9.9.10/32");
    struct policy_config c = {.allow_resolvers = only,
                              .n_allow_resolvers = 2,
                              .deny_resolvers = &never,
                              .n_deny_resolvers = 1};
    struct policy *p = policy_create(&c);
    struct ip good = ip_of("9.9.9.9"), denied_one = ip_of("9.9.9.10"), other = ip_of("8.8.8.8"),
              private = ip_of("10.0.0.53");
    ck_assert_int_eq(policy_check_resolver(p, &good, 53), CAUSE_NONE);
    ck_assert_int_eq(policy_check_resolver(p, &denied_one, 53), CAUSE_policy_resolver);
    ck_assert_int_eq(policy_check_resolver(p, &other, 53), CAUSE_policy_resolver);
    ck_assert_int_eq(policy_check_resolver(p, &private, 53), CAUSE_policy_resolver);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_refusal_names_the_address_rule)
{
    struct cidr never = cidr_of("8.8.0.0/16"), more = cidr_of("1.1.1.0/24");
    struct policy *p = policy_create(&(struct policy_config){.deny = &never, .n_deny = 1});
    policy_set_master_deny(p, &more, 1);
    says(why_of(p, "10.1.2.3", 80), "it is in 10.0.0.0/8 (private)");
    says(why_of(p, "8.8.8.8", 80), "--deny 8.8.0.0/16");
    says(why_of(p, "1.1.1.1", 80), "the master denies 1.1.1.0/24");
    says(why_of(p, "::ffff:127.0.0.1", 80), "it embeds one of 127.0.0.0/8 (loopback)");
    says(why_of(p, "9.9.9.9", 80), "");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_refusal_names_the_rule_of_ports_methods_and_resolvers)
{
    static const struct port_range only[] = {{1, 443}}, never[] = {{22, 25}, {80, 80}};
    static const char *const methods[] = {"PUT"};
    struct cidr resolvers = cidr_of("9.9.9.0/24"), none = cidr_of("192.0.2.1/32");
    struct policy_config c = {.allow_ports = only,
                              .n_allow_ports = 1,
                              .deny_ports = never,
                              .n_deny_ports = 2,
                              .deny_methods = methods,
                              .n_deny_methods = 1,
                              .deny_resolvers = &resolvers,
                              .n_deny_resolvers = 1,
                              .allow_resolvers = &none,
                              .n_allow_resolvers = 1};
    struct policy *p = policy_create(&c);
    struct ip denied_one = ip_of("9.9.9.9"), other = ip_of("8.8.8.8"), private = ip_of("10.0.0.1");
    char out[POLICY_WHY_MAX];
    says(why_of(p, "8.8.8.8", 23), "--deny-port 22-25");
    says(why_of(p, "8.8.8.8", 80), "--deny-port 80");
    says(why_of(p, "8.8.8.8", 444), "port 444 is none of --allow-port");
    says(policy_why_method(p, "PUT", out), "--deny-method");
    says(policy_why_method(p, "TRACE", out), "only --allow-method allows it");
    says(policy_why_method(p, "CONNECT", out), "it is never allowed");
    says(policy_why_method(p, "GET", out), "");
    says(policy_why_resolver(p, &denied_one, 53, out), "--deny-resolver 9.9.9.0/24");
    says(policy_why_resolver(p, &other, 53, out), "it is none of --allow-resolver");
    says(policy_why_resolver(p, &private, 53, out), "it is in 10.0.0.0/8 (private)");
    policy_destroy(&p);
}
END_TEST

START_TEST(test_longest_rule_fits)
{
    struct policy *p = policy_create(&(struct policy_config){.dev = false});
    ck_assert_int_lt(strlen(why_of(p, "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", 80)),
                     POLICY_WHY_MAX - 1);
    ck_assert_int_lt(strlen(why_of(p, "100.64.0.1", 80)), POLICY_WHY_MAX - 1);
    policy_destroy(&p);
}
END_TEST

TESTS(rules, test_denied_port_has_its_own_cause, test_port_ranges_end_where_they_end,
      test_allowed_ports_are_the_only_ones_and_deny_beats_them, test_methods, test_denied_methods,
      test_allowed_methods_are_the_only_ones_and_deny_beats_them,
      test_trace_is_allowed_by_name_and_connect_never,
      test_resolver_of_a_target_is_judged_as_an_address, test_denied_resolvers_may_still_be_probed,
      test_allowed_resolvers_are_the_only_ones_and_lift_no_other_denial)
TESTS(words, test_refusal_names_the_address_rule,
      test_refusal_names_the_rule_of_ports_methods_and_resolvers, test_longest_rule_fits)
CHECK_MAIN("policy rules", rules, words)
