/* SPDX-License-Identifier: MIT */
#include "agent/probe/expect.h"
#include "common/mem.h"
#include "common/utf8.h"

#include "probe_run.h"
#include "tests/support/check_main.h"

static struct result *judge(const char *expect, struct expect_facts f)
{
    char json[2048];
    snprintf(json, sizeof(json), "{\"url\":\"https://a.test/\",\"expect\":{%s}}", expect);
    struct target *t = probe_run_target(json);
    struct result *r = result_create(1, NULL);
    f.body_len = f.body ? strlen(f.body) : 0;
    expect_http(t, &f, r);
    target_destroy(&t);
    return r;
}

static void cause_is(const char *expect, struct expect_facts f, enum cause want)
{
    struct result *r = judge(expect, f);
    ck_assert_msg(r->cause == want, "%s: %s", expect, r->message ? r->message : "ok");
    result_destroy(&r);
}

START_TEST(test_status_under_400_is_good_by_default)
{
    cause_is("", (struct expect_facts){.status = 399}, CAUSE_NONE);
    cause_is("", (struct expect_facts){.status = 400}, CAUSE_http_4xx);
    cause_is("", (struct expect_facts){.status = 500}, CAUSE_http_5xx);
}
END_TEST

START_TEST(test_all_checks_are_reported_and_the_first_failure_is_the_cause)
{
    struct result *r = judge(
        "\"status\":[200],\"body_regex\":\"x\",\"body_not_regex\":\"y\",\"max_total_ms\":10,"
        "\"tls_min_days\":3",
        (struct expect_facts){
            .status = 200, .body = "y", .total_ms = 11, .has_cert = true, .cert_days_left = 3});
    ck_assert_uint_eq(r->n_checks, 5);
    ck_assert(r->checks[0].ok);
    ck_assert(!r->checks[1].ok);
    ck_assert(!r->checks[2].ok);
    ck_assert(!r->checks[3].ok);
    ck_assert(r->checks[4].ok);
    ck_assert_int_eq(r->cause, CAUSE_body_mismatch);
    result_destroy(&r);
}
END_TEST

START_TEST(test_too_slow)
{
    cause_is("\"max_total_ms\":10", (struct expect_facts){.status = 200, .total_ms = 10},
             CAUSE_NONE);
    cause_is("\"max_total_ms\":10", (struct expect_facts){.status = 200, .total_ms = 10.5},
             CAUSE_too_slow);
}
END_TEST

START_TEST(test_certificate_asked_for_but_absent)
{
    cause_is("\"tls_min_days\":1", (struct expect_facts){.status = 200}, CAUSE_cert_expires_soon);
}
END_TEST

START_TEST(test_regex_matches_around_invalid_utf8)
{
    ck_assert_int_eq(expect_regex("gr.n", "\xff gr\xc3\xbcn", 7), EXPECT_MATCH);
    ck_assert_int_eq(expect_regex("blau", "\xff gr\xc3\xbcn", 7), EXPECT_NO_MATCH);
}
END_TEST

START_TEST(test_catastrophic_regex_is_given_up)
{
    size_t n = 1024 * 1024;
    char *text = mem_alloc(n);
    memset(text, 'a', n);
    ck_assert_int_eq(expect_regex("(a+)+[bc]", text, n), EXPECT_GAVE_UP);
    ck_assert_int_eq(expect_regex("(a|aa)*?[bc][xy]", text, n), EXPECT_GAVE_UP);
    free(text);
}
END_TEST

/* Each start is cheap in steps but long in bytes: a match limit alone would run for minutes. */
START_TEST(test_quadratic_regex_is_given_up)
{
    size_t n = 1024 * 1024;
    char *text = mem_alloc(n);
    memset(text, 'a', n);
    ck_assert_int_eq(expect_regex("a*+[bc]", text, n), EXPECT_GAVE_UP);
    free(text);
}
END_TEST

START_TEST(test_regex_given_up_fails_both_expectations)
{
    size_t n = 256 * 1024;
    char *text = mem_zalloc(n + 1);
    memset(text, 'a', n);
    cause_is("\"body_regex\":\"(a+)+[bc][de]\"", (struct expect_facts){.status = 200, .body = text},
             CAUSE_body_mismatch);
    cause_is("\"body_not_regex\":\"(a+)+[bc][de]\"",
             (struct expect_facts){.status = 200, .body = text}, CAUSE_body_mismatch);
    free(text);
}
END_TEST

static const struct result_header some_headers[] = {
    {(char *)"Content-Type", (char *)"text/html; charset=utf-8"},
    {(char *)"X-A", (char *)"one"},
    {(char *)"x-a", (char *)"two"},
    {(char *)"Set-Cookie", (char *)"s3cret"},
};

static void header_is(const char *expect, enum cause want, bool cut, const char *detail)
{
    struct expect_facts f = {.status = 200, .headers = some_headers, .headers_cut = cut};
    f.n_headers = ARRAY_LEN(some_headers);
    struct result *r = judge(expect, f);
    ck_assert_msg(r->cause == want, "%s: %s", expect, r->message ? r->message : "ok");
    ck_assert_str_eq(r->checks[1].check, "header");
    ck_assert_str_eq(r->checks[1].detail, detail);
    result_destroy(&r);
}

START_TEST(test_one_value_of_a_header_must_match)
{
    header_is("\"header\":{\"content-type\":\"^text/\"}", CAUSE_NONE, false, "content-type");
    header_is("\"header\":{\"X-A\":\"^two$\"}", CAUSE_NONE, false, "X-A");
    header_is("\"header\":{\"X-A\":\"three\"}", CAUSE_header_mismatch, false, "X-A does not match");
}
END_TEST

START_TEST(test_absent_header_does_not_match)
{
    header_is("\"header\":{\"X-B\":\"\"}", CAUSE_header_mismatch, false, "X-B is not there");
    header_is("\"header\":{\"X-B\":\"\"}", CAUSE_header_mismatch, true,
              "X-B: not among the headers that were kept");
}
END_TEST

START_TEST(test_value_of_a_header_is_not_told)
{
    header_is("\"header\":{\"Set-Cookie\":\"x\"}", CAUSE_header_mismatch, false,
              "Set-Cookie does not match");
}
END_TEST

static void json_is(const char *item, const char *body, const char *fault)
{
    char expect[500];
    snprintf(expect, sizeof(expect), "\"json\":[%s]", item);
    struct result *r = judge(expect, (struct expect_facts){.status = 200, .body = body});
    const struct result_check *c = &r->checks[1];
    ck_assert_str_eq(c->check, "json");
    ck_assert_msg(c->ok == (fault == NULL), "%s of %s: %s", item, body, c->detail);
    ck_assert_int_eq(r->cause, fault == NULL ? CAUSE_NONE : CAUSE_json_mismatch);
    if (fault)
        ck_assert_str_eq(c->detail, fault);
    result_destroy(&r);
}

START_TEST(test_json_equals_every_scalar)
{
    json_is("{\"path\":\"$.a\",\"equals\":\"x\\n\\u00e9\"}", "{\"a\":\"x\\n\xc3\xa9\"}", NULL);
    json_is("{\"path\":\"$.a\",\"equals\":100}", "{\"a\":1.0e2}", NULL);
    json_is("{\"path\":\"$[1]\",\"equals\":true}", "[false,true]", NULL);
    json_is("{\"path\":\"$\",\"equals\":null}", " null ", NULL);
    json_is("{\"path\":\"$\",\"equals\":\"1\"}", "1", "$ is another value: 1");
    json_is("{\"path\":\"$\",\"equals\":1}", "\"1\"", "$ is another value: \"1\"");
    json_is("{\"path\":\"$\",\"equals\":1}", "[1]", "$ is another value: [1]");
    json_is("{\"path\":\"$\",\"equals\":false}", "true", "$ is another value: true");
}
END_TEST

START_TEST(test_json_regex_on_strings_and_on_text)
{
    json_is("{\"path\":\"$.a\",\"regex\":\"^b.c$\"}", "{\"a\":\"b\\tc\"}", NULL);
    json_is("{\"path\":\"$.a\",\"regex\":\"^42$\"}", "{\"a\":42}", NULL);
    json_is("{\"path\":\"$\",\"regex\":\"a.:\"}", "{\"a\":42}", NULL);
    json_is("{\"path\":\"$.a\",\"regex\":\"x\"}", "{\"a\":\"y\"}", "$.a does not match: \"y\"");
}
END_TEST

START_TEST(test_json_existence)
{
    json_is("{\"path\":\"$.a\"}", "{\"a\":null}", NULL);
    json_is("{\"path\":\"$.b\"}", "{\"a\":null}", "$.b is not there");
    json_is("{\"path\":\"$.b\",\"exists\":false}", "{\"a\":null}", NULL);
    json_is("{\"path\":\"$.a\",\"exists\":false}", "{\"a\":1}",
            "$.a should not be there, and is 1");
}
END_TEST

START_TEST(test_body_that_is_not_json)
{
    json_is("{\"path\":\"$\"}", "", "$: the body is not JSON");
    json_is("{\"path\":\"$.a\",\"exists\":false}", "<html>", "$.a: the body is not JSON");
    char *big = mem_alloc(4 * 1024 * 1024 + 2);
    memset(big, ' ', 4 * 1024 * 1024 + 1);
    big[0] = '1';
    big[4 * 1024 * 1024 + 1] = '\0';
    json_is("{\"path\":\"$\"}", big, "$: the body is too large to be read as JSON");
    free(big);
}
END_TEST

START_TEST(test_long_values_are_told_in_part_and_as_text)
{
    char body[200] = "\"";
    memset(body + 1, 'a', 99);
    body[30] = '\xff';
    body[100] = '"';
    struct result *r = judge("\"json\":[{\"path\":\"$\",\"equals\":1}]",
                             (struct expect_facts){.status = 200, .body = body});
    ck_assert(utf8_valid(r->checks[1].detail, strlen(r->checks[1].detail)));
    ck_assert_uint_lt(strlen(r->checks[1].detail), 120);
    result_destroy(&r);
}
END_TEST

START_TEST(test_every_header_and_path_is_reported)
{
    struct result *r =
        judge("\"header\":{\"A\":\"\",\"B\":\"\"},\"json\":[{\"path\":\"$.a\"},{\"path\":\"$.b\"},"
              "{\"path\":\"$.c\"}],\"max_total_ms\":1",
              (struct expect_facts){.status = 200, .body = "{\"b\":1}", .total_ms = 2});
    ck_assert_uint_eq(r->n_checks, 7);
    ck_assert_int_eq(r->cause, CAUSE_header_mismatch);
    ck_assert(!r->checks[2].ok && !r->checks[3].ok && r->checks[4].ok && !r->checks[5].ok);
    ck_assert_str_eq(r->checks[4].detail, "$.b");
    ck_assert(!r->checks[6].ok);
    result_destroy(&r);
}
END_TEST

/* Sixteen hostile patterns have the time of two; what is behind them is given up unread. */
START_TEST(test_all_patterns_share_one_budget)
{
    char expect[1000] = "\"json\":[", body[2000] = "\"";
    for (int i = 0; i < EXPECT_JSON_MAX; i++)
        snprintf(expect + strlen(expect), 60, "%s{\"path\":\"$\",\"regex\":\"(a+)+[bc]\"}",
                 i ? "," : "");
    snprintf(expect + strlen(expect), 2, "]");
    memset(body + 1, 'a', sizeof(body) - 3);
    body[sizeof(body) - 2] = '"';
    struct result *r = judge(expect, (struct expect_facts){.status = 200, .body = body});
    ck_assert_uint_eq(r->n_checks, 1 + EXPECT_JSON_MAX);
    ck_assert_ptr_nonnull(strstr(r->checks[EXPECT_JSON_MAX].detail, "given up"));
    result_destroy(&r);
}
END_TEST

TESTS(lists, test_one_value_of_a_header_must_match, test_absent_header_does_not_match,
      test_value_of_a_header_is_not_told, test_json_equals_every_scalar,
      test_json_regex_on_strings_and_on_text, test_json_existence, test_body_that_is_not_json,
      test_long_values_are_told_in_part_and_as_text, test_every_header_and_path_is_reported,
      test_all_patterns_share_one_budget)
TESTS(expectations, test_status_under_400_is_good_by_default,
      test_all_checks_are_reported_and_the_first_failure_is_the_cause, test_too_slow,
      test_certificate_asked_for_but_absent)
TESTS(regex, test_regex_matches_around_invalid_utf8, test_catastrophic_regex_is_given_up,
      test_quadratic_regex_is_given_up, test_regex_given_up_fails_both_expectations)
CHECK_MAIN("expect", expectations, lists, regex)
