/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_check.h"
#include "tests/support/check_main.h"
#include <string.h>

static struct target target;
static struct result *result;

static void setup(void)
{
    target = (struct target){.kind = TARGET_DNS,
                             .max_total_ms = -1,
                             .dns = {.type = 1, .expect_rcode = -1, .expect_min_answers = -1}};
    result = result_create(1, NULL);
}

static void teardown(void)
{
    result_destroy(&result);
}

static void check(int rcode, unsigned answers, unsigned matching, double total_ms)
{
    struct dns_message m = {.rcode = rcode, .n_answers = answers, .n_matching = matching};
    dns_check(&target, &m, total_ms, result);
}

START_TEST(test_slower_than_allowed)
{
    target.max_total_ms = 10;
    check(0, 1, 1, 10.5);
    ck_assert_int_eq(result->cause, CAUSE_too_slow);
    ck_assert(!result->checks[0].ok);
}
END_TEST

START_TEST(test_as_slow_as_allowed)
{
    target.max_total_ms = 10;
    check(0, 1, 1, 10.0);
    ck_assert_int_eq(result->cause, CAUSE_NONE);
    ck_assert(result->checks[0].ok);
}
END_TEST

START_TEST(test_the_first_failure_gives_the_cause_and_all_are_reported)
{
    target.max_total_ms = 10;
    target.dns.expect_rcode = 0;
    target.dns.expect_min_answers = 2;
    check(3, 0, 0, 20);
    ck_assert_int_eq(result->cause, CAUSE_rcode_mismatch);
    ck_assert_uint_eq(result->n_checks, 3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(!result->checks[i].ok);
}
END_TEST

/* Truncated over UDP leads to TCP, so here it is what TCP said. */
START_TEST(test_truncated_without_a_record_is_malformed)
{
    struct dns_message m = {.tc = true};
    dns_check(&target, &m, 1, result);
    ck_assert_int_eq(result->cause, CAUSE_dns_malformed);
}
END_TEST

START_TEST(test_nothing_asked_is_no_check)
{
    check(0, 1, 1, 1);
    ck_assert_int_eq(result->outcome, OUTCOME_OK);
    ck_assert_uint_eq(result->n_checks, 0);
    ck_assert_ptr_null(result->message);
}
END_TEST

START_TEST(test_extended_rcode_is_named)
{
    check(16, 0, 0, 1);
    ck_assert_int_eq(result->cause, CAUSE_rcode_mismatch);
    ck_assert_ptr_nonnull(strstr(result->message, "BADVERS"));
}
END_TEST

START_TEST(test_unknown_rcode_is_a_number)
{
    check(15, 0, 0, 1);
    ck_assert_ptr_nonnull(strstr(result->message, "rcode 15"));
}
END_TEST

START_TEST(test_records_that_are_not_kept_are_said)
{
    struct dns_message m = {.n_answers = 300, .n_matching = 300, .n_records = 300};
    dns_check(&target, &m, 1, result);
    ck_assert_int_eq(result->outcome, OUTCOME_OK);
    ck_assert_str_eq(result->checks[0].check, "records_kept");
    ck_assert_str_eq(result->checks[0].detail, "0 of 300 records are kept");
}
END_TEST

START_TEST(test_extended_error_is_told)
{
    struct result_edns e = {.n_ede = 1, .ede = {{.code = 6, .text = (char[]){"expired"}}}};
    struct dns_message m = {.rcode = 2, .edns = &e};
    dns_check(&target, &m, 1, result);
    ck_assert_str_eq(result->message, "the server answered SERVFAIL (DNSSEC Bogus: expired)");
}
END_TEST

START_TEST(test_extended_error_without_a_name_or_text_is_a_number)
{
    struct result_edns e = {.n_ede = 1, .ede = {{.code = 999}}};
    struct dns_message m = {.rcode = 2, .edns = &e};
    dns_check(&target, &m, 1, result);
    ck_assert_str_eq(result->message, "the server answered SERVFAIL (extended error 999)");
}
END_TEST

START_TEST(test_server_that_may_not_know_edns_is_told)
{
    target.dns.edns_size = 1232;
    check(1, 0, 0, 1);
    ck_assert_int_eq(result->cause, CAUSE_rcode_mismatch);
    ck_assert_ptr_nonnull(strstr(result->message, "FORMERR; it may not know EDNS"));
}
END_TEST

START_TEST(test_server_that_knows_edns_gets_no_hint)
{
    struct result_edns e = {.udp_size = 512};
    struct dns_message m = {.rcode = 1, .edns = &e};
    target.dns.edns_size = 1232;
    dns_check(&target, &m, 1, result);
    ck_assert_str_eq(result->message, "the server answered FORMERR");
}
END_TEST

TESTS(plain_checks, test_extended_error_is_told,
      test_extended_error_without_a_name_or_text_is_a_number,
      test_server_that_may_not_know_edns_is_told, test_server_that_knows_edns_gets_no_hint,
      test_slower_than_allowed, test_as_slow_as_allowed,
      test_the_first_failure_gives_the_cause_and_all_are_reported, test_nothing_asked_is_no_check,
      test_truncated_without_a_record_is_malformed, test_extended_rcode_is_named,
      test_unknown_rcode_is_a_number, test_records_that_are_not_kept_are_said)
static TCase *checks(void)
{
    TCase *tc = plain_checks();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("dns_check", checks)
