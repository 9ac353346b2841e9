/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include "tests/support/json_fixture.h"

static struct json_doc *doc;

static struct json_cur cursor(const char *text)
{
    struct json_cur c;
    json_free(&doc);
    doc = must_parse(text);
    json_cur_init(&c, json_root(doc));
    return c;
}

START_TEST(test_cursor_reads_fields)
{
    struct json_cur c = cursor("{\"s\":\"x\",\"i\":-3,\"b\":true,\"id\":\"18446744073709551615\","
                               "\"n\":0.5,\"o\":{},\"a\":[1],\"z\":null}");
    ck_assert_str_eq(json_need_str(&c, "s", 10), "x");
    ck_assert_int_eq(json_need_int(&c, "i", -5, 5), -3);
    ck_assert(json_get_bool(&c, "b", false));
    ck_assert_uint_eq(json_need_id(&c, "id"), UINT64_MAX);
    ck_assert(json_get_num(&c, "n", 0, 1, 0) == 0.5);
    ck_assert_ptr_nonnull(json_get_obj(&c, "o"));
    ck_assert_ptr_nonnull(json_get_arr(&c, "a", 1));
    ck_assert_int_eq(json_get_int(&c, "z", 0, 9, 7), 7);
    ck_assert_int_eq(json_cur_end(&c), ERR_NONE);
}
END_TEST

START_TEST(test_cursor_finds_members_in_any_order)
{
    static const char names[] = "abcd";
    struct json_cur c = cursor("{\"a\":0,\"b\":1,\"c\":2,\"d\":3}");
    for (int first = 0; first < 4; first++) {
        for (int second = 0; second < 4; second++) {
            char name[2][2] = {{names[first]}, {names[second]}};
            json_cur_init(&c, c.obj);
            ck_assert_int_eq(json_get_int(&c, name[0], 0, 9, -1), first);
            ck_assert_int_eq(json_get_int(&c, "no", 0, 9, -1), -1);
            ck_assert_int_eq(json_get_int(&c, name[1], 0, 9, -1), second);
            ck_assert_int_eq(json_cur_end_lenient(&c), ERR_NONE);
        }
    }
}
END_TEST

START_TEST(test_cursor_defaults_when_absent)
{
    struct json_cur c = cursor("{}");
    ck_assert_str_eq(json_get_str(&c, "s", 10, "d"), "d");
    ck_assert_int_eq(json_get_int(&c, "i", 0, 5, 9), 9);
    ck_assert_uint_eq(json_get_id(&c, "id", 4), 4);
    ck_assert_ptr_null(json_get_arr(&c, "a", 1));
    ck_assert_int_eq(json_cur_end(&c), ERR_NONE);
}
END_TEST

static void problem_is(struct json_cur *c, const char *expected)
{
    ck_assert_int_eq(json_cur_end(c), ERR_INVALID);
    ck_assert_str_eq(c->problem, expected);
}

START_TEST(test_cursor_names_range_and_value)
{
    struct json_cur c = cursor("{\"timeout_ms\":\"soon\"}");
    json_need_int(&c, "timeout_ms", 1, 30000);
    problem_is(&c, "'timeout_ms' must be an integer from 1 to 30000, got \"soon\"");
}
END_TEST

START_TEST(test_cursor_refuses_fractions_and_out_of_range)
{
    struct json_cur c = cursor("{\"i\":1.5}");
    json_need_int(&c, "i", 1, 3);
    problem_is(&c, "'i' must be an integer from 1 to 3, got 1.5");
    c = cursor("{\"i\":4}");
    json_need_int(&c, "i", 1, 3);
    problem_is(&c, "'i' must be an integer from 1 to 3, got 4");
    c = cursor("{\"i\":1e300}");
    json_need_int(&c, "i", INT64_MIN, INT64_MAX);
    ck_assert_int_eq(json_cur_end(&c), ERR_INVALID);
}
END_TEST

START_TEST(test_cursor_names_the_missing_field)
{
    struct json_cur c = cursor("{\"x\":null}");
    ck_assert_str_eq(json_need_str(&c, "x", 5), "");
    problem_is(&c, "'x' is missing");
}
END_TEST

START_TEST(test_cursor_keeps_the_first_problem)
{
    struct json_cur c = cursor("{\"a\":1,\"b\":2}");
    json_need_str(&c, "a", 5);
    ck_assert_int_eq(json_get_int(&c, "b", 0, 9, 5), 5);
    problem_is(&c, "'a' must be a string, got 1");
}
END_TEST

START_TEST(test_cursor_refuses_unknown_fields)
{
    struct json_cur c = cursor("{\"a\":1,\"tmeout_ms\":2}");
    json_need_int(&c, "a", 0, 9);
    problem_is(&c, "unknown field 'tmeout_ms'");
    c = cursor("{\"a\":1,\"tmeout_ms\":2}");
    json_need_int(&c, "a", 0, 9);
    json_get_int(&c, "timeout_ms", 0, 9, 5);
    problem_is(&c, "unknown field 'tmeout_ms'; did you mean 'timeout_ms'?");
}
END_TEST

START_TEST(test_cursor_lenient_end_allows_unknown_fields)
{
    struct json_cur c = cursor("{\"new\":1}");
    ck_assert_int_eq(json_cur_end_lenient(&c), ERR_NONE);
}
END_TEST

START_TEST(test_cursor_refuses_numeric_and_odd_ids)
{
    static const char *const bad[] = {"{\"id\":7}", "{\"id\":\"\"}", "{\"id\":\"07\"}",
                                      "{\"id\":\"-1\"}", "{\"id\":\"18446744073709551616\"}"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct json_cur c = cursor(bad[i]);
        ck_assert_uint_eq(json_need_id(&c, "id"), 0);
        ck_assert_int_eq(json_cur_end(&c), ERR_INVALID);
    }
}
END_TEST

START_TEST(test_cursor_bounds_strings_and_arrays)
{
    struct json_cur c = cursor("{\"s\":\"12345\"}");
    json_need_str(&c, "s", 4);
    problem_is(&c, "'s' must be at most 4 bytes long, got 5");
    c = cursor("{\"a\":[1,2]}");
    ck_assert_ptr_null(json_get_arr(&c, "a", 1));
    problem_is(&c, "'a' must have at most 1 items, got 2");
}
END_TEST

START_TEST(test_cursor_needs_an_object)
{
    struct json_cur c = cursor("[]");
    ck_assert_int_eq(json_get_int(&c, "a", 0, 9, 4), 4);
    problem_is(&c, "must be an object, got an array");
    json_cur_init(&c, NULL);
    ck_assert_int_eq(json_cur_end(&c), ERR_INVALID);
}
END_TEST

START_TEST(test_problem_never_carries_line_breaks_or_half_characters)
{
    struct json_cur c = cursor("{\"a\":\"x\\ny\",\"b\":1}");
    json_need_int(&c, "a", 0, 1);
    ck_assert_ptr_null(strchr(c.problem, '\n'));
    c = cursor("{}");
    char text[301] = "a";
    for (size_t i = 1; i + 2 <= 300; i += 2)
        memcpy(text + i, "é", 2);
    json_cur_fail(&c, "%s", text);
    struct json_out w = writer();
    json_put_str(&w, c.problem);
    ck_assert_int_eq(parse(buf.data, NULL), ERR_NONE);
}
END_TEST

TESTS(json_cursor, test_cursor_reads_fields, test_cursor_finds_members_in_any_order,
      test_cursor_defaults_when_absent, test_cursor_names_range_and_value,
      test_cursor_refuses_fractions_and_out_of_range, test_cursor_names_the_missing_field,
      test_cursor_keeps_the_first_problem, test_cursor_refuses_unknown_fields,
      test_cursor_lenient_end_allows_unknown_fields, test_cursor_refuses_numeric_and_odd_ids,
      test_cursor_bounds_strings_and_arrays, test_cursor_needs_an_object,
      test_problem_never_carries_line_breaks_or_half_characters)
CHECK_MAIN("json_cur", json_cursor)
