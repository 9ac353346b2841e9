/* SPDX-License-Identifier: MIT */
#include "master/api/schedule_diff.h"
#include "tests/support/check_main.h"

static void differs(const char *old, const char *new, bool was_paused, bool paused,
                    const char *want)
{
    struct strbuf b;
    struct json_out w;
    strbuf_init(&b, 4096);
    json_out_init(&w, &b);
    schedule_diff_put(&w, old, new, was_paused, paused);
    ck_assert_str_eq(b.data, want);
    strbuf_fini(&b);
}

START_TEST(test_nothing_differs)
{
    static const char doc[] = "{\"every\":\"30s\",\"agents\":{\"count\":2}}";
    differs(doc, doc, false, false, "[]");
    differs(doc, doc, true, true, "[]");
}
END_TEST

START_TEST(test_fields_change_come_and_go)
{
    differs("{\"every\":\"30s\",\"spread\":\"1s\"}", "{\"every\":\"1m\",\"confirm\":2}", false,
            false,
            "[{\"field\":\"every\",\"from\":\"30s\",\"to\":\"1m\"},"
            "{\"field\":\"confirm\",\"from\":null,\"to\":2},"
            "{\"field\":\"spread\",\"from\":\"1s\",\"to\":null}]");
}
END_TEST

START_TEST(test_objects_are_told_by_their_members)
{
    differs("{\"agents\":{\"tags\":{\"a\":\"b\"},\"count\":1}}",
            "{\"agents\":{\"tags\":{\"a\":\"c\"},\"names\":[\"n\"]}}", false, false,
            "[{\"field\":\"agents.tags\",\"from\":{\"a\":\"b\"},\"to\":{\"a\":\"c\"}},"
            "{\"field\":\"agents.names\",\"from\":null,\"to\":[\"n\"]},"
            "{\"field\":\"agents.count\",\"from\":1,\"to\":null}]");
    differs("{\"agents\":{\"count\":1}}", "{}", false, false,
            "[{\"field\":\"agents\",\"from\":{\"count\":1},\"to\":null}]");
}
END_TEST

START_TEST(test_paused_is_a_field_like_others)
{
    differs("{}", "{}", false, true, "[{\"field\":\"paused\",\"from\":false,\"to\":true}]");
    differs(NULL, "{\"every\":\"1s\"}", false, false,
            "[{\"field\":\"every\",\"from\":null,\"to\":\"1s\"},"
            "{\"field\":\"paused\",\"from\":null,\"to\":false}]");
}
END_TEST

TESTS(diff, test_nothing_differs, test_fields_change_come_and_go,
      test_objects_are_told_by_their_members, test_paused_is_a_field_like_others)
CHECK_MAIN("schedule_diff", diff)
