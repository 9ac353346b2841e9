/* SPDX-License-Identifier: MIT */
#include "master/api/query.h"
#include "tests/support/check_main.h"
#include <string.h>

static struct query q;

static void add(const char *name, const char *value)
{
    query_add(&q, name, strlen(name), value, strlen(value));
}

START_TEST(test_what_is_asked_for_is_found)
{
    query_init(&q);
    add("limit", "7");
    add("strict", "1");
    add("name", "x");
    ck_assert_int_eq(query_int(&q, "limit", 1, 10, 5), 7);
    ck_assert(query_bool(&q, "strict", false));
    ck_assert_str_eq(query_str(&q, "name"), "x");
    ck_assert_ptr_null(query_str(&q, "other"));
    ck_assert_int_eq(query_end(&q), ERR_NONE);
}
END_TEST

START_TEST(test_what_nobody_asked_for_is_named)
{
    query_init(&q);
    add("colour", "red");
    ck_assert_int_eq(query_end(&q), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(q.problem, "colour"));
}
END_TEST

START_TEST(test_a_name_given_twice_is_refused)
{
    query_init(&q);
    add("a", "1");
    add("a", "2");
    query_str(&q, "a");
    ck_assert_ptr_nonnull(strstr(q.problem, "twice"));
}
END_TEST

START_TEST(test_a_name_may_be_asked_for_many_times)
{
    unsigned at = 0;
    query_init(&q);
    add("tag", "1");
    add("x", "-");
    add("tag", "2");
    ck_assert_str_eq(query_next(&q, "tag", &at), "1");
    ck_assert_str_eq(query_next(&q, "tag", &at), "2");
    ck_assert_ptr_null(query_next(&q, "tag", &at));
}
END_TEST

START_TEST(test_numbers_out_of_range_name_the_range)
{
    static const char *const bad[] = {"0", "11", "x", "", "1.5", "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        query_init(&q);
        add("limit", bad[i]);
        ck_assert_int_eq(query_int(&q, "limit", 1, 10, 5), 5);
        ck_assert_ptr_nonnull(strstr(q.problem, "from 1 to 10"));
    }
}
END_TEST

START_TEST(test_times_have_a_unit_or_are_seconds)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"30s", 30000}, {"500ms", 500}, {"2", 2000}, {"0", 0}, {"60s", 60000}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        query_init(&q);
        add("wait", good[i].text);
        ck_assert_int_eq(query_ms(&q, "wait", 60000), good[i].ms);
        ck_assert_int_eq(q.err, ERR_NONE);
    }
}
END_TEST

START_TEST(test_bad_times_are_refused)
{
    static const char *const bad[] = {"61s", "s", "", "1m", "-1s", "99999999999999999999s", "1ss"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        query_init(&q);
        add("wait", bad[i]);
        query_ms(&q, "wait", 60000);
        ck_assert_msg(q.err == ERR_INVALID, "%s", bad[i]);
    }
}
END_TEST

START_TEST(test_bytes_that_are_no_text_are_refused)
{
    query_init(&q);
    add("a", "\xff");
    ck_assert_int_eq(q.err, ERR_INVALID);
    query_init(&q);
    query_add(&q, "a", 1, "x\0y", 3);
    ck_assert_int_eq(q.err, ERR_INVALID);
}
END_TEST

START_TEST(test_too_many_are_refused)
{
    query_init(&q);
    for (int i = 0; i <= QUERY_MAX; i++)
        add("a", "1");
    ck_assert_int_eq(q.err, ERR_INVALID);
}
END_TEST

START_TEST(test_a_problem_is_cut_between_characters)
{
    char text[2000];
    for (size_t i = 0; i < sizeof(text) - 2; i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    text[sizeof(text) - 2] = '\0';
    query_init(&q);
    add("limit", text);
    query_int(&q, "limit", 1, 10, 5);
    ck_assert_int_eq(q.err, ERR_INVALID);
    ck_assert_uint_lt(strlen(q.problem), QUERY_PROBLEM_MAX);
}
END_TEST

TESTS(good, test_what_is_asked_for_is_found, test_a_name_may_be_asked_for_many_times,
      test_times_have_a_unit_or_are_seconds)
TESTS(bad, test_what_nobody_asked_for_is_named, test_a_name_given_twice_is_refused,
      test_numbers_out_of_range_name_the_range, test_bad_times_are_refused,
      test_bytes_that_are_no_text_are_refused, test_too_many_are_refused,
      test_a_problem_is_cut_between_characters)
CHECK_MAIN("query", good, bad)
