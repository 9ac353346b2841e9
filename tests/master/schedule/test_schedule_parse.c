/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "common/file_text.h"
#include "common/node.h"
#include "common/yaml_json.h"
#include "tests/master/schedule/schedule_rig.h"

static const struct {
    const char *text, *field, *says;
} bad[] = {
    {"{\"every\":\"30s\"," TARGETS "}", "name", "'name' is missing"},
    {"{\"name\":\"a b\",\"every\":\"30s\"," TARGETS "}", "name", "letters, digits"},
    {"{\"name\":\"..\",\"every\":\"30s\"," TARGETS "}", "name", "\"..\""},
    {"{\"name\":7,\"every\":\"30s\"," TARGETS "}", "name", "a string"},
    {EVERY("\"evry\":1"), "", "unknown field 'evry'; did you mean 'every'?"},
    {EVERY("\"colour\":1"), "", "unknown field 'colour'"},
    {"{\"name\":\"web\"," TARGETS "}", "every", "when is missing"},
    {DEF("\"every\":30"), "every", "must be a string"},
    {DEF("\"every\":\"30\""), "every", "with its unit"},
    {DEF("\"every\":\"soon\""), "every", "\"soon\""},
    {DEF("\"every\":\"2d\""), "every", "1s to 1d"},
    {DEF("\"every\":\"99999999999d\""), "every", "1s to 1d"},
    {EVERY("\"cron\":\"@daily\""), "every", "contradict"},
    {EVERY("\"spread\":\"5s\""), "spread", "is for cron"},
    {DEF("\"cron\":\"@daily\",\"spread\":\"1m\""), "cron", "less than a minute"},
    {DEF("\"cron\":\"@daily\",\"spread\":\"5\""), "spread", "with its unit"},
    {DEF("\"cron\":\"61 * * * *\""), "cron", "61"},
    {DEF("\"cron\":\"0 0 30 2 *\""), "cron", ""},
    {DEF("\"cron\":\"0 3 * * *\",\"windows\":[{\"from\":\"09:00\",\"to\":\"10:00\"}]"), "cron",
     "never falls into"},
    {DEF("\"every\":\"1h\",\"windows\":[{\"from\":\"09:00\",\"to\":\"09:30\"}]"), "every",
     "longer than a window"},
    {EVERY("\"zone\":\"Europe/Berlim\""), "zone", "Europe/Berlim"},
    {EVERY("\"windows\":[{\"days\":\"mun\"}]"), "windows", "window 1: 'days'"},
    {EVERY("\"windows\":[{\"days\":[]}]"), "windows", "'days'"},
    {EVERY("\"windows\":[{\"days\":3}]"), "windows", "'days'"},
    {EVERY("\"windows\":[{\"days\":\"mon,\"}]"), "windows", "'days'"},
    {EVERY("\"windows\":[{\"days\":\"mon\",\"from\":\"9\"}]"), "windows", "'from'"},
    {EVERY("\"windows\":[{\"from\":\"09:00\",\"to\":\"24:01\"}]"), "windows", "'to'"},
    {EVERY("\"windows\":[{\"from\":\"09:00\",\"to\":\"09:00\"}]"), "windows", "that differs"},
    {EVERY("\"windows\":[{\"from\":\"24:00\"}]"), "windows", "from 00:00 to 23:59"},
    {EVERY("\"windows\":[{}]"), "windows", "it is empty"},
    {EVERY("\"windows\":[{\"day\":\"mon\"}]"), "windows", "did you mean 'days'?"},
    {EVERY("\"maintenance\":[{\"days\":\"x\"}]"), "maintenance", "window 1"},
    {EVERY("\"agents\":{\"count\":0}"), "agents", "from 1 to 256"},
    {EVERY("\"agents\":{\"count\":\"some\"}"), "agents", "\"all\""},
    {EVERY("\"agents\":{\"names\":[\"a\",\"b\",\"a\"],\"count\":3}"), "agents",
     "'count' is 3, but only 2 agents are named"},
    {EVERY("\"agents\":{\"names\":[\"a b\"]}"), "agents", "names of agents"},
    {EVERY("\"agents\":{\"tags\":{\"a\":1}}"), "agents", "must be a string"},
    {EVERY("\"agents\":{\"name\":[]}"), "agents", "did you mean 'names'?"},
    {EVERY("\"per_host\":-1"), "per_host", "'per_host'"},
    {EVERY("\"per_host_rate\":0.001"), "per_host_rate", "0.01"},
    {EVERY("\"confirm\":5"), "confirm", "from 0 to 4"},
    {EVERY("\"goal\":{}"), "goal", "'availability' is missing"},
    {EVERY("\"goal\":{\"availability\":100}"), "goal", "no budget"},
    {EVERY("\"goal\":{\"availability\":0}"), "goal", "over 0"},
    {EVERY("\"goal\":{\"availability\":99.00001}"), "goal", "four decimals"},
    {EVERY("\"goal\":{\"availability\":99,\"period\":\"90m\"}"), "goal", "whole hours"},
    {EVERY("\"goal\":{\"availability\":99,\"degraded\":\"ugly\"}"), "goal", "\"ugly\""},
    {EVERY("\"cert_days\":[0]"), "cert_days", "from 1 to"},
    {EVERY("\"cert_days\":[1,2,3,4,5,6,7,8,9]"), "cert_days", "at most 8"},
    {EVERY("\"alerts\":[\"\"]"), "alerts", "names of alert channels"},
    {EVERY("\"labels\":{\"\":\"x\"}"), "labels", "1 to 64 bytes"},
    {EVERY("\"labels\":{\"a\":1}"), "labels", "'a' of 'labels'"},
    {EVERY("\"owner\":\"\""), "owner", "empty"},
    {EVERY("\"owner\":\"a\\nb\""), "owner", "one line"},
    {EVERY("\"paused\":\"yes\""), "paused", "true or false"},
    {EVERY("\"defaults\":{\"tmeout_ms\":1}"), "defaults", "did you mean 'timeout_ms'?"},
    {EVERY("\"defaults\":{\"timeout_ms\":0}"), "defaults", "'timeout_ms'"},
    {"{\"name\":\"web\",\"every\":\"30s\"}", "targets", "missing"},
    {"{\"name\":\"web\",\"every\":\"30s\",\"targets\":[]}", "targets", "empty"},
    {"{\"name\":\"web\",\"every\":\"30s\",\"targets\":\"https://a.test/\"}", "targets", "an array"},
};

START_TEST(test_what_is_wrong_is_named_with_its_field)
{
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        refused(bad[i].text, bad[i].field, bad[i].says);
}
END_TEST

START_TEST(test_what_is_no_object)
{
    refused("[]", "", "must be an object");
    refused("\"x\"", "", "must be an object");
}
END_TEST

START_TEST(test_more_windows_than_fit)
{
    struct strbuf b;
    strbuf_init(&b, 1 << 16);
    strbuf_puts(&b, "{\"name\":\"web\",\"every\":\"30s\",\"windows\":[");
    for (int i = 0; i <= WINDOWS_MAX; i++)
        strbuf_printf(&b, "%s{\"from\":\"%02d:00\"}", i > 0 ? "," : "", i);
    strbuf_puts(&b, "]," TARGETS "}");
    refused(b.data, "windows", "at most 16");
    strbuf_fini(&b);
}
END_TEST

START_TEST(test_agents_that_would_not_fit_into_a_lane)
{
    struct strbuf b;
    strbuf_init(&b, 1 << 16);
    strbuf_puts(&b, "{\"name\":\"web\",\"every\":\"30s\",\"agents\":{\"names\":[");
    for (int i = 0; i < 200; i++)
        strbuf_printf(&b, "%s\"agent-%03d-with-a-name-that-takes-fifty-bytes-or-so\"",
                      i > 0 ? "," : "", i);
    strbuf_puts(&b, "]}," TARGETS "}");
    refused(b.data, "agents", "select by that");
    strbuf_fini(&b);
}
END_TEST

/* What people begin with is taken as it stands. */
START_TEST(test_the_example_is_good)
{
    char path[512], why[YAML_WHY_MAX] = "";
    struct strbuf text, json;
    struct json_doc *d = NULL;
    const char *top = getenv("SONDE_SOURCE");
    snprintf(path, sizeof(path), "%s/deploy/examples/schedules.yaml", top != NULL ? top : ".");
    strbuf_init(&text, 1 << 20);
    strbuf_init(&json, 1 << 20);
    ck_assert_msg(file_text(path, &text, why, sizeof(why)) == ERR_NONE, "%s", why);
    ck_assert_msg(yaml_to_json(text.data, text.len, &json, NULL, why) == ERR_NONE, "%s", why);
    ck_assert_int_eq(json_parse(json.data, json.len, &d, NULL, 0), ERR_NONE);
    const struct json_node *n = node_first(json_root(d), "schedules");
    ck_assert_ptr_nonnull(n);
    for (; n != NULL; n = json_next(n), done())
        ck_assert_msg(schedule_parse(n, NULL, false, NOW_S, &got, &list, &problem) == ERR_NONE,
                      "%s: %s", problem.field, problem.why);
    json_free(&d);
    strbuf_fini(&text);
    strbuf_fini(&json);
}
END_TEST

TESTS(parse, test_what_is_wrong_is_named_with_its_field, test_what_is_no_object,
      test_more_windows_than_fit, test_agents_that_would_not_fit_into_a_lane,
      test_the_example_is_good)
CHECK_MAIN("schedule parse", parse)
