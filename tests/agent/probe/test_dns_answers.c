/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_answers.h"
#include "agent/probe/dns_check.h"
#include "tests/support/check_main.h"
#include <string.h>

#define SAME(type, got, want)  ck_assert(dns_answers_data_equal(type, got, want))
#define OTHER(type, got, want) ck_assert(!dns_answers_data_equal(type, got, want))

START_TEST(test_names_are_compared_as_dns_does)
{
    SAME("CNAME", "www.example.com.", "WWW.example.com");
    SAME("MX", "10 mail.example.com.", "10 mail.example.com");
    SAME("MX", "0 .", "0 .");
    OTHER("MX", "0 .", "0 ");
    OTHER("MX", "10 mail.example.com.", "20 mail.example.com.");
    OTHER("NS", "a.example.", "a.example..");
}
END_TEST

START_TEST(test_addresses_are_compared_by_value)
{
    SAME("AAAA", "2001:db8::1", "2001:0DB8:0:0:0:0:0:1");
    OTHER("AAAA", "2001:db8::1", "2001:db8::2");
    OTHER("A", "192.0.2.1", "192.0.2.10");
    OTHER("A", "192.0.2.1", "192.0.2.1 ");
}
END_TEST

START_TEST(test_txt_is_compared_by_its_octets)
{
    SAME("TXT", "\"v=spf1 -all\"", "v=spf1 -all");
    SAME("TXT", "\"v=spf1 -all\"", "\"v=spf1 -all\"");
    SAME("TXT", "\"ab\" \"cd\"", "abcd");
    SAME("TXT", "\"a\\\"b\\\\c\\195\\188\"", "a\"b\\c\xc3\xbc");
    SAME("TXT", "\"\" \"\" \"a\"", "a");
    OTHER("TXT", "\"ab\"", "abc");
    OTHER("TXT", "\"abc\"", "ab");
    OTHER("TXT", "\"a\\000\"", "a");
}
END_TEST

START_TEST(test_other_data_is_compared_octet_for_octet)
{
    SAME("DNSKEY", "257 3 8 aB==", "257 3 8 aB==");
    OTHER("DNSKEY", "257 3 8 aB==", "257 3 8 ab==");
    OTHER("TXT", "\\# 3 010203", "x");
}
END_TEST

/* ---- expectations of a target */

#define S(text) ((char[]){text}) /* a literal that may be pointed to as not constant */
static struct result_rr answers[] = {
    {.name = S("a."), .type = S("CNAME"), .data = S("b.")},
    {.name = S("b."), .type = S("A"), .data = S("192.0.2.1")},
    {.name = S("b."), .type = S("A"), .data = S("192.0.2.2")},
};
static char *one[] = {S("192.0.2.1")}, *both[] = {S("192.0.2.2"), S("192.0.2.1")},
            *alias[] = {S("192.0.2.1"), S("b.")};
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

static enum cause check(unsigned n_answers)
{
    unsigned matching = n_answers > 0 ? n_answers - 1 : 0;
    struct dns_message m = {.sections = {answers},
                            .n_sections = {n_answers},
                            .n_answers = n_answers,
                            .n_matching = matching,
                            .n_records = n_answers};
    dns_check(&target, &m, 1, result);
    return result->cause;
}

#define LIST(list) ((struct dns_data_list){.data = list, .n = ARRAY_LEN(list), .set = true})

START_TEST(test_contains_holds)
{
    target.dns.expect_answers.contains = LIST(one);
    ck_assert_int_eq(check(3), CAUSE_NONE);
    ck_assert_str_eq(result->checks[0].check, "answers.contains");
    ck_assert(result->checks[0].ok);
}
END_TEST

START_TEST(test_contains_looks_at_the_asked_type_only)
{
    target.dns.expect_answers.contains = LIST(alias);
    ck_assert_int_eq(check(3), CAUSE_answer_mismatch);
    ck_assert_str_eq(result->message, "'b.' is not among the answers");
}
END_TEST

START_TEST(test_any_looks_at_all_types)
{
    target.dns.type = 255;
    target.dns.expect_answers.contains = LIST(alias);
    ck_assert_int_eq(check(3), CAUSE_NONE);
}
END_TEST

START_TEST(test_equals_in_any_order)
{
    target.dns.expect_answers.equals = LIST(both);
    ck_assert_int_eq(check(3), CAUSE_NONE);
}
END_TEST

START_TEST(test_equals_refuses_one_more)
{
    target.dns.expect_answers.equals = LIST(one);
    ck_assert_int_eq(check(3), CAUSE_answer_mismatch);
    ck_assert_str_eq(result->message, "the answer '192.0.2.2' is not expected");
}
END_TEST

START_TEST(test_equals_refuses_one_less)
{
    target.dns.expect_answers.equals = LIST(both);
    ck_assert_int_eq(check(2), CAUSE_answer_mismatch);
    ck_assert_str_eq(result->message, "'192.0.2.2' is not among the answers");
}
END_TEST

START_TEST(test_equals_nothing_takes_the_place_of_nodata)
{
    target.dns.expect_answers.equals = (struct dns_data_list){.set = true};
    ck_assert_int_eq(check(0), CAUSE_NONE);
    result_destroy(&result);
    result = result_create(1, NULL);
    ck_assert_int_eq(check(2), CAUSE_answer_mismatch);
}
END_TEST

START_TEST(test_equals_needs_every_answer_kept)
{
    struct dns_message m = {
        .sections = {answers}, .n_sections = {3}, .n_answers = 9, .n_matching = 8, .n_records = 9};
    target.dns.expect_answers.equals = LIST(both);
    dns_check(&target, &m, 1, result);
    ck_assert_str_eq(result->message, "only 2 of 8 answers were kept to be compared");
}
END_TEST

START_TEST(test_regex_matches_one_answer)
{
    target.dns.expect_answers.regex = S("^192\\.0\\.2\\.2$");
    ck_assert_int_eq(check(3), CAUSE_NONE);
    result_destroy(&result);
    result = result_create(1, NULL);
    ck_assert_int_eq(check(2), CAUSE_answer_mismatch);
    ck_assert_str_eq(result->message, "no answer matches the pattern");
}
END_TEST

START_TEST(test_hostile_regex_is_given_up)
{
    static char long_data[4096];
    memset(long_data, 'a', sizeof(long_data) - 1);
    long_data[sizeof(long_data) - 2] = '!';
    struct result_rr rr = {.name = S("a."), .type = S("A"), .data = long_data};
    struct dns_message m = {
        .sections = {&rr}, .n_sections = {1}, .n_answers = 1, .n_matching = 1, .n_records = 1};
    target.dns.expect_answers.regex = S("^(a+)+[bc]$");
    dns_check(&target, &m, 1, result);
    ck_assert_int_eq(result->cause, CAUSE_answer_mismatch);
    ck_assert_ptr_nonnull(strstr(result->message, "given up"));
}
END_TEST

START_TEST(test_all_that_fail_are_reported)
{
    target.dns.expect_answers =
        (struct dns_answers){.contains = LIST(alias), .equals = LIST(one), .regex = S("x")};
    target.dns.expect_min_answers = 5;
    ck_assert_int_eq(check(3), CAUSE_answer_mismatch);
    ck_assert_uint_eq(result->n_checks, 4);
    for (unsigned i = 0; i < 4; i++)
        ck_assert(!result->checks[i].ok && result->checks[i].detail != NULL);
}
END_TEST

TESTS(equality, test_names_are_compared_as_dns_does, test_addresses_are_compared_by_value,
      test_txt_is_compared_by_its_octets, test_other_data_is_compared_octet_for_octet)
TESTS(plain_expecting, test_contains_holds, test_contains_looks_at_the_asked_type_only,
      test_any_looks_at_all_types, test_equals_in_any_order, test_equals_refuses_one_more,
      test_equals_refuses_one_less, test_equals_nothing_takes_the_place_of_nodata,
      test_equals_needs_every_answer_kept, test_regex_matches_one_answer,
      test_hostile_regex_is_given_up, test_all_that_fail_are_reported)
static TCase *expecting(void)
{
    TCase *tc = plain_expecting();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("dns_answers", equality, expecting)
