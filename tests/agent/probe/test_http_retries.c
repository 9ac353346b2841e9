/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include "mini_server.h"
#include "probe_run.h"
#include "tests/support/check_main.h"

#include <poll.h>
#include <stdatomic.h>

static struct mini plain, other;
static struct probe_run run;
static atomic_int failures; /* so many requests are answered with 503 first */
static char
    trace[100]; /* of each request: its method's first letter, and whether it had a password */

static void note(const struct mini_conn *c)
{
    char text[4] = {c->request[0], strstr(c->request, "Authorization") ? '+' : '-', ' ', '\0'};
    strncat(trace, text, sizeof(trace) - strlen(trace) - 1);
}

static void answer(struct mini_conn *c)
{
    char text[200];
    const char *path = strchr(c->request, ' ');
    if (!path)
        return;
    note(c);
    if (!strncmp(path, " /silent", 8)) {
        mini_hang(c);
    } else if (!strncmp(path, " /cross", 7)) {
        snprintf(text, sizeof(text),
                 "HTTP/1.1 302 R\r\nLocation: http://127.0.0.1:%u/flaky\r\n\r\n", other.port);
        mini_puts(c, text);
    } else if (!strncmp(path, " /slow", 6)) {
        poll(NULL, 0, 20);
        mini_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    } else if (atomic_fetch_sub(&failures, 1) > 0) {
        mini_puts(c, "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno");
    } else {
        mini_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes");
    }
}

static void setup(void)
{
    mini_init();
    plain = other = (struct mini){.answer = answer};
    mini_start(&plain);
    mini_start(&other);
    probe_run_init(&run, NULL, true);
    trace[0] = '\0';
    atomic_store(&failures, 0);
}

static void teardown(void)
{
    probe_run_fini(&run);
}

static struct result *probe_at(uint16_t port, const char *path, const char *options)
{
    char json[1000];
    snprintf(json, sizeof(json), "{\"url\":\"http://127.0.0.1:%u%s\",\"keep_body\":100%s}", port,
             path, options);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    target_destroy(&t);
    return r;
}

static struct result *probe(const char *path, const char *options)
{
    return probe_at(plain.port, path, options);
}

START_TEST(test_no_retry_unless_asked_for)
{
    atomic_store(&failures, 1);
    struct result *r = probe("/flaky", "");
    ck_assert_int_eq(r->cause, CAUSE_http_5xx);
    ck_assert_uint_eq(r->n_tries, 0);
    result_destroy(&r);
}
END_TEST

START_TEST(test_tries_end_with_the_first_that_is_well)
{
    atomic_store(&failures, 2);
    struct result *r = probe("/flaky", ",\"retries\":5");
    ck_assert_int_eq(r->cause, CAUSE_NONE);
    ck_assert_str_eq(r->http->body, "yes");
    ck_assert_uint_eq(r->n_checks, 1);
    ck_assert_uint_eq(r->n_tries, 2);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_int_eq(r->tries[i].cause, CAUSE_http_5xx);
        ck_assert(r->tries[i].total_ms >= 0);
    }
    ck_assert_int_lt(r->tries[0].started_at.us, r->tries[1].started_at.us);
    ck_assert(r->t.total_ms > r->tries[0].total_ms + r->tries[1].total_ms);
    result_destroy(&r);
}
END_TEST

START_TEST(test_last_try_is_the_result)
{
    atomic_store(&failures, 9);
    struct result *r = probe("/flaky", ",\"retries\":1");
    ck_assert_int_eq(r->cause, CAUSE_http_5xx);
    ck_assert_uint_eq(r->n_tries, 1);
    ck_assert_str_eq(r->http->body, "no");
    ck_assert_str_eq(trace, "G- G- ");
    result_destroy(&r);
}
END_TEST

START_TEST(test_every_failure_of_the_target_is_tried_again)
{
    struct result *r = probe("/ok", ",\"retries\":1,\"expect\":{\"body_regex\":\"maybe\"}");
    ck_assert_int_eq(r->cause, CAUSE_body_mismatch);
    ck_assert_uint_eq(r->n_tries, 1);
    result_destroy(&r);
    r = probe_at(1, "/", ",\"retries\":2");
    ck_assert_int_eq(r->cause, CAUSE_connect_refused);
    ck_assert_uint_eq(r->n_tries, 2);
    ck_assert_ptr_null(r->http);
    result_destroy(&r);
}
END_TEST

START_TEST(test_what_was_too_slow_is_not_tried_again)
{
    struct result *r = probe("/slow", ",\"retries\":1,\"expect\":{\"max_total_ms\":1}");
    ck_assert_int_eq(r->cause, CAUSE_too_slow);
    ck_assert_uint_eq(r->n_tries, 0);
    result_destroy(&r);
}
END_TEST

/* Without a share for each, the first would take it all. */
START_TEST(test_tries_share_the_time_that_is_left)
{
    struct result *r = probe("/silent", ",\"retries\":1,\"timeout_ms\":2200");
    ck_assert_int_eq(r->cause, CAUSE_response_timeout);
    ck_assert_uint_eq(r->n_tries, 1);
    ck_assert_int_eq(r->tries[0].cause, CAUSE_response_timeout);
    result_destroy(&r);
}
END_TEST

START_TEST(test_no_try_begins_after_the_deadline)
{
    struct result *r = probe("/silent", ",\"retries\":5,\"timeout_ms\":60");
    ck_assert_int_eq(r->cause, CAUSE_response_timeout);
    ck_assert_uint_eq(r->n_tries, 0);
    result_destroy(&r);
}
END_TEST

START_TEST(test_what_policy_refuses_is_not_tried_again)
{
    probe_run_fini(&run);
    probe_run_init(&run, NULL, false);
    struct result *r = probe("/ok", ",\"retries\":5");
    ck_assert_int_eq(r->cause, CAUSE_policy_address);
    ck_assert_uint_eq(r->n_tries, 0);
    result_destroy(&r);
}
END_TEST

/* A redirect turned the method and dropped the password; the next try has both again. */
START_TEST(test_each_try_begins_like_the_first)
{
    atomic_store(&failures, 1);
    struct result *r = probe("/cross", ",\"retries\":1,\"method\":\"POST\",\"body\":\"x\","
                                       "\"auth\":{\"bearer\":\"t\"}");
    ck_assert_int_eq(r->cause, CAUSE_NONE);
    ck_assert_uint_eq(r->http->n_hops, 1);
    ck_assert_str_eq(trace, "P+ G- P+ G- ");
    result_destroy(&r);
}
END_TEST

struct late_cancel {
    struct timer t;
    struct probe *p;
};

static void cancel_now(struct timer *t, struct mono now)
{
    probe_http.cancel(CONTAINER_OF(t, struct late_cancel, t)->p);
}

START_TEST(test_cancel_between_tries)
{
    struct late_cancel late = {.p = NULL};
    struct target *t = probe_run_target("{\"url\":\"http://127.0.0.1:1/\",\"retries\":5}");
    struct result *r = result_create(1, NULL);
    late.p = probe_http.start(&run.env, t, r, mono_add_ms(mono_now(), 9000), probe_run_done, &run);
    timer_arm(loop_timers(run.env.loop), &late.t, mono_add_ms(mono_now(), 50), cancel_now);
    loop_run(run.env.loop);
    ck_assert_uint_eq(run.calls, 1);
    ck_assert_int_eq(r->cause, CAUSE_cancelled_by_user);
    result_destroy(&r);
    target_destroy(&t);
}
END_TEST

TESTS(bare, test_no_retry_unless_asked_for, test_tries_end_with_the_first_that_is_well,
      test_last_try_is_the_result, test_every_failure_of_the_target_is_tried_again,
      test_what_was_too_slow_is_not_tried_again, test_tries_share_the_time_that_is_left,
      test_no_try_begins_after_the_deadline, test_what_policy_refuses_is_not_tried_again,
      test_each_try_begins_like_the_first, test_cancel_between_tries)
static TCase *retries(void)
{
    TCase *tc = bare();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("http_retries", retries)
