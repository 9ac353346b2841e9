/* SPDX-License-Identifier: MIT */
#include "proto/json_path.h"
#include "common/mem.h"
#include "common/strbuf.h"
#include "proto/json_walk.h"
#include "tests/support/check_main.h"

static const char document[] =
    "{\"a\":{\"b\":[10,20,[30]],\"x-y\":\"s\"},\"\":1,\"it's\":2,\"q\\\"\":3,\"\\u00e9\":4,"
    "\"n\":null,\"dup\":1,\"dup\":2,\"o\":{},\"e\":[],\"\xe4\xb8\xad\":5}";

static void finds(const char *query, const char *want)
{
    struct json_path *path = NULL;
    struct json_walk w;
    struct json_value v;
    char why[JSON_PATH_WHY_MAX] = "";
    ck_assert_msg(json_path_parse(query, &path, why) == ERR_NONE, "%s: %s", query, why);
    ck_assert(json_walk_check(&w, document, sizeof(document) - 1));
    bool found = json_path_find(path, &w, &v);
    ck_assert_msg(found == (want != NULL), "%s", query);
    if (want != NULL)
        ck_assert_msg(v.len == strlen(want) && memcmp(v.p, want, v.len) == 0, "%s: %.*s", query,
                      (int)v.len, v.p);
    json_path_destroy(&path);
}

static void refuses(const char *query, const char *because)
{
    struct json_path *path = NULL;
    char why[JSON_PATH_WHY_MAX] = "";
    ck_assert_msg(json_path_parse(query, &path, why) == ERR_INVALID, "taken: %s", query);
    ck_assert_msg(strstr(why, because) != NULL, "%s: %s", query, why);
}

START_TEST(test_members_by_name)
{
    finds("$.a.b", "[10,20,[30]]");
    finds("$['a']['x-y']", "\"s\"");
    finds("$[\"a\"].b", "[10,20,[30]]");
    finds("$.n", "null");
    finds("$['']", "1");
    finds("$.\xe4\xb8\xad", "5");
    finds("$.o", "{}");
}
END_TEST

START_TEST(test_names_are_compared_after_their_escapes)
{
    finds("$['it\\'s']", "2");
    finds("$[\"it's\"]", "2");
    finds("$['q\"']", "3");
    finds("$['\\u00e9']", "4");
    finds("$.\xc3\xa9", "4");
}
END_TEST

START_TEST(test_items_from_both_ends)
{
    finds("$.a.b[0]", "10");
    finds("$.a.b[-1]", "[30]");
    finds("$.a.b[-3]", "10");
    finds("$.a.b[-1][0]", "30");
}
END_TEST

START_TEST(test_what_is_not_there)
{
    finds("$.b", NULL);
    finds("$.a.b[3]", NULL);
    finds("$.a.b[-4]", NULL);
    finds("$.a[0]", NULL);
    finds("$.a.b.c", NULL);
    finds("$.n.x", NULL);
    finds("$.o.x", NULL);
    finds("$.e[0]", NULL);
    finds("$.e[-1]", NULL);
    finds("$['q']", NULL);
}
END_TEST

START_TEST(test_root_is_everything)
{
    struct json_path *path = NULL;
    struct json_walk w;
    struct json_value v;
    char why[JSON_PATH_WHY_MAX];
    ck_assert_int_eq(json_path_parse("$", &path, why), ERR_NONE);
    ck_assert(json_walk_check(&w, " 17 ", 4) && json_path_find(path, &w, &v));
    ck_assert(v.len == 2 && memcmp(v.p, "17", 2) == 0);
    json_path_destroy(&path);
}
END_TEST

START_TEST(test_first_of_two_equal_names)
{
    finds("$.dup", "1");
}
END_TEST

START_TEST(test_blanks_where_rfc_9535_allows_them)
{
    finds("$ .a [ 'b' ]\n[ 0 ]", "10");
    refuses("$ ", "at byte 2");
    refuses("$. a", "a name must follow '.'");
}
END_TEST

START_TEST(test_other_queries_are_refused)
{
    refuses("", "begins with '$'");
    refuses("a.b", "begins with '$'");
    refuses("$.", "a name must follow");
    refuses("$..a", "only single places");
    refuses("$.*", "only single places");
    refuses("$[*]", "'[' takes a number or a name");
    refuses("$[?@.a]", "'[' takes a number or a name");
    refuses("$[1:2]", "']' is missing at byte 4");
    refuses("$[1,2]", "']' is missing");
    refuses("$[01]", "not an index");
    refuses("$[-0]", "not an index");
    refuses("$[1234567890123456]", "not an index");
    refuses("$[]", "'[' takes");
    refuses("$[0", "']' is missing");
    refuses("$['a", "has no end");
    refuses("$['a\\", "has no end");
    refuses("$['\\x']", "bad escape");
    refuses("$['\\ud800']", "bad escape");
    refuses("$.a-b", "'.' or '[' must follow");
    refuses("$.1a", "a name must follow");
    refuses("$a", "'.' or '[' must follow");
    refuses("$.\xff", "not UTF-8");
}
END_TEST

START_TEST(test_length_and_steps_at_their_bounds)
{
    struct json_path *path = NULL;
    char why[JSON_PATH_WHY_MAX];
    struct strbuf b;
    strbuf_init(&b, 1000);
    strbuf_putc(&b, '$');
    for (int i = 0; i < JSON_PATH_SEGMENTS_MAX; i++)
        strbuf_puts(&b, "[0]");
    ck_assert_int_eq(json_path_parse(b.data, &path, why), ERR_NONE);
    json_path_destroy(&path);
    strbuf_puts(&b, "[0]");
    refuses(b.data, "too many steps");
    strbuf_reset(&b);
    strbuf_puts(&b, "$.");
    while (b.len < JSON_PATH_MAX)
        strbuf_putc(&b, 'a');
    ck_assert_int_eq(json_path_parse(b.data, &path, why), ERR_NONE);
    json_path_destroy(&path);
    strbuf_putc(&b, 'a');
    refuses(b.data, "longer than");
    strbuf_fini(&b);
}
END_TEST

TESTS(paths, test_members_by_name, test_names_are_compared_after_their_escapes,
      test_items_from_both_ends, test_what_is_not_there, test_root_is_everything,
      test_first_of_two_equal_names, test_blanks_where_rfc_9535_allows_them,
      test_other_queries_are_refused, test_length_and_steps_at_their_bounds)
CHECK_MAIN("json_path", paths)
