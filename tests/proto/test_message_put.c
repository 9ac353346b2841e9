/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <string.h>
#include "common/mem.h"
#include "common/strbuf.h"
#include "proto/message.h"

/* Every line that is put comes back from the decoder as it was. */

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

/* Decodes what the encoder left in b, which must be one line. */
static void back(enum message_type type)
{
    ck_assert(!b.overflow);
    ck_assert(b.len > 1 && b.data[b.len - 1] == '\n');
    ck_assert_ptr_eq(memchr(b.data, '\n', b.len), b.data + b.len - 1);
    why[0] = '\0';
    enum err e = message_decode(b.data, b.len - 1, &m, why, sizeof(why));
    ck_assert_msg(e == ERR_NONE, "%s", why);
    ck_assert_int_eq(m.type, type);
}

START_TEST(test_hello_and_back)
{
    struct msg_hello h = {.proto_min = 1,
                          .proto_max = 2,
                          .agent = "bj-1",
                          .instance = "0123456789abcdef",
                          .run_id = "fedcba",
                          .version = "0.1.0",
                          .store_id = "01930000-0000-7000",
                          .tags = {{"site", "Beijing 北京"}, {"a\"b", ""}},
                          .n_tags = 2,
                          .capabilities = {"http", "dns"},
                          .n_capabilities = 2,
                          .slots = 512,
                          .workers = 2,
                          .queue = 128,
                          .outbox_results = 9};
    msg_put_hello(&b, &h);
    back(MSG_HELLO);
    ck_assert_int_eq(m.hello.proto_max, 2);
    ck_assert_str_eq(m.hello.agent, "bj-1");
    ck_assert_str_eq(m.hello.run_id, "fedcba");
    ck_assert_str_eq(m.hello.store_id, "01930000-0000-7000");
    ck_assert_uint_eq(m.hello.n_tags, 2);
    ck_assert_str_eq(m.hello.tags[0].value, "Beijing 北京");
    ck_assert_str_eq(m.hello.tags[1].key, "a\"b");
    ck_assert_str_eq(m.hello.capabilities[1], "dns");
    ck_assert_int_eq(m.hello.slots, 512);
    ck_assert_int_eq(m.hello.outbox_results, 9);
}
END_TEST

START_TEST(test_inflight_states_and_back)
{
    for (int s = INFLIGHT_QUEUED; s <= INFLIGHT_DONE; s++) {
        message_fini(&m);
        strbuf_reset(&b);
        msg_put_inflight(&b, &(struct msg_inflight){INT64_MAX, TICKET, (enum inflight_state)s});
        back(MSG_INFLIGHT);
        ck_assert_uint_eq(m.inflight.task, INT64_MAX);
        ck_assert_str_eq(m.inflight.ticket, TICKET);
        ck_assert_int_eq(m.inflight.state, s);
    }
}
END_TEST

START_TEST(test_welcome_and_back)
{
    struct msg_welcome w = {.proto = 1,
                            .session = "s-1",
                            .store_id = "st",
                            .heartbeat_ms = 5000,
                            .timeout_ms = 15000,
                            .results = {100, 65536},
                            .deny = {"10.0.0.0/8", "::1/128"},
                            .n_deny = 2,
                            .time = {1700000000123456}};
    msg_put_welcome(&b, &w);
    back(MSG_WELCOME);
    ck_assert_str_eq(m.welcome.session, "s-1");
    ck_assert_int_eq(m.welcome.timeout_ms, 15000);
    ck_assert_uint_eq(m.welcome.results.bytes, 65536);
    ck_assert_str_eq(m.welcome.deny[1], "::1/128");
    ck_assert_int_eq(m.welcome.time.us, 1700000000123456);
}
END_TEST

START_TEST(test_verdicts_and_back)
{
    msg_put_verdict(&b, &(struct msg_verdict){5, true});
    back(MSG_VERDICT);
    ck_assert(m.verdict.keep);
    strbuf_reset(&b);
    message_fini(&m);
    msg_put_verdict(&b, &(struct msg_verdict){6, false});
    back(MSG_VERDICT);
    ck_assert_uint_eq(m.verdict.task, 6);
    ck_assert(!m.verdict.keep);
}
END_TEST

START_TEST(test_markers_and_back)
{
    msg_put_inflight_end(&b);
    back(MSG_INFLIGHT_END);
    strbuf_reset(&b);
    message_fini(&m);
    msg_put_verdict_end(&b);
    back(MSG_VERDICT_END);
}
END_TEST

START_TEST(test_credit_and_back_at_the_largest_count)
{
    msg_put_credit(&b, (struct window){JSON_COUNT_MAX, JSON_COUNT_MAX});
    back(MSG_CREDIT);
    ck_assert_uint_eq(m.credit.count, JSON_COUNT_MAX);
    ck_assert_uint_eq(m.credit.bytes, JSON_COUNT_MAX);
}
END_TEST

START_TEST(test_heartbeat_and_back)
{
    struct msg_heartbeat h = {.seq = 7,
                              .received = {10, 2000},
                              .credit = {522, 67536},
                              .lag_ms = 1.25,
                              .rtt_ms = 0.75,
                              .has_clock = true,
                              .clock_ms = -86400000,
                              .queue = 3,
                              .running = 500,
                              .slots = 512,
                              .oldest_ms = 9000,
                              .overdue_ms = 7000,
                              .still_ms = 40000,
                              .outbox_results = 1,
                              .outbox_bytes = 2,
                              .spool_bytes = INT64_C(1) << 33,
                              .log_lost = 7,
                              .cpu_percent = 12.5,
                              .load1 = 0.5,
                              .rss_bytes = INT64_C(1) << 40,
                              .mem_available_bytes = 4,
                              .fds_used = 5,
                              .fds_max = 6,
                              .established = 7,
                              .time_wait = 8,
                              .close_wait = 9,
                              .ephemeral_ports = 10,
                              .recvq_bytes = 11,
                              .sendq_bytes = 12,
                              .drops = 13,
                              .probes = 14,
                              .trouble = "no \"descriptors\""};
    msg_put_heartbeat(&b, &h);
    back(MSG_HEARTBEAT);
    const struct msg_heartbeat *g = &m.heartbeat;
    ck_assert_uint_eq(g->received.bytes, 2000);
    ck_assert_uint_eq(g->credit.count, 522);
    ck_assert_double_eq(g->lag_ms, 1.25);
    ck_assert_double_eq(g->rtt_ms, 0.75);
    ck_assert(g->has_clock && g->clock_ms == -86400000);
    ck_assert_double_eq(g->cpu_percent, 12.5);
    ck_assert_int_eq(g->rss_bytes, INT64_C(1) << 40);
    ck_assert_int_eq(g->sendq_bytes, 12);
    ck_assert_int_eq(g->overdue_ms, 7000);
    ck_assert_int_eq(g->still_ms, 40000);
    ck_assert_int_eq(g->spool_bytes, INT64_C(1) << 33);
    ck_assert_int_eq(g->log_lost, 7);
    ck_assert_int_eq(g->ephemeral_ports, 10);
    ck_assert_uint_eq(g->probes, 14);
    ck_assert_str_eq(g->trouble, "no \"descriptors\"");
}
END_TEST

START_TEST(test_heartbeat_figures_that_cannot_be_had_stay_unknown)
{
    struct msg_heartbeat h = {.seq = 1,
                              .lag_ms = -1,
                              .rtt_ms = -1,
                              .queue = -1,
                              .running = -1,
                              .slots = -1,
                              .oldest_ms = -1,
                              .overdue_ms = -1,
                              .still_ms = -1,
                              .outbox_results = -1,
                              .outbox_bytes = -1,
                              .spool_bytes = -1,
                              .log_lost = -1,
                              .cpu_percent = -1,
                              .load1 = -1,
                              .rss_bytes = -1,
                              .mem_available_bytes = -1,
                              .fds_used = -1,
                              .fds_max = -1,
                              .established = -1,
                              .time_wait = -1,
                              .close_wait = -1,
                              .ephemeral_ports = -1,
                              .recvq_bytes = -1,
                              .sendq_bytes = -1};
    msg_put_heartbeat(&b, &h);
    back(MSG_HEARTBEAT);
    ck_assert_double_eq(m.heartbeat.lag_ms, -1);
    ck_assert_int_eq(m.heartbeat.oldest_ms, -1);
    ck_assert_int_eq(m.heartbeat.overdue_ms, -1);
    ck_assert_int_eq(m.heartbeat.still_ms, -1);
    ck_assert_int_eq(m.heartbeat.recvq_bytes, -1);
    ck_assert(!m.heartbeat.has_clock);
    ck_assert_str_eq(m.heartbeat.trouble, "");
}
END_TEST

START_TEST(test_heartbeat_ack_and_back)
{
    struct wall time = {INT64_C(4102444800000001)}; /* 2100: after every 32 bits of seconds */
    msg_put_heartbeat_ack(&b, &(struct msg_heartbeat_ack){7, 0.5, {3, 4}, time});
    back(MSG_HEARTBEAT_ACK);
    ck_assert_uint_eq(m.heartbeat_ack.seq, 7);
    ck_assert_double_eq(m.heartbeat_ack.lag_ms, 0.5);
    ck_assert_uint_eq(m.heartbeat_ack.results.bytes, 4);
    ck_assert_int_eq(m.heartbeat_ack.time.us, time.us);
}
END_TEST

START_TEST(test_a_clock_is_off_by_what_the_round_trip_does_not_explain)
{
    ck_assert(!message_clock_is_off(2000, 0.5));
    ck_assert(message_clock_is_off(2001, 0.5));
    ck_assert(message_clock_is_off(-2001, -1));
    ck_assert(!message_clock_is_off(-11999, 20000)); /* it was held up on the way */
    ck_assert(message_clock_is_off(-12001, 20000));
}
END_TEST

static struct msg_task a_task(const char *spec)
{
    return (struct msg_task){.task = 812,
                             .ticket = TICKET,
                             .trace = "4bf92f",
                             .log = true,
                             .cls = CLASS_BULK,
                             .deadline_in_ms = 86400000,
                             .spec_text = spec,
                             .spec_len = strlen(spec)};
}

START_TEST(test_task_and_back_with_its_spec_verbatim)
{
    static const char spec[] = "{ \"url\" : \"https://x/\",\"n\":1.50 }";
    struct msg_task t = a_task(spec);
    msg_put_task(&b, &t);
    back(MSG_TASK);
    ck_assert_uint_eq(m.task.task, 812);
    ck_assert_str_eq(m.task.trace, "4bf92f");
    ck_assert(m.task.log);
    ck_assert_int_eq(m.task.cls, CLASS_BULK);
    ck_assert_int_eq(m.task.deadline_in_ms, 86400000);
    ck_assert_uint_eq(m.task.spec_len, strlen(spec));
    ck_assert_mem_eq(m.task.spec_text, spec, strlen(spec));
    ck_assert_int_eq(json_type(m.task.spec), JSON_OBJECT);
}
END_TEST

START_TEST(test_largest_spec_fits_a_task_line)
{
    char *spec = mem_alloc(SPEC_MAX_BYTES + 1);
    memset(spec, 'x', SPEC_MAX_BYTES);
    memcpy(spec, "{\"url\":\"", 8);
    memcpy(spec + SPEC_MAX_BYTES - 2, "\"}", 3);
    struct msg_task t = a_task(spec);
    t.task = INT64_MAX;
    msg_put_task(&b, &t);
    free(spec);
    ck_assert_uint_le(b.len, TASK_MAX_BYTES);
    back(MSG_TASK);
}
END_TEST

START_TEST(test_result_and_back_with_its_record_verbatim)
{
    static const char record[] = "{\"outcome\":\"ok\",\"x\":[1, 2]}";
    struct msg_result r = {.task = 9,
                           .ticket = TICKET,
                           .record_text = record,
                           .record_len = strlen(record),
                           .has_credit = true,
                           .credit = {1, 2}};
    msg_put_result(&b, &r);
    back(MSG_RESULT);
    ck_assert(m.result.has_credit);
    ck_assert_uint_eq(m.result.credit.bytes, 2);
    ck_assert_uint_eq(m.result.record_len, strlen(record));
    ck_assert_mem_eq(m.result.record_text, record, strlen(record));
    ck_assert(m.result.record_text > b.data && m.result.record_text < b.data + b.len);
}
END_TEST

START_TEST(test_result_without_credit)
{
    struct msg_result r = {.task = 9, .ticket = TICKET, .record_text = "{}", .record_len = 2};
    msg_put_result(&b, &r);
    back(MSG_RESULT);
    ck_assert(!m.result.has_credit);
}
END_TEST

START_TEST(test_nack_and_release_and_back)
{
    msg_put_nack(&b, &(struct msg_nack){5, TICKET, "agent_memory", "out of memory"});
    back(MSG_NACK);
    ck_assert_str_eq(m.nack.cause, "agent_memory");
    ck_assert_str_eq(m.nack.detail, "out of memory");
    strbuf_reset(&b);
    message_fini(&m);
    msg_put_release(&b, 6, TICKET);
    back(MSG_RELEASE);
    ck_assert_uint_eq(m.nack.task, 6);
    ck_assert_str_eq(m.nack.cause, "");
}
END_TEST

START_TEST(test_results_ack_and_back)
{
    struct msg_ack acks[] = {
        {1, ACK_STORED}, {2, ACK_REJECTED}, {3, ACK_DUPLICATE}, {4, ACK_STORED}};
    msg_put_results_ack(&b, &(struct msg_results_ack){acks, 4, {9, 10}});
    back(MSG_RESULTS_ACK);
    ck_assert_uint_eq(m.results_ack.n, 4);
    for (unsigned i = 0; i < 4; i++)
        for (unsigned k = 0; k < 4; k++)
            if (acks[i].task == m.results_ack.acks[k].task)
                ck_assert_int_eq(acks[i].verdict, m.results_ack.acks[k].verdict);
    ck_assert_uint_eq(m.results_ack.results.count, 9);
}
END_TEST

START_TEST(test_results_ack_leaves_out_empty_lists)
{
    struct msg_ack one = {1, ACK_DUPLICATE};
    msg_put_results_ack(&b, &(struct msg_results_ack){&one, 1, {0, 0}});
    ck_assert_str_eq(b.data, "{\"type\":\"results_ack\",\"duplicate\":[\"1\"],"
                             "\"results\":{\"count\":0,\"bytes\":0}}\n");
}
END_TEST

START_TEST(test_full_ack_and_cancel_and_back)
{
    struct msg_ack acks[ACK_TASKS_MAX];
    uint64_t ids[ACK_TASKS_MAX];
    for (unsigned i = 0; i < ACK_TASKS_MAX; i++) {
        acks[i] = (struct msg_ack){i, ACK_STORED};
        ids[i] = i;
    }
    msg_put_results_ack(&b, &(struct msg_results_ack){acks, ACK_TASKS_MAX, {0, 0}});
    back(MSG_RESULTS_ACK);
    ck_assert_uint_eq(m.results_ack.n, ACK_TASKS_MAX);
    strbuf_reset(&b);
    message_fini(&m);
    msg_put_cancel(&b, ids, ACK_TASKS_MAX);
    back(MSG_CANCEL);
    ck_assert_uint_eq(m.cancel.n, ACK_TASKS_MAX);
    ck_assert_uint_eq(m.cancel.tasks[999], 999);
}
END_TEST

START_TEST(test_texts_and_back)
{
    msg_put_text(&b, MSG_GOAWAY, "restart", 1500);
    back(MSG_GOAWAY);
    ck_assert_str_eq(m.text.reason, "restart");
    ck_assert_int_eq(m.text.reconnect_in_ms, 1500);
    strbuf_reset(&b);
    message_fini(&m);
    msg_put_text(&b, MSG_DRAIN, "asked", 0);
    back(MSG_DRAIN);
    strbuf_reset(&b);
    message_fini(&m);
    msg_put_text(&b, MSG_BYE, "", 0);
    back(MSG_BYE);
    ck_assert_str_eq(m.text.reason, "");
}
END_TEST

START_TEST(test_long_reason_is_cut_between_characters)
{
    char text[MESSAGE_TEXT_MAX + 8];
    memset(text, 'x', sizeof(text));
    memcpy(text + MESSAGE_TEXT_MAX - 1, "é", 2);
    text[MESSAGE_TEXT_MAX + 7] = '\0';
    msg_put_text(&b, MSG_BYE, text, 0);
    back(MSG_BYE);
    ck_assert_uint_eq(strlen(m.text.reason), MESSAGE_TEXT_MAX - 1);
}
END_TEST

START_TEST(test_full_buffer_is_told_by_overflow)
{
    strbuf_fini(&b);
    strbuf_init(&b, 40);
    struct msg_task t = a_task("{\"url\":\"https://x/\"}");
    msg_put_task(&b, &t);
    ck_assert(b.overflow);
}
END_TEST

TESTS(there_and_back, test_hello_and_back, test_inflight_states_and_back, test_welcome_and_back,
      test_verdicts_and_back, test_markers_and_back, test_credit_and_back_at_the_largest_count,
      test_heartbeat_and_back, test_heartbeat_figures_that_cannot_be_had_stay_unknown,
      test_heartbeat_ack_and_back, test_a_clock_is_off_by_what_the_round_trip_does_not_explain,
      test_task_and_back_with_its_spec_verbatim, test_largest_spec_fits_a_task_line,
      test_result_and_back_with_its_record_verbatim, test_result_without_credit,
      test_nack_and_release_and_back, test_results_ack_and_back,
      test_results_ack_leaves_out_empty_lists, test_full_ack_and_cancel_and_back,
      test_texts_and_back, test_long_reason_is_cut_between_characters,
      test_full_buffer_is_told_by_overflow)

static TCase *all(void)
{
    TCase *tc = there_and_back();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("message_put", all)
