/* SPDX-License-Identifier: MIT */
#include "agent/probe_cmd.h"
#include <fcntl.h>
#include <stdio.h>
#include "common/json.h"
#include "proto/result.h"
#include "tests/support/check_main.h"
#include "tests/support/dns_server.h"
#include "tests/support/flags_given.h"

static struct dns_server server;
static struct policy *policy;
static char text[64 * 1024]; /* what the command wrote to stdout */
static char resolver[32];

static void setup(void)
{
    struct policy_config c = {.dev = true};
    dns_server_start(&server);
    policy = policy_create(&c);
    snprintf(resolver, sizeof(resolver), "127.0.0.1:%u", server.port);
}

static void teardown(void)
{
    policy_destroy(&policy);
    dns_server_stop(&server);
}

static int run(bool as_json, const char *const *words)
{
    struct flags_given g;
    FILE *out = tmpfile();
    ck_assert_ptr_nonnull(out);
    fflush(stdout);
    int old = dup(STDOUT_FILENO);
    ck_assert(old >= 0 && dup2(fileno(out), STDOUT_FILENO) >= 0);
    flags_give(&g, words);
    struct probe_cmd_options o = {.target = g.target,
                                  .flags = &g.f,
                                  .as_json = as_json,
                                  .policy = policy,
                                  .resolver = resolver};
    int code = probe_cmd_run(&o);
    flags_drop(&g);
    fflush(stdout);
    ck_assert(dup2(old, STDOUT_FILENO) >= 0);
    close(old);
    rewind(out);
    text[fread(text, 1, sizeof(text) - 1, out)] = '\0';
    fclose(out);
    return code;
}

/* The words behind "sonde-agent probe". */
#define RUN(...) run(false, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(test_good_name_ends_with_0)
{
    ck_assert_int_eq(RUN("dns:host.example"), 0);
    ck_assert_ptr_nonnull(strstr(text, "host.example.  60  A  192.0.2.1\n"));
}
END_TEST

START_TEST(test_failed_probe_ends_with_1)
{
    ck_assert_int_eq(RUN("dns:nx.example"), 1);
    ck_assert_ptr_nonnull(strstr(text, "dns_nxdomain"));
}
END_TEST

START_TEST(test_denied_address_ends_with_1)
{
    ck_assert_int_eq(RUN("http://host.example/"), 1);
    ck_assert_ptr_nonnull(strstr(text, "policy_address"));
}
END_TEST

START_TEST(test_what_is_no_target_ends_with_2)
{
    static const char *const bad[] = {"",        "example.com",     "ftp://a/",
                                      "http://", "dns:a?type=NOPE", "\xff"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(RUN(bad[i]), 2);
        ck_assert_int_eq(RUN(bad[i], "--timeout-ms", "100"), 2);
        ck_assert_str_eq(text, "");
    }
    ck_assert_uint_eq(atomic_load(&server.asked), 0);
}
END_TEST

START_TEST(test_type_makes_a_target_of_a_bare_name)
{
    ck_assert_int_eq(RUN("host.example", "--type", "AAAA"), 0);
    ck_assert_ptr_nonnull(strstr(text, "dns:host.example?type=AAAA"));
    ck_assert_ptr_nonnull(strstr(text, "2001:db8::1"));
}
END_TEST

START_TEST(test_type_does_not_go_with_a_url)
{
    ck_assert_int_eq(RUN("http://host.example/", "--type", "AAAA"), 2);
}
END_TEST

START_TEST(test_timeout_is_the_targets)
{
    ck_assert_int_eq(RUN("dns:silent.example", "--timeout-ms", "50"), 1);
    ck_assert_ptr_nonnull(strstr(text, "dns_timeout"));
    ck_assert_int_eq(RUN("dns:host.example", "--timeout-ms", "1000000"), 2);
}
END_TEST

START_TEST(test_json_is_one_record)
{
    struct json_doc *doc;
    struct result_head head;
    char why[200];
    ck_assert_int_eq(run(true, (const char *const[]){"dns:host.example", NULL}), 0);
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    ck_assert_int_eq(json_parse(text, strlen(text), &doc, why, sizeof(why)), ERR_NONE);
    ck_assert_int_eq(result_head_parse(json_root(doc), &head, why, sizeof(why)), ERR_NONE);
    ck_assert_int_eq(head.outcome, OUTCOME_OK);
    ck_assert_ptr_eq(strstr(text, "{\"target\":\"dns:host.example\",\"outcome\":\"ok\","), text);
    json_free(&doc);
}
END_TEST

START_TEST(test_object_with_flags)
{
    static const char object[] = "{\"dns\":\"dns:host.example\",\"expect\":{\"min_answers\":1}}";
    ck_assert_int_eq(RUN(object, "--expect-rcode", "NXDOMAIN"), 1);
    ck_assert_ptr_nonnull(strstr(text, "failed: rcode_mismatch"));
    ck_assert_ptr_nonnull(strstr(text, "ok      min_answers"));
    ck_assert_int_eq(RUN("{\"dns\":"), 2);
}
END_TEST

TESTS(cmd_tests, test_good_name_ends_with_0, test_failed_probe_ends_with_1,
      test_denied_address_ends_with_1, test_what_is_no_target_ends_with_2,
      test_type_makes_a_target_of_a_bare_name, test_type_does_not_go_with_a_url,
      test_timeout_is_the_targets, test_json_is_one_record, test_object_with_flags)
static TCase *commands(void)
{
    TCase *tc = cmd_tests();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("probe_cmd", commands)
