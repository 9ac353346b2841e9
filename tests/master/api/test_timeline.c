/* SPDX-License-Identifier: MIT */
#include "master/api/timeline.h"
#include "tests/support/check_main.h"
#include <string.h>

#define RECORD                                                                                     \
    "{\"outcome\":\"ok\",\"started_at\":\"2026-11-22T04:05:06.500000Z\",\"queue_ms\":100,"         \
    "\"timings\":{\"dns_ms\":50,\"connect_ms\":null,\"wait_ms\":100,\"total_ms\":250}}"
#define NACKED                                                                                     \
    "{\"agent\":\"a\",\"leased_at\":\"2026-11-22T04:05:01.000000Z\","                              \
    "\"ended_at\":\"2026-11-22T04:05:02.000000Z\",\"end\":\"nack\","                               \
    "\"cause\":\"agent_fd_exhausted\"}"
#define ANSWERED                                                                                   \
    "{\"agent\":\"b\",\"leased_at\":\"2026-11-22T04:05:03.000000Z\",\"ended_at\":null,"            \
    "\"end\":\"result\",\"cause\":null}"

static struct strbuf out;

static const char *told(const struct store_result_row *row, const char *history)
{
    struct json_out w;
    struct timeline t = {
        .accepted_at = {1000000}, .committed_at = {2000000}, .row = row, .history = history};
    strbuf_init(&out, 65536);
    json_out_init(&w, &out);
    json_obj_begin(&w);
    timeline_put(&w, &t);
    json_obj_end(&w);
    ck_assert(!out.overflow);
    return out.data;
}

/* Each is there, in this order; "" ends them. */
static void in_order(const char *text, const char *const steps[])
{
    const char *at = strstr(text, "\"timeline\":[");
    for (size_t i = 0; steps[i]; i++) {
        char want[64];
        snprintf(want, sizeof(want), "{\"step\":\"%s\"", steps[i]);
        const char *next = strstr(at, want);
        ck_assert_msg(next != NULL, "no %s behind %s", want, at);
        at = next + 1;
    }
    ck_assert_msg(strstr(at, "{\"step\"") == NULL, "more behind %s", at);
}

static struct store_result_row ended(uint32_t attempt)
{
    return (struct store_result_row){.agent = "b",
                                     .attempt = attempt,
                                     .record = RECORD,
                                     .record_len = sizeof(RECORD) - 1,
                                     .leased_at = {2100000},
                                     .arrived_at = {2900000},
                                     .stored_at = {3000000}};
}

START_TEST(an_ordinary_task)
{
    struct store_result_row row = ended(1);
    const char *s = told(&row, NULL);
    in_order(s, (const char *[]){"accepted", "committed", "leased", "received", "started", "dns",
                                 "wait", "finished", "result", "stored", NULL});
    ck_assert_ptr_nonnull(strstr(s, "\"attempts\":[{\"agent\":\"b\","
                                    "\"leased_at\":\"1970-01-01T00:00:02.100000Z\","
                                    "\"ended_at\":\"1970-01-01T00:00:02.900000Z\""));
    ck_assert_ptr_nonnull(strstr(s, "\"history_lost\":false"));
    ck_assert_ptr_nonnull(strstr(s, "\"received\",\"at\":\"2026-11-22T04:05:06.400000Z\""));
    ck_assert_ptr_nonnull(strstr(s, "\"dns\",\"at\":\"2026-11-22T04:05:06.650000Z\""));
    ck_assert_ptr_nonnull(strstr(s, "\"wait\",\"at\":\"2026-11-22T04:05:06.750000Z\""));
    ck_assert_ptr_nonnull(strstr(s, "\"cause\":null,\"ms\":100}"));
    ck_assert_ptr_nonnull(strstr(s, "\"finished\",\"at\":\"2026-11-22T04:05:06.750000Z\""));
    strbuf_fini(&out);
}
END_TEST

START_TEST(two_attempts)
{
    struct store_result_row row = ended(2);
    const char *s =
        told(&row, "{\"lost\":false,\"left_out\":0,\"attempts\":[" NACKED "," ANSWERED "]}");
    in_order(s, (const char *[]){"accepted", "committed", "leased", "nack", "leased", "received",
                                 "started", "dns", "wait", "finished", "result", "stored", NULL});
    ck_assert_ptr_nonnull(strstr(s, "\"cause\":\"agent_fd_exhausted\""));
    ck_assert_ptr_nonnull(strstr(s, "\"history_lost\":false"));
    strbuf_fini(&out);
}
END_TEST

START_TEST(attempts_that_nobody_remembers_are_said_to_be_lost)
{
    struct store_result_row row = ended(1), third = ended(3);
    ck_assert_ptr_nonnull(
        strstr(told(&row, "{\"lost\":true,\"left_out\":0,\"attempts\":[" ANSWERED "]}"),
               "\"history_lost\":true"));
    strbuf_fini(&out);
    ck_assert_ptr_nonnull(
        strstr(told(&row, "{\"lost\":false,\"left_out\":4,\"attempts\":[" ANSWERED "]}"),
               "\"history_lost\":true"));
    strbuf_fini(&out);
    ck_assert_ptr_nonnull(strstr(told(&third, NULL), "\"history_lost\":true"));
    strbuf_fini(&out);
}
END_TEST

START_TEST(a_task_that_has_not_ended)
{
    struct store_result_row row = {.record = NULL};
    in_order(told(&row, NULL), (const char *[]){"accepted", "committed", NULL});
    strbuf_fini(&out);
    in_order(told(&row, "{\"lost\":false,\"left_out\":0,\"attempts\":[" NACKED "]}"),
             (const char *[]){"accepted", "committed", "leased", "nack", NULL});
    strbuf_fini(&out);
}
END_TEST

START_TEST(foreign_records_and_histories_do_no_harm)
{
    static const char *const bad[] = {"{\"attempts\":7}", "[]", "{", "null",
                                      "{\"attempts\":[1,{\"end\":3}],\"lost\":\"x\"}"};
    static const char *const records[] = {
        "{}", "{\"started_at\":\"yesterday\"}", "{\"started_at\":7,\"timings\":[]}",
        ("{\"started_at\":\"2026-11-22T04:05:06Z\",\"queue_ms\":1e300,"
         "\"timings\":{\"dns_ms\":1e300,\"total_ms\":-1e300}}")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        for (size_t k = 0; k < ARRAY_LEN(records); k++) {
            struct store_result_row row = ended(1);
            row.record = records[k];
            row.record_len = (uint32_t)strlen(records[k]);
            told(&row, bad[i]);
            strbuf_fini(&out);
        }
}
END_TEST

TESTS(timeline, an_ordinary_task, two_attempts, attempts_that_nobody_remembers_are_said_to_be_lost,
      a_task_that_has_not_ended, foreign_records_and_histories_do_no_harm)
CHECK_MAIN("timeline", timeline)
