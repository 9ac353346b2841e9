/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <string.h>
#include "common/strbuf.h"
#include "proto/message.h"

/* What a decoder must take and what it must refuse. */

#define TICKET "1.3.44.0123456789abcdef0123456789abcdef"

static struct strbuf b;
static struct message m;
static char why[JSON_PROBLEM_MAX + 64];

static void setup(void)
{
    strbuf_init(&b, 4 * 1024 * 1024);
}

static void teardown(void)
{
    message_fini(&m);
    strbuf_fini(&b);
}

static enum err decode(const char *line)
{
    message_fini(&m);
    why[0] = '\0';
    return message_decode(line, strlen(line), &m, why, sizeof(why));
}

static void refused(const char *line, const char *in_why)
{
    enum err e = decode(line);
    ck_assert_msg(e == ERR_INVALID, "taken: %s", line);
    ck_assert_msg(strstr(why, in_why) != NULL, "'%s' is not in '%s'", in_why, why);
}

static struct msg_task a_task(const char *spec)
{
    return (struct msg_task){.task = 812,
                             .ticket = TICKET,
                             .trace = "4bf92f",
                             .cls = CLASS_BULK,
                             .deadline_in_ms = 86400000,
                             .spec_text = spec,
                             .spec_len = strlen(spec)};
}

START_TEST(test_ids_over_the_bound_are_refused)
{
    strbuf_puts(&b, "{\"type\":\"cancel\",\"tasks\":[\"0\"");
    for (unsigned i = 0; i < ACK_TASKS_MAX; i++)
        strbuf_puts(&b, ",\"1\"");
    strbuf_puts(&b, "]}");
    refused(b.data, "cancel: 'tasks'");
}
END_TEST

START_TEST(test_acks_over_the_bound_together_are_refused)
{
    strbuf_puts(
        &b, "{\"type\":\"results_ack\",\"results\":{\"count\":0,\"bytes\":0},\"stored\":[\"0\"");
    for (unsigned i = 1; i < ACK_TASKS_MAX; i++)
        strbuf_puts(&b, ",\"1\"");
    strbuf_puts(&b, "],\"rejected\":[\"5\"]}");
    refused(b.data, "results_ack: more than 1000 ids");
}
END_TEST

START_TEST(test_unknown_type_is_not_an_error)
{
    ck_assert_int_eq(decode("{\"type\":\"frobnicate\",\"x\":{}}"), ERR_NONE);
    ck_assert_int_eq(m.type, MSG_UNKNOWN);
    ck_assert_int_eq(decode("{\"type\":\"unknown\"}"), ERR_NONE);
    ck_assert_int_eq(m.type, MSG_UNKNOWN);
}
END_TEST

START_TEST(test_unknown_fields_are_ignored)
{
    ck_assert_int_eq(decode("{\"new\":[1],\"type\":\"credit\",\"tasks\":1,\"bytes\":2,\"x\":null}"),
                     ERR_NONE);
    ck_assert_uint_eq(m.credit.bytes, 2);
}
END_TEST

START_TEST(test_what_is_not_json_is_refused)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "{\"type\":\"bye\"",
                                      "{\"type\":\"bye\"}}",
                                      "nonsense",
                                      "{\"type\":\"bye\",\"type\":\"bye\"}",
                                      "{'type':'bye'}",
                                      "{\"type\":\"bye\",\"reason\":\"\xff\"}",
                                      "{\"type\":\"bye\",}",
                                      "{\"type\":\"bye\",\"reason\":\"\\u0000\"}"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(bad[i], "message: not a line of JSON");
}
END_TEST

START_TEST(test_message_without_a_type_is_refused)
{
    refused("{}", "message: 'type' is missing");
    refused("[]", "message: must be an object");
    refused("1", "message: must be an object");
    refused("{\"type\":5}", "message: 'type' must be a string");
    refused("{\"type\":null}", "message: 'type' is missing");
}
END_TEST

START_TEST(test_every_truncation_of_a_line_is_refused)
{
    struct msg_task t = a_task("{\"url\":\"https://x/\"}");
    msg_put_task(&b, &t);
    for (size_t n = 0; n < b.len - 2; n++)
        ck_assert_int_eq(message_decode(b.data, n, &m, why, sizeof(why)), ERR_INVALID);
}
END_TEST

START_TEST(test_counts_beyond_exact_numbers_are_refused)
{
    refused("{\"type\":\"credit\",\"tasks\":9007199254740992,\"bytes\":0}", "credit: 'tasks'");
    refused("{\"type\":\"credit\",\"tasks\":-1,\"bytes\":0}", "credit: 'tasks'");
    refused("{\"type\":\"credit\",\"tasks\":1.5,\"bytes\":0}", "credit: 'tasks'");
    refused("{\"type\":\"credit\",\"tasks\":\"1\",\"bytes\":0}", "credit: 'tasks'");
}
END_TEST

START_TEST(test_problem_names_type_and_field)
{
    refused("{\"type\":\"verdict\",\"task\":\"1\"}", "verdict: 'keep' is missing");
    refused("{\"type\":\"verdict\",\"task\":1,\"keep\":true}", "verdict: 'task'");
    refused("{\"type\":\"verdict\",\"task\":\"1\",\"keep\":1}", "verdict: 'keep'");
    refused("{\"type\":\"verdict\",\"task\":\"9223372036854775808\",\"keep\":true}",
            "verdict: 'task'");
    refused("{\"type\":\"inflight\",\"task\":\"1\",\"ticket\":\"t\",\"state\":\"x\"}",
            "inflight: 'state'");
    refused("{\"type\":\"release\",\"task\":\"1\"}", "release: 'ticket' is missing");
    refused("{\"type\":\"nack\",\"task\":\"1\",\"ticket\":\"t\"}", "nack: 'cause' is missing");
    refused("{\"type\":\"result\",\"task\":\"1\",\"ticket\":\"t\"}", "result: 'record' is missing");
    refused("{\"type\":\"result\",\"task\":\"1\",\"ticket\":\"t\",\"record\":[]}",
            "result: 'record'");
    refused("{\"type\":\"result\",\"task\":\"1\",\"ticket\":\"t\",\"record\":{},\"credit\":{"
            "\"count\":1}}",
            "result: in 'credit': 'bytes' is missing");
    refused("{\"type\":\"task\",\"task\":\"1\",\"ticket\":\"t\",\"class\":\"urgent\",\"deadline_in_"
            "ms\":1,"
            "\"spec\":{}}",
            "task: 'class'");
    refused("{\"type\":\"cancel\"}", "cancel: 'tasks' is missing");
    refused("{\"type\":\"cancel\",\"tasks\":[1]}", "cancel: 'tasks'");
    refused("{\"type\":\"heartbeat\",\"seq\":1}", "heartbeat: 'received' is missing");
    refused("{\"type\":\"results_ack\",\"stored\":[\"1\"]}", "results_ack: 'results' is missing");
}
END_TEST

#define HELLO(agent, more)                                                                         \
    "{\"type\":\"hello\",\"proto_min\":1,\"proto_max\":1,\"agent\":\"" agent                       \
    "\",\"instance\":\"i\",\"run_id\":\"r\",\"version\":\"1\",\"slots\":1" more "}"

START_TEST(test_hello_with_bad_names_is_refused)
{
    ck_assert_int_eq(decode(HELLO("a", "")), ERR_NONE);
    refused(HELLO("", ""), "hello: 'agent'");
    refused(HELLO("-a", ""), "hello: 'agent'");
    refused(HELLO("a b", ""), "hello: 'agent'");
    refused(HELLO("a", ",\"tags\":{\"\":\"x\"}"), "hello: a name in 'tags'");
    refused(HELLO("a", ",\"tags\":{\"k\":1}"), "hello: 'tags'");
    refused(HELLO("a", ",\"tags\":[]"), "hello: 'tags'");
    refused(HELLO("a", ",\"capabilities\":[1]"), "hello: 'capabilities'");
}
END_TEST

START_TEST(test_hello_bounds_its_lists)
{
    strbuf_puts(&b, "{\"type\":\"hello\",\"tags\":{\"a\":\"\"");
    for (unsigned i = 0; i < TAGS_MAX; i++)
        strbuf_printf(&b, ",\"k%u\":\"\"", i);
    strbuf_puts(&b, "},\"proto_min\":1,\"proto_max\":1,\"agent\":\"a\",\"instance\":\"i\","
                    "\"run_id\":\"r\",\"version\":\"1\",\"slots\":1}");
    refused(b.data, "hello: 'tags' has more than 32");
}
END_TEST

START_TEST(test_welcome_with_a_bad_cidr_is_refused)
{
    refused(
        "{\"type\":\"welcome\",\"proto\":1,\"session\":\"s\",\"store_id\":\"x\",\"heartbeat_ms\":1,"
        "\"timeout_ms\":1,\"results\":{\"count\":0,\"bytes\":0},\"deny\":[\"10.0.0.0/8\",\"10/"
        "40\"],"
        "\"time\":\"2026-11-22T04:05:06Z\"}",
        "welcome: 'deny' item 2");
}
END_TEST

START_TEST(test_result_line_over_its_bound_is_too_big)
{
    strbuf_puts(&b, "{\"type\":\"result\",\"task\":\"1\",\"ticket\":\"t\",\"record\":{}");
    while (b.len < RESULT_MAX_BYTES - 2)
        strbuf_putc(&b, ' ');
    strbuf_putc(&b, '}');
    ck_assert_int_eq(decode(b.data), ERR_NONE); /* with its newline exactly at the bound */
    strbuf_putc(&b, ' ');
    ck_assert_int_eq(decode(b.data), ERR_TOO_BIG);
    ck_assert_ptr_nonnull(strstr(why, "result: the line has 131073 bytes"));
}
END_TEST

START_TEST(test_agent_names)
{
    char name[AGENT_NAME_MAX + 2];
    memset(name, 'a', sizeof(name));
    name[AGENT_NAME_MAX] = '\0';
    ck_assert(agent_name_valid(name));
    name[AGENT_NAME_MAX] = 'a';
    name[AGENT_NAME_MAX + 1] = '\0';
    ck_assert(!agent_name_valid(name));
    ck_assert(agent_name_valid("0.A_b-c"));
    ck_assert(!agent_name_valid(".a"));
    ck_assert(!agent_name_valid("a/b"));
    ck_assert(!agent_name_valid("é"));
}
END_TEST

START_TEST(test_classes_read_back)
{
    for (int c = 0; c < TASK_CLASSES; c++) {
        enum task_class got = CLASS_BULK;
        ck_assert_int_eq(task_class_parse(task_class_word((enum task_class)c), &got), ERR_NONE);
        ck_assert_int_eq(got, c);
    }
    enum task_class unused;
    ck_assert_int_eq(task_class_parse("", &unused), ERR_NOT_FOUND);
}
END_TEST

TESTS(decoding, test_unknown_type_is_not_an_error, test_unknown_fields_are_ignored,
      test_what_is_not_json_is_refused, test_message_without_a_type_is_refused,
      test_every_truncation_of_a_line_is_refused, test_counts_beyond_exact_numbers_are_refused,
      test_problem_names_type_and_field, test_hello_with_bad_names_is_refused,
      test_hello_bounds_its_lists, test_welcome_with_a_bad_cidr_is_refused,
      test_ids_over_the_bound_are_refused, test_acks_over_the_bound_together_are_refused,
      test_result_line_over_its_bound_is_too_big, test_agent_names, test_classes_read_back)

static TCase *all(void)
{
    TCase *tc = decoding();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("message", all)
