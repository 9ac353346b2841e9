/* SPDX-License-Identifier: MIT */
#include "agent/page/page_text.h"
#include "tests/support/check_main.h"
#include <string.h>

static struct page_figures f;
static struct strbuf out;
static char why[256];

static void setup(void)
{
    f = (struct page_figures){.state = "ready", .connects = 2, .worker_lag_ms = 1.5};
    f.hb = (struct msg_heartbeat){.running = 3, .slots = 8, .rtt_ms = -1, .spool_bytes = -1};
    f.hb.credit.count = 10;
    f.hb.received.count = 4;
    f.ended[CAUSE_NONE] = 7;
    f.ended[CAUSE_connect_refused] = 2;
    f.ended[CAUSE_agent_fd_exhausted] = 1;
    strbuf_init(&out, PAGE_TEXT_MAX);
}

static void teardown(void)
{
    strbuf_fini(&out);
}

static const char *metrics(const char *agent, int64_t age_ms)
{
    struct page_process p = {
        .cpu_s = 1.25, .started_at_s = 1764300000, .log_suppressed = 5, .log_unwritten = 2};
    page_text_metrics(&out, agent, &f, &p, age_ms);
    ck_assert(!out.overflow);
    return out.data;
}

static void has(const char *text, const char *line)
{
    ck_assert_msg(strstr(text, line) != NULL, "no %s in\n%s", line, text);
}

START_TEST(test_figures_have_their_samples)
{
    const char *s = metrics("bj-1", 20);
    has(s, "sonde_agent_info{agent=\"bj-1\",version=\"" SONDE_VERSION "\"} 1\n");
    has(s, "sonde_agent_session_state{state=\"ready\"} 1\n");
    has(s, "sonde_agent_credit_left 6\n");
    has(s, "sonde_agent_probes_running 3\n");
    has(s, "sonde_agent_probes_total{outcome=\"ok\",cause=\"\"} 7\n");
    has(s, "sonde_agent_probes_total{outcome=\"failed\",cause=\"connect_refused\"} 2\n");
    has(s, "sonde_agent_probes_total{outcome=\"undetermined\",cause=\"agent_fd_exhausted\"} 1\n");
    has(s, "sonde_agent_probes_total{outcome=\"failed\",cause=\"tls_expired\"} 0\n");
    has(s, "sonde_agent_loop_lag_ms{loop=\"worker\"} 1.5\n");
    has(s, "sonde_agent_log_dropped_total{reason=\"rate\"} 5\n");
    has(s, "sonde_agent_log_dropped_total{reason=\"write\"} 2\n");
    has(s, "process_cpu_seconds_total 1.25\n");
}
END_TEST

START_TEST(test_what_is_not_known_has_no_sample)
{
    const char *s = metrics("bj-1", 20);
    ck_assert_ptr_null(strstr(s, "heartbeat_rtt_ms"));
    ck_assert_ptr_null(strstr(s, "spool_bytes"));
}
END_TEST

START_TEST(test_more_than_the_credit_leaves_none)
{
    f.hb.received.count = 11;
    has(metrics("bj-1", 20), "sonde_agent_credit_left 0\n");
}
END_TEST

START_TEST(test_before_the_first_figures_only_the_process_is_told)
{
    const char *s = metrics("bj-1", -1);
    has(s, "process_start_time_seconds 1764300000\n");
    ck_assert_ptr_null(strstr(s, "session_state"));
    ck_assert_ptr_null(strstr(s, "probes_total"));
}
END_TEST

START_TEST(test_alive_while_all_loops_turn)
{
    f.worker_silent_ms = PAGE_SILENT_MS;
    ck_assert(page_text_alive(&f, PAGE_SILENT_MS, 1000000, why, sizeof(why)));
    ck_assert(page_text_alive(&f, -1, PAGE_SILENT_MS, why, sizeof(why)));
}
END_TEST

START_TEST(test_not_alive_when_the_link_is_silent)
{
    ck_assert(!page_text_alive(&f, PAGE_SILENT_MS + 1, 1000000, why, sizeof(why)));
    has(why, "the link thread has not turned for 5001 ms");
    ck_assert(!page_text_alive(&f, -1, PAGE_SILENT_MS + 1, why, sizeof(why)));
}
END_TEST

START_TEST(test_not_alive_when_a_worker_is_silent)
{
    f.worker_silent_ms = PAGE_SILENT_MS + 1;
    ck_assert(!page_text_alive(&f, 0, 1000000, why, sizeof(why)));
    has(why, "a worker has not turned for 5001 ms");
}
END_TEST

START_TEST(test_addresses)
{
    static const char *const good[] = {"127.0.0.1:8702", "[::1]:1", "0.0.0.0:65535"};
    static const char *const bad[] = {"",           "8702",         "127.0.0.1", "127.0.0.1:0",
                                      "[::1]",      "localhost:80", ":8702",     "127.0.0.1:65536",
                                      "unix:/tmp/x"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        ck_assert_int_eq(page_address_check(good[i], why, sizeof(why)), ERR_NONE);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(page_address_check(bad[i], why, sizeof(why)), ERR_INVALID);
        has(why, "127.0.0.1:8702");
    }
}
END_TEST

static TCase *all(void)
{
    TCase *tc = tcase_create("all");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, test_figures_have_their_samples);
    tcase_add_test(tc, test_what_is_not_known_has_no_sample);
    tcase_add_test(tc, test_more_than_the_credit_leaves_none);
    tcase_add_test(tc, test_before_the_first_figures_only_the_process_is_told);
    tcase_add_test(tc, test_alive_while_all_loops_turn);
    tcase_add_test(tc, test_not_alive_when_the_link_is_silent);
    tcase_add_test(tc, test_not_alive_when_a_worker_is_silent);
    tcase_add_test(tc, test_addresses);
    return tc;
}
CHECK_MAIN("page_text", all)
