/* SPDX-License-Identifier: MIT */
#include "agent/policy_options.h"
#include "common/mem.h"
#include "tests/support/check_main.h"
#include <stdlib.h>
#include <string.h>

static struct policy_options given;
static struct policy_config rules;
static char why[256];

static void setup(void)
{
    given = (struct policy_options){.dev = false};
    rules = (struct policy_config){.dev = false};
}

static void teardown(void)
{
    policy_options_free(&rules);
}

#define LIST(...)                                                                                  \
    (struct option_list)                                                                           \
    {                                                                                              \
        .items = (char **)(const char *[]){__VA_ARGS__},                                           \
        .count = sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)                            \
    }

static void good(void)
{
    ck_assert_msg(policy_options_read(&given, &rules, why, sizeof(why)) == ERR_NONE, "%s", why);
}

static void bad(const char *sentence)
{
    ck_assert_int_eq(policy_options_read(&given, &rules, why, sizeof(why)), ERR_INVALID);
    ck_assert_str_eq(why, sentence);
}

START_TEST(test_nothing_given_is_no_rule)
{
    good();
    ck_assert_uint_eq(rules.n_allow + rules.n_deny + rules.n_allow_ports + rules.n_deny_ports, 0);
    ck_assert_uint_eq(rules.n_allow_methods + rules.n_deny_methods, 0);
    ck_assert_uint_eq(rules.n_allow_resolvers + rules.n_deny_resolvers, 0);
}
END_TEST

START_TEST(test_ports_and_ranges)
{
    given.allow_ports = LIST("80", "8000-8999", "65535-65535");
    given.deny_ports = LIST("1");
    good();
    ck_assert_uint_eq(rules.n_allow_ports, 3);
    ck_assert_uint_eq(rules.allow_ports[0].first, 80);
    ck_assert_uint_eq(rules.allow_ports[0].last, 80);
    ck_assert_uint_eq(rules.allow_ports[1].first, 8000);
    ck_assert_uint_eq(rules.allow_ports[1].last, 8999);
    ck_assert_uint_eq(rules.n_deny_ports, 1);
}
END_TEST

START_TEST(test_what_is_no_port)
{
    static const char *const wrong[] = {"",      "0",    "65536", "80-",   "-80",
                                        "90-80", "0-80", "80-x",  "1-2-3", "http"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        given.deny_ports = LIST(wrong[i]);
        ck_assert_msg(policy_options_read(&given, &rules, why, sizeof(why)) == ERR_INVALID, "%s",
                      wrong[i]);
        policy_options_free(&rules);
    }
    given.deny_ports = LIST("90-80");
    bad("--deny-port must be a port from 1 to 65535 or a range like 8000-8999, not '90-80'");
}
END_TEST

START_TEST(test_methods_are_words)
{
    given.allow_methods = LIST("GET", "trace");
    given.deny_methods = LIST("DELETE");
    good();
    ck_assert_uint_eq(rules.n_allow_methods, 2);
    ck_assert_uint_eq(rules.n_deny_methods, 1);
    policy_options_free(&rules);
    given.deny_methods = LIST("GET,POST");
    bad("--deny-method must be a method of HTTP, like GET or POST, not 'GET,POST'");
}
END_TEST

START_TEST(test_connect_cannot_be_allowed)
{
    given.allow_methods = LIST("GET", "connect");
    bad("--allow-method must be a method that a probe can use, not 'connect'");
}
END_TEST

START_TEST(test_all_resolvers_are_both_families)
{
    struct ip v4, v6;
    given.deny_resolvers = LIST("all");
    good();
    ck_assert_uint_eq(rules.n_deny_resolvers, 2);
    struct policy *p = policy_create(&rules);
    ck_assert(ip_parse("8.8.8.8", &v4) == ERR_NONE && ip_parse("2606:4700::1", &v6) == ERR_NONE);
    ck_assert_int_eq(policy_check_resolver(p, &v4, 53), CAUSE_policy_resolver);
    ck_assert_int_eq(policy_check_resolver(p, &v6, 53), CAUSE_policy_resolver);
    ck_assert_int_eq(policy_check(p, &v4, 53), CAUSE_NONE);
    policy_destroy(&p);
}
END_TEST

START_TEST(test_prefixes_are_named_when_wrong)
{
    given.allow_resolvers = LIST("9.9.9.9/24");
    bad("--allow-resolver must be an address, a prefix without host bits, like 10.0.0.0/8, or all, "
        "not '9.9.9.9/24'");
    policy_options_free(&rules);
    given = (struct policy_options){.allow = LIST("all")};
    bad("--allow must be an address or a prefix without host bits, like 10.0.0.0/8, not 'all'");
}
END_TEST

START_TEST(test_lists_are_bounded)
{
    char **items = mem_array(1025, sizeof(*items));
    char port[] = "80";
    for (size_t i = 0; i < 1025; i++)
        items[i] = port;
    given.allow_ports = (struct option_list){.items = items, .count = 1025};
    bad("more than 1024 --allow-port are given");
    free(items);
}
END_TEST

TESTS(option_tests, test_nothing_given_is_no_rule, test_ports_and_ranges, test_what_is_no_port,
      test_methods_are_words, test_connect_cannot_be_allowed, test_all_resolvers_are_both_families,
      test_prefixes_are_named_when_wrong, test_lists_are_bounded)
static TCase *options(void)
{
    TCase *tc = option_tests();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("policy_options", options)
