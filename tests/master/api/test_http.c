/* SPDX-License-Identifier: MIT */
#include "tests/master/api/world.h"

/* One call, one look at status and text, then all is taken down. */
static void expect(struct answer a, int status, const char *text)
{
    ck_assert_msg(a.status == status, "%d %s", a.status, a.body ? a.body : "");
    ck_assert_msg(text == NULL || has(&a, text), "no %s in %s", text, a.body);
    answer_free(&a);
}

static void expect_head(struct answer a, int status, const char *header)
{
    ck_assert_int_eq(a.status, status);
    ck_assert_msg(strstr(a.head, header), "no %s in %s", header, a.head);
    answer_free(&a);
}

START_TEST(test_health_needs_no_token)
{
    world_start();
    expect(ask_as(NULL, "GET", "/healthz", "", NULL, 0), 200, "\"ok\"");
    expect(ask_as(NULL, "GET", "/readyz", "", NULL, 0), 200, "\"ready\"");
    world_stop();
}
END_TEST

START_TEST(test_draining_is_not_ready_and_takes_no_batch)
{
    world_start();
    api_drain(w.api);
    expect(ask_as(NULL, "GET", "/readyz", "", NULL, 0), 503, "draining");
    expect_head(post("/api/v1/batches", "text/plain", "http://a.test/\n"), 503, "Retry-After");
    world_stop();
}
END_TEST

START_TEST(test_overloaded_takes_no_new_work_and_is_read)
{
    world_start();
    w.overloaded = true;
    expect_head(post("/api/v1/batches", "text/plain", "http://a.test/\n"), 429, "Retry-After");
    expect(post("/api/v1/batches", "text/plain", "http://a.test/\n"), 429, "\"overloaded\"");
    expect(post("/api/v1/probes", "application/json", "\"http://a.test/\""), 429, "overloaded");
    expect(get("/api/v1/batches"), 200, "\"batches\":[]");
    expect(get("/metrics"), 200, "sonde_api_shed_total 3\n");
    expect(get("/metrics"), 200, "sonde_overloaded 1\n");
    w.overloaded = false;
    expect(post("/api/v1/batches", "text/plain", "http://a.test/\n"), 202, "accepted");
    world_stop();
}
END_TEST

START_TEST(test_every_reply_has_the_common_headers)
{
    world_start();
    struct answer a = get("/api/v1/batches");
    ck_assert_ptr_nonnull(strstr(a.head, "Cache-Control: no-store"));
    ck_assert_ptr_nonnull(strstr(a.head, "X-Content-Type-Options: nosniff"));
    ck_assert_ptr_nonnull(strstr(a.head, "X-Trace-Id: "));
    answer_free(&a);
    world_stop();
}
END_TEST

START_TEST(test_a_callers_trace_is_kept)
{
    world_start();
    expect_head(ask_as(w.token, "GET", "/api/v1/batches",
                       "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
                       NULL, 0),
                200, "0af7651916cd43dd8448eb211c80319c");
    world_stop();
}
END_TEST

START_TEST(test_no_token_is_401_and_says_how)
{
    world_start();
    expect_head(ask_as(NULL, "GET", "/api/v1/batches", "", NULL, 0), 401,
                "WWW-Authenticate: Bearer");
    world_stop();
}
END_TEST

START_TEST(test_a_wrong_token_is_401)
{
    world_start();
    expect(ask_as("sonde_wrong", "GET", "/api/v1/batches", "", NULL, 0), 401, "bad_token");
    world_stop();
}
END_TEST

START_TEST(test_a_read_token_may_not_submit)
{
    world_start();
    expect(ask_as(w.read_token, "POST", "/api/v1/batches", "Content-Type: text/plain\r\n", "x", 1),
           403, "submit");
    world_stop();
}
END_TEST

START_TEST(test_unknown_path_is_404)
{
    world_start();
    expect(get("/api/v1/nonsense"), 404, "/api/v1/nonsense");
    world_stop();
}
END_TEST

START_TEST(test_wrong_method_is_405_with_allow)
{
    world_start();
    expect_head(ask_as(w.token, "DELETE", "/api/v1/batches", "", NULL, 0), 405,
                "Allow: POST, GET, HEAD");
    world_stop();
}
END_TEST

START_TEST(test_head_has_no_body)
{
    world_start();
    struct answer a = ask_as(w.token, "HEAD", "/api/v1/batches", "", NULL, 0);
    ck_assert_int_eq(a.status, 200);
    ck_assert_uint_eq(a.body_len, 0);
    answer_free(&a);
    world_stop();
}
END_TEST

START_TEST(test_unknown_query_parameter_is_named)
{
    world_start();
    expect(get("/api/v1/batches?colour=red"), 400, "colour");
    world_stop();
}
END_TEST

START_TEST(test_unknown_batches_tasks_and_agents_are_404)
{
    world_start();
    expect(get("/api/v1/batches/01930000-0000-7000-8000-000000000000"), 404, "no_such_batch");
    expect(get("/api/v1/batches/hello/results"), 404, "hello");
    expect(get("/api/v1/tasks/99999999999"), 404, "no_such_task");
    expect(get("/api/v1/tasks/x"), 404, "no_such_task");
    expect(get("/api/v1/agents/nobody"), 404, "nobody");
    world_stop();
}
END_TEST

START_TEST(test_hostile_bytes_in_a_path_come_back_as_utf8)
{
    world_start();
    expect(get("/api/v1/%ff%fe%22%0a"), 404, "no_such_path");
    expect(get("/api/v1/batches?a=%ff"), 400, "UTF-8");
    world_stop();
}
END_TEST

START_TEST(test_metrics_are_prometheus_text)
{
    world_start();
    expect(get("/metrics"), 200, "# TYPE sonde_api_requests_total counter");
    world_stop();
}
END_TEST

START_TEST(test_a_port_in_use_is_said)
{
    world_start();
    char where[32], why[200];
    struct api *second = NULL;
    snprintf(where, sizeof(where), "127.0.0.1:%d", api_port(w.api));
    struct api_config c = {.listen = where, .dir = w.dir, .store = w.store, .ask_core = ask_core};
    ck_assert_int_eq(api_create(&c, &second, why, sizeof(why)), ERR_BUSY);
    ck_assert_ptr_nonnull(strstr(why, where));
    world_stop();
}
END_TEST

START_TEST(test_a_unix_socket_serves_and_goes_away)
{
    world_start();
    char where[64], why[200];
    struct api *second = NULL;
    snprintf(where, sizeof(where), "unix:%s/api.sock", w.dir);
    struct api_config c = {.listen = where, .dir = w.dir, .store = w.store, .ask_core = ask_core};
    ck_assert_int_eq(api_create(&c, &second, why, sizeof(why)), ERR_NONE);
    ck_assert_int_eq(api_port(second), -1);
    ck_assert_int_eq(access(where + 5, F_OK), 0);
    api_destroy(&second);
    ck_assert_int_ne(access(where + 5, F_OK), 0);
    world_stop();
}
END_TEST

START_TEST(test_bad_trusted_proxies_are_named)
{
    world_start();
    char why[200];
    struct api *second = NULL;
    struct api_config c = {.listen = "127.0.0.1:0",
                           .dir = w.dir,
                           .store = w.store,
                           .ask_core = ask_core,
                           .trusted_proxies = "10.0.0.0/8,nonsense"};
    ck_assert_int_eq(api_create(&c, &second, why, sizeof(why)), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "nonsense"));
    world_stop();
}
END_TEST

TESTS(replies, test_overloaded_takes_no_new_work_and_is_read, test_health_needs_no_token,
      test_draining_is_not_ready_and_takes_no_batch, test_every_reply_has_the_common_headers,
      test_a_callers_trace_is_kept, test_head_has_no_body, test_metrics_are_prometheus_text)
TESTS(refusals, test_no_token_is_401_and_says_how, test_a_wrong_token_is_401,
      test_a_read_token_may_not_submit, test_unknown_path_is_404,
      test_wrong_method_is_405_with_allow, test_unknown_query_parameter_is_named,
      test_unknown_batches_tasks_and_agents_are_404, test_hostile_bytes_in_a_path_come_back_as_utf8)
TESTS(daemon_, test_a_port_in_use_is_said, test_a_unix_socket_serves_and_goes_away,
      test_bad_trusted_proxies_are_named)
CHECK_MAIN("http", replies, refusals, daemon_)
