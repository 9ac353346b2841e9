/* SPDX-License-Identifier: MIT */
#include "agent/probe/expect.h"
#include "common/mem.h"

#include "probe_run.h"
#include "tests/support/check_main.h"

static struct result *judge(const char *expect, struct expect_facts f)
{
    char json[1024];
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

TESTS(expectations, test_status_under_400_is_good_by_default,
      test_all_checks_are_reported_and_the_first_failure_is_the_cause, test_too_slow,
      test_certificate_asked_for_but_absent)
TESTS(regex, test_regex_matches_around_invalid_utf8, test_catastrophic_regex_is_given_up,
      test_quadratic_regex_is_given_up, test_regex_given_up_fails_both_expectations)
CHECK_MAIN("expect", expectations, regex)
