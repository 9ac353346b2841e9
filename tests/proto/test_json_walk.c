/* SPDX-License-Identifier: MIT */
#include "proto/json_walk.h"
#include <stdlib.h>
#include "common/mem.h"
#include "tests/support/check_main.h"

static bool good(const char *text)
{
    struct json_walk w;
    size_t n = strlen(text);
    char *exact = mem_alloc(n + 1); /* so that a sanitiser sees a step too far */
    memcpy(exact, text, n);
    bool ok = json_walk_check(&w, exact, n);
    free(exact);
    return ok;
}

START_TEST(test_json_is_json)
{
    static const char *const texts[] = {
        "0",
        "-0.5e+10",
        "1E-3",
        " true ",
        "null",
        "\"\"",
        "\"\\u00e9\\n\\\\\"",
        "[]",
        "{}",
        "[[],{}]",
        "{\"a\":[1,{\"b\":false}],\"\":0}",
        "\t[ 1 , 2 ]\r\n",
        "\xef\xbb\xbf{}",
        "\"\xff\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        ck_assert_msg(good(texts[i]), "refused: %s", texts[i]);
}
END_TEST

START_TEST(test_what_is_not_json_is_refused)
{
    static const char *const texts[] = {
        "",      " ",      "01",      "-",        "1.",          ".5",         "1e",        "+1",
        "tru",   "nulls",  "\"",      "\"\\x\"",  "\"\\u12g4\"", "\"\\u12",    "\"\n\"",    "\"\\",
        "[",     "[1",     "[1,",     "[1,]",     "[,1]",        "[1 2]",      "]",         "[1}",
        "{",     "{\"a\"", "{\"a\":", "{\"a\":}", "{a:1}",       "{\"a\":1,}", "{\"a\" 1}", "{,}",
        "{1:2}", "1 2",    "[] []",   "'a'",      "<html>",      "{\"a\":1]",  "[1,2}",     "NaN",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        ck_assert_msg(!good(texts[i]), "taken: %s", texts[i]);
}
END_TEST

START_TEST(test_depth_at_the_bound_and_one_over)
{
    char text[2 * JSON_WALK_DEPTH_MAX + 3] = "";
    memset(text, '[', JSON_WALK_DEPTH_MAX);
    memset(text + JSON_WALK_DEPTH_MAX, ']', JSON_WALK_DEPTH_MAX);
    ck_assert(good(text));
    memset(text, '[', JSON_WALK_DEPTH_MAX + 1);
    memset(text + JSON_WALK_DEPTH_MAX + 1, ']', JSON_WALK_DEPTH_MAX + 1);
    ck_assert(!good(text));
}
END_TEST

static void says(const char *raw, char quote, const char *want)
{
    struct strbuf b;
    strbuf_init(&b, 100);
    bool ok = json_walk_unescape(raw, strlen(raw), quote, true, &b);
    ck_assert_msg(ok == (want != NULL), "%s", raw);
    if (want != NULL)
        ck_assert_str_eq(b.data, want);
    strbuf_fini(&b);
}

START_TEST(test_escapes_are_read)
{
    says("a\\n\\t\\\\\\/\\\"", '"', "a\n\t\\/\"");
    says("\\u0041\\u00e9\\u20AC\\ud83d\\uDE00", '"', "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    says("it\\'s", '\'', "it's");
    says("it\\'s", '"', NULL);
    says("\\x", '"', NULL);
    says("\\u12", '"', NULL);
    says("\\", '"', NULL);
}
END_TEST

START_TEST(test_half_a_surrogate_pair)
{
    struct strbuf b;
    says("\\ud83dx", '"', "\xef\xbf\xbdx");
    says("\\ude00", '"', "\xef\xbf\xbd");
    says("\\ud83d\\u0041", '"',
         "\xef\xbf\xbd"
         "A");
    strbuf_init(&b, 100);
    ck_assert(!json_walk_unescape("\\ud83d", 6, '"', false, &b));
    strbuf_fini(&b);
}
END_TEST

TESTS(walk, test_json_is_json, test_what_is_not_json_is_refused,
      test_depth_at_the_bound_and_one_over, test_escapes_are_read, test_half_a_surrogate_pair)
CHECK_MAIN("json_walk", walk)
