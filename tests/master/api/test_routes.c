/* SPDX-License-Identifier: MIT */
#include "master/api/routes.h"
#include "common/require.h"
#include "master/api/hash_set.h"
#include "master/api/result_put.h"
#include "tests/support/check_main.h"
#include <string.h>

static char param[ROUTE_PARAM_MAX], allow[64];
static const struct route *found;

static enum route_verdict find(const char *method, const char *path)
{
    found = NULL;
    return route_find(method, path, &found, param, allow, sizeof(allow));
}

START_TEST(test_a_segment_is_taken_out)
{
    ck_assert_int_eq(find("GET", "/api/v1/batches/abc"), ROUTE_FOUND);
    ck_assert_str_eq(param, "abc");
    ck_assert_int_eq(find("GET", "/api/v1/batches/abc/results.csv"), ROUTE_FOUND);
    ck_assert_str_eq(found->pattern, "/api/v1/batches/{}/results.csv");
    ck_assert_str_eq(param, "abc");
}
END_TEST

START_TEST(test_head_finds_what_get_finds)
{
    ck_assert_int_eq(find("HEAD", "/healthz"), ROUTE_FOUND);
    ck_assert_int_eq(find("HEAD", "/api/v1/probes"), ROUTE_WRONG_METHOD);
}
END_TEST

START_TEST(test_a_wrong_method_lists_the_right_ones)
{
    ck_assert_int_eq(find("PUT", "/api/v1/batches/x/cancel"), ROUTE_WRONG_METHOD);
    ck_assert_str_eq(allow, "POST");
}
END_TEST

START_TEST(test_paths_that_are_none)
{
    static const char *const none[] = {"",
                                       "/",
                                       "/api/v1/batches/",
                                       "/api/v1/batches/a/b",
                                       "/api/v1/batches/a/results/",
                                       "/api/v1/batches//results",
                                       "/healthz/",
                                       "/HEALTHZ"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        ck_assert_msg(find("GET", none[i]) == ROUTE_NOT_FOUND, "%s", none[i]);
}
END_TEST

START_TEST(test_a_segment_too_long_is_none)
{
    char path[400] = "/api/v1/agents/";
    memset(path + 15, 'a', 200);
    ck_assert_int_eq(find("GET", path), ROUTE_NOT_FOUND);
}
END_TEST

START_TEST(test_csv_fields_are_quoted_when_they_must_be)
{
    static const struct {
        const char *in, *out;
    } cases[] = {{"plain", "plain"},   {"", ""},
                 {"a,b", "\"a,b\""},   {"a\"b", "\"a\"\"b\""},
                 {"a\nb", "\"a\nb\""}, {"a\rb", "\"a\rb\""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf b;
        strbuf_init(&b, 100);
        csv_put(&b, cases[i].in, strlen(cases[i].in));
        ck_assert_str_eq(b.data, cases[i].out);
        strbuf_fini(&b);
    }
}
END_TEST

START_TEST(test_a_csv_line_has_as_many_cells_as_the_head)
{
    static const char record[] =
        "{\"outcome\":\"failed\",\"cause\":\"http_5xx\",\"message\":\"a b\"}";
    static const char spec[] = "{\"dns\":\"dns:a.test\"}";
    struct store_result_row row = {.task = 7,
                                   .cause = "http_5xx",
                                   .record = record,
                                   .record_len = sizeof(record) - 1,
                                   .spec = spec,
                                   .spec_len = sizeof(spec) - 1,
                                   .outcome = OUTCOME_FAILED};
    struct strbuf b;
    strbuf_init(&b, 4096);
    unsigned commas[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        strbuf_reset(&b);
        if (i == 0)
            result_put_csv_head(&b);
        else
            result_put_csv(&b, &row, "u");
        for (const char *p = b.data; *p; p++)
            commas[i] += *p == ',';
    }
    ck_assert_uint_eq(commas[0], commas[1]);
    ck_assert_ptr_nonnull(strstr(b.data, "7,u,dns:a.test,,0,failed,http_5xx,a b,"));
    strbuf_fini(&b);
}
END_TEST

START_TEST(test_a_hash_set_knows_what_it_has_and_says_when_it_is_full)
{
    struct hash_set s;
    hash_set_init(&s, 1000);
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_int_eq(hash_set_add(&s, i * 0x9e3779b97f4a7c15u), HASH_SET_NEW);
    ck_assert(!s.full);
    ck_assert_int_eq(hash_set_add(&s, 5 * 0x9e3779b97f4a7c15u), HASH_SET_KNOWN);
    ck_assert_int_eq(hash_set_add(&s, 12345), HASH_SET_FULL);
    ck_assert(s.full);
    ck_assert_int_eq(hash_set_add(&s, 5 * 0x9e3779b97f4a7c15u), HASH_SET_KNOWN);
    hash_set_fini(&s);
}
END_TEST

TESTS(table, test_a_segment_is_taken_out, test_head_finds_what_get_finds,
      test_a_wrong_method_lists_the_right_ones, test_paths_that_are_none,
      test_a_segment_too_long_is_none)
TESTS(csv, test_csv_fields_are_quoted_when_they_must_be,
      test_a_csv_line_has_as_many_cells_as_the_head)
TESTS(set, test_a_hash_set_knows_what_it_has_and_says_when_it_is_full)
CHECK_MAIN("routes", table, csv, set)
