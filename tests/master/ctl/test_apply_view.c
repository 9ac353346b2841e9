/* SPDX-License-Identifier: MIT */
#include "master/ctl/apply_view.h"
#include "common/text.h"
#include "tests/support/json_fixture.h"

static struct json_doc *doc;
static struct strbuf out;

static const char plan[] =
    "{\"items\":["
    "{\"kind\":\"alert\",\"name\":\"ops\",\"what\":\"new\"},"
    "{\"kind\":\"schedule\",\"name\":\"a\",\"what\":\"new\",\"checks\":1200,\"new\":1200,"
    "\"definition\":[{\"field\":\"every\",\"from\":null,\"to\":\"30s\"}],\"targets\":[]},"
    "{\"kind\":\"schedule\",\"name\":\"b\",\"what\":\"changed\",\"checks\":5,\"new\":1,"
    "\"changed\":1,\"removed\":9,\"definition\":[{\"field\":\"confirm\",\"from\":1,\"to\":2},"
    "{\"field\":\"goal\",\"from\":null,\"to\":{\"availability\":99.9}},{\"field\":\"labels\","
    "\"from\":{\"a\":\"\\u001b[2J\"},\"to\":null}],\"targets\":[{\"key\":\"https://n/\",\"what\":"
    "\"new\"},{\"key\":\"https://c/\",\"what\":\"changed\"},{\"key\":\"https://r/\",\"what\":"
    "\"removed\"}]},"
    "{\"kind\":\"schedule\",\"name\":\"c\",\"what\":\"same\",\"checks\":1},"
    "{\"kind\":\"schedule\",\"name\":\"d\",\"what\":\"removed\",\"checks\":1},"
    "{\"kind\":\"schedule\",\"name\":\"e\",\"what\":\"left\",\"checks\":2}]}";

static const struct json_node *given(const char *text)
{
    text_init();
    strbuf_fini(&out);
    strbuf_init(&out, 1 << 20);
    json_free(&doc);
    doc = must_parse(text);
    return json_root(doc);
}

START_TEST(test_what_changes_is_told)
{
    const struct table_style plain = {.width = 80};
    apply_view_put(&out, given(plan), &plain);
    ck_assert_str_eq(out.data,
                     "+ alert ops\n"
                     "+ schedule a (every 30s, 1,200 targets)\n"
                     "~ schedule b (5 targets)\n"
                     "    ~ confirm: 1 → 2\n"
                     "    + goal: {\"availability\":99.9}\n"
                     "    - labels: {\"a\":\"\\u001b[2J\"}\n"
                     "    + target https://n/\n"
                     "    ~ target https://c/\n"
                     "    - target https://r/\n"
                     "      … and 8 more targets\n"
                     "- schedule d (1 target)\n"
                     "  schedule e (2 targets): of this owner and not in the file; --prune "
                     "removes it\n");
}
END_TEST

START_TEST(test_counts)
{
    const struct json_node *root = given(plan);
    apply_view_counts(&out, root);
    ck_assert_str_eq(out.data, "2 new, 1 changed, 1 removed, 1 as they are, 1 not in the file");
    ck_assert_uint_eq(apply_view_changes(root), 4);
    ck_assert_uint_eq(apply_view_count(root, "same"), 1);
    ck_assert_uint_eq(apply_view_changes(given("{\"items\":[]}")), 0);
}
END_TEST

START_TEST(test_colours_and_long_values)
{
    const struct table_style colour = {.width = 80, .colour = true};
    apply_view_put(&out,
                   given("{\"items\":[{\"kind\":\"schedule\",\"name\":\"b\",\"what\":\"changed\","
                         "\"definition\":[{\"field\":\"owner\",\"from\":null,\"to\":\"0123456789"
                         "01234567890123456789012345678901234567890123456789012345678901234567890"
                         "123456789\"}]}]}"),
                   &colour);
    ck_assert_ptr_nonnull(strstr(out.data, "\x1b[33m~\x1b[0m schedule b"));
    ck_assert_ptr_nonnull(strstr(out.data, "\x1b[32m+\x1b[0m owner: "));
    ck_assert_ptr_nonnull(strstr(out.data, "…\n"));
}
END_TEST

static enum apply_same compare(const char *file, const char *there)
{
    struct json_doc *a = must_parse(file), *b = must_parse(there);
    enum apply_same s = apply_compare(json_root(a), json_root(b));
    json_free(&a);
    json_free(&b);
    return s;
}

START_TEST(test_channels_are_compared_but_for_secrets)
{
    static const char there[] = "{\"name\":\"ops\",\"kind\":\"webhook\",\"url\":\"https://a/\","
                                "\"secret\":\"(set)\",\"headers\":{\"X\":\"(set)\"},\"send\":[1]}";
    ck_assert_int_eq(compare("{\"kind\":\"webhook\",\"url\":\"https://a/\",\"send\":[1]}", there),
                     APPLY_SAME);
    ck_assert_int_eq(compare("{\"secret\":\"(set)\",\"ca\":null}", there), APPLY_SAME);
    ck_assert_int_eq(compare("{\"secret\":\"x\"}", there), APPLY_SECRET);
    ck_assert_int_eq(compare("{\"headers\":{\"X\":\"y\"}}", there), APPLY_SECRET);
    ck_assert_int_eq(compare("{\"headers\":{\"Y\":\"y\"}}", there), APPLY_DIFFERENT);
    ck_assert_int_eq(compare("{\"url\":\"https://b/\",\"secret\":\"x\"}", there), APPLY_DIFFERENT);
    ck_assert_int_eq(compare("{\"timeout_ms\":1}", there), APPLY_DIFFERENT);
    ck_assert_int_eq(compare("{\"send\":[2]}", there), APPLY_DIFFERENT);
}
END_TEST

TESTS(apply_view, test_what_changes_is_told, test_counts, test_colours_and_long_values,
      test_channels_are_compared_but_for_secrets)
CHECK_MAIN("ctl apply view", apply_view)
