/* SPDX-License-Identifier: MIT */
#include "master/api/upload_json.h"
#include "common/require.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

/* All events of a text fed in pieces of `step` bytes, written down: E(text) L T; B ends it. */
static void run(struct split *s, const char *text, size_t step, char *out, size_t max)
{
    size_t n = strlen(text), at = 0, used;
    out[0] = '\0';
    while (at < n) {
        size_t piece = n - at < step ? n - at : step, len = strlen(out);
        enum split_event e = split_next(s, text + at, piece, &used);
        at += used;
        if (e == SPLIT_ELEMENT)
            snprintf(out + len, max - len, "E(%s)", s->element.data);
        else if (e != SPLIT_MORE)
            snprintf(out + len, max - len, "%s",
                     e == SPLIT_TARGETS    ? "T"
                     : e == SPLIT_TOO_LONG ? "L"
                                           : "B");
        if (e == SPLIT_BAD)
            return;
    }
}

static void check(const char *text, const char *events, const char *head)
{
    char got[4096];
    for (size_t step = 1; step <= 64; step = step < 4 ? step + 1 : step * 4) {
        struct split s;
        size_t n;
        split_init(&s, 1000);
        run(&s, text, step, got, sizeof(got));
        ck_assert_msg(strcmp(got, events) == 0, "%s: %s, step %zu", text, got, step);
        if (head) {
            ck_assert(split_whole(&s));
            ck_assert_str_eq(split_head(&s, &n), head);
            ck_assert_uint_eq(n, strlen(head));
        }
        split_fini(&s);
    }
}

static void check_bad(const char *text, const char *why)
{
    struct split s;
    char got[4096];
    split_init(&s, 1000);
    run(&s, text, 3, got, sizeof(got));
    ck_assert_msg(got[0] && got[strlen(got) - 1] == 'B', "%s: %s", text, got);
    ck_assert_msg(strstr(s.why, why), "%s: %s", text, s.why);
    split_fini(&s);
}

START_TEST(test_elements_of_every_kind)
{
    check("{\"targets\":[\"a\",{\"b\":[1,{}]},[ ],12,null,true]}",
          "TE(\"a\")E({\"b\":[1,{}]})E([ ])E(12)E(null)E(true)", "{}");
}
END_TEST

START_TEST(test_members_before_and_after)
{
    check(" {\"a\" : 1 ,\"targets\": [ \"x\" ] , \"b\":{\"targets\":[1]},\"c\":\"]}\"} \n",
          "TE(\"x\")", "{\"a\":1,\"b\":{\"targets\":[1]},\"c\":\"]}\"}");
}
END_TEST

START_TEST(test_strings_hide_brackets_and_quotes)
{
    check("{\"targets\":[\"]},\\\"[{\\\\\",{\"k\":\"}\\\"]\"}]}",
          "TE(\"]},\\\"[{\\\\\")E({\"k\":\"}\\\"]\"})", "{}");
}
END_TEST

START_TEST(test_empty_objects_and_arrays)
{
    check("{}", "", "{}");
    check("{\"targets\":[]}", "T", "{}");
}
END_TEST

START_TEST(test_an_element_too_long_is_passed_over)
{
    static char text[SPLIT_ELEMENT_MAX + 200];
    size_t n = (size_t)snprintf(text, sizeof(text), "{\"targets\":[\"");
    memset(text + n, 'x', SPLIT_ELEMENT_MAX);
    snprintf(text + n + SPLIT_ELEMENT_MAX, 100, "\",\"y\"]}");
    check(text, "TLE(\"y\")", "{}");
}
END_TEST

START_TEST(test_known_members_are_skipped)
{
    struct split s;
    char got[200];
    split_init(&s, 4);
    s.skip_members = true;
    run(&s, "{\"long\":\"longer than the head\",\"targets\":[1],\"z\":[2]}", 5, got, sizeof(got));
    ck_assert_str_eq(got, "TE(1)");
    ck_assert(split_whole(&s));
    split_fini(&s);
}
END_TEST

START_TEST(test_a_member_behind_targets_is_misplaced_when_it_must_be_last)
{
    struct split s;
    char got[200];
    split_init(&s, 1000);
    s.targets_last = true;
    run(&s, "{\"a\":1,\"targets\":[1],\"z\":2}", 100, got, sizeof(got));
    ck_assert_str_eq(got, "TE(1)B");
    ck_assert(s.misplaced);
    split_fini(&s);
}
END_TEST

START_TEST(test_what_is_no_json_is_bad)
{
    check_bad("[1]", "must be an object");
    check_bad("{targets:[]}", "member name");
    check_bad("{\"a\"1}", "':'");
    check_bad("{\"a\":}", "value is missing");
    check_bad("{\"a\":1 2}", "','");
    check_bad("{\"a\":1,}", "member name");
    check_bad("{\"targets\":[1,]}", "value is missing");
    check_bad("{\"targets\":[1 2]}", "','");
    check_bad("{\"targets\":[{]}]}", "brackets");
    check_bad("{\"targets\":7}", "must be an array");
    check_bad("{\"targets\":[],\"targets\":[]}", "twice");
    check_bad("{} x", "behind the end");
}
END_TEST

START_TEST(test_depth_is_bounded)
{
    char text[400] = "{\"targets\":[";
    for (int i = 0; i < SPLIT_DEPTH_MAX + 1; i++)
        strncat(text, "[", sizeof(text) - strlen(text) - 1);
    check_bad(text, "too deep");
}
END_TEST

START_TEST(test_options_too_long_are_bad)
{
    struct split s;
    char got[200];
    split_init(&s, 16);
    run(&s, "{\"name\":\"0123456789abcdef\",\"targets\":[]}", 7, got, sizeof(got));
    ck_assert_str_eq(got, "B");
    split_fini(&s);
}
END_TEST

START_TEST(test_a_body_that_ends_too_soon_is_not_whole)
{
    struct split s;
    char got[200];
    split_init(&s, 100);
    run(&s, "{\"targets\":[\"a\"", 100, got, sizeof(got));
    ck_assert(!split_whole(&s));
    split_fini(&s);
}
END_TEST

TESTS(good, test_elements_of_every_kind, test_members_before_and_after,
      test_strings_hide_brackets_and_quotes, test_empty_objects_and_arrays,
      test_an_element_too_long_is_passed_over, test_known_members_are_skipped)
TESTS(bad, test_a_member_behind_targets_is_misplaced_when_it_must_be_last,
      test_what_is_no_json_is_bad, test_depth_is_bounded, test_options_too_long_are_bad,
      test_a_body_that_ends_too_soon_is_not_whole)
CHECK_MAIN("upload_json", good, bad)
