/* SPDX-License-Identifier: MIT */
#include "common/yaml_json.h"
#include "common/json.h"
#include "tests/support/check_main.h"
#include <string.h>

static struct strbuf out;
static char why[YAML_WHY_MAX];

static enum err read(const char *text)
{
    strbuf_fini(&out);
    strbuf_init(&out, 1 << 16);
    why[0] = '\0';
    return yaml_to_json(text, strlen(text), &out, NULL, why);
}

static void means(const char *text, const char *json)
{
    struct json_doc *d = NULL;
    ck_assert_msg(read(text) == ERR_NONE, "%s: %s", text, why);
    ck_assert_str_eq(out.data, json);
    ck_assert_int_eq(json_parse(out.data, out.len, &d, NULL, 0), ERR_NONE);
    json_free(&d);
}

static void refused(const char *text, const char *says)
{
    ck_assert_msg(read(text) == ERR_INVALID, "taken: %s", text);
    ck_assert_msg(strstr(why, says) != NULL, "%s: %s", text, why);
}

START_TEST(test_blocks_and_flows)
{
    means("owner: team\nschedules:\n  - name: web\n    every: 30s\n    targets:\n"
          "      - https://a.test/\n      - {url: \"https://b.test/\", retries: 1}\n",
          "{\"owner\":\"team\",\"schedules\":[{\"name\":\"web\",\"every\":\"30s\",\"targets\":["
          "\"https://a.test/\",{\"url\":\"https://b.test/\",\"retries\":1}]}]}");
    means("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}");
    means("# only\n- 1\n- [2, []]\n- {}\n", "[1,[2,[]],{}]");
    means("---\nx\n...\n", "\"x\"");
}
END_TEST

START_TEST(test_json_is_yaml)
{
    means("{\"a\":[1,-2.5e3,true,null,\"x\\ny\\u00e4\"],\"b\":{}}",
          "{\"a\":[1,-2.5e3,true,null,\"x\\nyä\"],\"b\":{}}");
}
END_TEST

START_TEST(test_scalars)
{
    means("[~, null, true, FALSE, 0, -7, 1.5, 1e3]", "[null,null,true,false,0,-7,1.5,1e3]");
    means("[yes, no, on, off, y, 09:00, 30s, 1.2.3, 2026-11-28, -, 1e, 0x]",
          "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"09:00\",\"30s\",\"1.2.3\",\"2026-11-28\",\"-\","
          "\"1e\",\"0x\"]");
    means("['007', \"true\", '~']", "[\"007\",\"true\",\"~\"]");
    means("1: x\ntrue: y\n", "{\"1\":\"x\",\"true\":\"y\"}");
}
END_TEST

START_TEST(test_what_could_be_two_things_is_refused)
{
    static const char *const all[] = {"007", "+1",   "0x1F",  "0o17", "0b1",   ".5",
                                      "5.",  ".inf", "-.INF", ".nan", "1_000", "01.5"};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        refused(all[i], "put it in quotes");
}
END_TEST

START_TEST(test_what_is_not_read_says_where)
{
    refused("a: 1\nb: &x 2\n", "2:4: anchors and aliases");
    refused("a: *x\n", "1:4: anchors and aliases");
    refused("&x a: 1\n", "1:1: anchors and aliases");
    refused("<<: {a: 1}\n", "'<<' merges");
    refused("a: !!str 1\n", "the tag 'tag:yaml.org,2002:str'");
    refused("a: 1\n---\nb: 2\n", "2:1: a second document");
    refused("a: 1\nb: 2\na: 3\n", "3:1: 'a' is given twice");
    refused("? [a]\n: 1\n", "the name of a member");
    refused("a: \"\\0\"\n", "NUL");
    refused("", "nothing");
    refused("# a comment\n", "nothing");
    refused("a: [1\n", "2:1: ");
    refused("a:\n\t- 1\n", "2:1: ");
    refused("a: b: c\n", "1:5: ");
}
END_TEST

START_TEST(test_depth_is_bounded)
{
    char text[80] = "";
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    ck_assert_int_eq(read(text), ERR_NONE);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    refused(text, "1:17: this is nested too deeply");
}
END_TEST

START_TEST(test_size_is_bounded)
{
    strbuf_fini(&out);
    strbuf_init(&out, 8);
    ck_assert_int_eq(yaml_to_json("[a, b, c]", 9, &out, NULL, why), ERR_TOO_BIG);
}
END_TEST

START_TEST(test_marks_say_where_a_value_stands)
{
    static const char text[] = "a: 1\nb:\n  - x\n  -   {c: true}\n";
    struct yaml_marks *marks = NULL;
    struct json_doc *d = NULL;
    size_t at, len, line = 0, column = 0;
    strbuf_fini(&out);
    strbuf_init(&out, 1000);
    ck_assert_int_eq(yaml_to_json(text, strlen(text), &out, &marks, why), ERR_NONE);
    ck_assert_int_eq(json_parse(out.data, out.len, &d, NULL, 0), ERR_NONE);
    const struct json_node *b = json_next(json_first(json_root(d)));
    const struct json_node *object = json_next(json_first(b)), *c = json_first(object);
    const struct {
        const struct json_node *n;
        size_t line, column;
    } all[] = {{json_root(d), 1, 1},
               {json_first(json_root(d)), 1, 4},
               {b, 3, 3},
               {json_first(b), 3, 5},
               {object, 4, 7},
               {c, 4, 11}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        json_node_span(all[i].n, &at, &len);
        ck_assert_msg(yaml_marks_find(marks, at, &line, &column), "%zu", i);
        ck_assert_uint_eq(line, all[i].line);
        ck_assert_uint_eq(column, all[i].column);
    }
    ck_assert(!yaml_marks_find(marks, 1, &line, &column));
    ck_assert(!yaml_marks_find(marks, 1000, &line, &column));
    json_free(&d);
    yaml_marks_free(&marks);
    yaml_marks_free(&marks);
}
END_TEST

TESTS(yaml, test_blocks_and_flows, test_json_is_yaml, test_scalars,
      test_what_could_be_two_things_is_refused, test_what_is_not_read_says_where,
      test_depth_is_bounded, test_size_is_bounded, test_marks_say_where_a_value_stands)
CHECK_MAIN("yaml json", yaml)
