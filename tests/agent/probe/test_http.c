/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include "mini_server.h"
#include "probe_run.h"
#include "tests/support/check_main.h"

#include <zlib.h>

static struct mini plain, other, hung, reset, closing;
static struct probe_run run;

static void gzip_bomb(struct mini_conn *c)
{
    static char zeros[65536];
    unsigned char out[65536];
    z_stream z = {0};
    deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
    mini_puts(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    for (int i = 0; i < 1024; i++) {
        z.next_in = (unsigned char *)zeros;
        z.avail_in = sizeof(zeros);
        do {
            z.next_out = out;
            z.avail_out = sizeof(out);
            deflate(&z, i == 1023 ? Z_FINISH : Z_NO_FLUSH);
            if (!mini_write(c, out, sizeof(out) - z.avail_out))
                i = 1024;
        } while (z.avail_out == 0);
    }
    deflateEnd(&z);
}

static void repeat(struct mini_conn *c, const char *head, const char *piece, int times)
{
    mini_puts(c, head);
    for (int i = 0; i < times && mini_puts(c, piece); i++)
        ;
}

static void echo(struct mini_conn *c)
{
    char text[20000];
    snprintf(text, sizeof(text),
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(c->request), c->request);
    mini_puts(c, text);
}

/* "/r/302/REST" redirects to "REST" with that status, "/x/302/REST" to "http://127.0.0.1:<other
 * port>REST". */
static void redirect(struct mini_conn *c, const char *path, bool cross)
{
    char text[2048], rest[1024] = "";
    int status = 0;
    sscanf(path + 3, "%d%1000[^ ]", &status, rest);
    if (cross)
        snprintf(text, sizeof(text),
                 "HTTP/1.1 %d R\r\nLocation: http://127.0.0.1:%u%s\r\nContent-Length: 9999\r\n\r\n",
                 status, other.port, rest);
    else
        snprintf(text, sizeof(text),
                 "HTTP/1.1 %d R\r\nLocation: %s\r\nContent-Length: 9999\r\n\r\n", status, rest);
    mini_puts(c, text);
    mini_hang(c); /* the body never comes: who follows does not wait for it */
}

static const struct {
    const char *path, *answer;
} fixed[] = {
    {"/ok ", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Test: yes\r\n\r\nhello"},
    {"/404 ", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"},
    {"/503 ", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"},
    {"/title ", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
                "<html><head><TITLE lang=de>\n A &amp; B \xff&#x41; </title></head>"},
    {"/interim ",
     "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {"/garbage ", "SSH-2.0-OpenSSH_9.2\r\n"},
    {"/short ", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"},
    {"/ctrl ", "HTTP/1.1 200 OK\r\nX-Bad: a\x01\xff"
               "b\r\nContent-Length: 0\r\n\r\n"},
    {"/badgzip ", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nthis is not gzip at all"},
    {"/to-ftp ", "HTTP/1.1 302 R\r\nLocation: ftp://127.0.0.1/\r\n\r\n"},
    {"/to-private ", "HTTP/1.1 302 R\r\nLocation: http://10.0.0.1/\r\n\r\n"},
    {"/to-userinfo ", "HTTP/1.1 302 R\r\nLocation: http://u:p@127.0.0.1/\r\n\r\n"},
    {"/to-backslash ", "HTTP/1.1 302 R\r\nLocation: http://127.0.0.1\\@evil.test/\r\n\r\n"},
    {"/fake-status ", "HTTP/1.1 503 Busy\r\nHTTP/1.1 200 OK: x\r\nContent-Length: 0\r\n\r\n"},
    {"/no-location ", "HTTP/1.1 302 R\r\nContent-Length: 0\r\n\r\n"},
};

static void answer(struct mini_conn *c)
{
    const char *path = strchr(c->request, ' ');
    if (!path)
        return;
    path++;
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        if (!strncmp(path, fixed[i].path, strlen(fixed[i].path))) {
            mini_puts(c, fixed[i].answer);
            return;
        }
    if (!strncmp(path, "/echo", 5))
        echo(c);
    else if (!strncmp(path, "/r/", 3) || !strncmp(path, "/x/", 3))
        redirect(c, path, path[1] == 'x');
    else if (!strncmp(path, "/loop ", 6))
        mini_puts(c, "HTTP/1.1 302 R\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n");
    else if (!strncmp(path, "/bomb ", 6))
        gzip_bomb(c);
    else if (!strncmp(path, "/endless ", 9))
        repeat(c, "HTTP/1.1 200 OK\r\n\r\n", "0123456789abcdef0123456789abcdef", 10000000);
    else if (!strncmp(path, "/chunks ", 8)) /* 100 KB of extension for each byte of body */
        for (int i = 0; i < 1000; i++)
            repeat(c, i ? "1;" : "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
                   i < 999 ? "0123456789abcdef0123456789abcdef" : "x\r\nx\r\n", 100000);
    else if (!strncmp(path, "/headers ", 9))
        repeat(c, "HTTP/1.1 200 OK\r\n", "X-Header: 0123456789abcdef0123456789abcdef\r\n", 20000);
    else if (!strncmp(path, "/longline ", 10))
        repeat(c, "HTTP/1.1 200 OK\r\nX: ", "0123456789abcdef0123456789abcdef", 20000);
    else if (!strncmp(path, "/drip ", 6)) {
        mini_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx");
        mini_hang(c);
    } else if (!strncmp(path, "/silent ", 8))
        mini_hang(c);
}

static void setup(void)
{
    mini_init();
    plain = other = (struct mini){.answer = answer};
    hung = (struct mini){.mode = MINI_HANG};
    reset = (struct mini){.mode = MINI_RESET};
    closing = (struct mini){.mode = MINI_CLOSE};
    mini_start(&plain);
    mini_start(&other);
    mini_start(&hung);
    mini_start(&reset);
    mini_start(&closing);
    probe_run_init(&run, NULL, true);
}

static void teardown(void)
{
    probe_run_fini(&run);
}

static struct result *probe(uint16_t port, const char *path, const char *options)
{
    char json[2048];
    snprintf(json, sizeof(json), "{\"url\":\"http://127.0.0.1:%u%s\"%s}", port, path, options);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    target_destroy(&t);
    return r;
}

static void ends(uint16_t port, const char *path, const char *options, enum cause want)
{
    struct result *r = probe(port, path, options);
    ck_assert_msg(r->cause == want, "%s: got %s (%s)", path, r->cause ? cause_word(r->cause) : "ok",
                  r->message ? r->message : "");
    result_destroy(&r);
}

static double sum(const struct result_timings *t)
{
    const double all[] = {t->dns_ms,  t->connect_ms, t->tls_ms,
                          t->send_ms, t->wait_ms,    t->download_ms};
    double s = 0;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        s += all[i] > 0 ? all[i] : 0;
    return s;
}

START_TEST(test_ok_has_all_its_facts)
{
    struct result *r = probe(plain.port, "/ok", "");
    ck_assert_int_eq(r->outcome, OUTCOME_OK);
    ck_assert_int_eq(r->http->status, 200);
    ck_assert_str_eq(r->http->version, "1.1");
    ck_assert_str_eq(r->http->ip, "127.0.0.1");
    ck_assert_uint_eq(r->http->port, plain.port);
    ck_assert_int_eq(r->http->size_bytes, 5);
    ck_assert_str_eq(r->http->body_sha256,
                     "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
    ck_assert_uint_eq(r->http->n_headers, 2);
    ck_assert_str_eq(r->http->headers[1].name, "X-Test");
    ck_assert_str_eq(r->http->headers[1].value, "yes");
    ck_assert_ptr_null(r->http->tls);
    ck_assert_ptr_null(r->http->body);
    result_destroy(&r);
}
END_TEST

START_TEST(test_phases_add_up_and_absent_ones_are_negative)
{
    struct result *r = probe(plain.port, "/ok", "");
    ck_assert(r->t.dns_ms < 0); /* a literal address */
    ck_assert(r->t.tls_ms < 0);
    ck_assert(r->t.connect_ms >= 0 && r->t.send_ms >= 0 && r->t.wait_ms >= 0 &&
              r->t.download_ms >= 0);
    ck_assert_double_eq_tol(sum(&r->t), r->t.total_ms, 0.01);
    result_destroy(&r);
}
END_TEST

START_TEST(test_status_without_expectation)
{
    ends(plain.port, "/404", "", CAUSE_http_4xx);
    ends(plain.port, "/503", "", CAUSE_http_5xx);
}
END_TEST

START_TEST(test_expected_status)
{
    ends(plain.port, "/404", ",\"expect\":{\"status\":[404]}", CAUSE_NONE);
    ends(plain.port, "/ok", ",\"expect\":{\"status\":[\"3xx\",404]}", CAUSE_status_mismatch);
}
END_TEST

START_TEST(test_expected_body)
{
    ends(plain.port, "/ok", ",\"expect\":{\"body_regex\":\"^hel+o$\"}", CAUSE_NONE);
    ends(plain.port, "/ok", ",\"expect\":{\"body_regex\":\"bye\"}", CAUSE_body_mismatch);
    ends(plain.port, "/ok", ",\"expect\":{\"body_not_regex\":\"ell\"}", CAUSE_body_mismatch);
}
END_TEST

START_TEST(test_title_is_decoded_and_sanitised)
{
    struct result *r = probe(plain.port, "/title", "");
    ck_assert_str_eq(r->http->title, "A & B \xEF\xBF\xBD"
                                     "A");
    result_destroy(&r);
}
END_TEST

START_TEST(test_headers_are_sanitised)
{
    struct result *r = probe(plain.port, "/ctrl", "");
    ck_assert_str_eq(r->http->headers[0].value, "a \xEF\xBF\xBD"
                                                "b");
    result_destroy(&r);
}
END_TEST

START_TEST(test_interim_response_is_not_the_answer)
{
    struct result *r = probe(plain.port, "/interim", "");
    ck_assert_int_eq(r->http->status, 200);
    ck_assert_uint_eq(r->http->n_headers, 1);
    result_destroy(&r);
}
END_TEST

START_TEST(test_keep_body_keeps_that_much)
{
    struct result *r = probe(plain.port, "/ok", ",\"keep_body\":3");
    ck_assert_str_eq(r->http->body, "hel");
    result_destroy(&r);
}
END_TEST

START_TEST(test_head_has_no_body)
{
    struct result *r = probe(plain.port, "/ok", ",\"method\":\"HEAD\"");
    ck_assert_int_eq(r->outcome, OUTCOME_OK);
    ck_assert_ptr_null(r->http->body_sha256);
    result_destroy(&r);
}
END_TEST

START_TEST(test_request_is_as_asked)
{
    struct result *r = probe(
        plain.port, "/echo",
        ",\"keep_body\":9000,\"method\":\"POST\",\"body\":\"a=1\",\"headers\":{\"X-Mine\":\"v\"}");
    ck_assert_ptr_nonnull(strstr(r->http->body, "POST /echo HTTP/1.1"));
    ck_assert_ptr_nonnull(strstr(r->http->body, "X-Mine: v"));
    ck_assert_ptr_nonnull(strstr(r->http->body, "Content-Length: 3"));
    ck_assert_ptr_nonnull(strstr(r->http->body, "Connection: close"));
    ck_assert_ptr_null(strstr(r->http->body, "Content-Type"));
    result_destroy(&r);
}
END_TEST

START_TEST(test_causes_of_broken_answers)
{
    ends(closing.port, "/", "", CAUSE_empty_reply);
    ends(reset.port, "/", "", CAUSE_reset_after_connect);
    ends(plain.port, "/garbage", "", CAUSE_protocol_error);
    ends(plain.port, "/short", "", CAUSE_protocol_error);
    ends(plain.port, "/badgzip", "", CAUSE_protocol_error);
}
END_TEST

START_TEST(test_causes_of_time_outs)
{
    ends(plain.port, "/silent", ",\"timeout_ms\":150", CAUSE_response_timeout);
    ends(plain.port, "/drip", ",\"timeout_ms\":150", CAUSE_body_timeout);
}
END_TEST

START_TEST(test_phases_of_a_time_out_add_up)
{
    struct result *r = probe(plain.port, "/silent", ",\"timeout_ms\":100");
    ck_assert(r->t.wait_ms > 50);
    ck_assert(r->t.download_ms < 0);
    ck_assert_double_eq_tol(sum(&r->t), r->t.total_ms, 0.01);
    result_destroy(&r);
}
END_TEST

START_TEST(test_bounds_of_the_answer)
{
    ends(plain.port, "/endless", "", CAUSE_body_too_large);
    ends(plain.port, "/bomb", "", CAUSE_body_too_large);
    ends(plain.port, "/chunks", "", CAUSE_body_too_large);
    ends(plain.port, "/headers", "", CAUSE_header_too_large);
    ends(plain.port, "/longline", "", CAUSE_header_too_large);
    ends(plain.port, "/ok", ",\"body_limit\":4", CAUSE_body_too_large);
    ends(plain.port, "/ok", ",\"body_limit\":5", CAUSE_NONE);
}
END_TEST

START_TEST(test_connect_refused)
{
    struct result *r = NULL;
    close(other.fd);
    r = probe(1, "/", "");
    ck_assert_int_eq(r->cause, CAUSE_connect_refused);
    ck_assert(r->t.connect_ms >= 0);
    ck_assert(r->t.send_ms < 0);
    result_destroy(&r);
}
END_TEST

START_TEST(test_redirects_are_hops)
{
    struct result *r = probe(plain.port, "/r/302/r/301/ok", "");
    ck_assert_int_eq(r->outcome, OUTCOME_OK);
    ck_assert_int_eq(r->http->status, 200);
    ck_assert_uint_eq(r->http->n_hops, 2);
    ck_assert_int_eq(r->http->hops[0].status, 302);
    ck_assert_int_eq(r->http->hops[1].status, 301);
    ck_assert_str_eq(r->http->hops[1].ip, "127.0.0.1");
    ck_assert_ptr_nonnull(strstr(r->http->hops[1].url, "/r/301/ok"));
    ck_assert_double_eq_tol(sum(&r->http->hops[0].t), r->http->hops[0].t.total_ms, 0.01);
    ck_assert(r->t.total_ms >= r->http->hops[0].t.total_ms + r->http->hops[1].t.total_ms);
    result_destroy(&r);
}
END_TEST

START_TEST(test_redirect_not_followed_is_ok)
{
    struct result *r = probe(plain.port, "/loop", ",\"follow_redirects\":false");
    ck_assert_int_eq(r->outcome, OUTCOME_OK);
    ck_assert_int_eq(r->http->status, 302);
    ck_assert_uint_eq(r->http->n_hops, 0);
    result_destroy(&r);
}
END_TEST

START_TEST(test_redirect_without_location_is_the_answer)
{
    ends(plain.port, "/no-location", "", CAUSE_NONE);
}
END_TEST

START_TEST(test_too_many_redirects)
{
    struct result *r = probe(plain.port, "/loop", ",\"max_redirects\":3");
    ck_assert_int_eq(r->cause, CAUSE_too_many_redirects);
    ck_assert_uint_eq(r->http->n_hops, 3);
    result_destroy(&r);
}
END_TEST

START_TEST(test_bad_redirects)
{
    ends(plain.port, "/to-ftp", "", CAUSE_protocol_error);
    ends(plain.port, "/to-userinfo", "", CAUSE_protocol_error);
    ends(plain.port, "/to-backslash", "", CAUSE_protocol_error);
    ends(plain.port, "/to-private", "", CAUSE_policy_address);
}
END_TEST

START_TEST(test_bad_redirect_is_itself_the_last_answer)
{
    struct result *r = probe(plain.port, "/to-ftp", "");
    ck_assert_int_eq(r->http->status, 302);
    ck_assert_uint_eq(r->http->n_hops, 0);
    ck_assert_str_eq(r->http->headers[0].value, "ftp://127.0.0.1/");
    result_destroy(&r);
}
END_TEST

START_TEST(test_denied_redirect_is_a_hop_to_nowhere)
{
    struct result *r = probe(plain.port, "/to-private", "");
    ck_assert_int_eq(r->outcome, OUTCOME_REFUSED);
    ck_assert_uint_eq(r->http->n_hops, 1);
    ck_assert_int_eq(r->http->status, 0);
    result_destroy(&r);
}
END_TEST

static void post_becomes(const char *path, const char *want)
{
    struct result *r = probe(plain.port, path,
                             ",\"keep_body\":9000,\"method\":\"POST\",\"body\":\"a=1\",\"headers\":"
                             "{\"Content-Type\":\"x/y\"}");
    ck_assert_msg(!strncmp(r->http->body, want, strlen(want)), "%s: %s", path, r->http->body);
    ck_assert_int_eq(strstr(r->http->body, "x/y") != NULL, want[0] == 'P');
    result_destroy(&r);
}

START_TEST(test_methods_across_redirects_are_the_browsers)
{
    post_becomes("/r/301/echo", "GET ");
    post_becomes("/r/302/echo", "GET ");
    post_becomes("/r/303/echo", "GET ");
    post_becomes("/r/307/echo", "POST ");
    post_becomes("/r/308/echo", "POST ");
}
END_TEST

START_TEST(test_secrets_stay_within_their_origin)
{
    const char *secrets = ",\"keep_body\":9000,\"headers\":{\"Authorization\":\"Bearer "
                          "s3cret\",\"Cookie\":\"c=s3cret\"}";
    struct result *same = probe(plain.port, "/r/302/echo", secrets);
    struct result *cross = probe(plain.port, "/x/302/echo", secrets);
    ck_assert_ptr_nonnull(strstr(same->http->body, "s3cret"));
    ck_assert_int_eq(cross->http->status, 200);
    ck_assert_ptr_null(strstr(cross->http->body, "s3cret"));
    result_destroy(&same);
    result_destroy(&cross);
}
END_TEST

START_TEST(test_environment_proxy_is_not_used)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    ends(plain.port, "/ok", "", CAUSE_NONE);
}
END_TEST

START_TEST(test_cancel_in_every_state_ends_once)
{
    char json[200];
    const uint16_t ports[] = {plain.port, hung.port};
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        snprintf(json, sizeof(json), "\"http://127.0.0.1:%u/silent\"", ports[i]);
        struct target *t = probe_run_target(json);
        struct result *r = probe_run_go(&run, t, true);
        ck_assert_int_eq(r->cause, CAUSE_cancelled_by_user);
        result_destroy(&r);
        target_destroy(&t);
    }
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

START_TEST(test_cancel_during_the_transfer)
{
    char json[200];
    struct late_cancel late = {0};
    snprintf(json, sizeof(json), "\"http://127.0.0.1:%u/silent\"", plain.port);
    struct target *t = probe_run_target(json);
    struct result *r = result_create(1, NULL);
    late.p = probe_http.start(&run.env, t, r, mono_add_ms(mono_now(), 5000), probe_run_done, &run);
    timer_arm(loop_timers(run.env.loop), &late.t, mono_add_ms(mono_now(), 100), cancel_now);
    loop_run(run.env.loop);
    ck_assert_uint_eq(run.calls, 1);
    ck_assert_int_eq(r->cause, CAUSE_cancelled_by_user);
    result_destroy(&r);
    target_destroy(&t);
}
END_TEST

START_TEST(test_probe_after_probe_reuses_carriers)
{
    for (int i = 0; i < 20; i++)
        ends(i % 2 ? plain.port : other.port, "/ok", "", CAUSE_NONE);
    struct http_state *s = run.env.state[TARGET_HTTP];
    ck_assert_uint_eq(s->carriers, 1);
}
END_TEST

START_TEST(test_loopback_is_denied_without_dev)
{
    probe_run_fini(&run);
    probe_run_init(&run, NULL, false);
    ends(plain.port, "/ok", "", CAUSE_policy_address);
}
END_TEST

START_TEST(test_what_policy_refused_has_no_phases)
{
    probe_run_fini(&run);
    probe_run_init(&run, NULL, false);
    struct result *r = probe(plain.port, "/ok", "");
    ck_assert_int_eq(r->outcome, OUTCOME_REFUSED);
    ck_assert(sum(&r->t) == 0 && r->t.connect_ms < 0 && r->t.dns_ms < 0);
    result_destroy(&r);
    struct target *t = probe_run_target("{\"url\":\"http://a.test/\",\"method\":\"TRACK\"}");
    r = probe_run_go(&run, t, false);
    target_destroy(&t);
    ck_assert_int_eq(r->cause, CAUSE_policy_method);
    ck_assert(r->t.dns_ms < 0 && r->t.connect_ms < 0);
    result_destroy(&r);
}
END_TEST

START_TEST(test_header_line_that_looks_like_a_status_is_none)
{
    ends(plain.port, "/fake-status", "", CAUSE_http_5xx);
}
END_TEST

START_TEST(test_ipv6_literal)
{
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof(sa);
    struct mini *s = calloc(1, sizeof(*s));
    pthread_t thread;
    char json[100];
    s->answer = answer;
    s->fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
        return; /* no IPv6 here */
    ck_assert(listen(s->fd, 8) == 0 && getsockname(s->fd, (struct sockaddr *)&sa, &len) == 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, mini_accept, s), 0);
    pthread_detach(thread);
    snprintf(json, sizeof(json), "{\"url\":\"http://[::1]:%u/echo\"}", ntohs(sa.sin6_port));
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    ck_assert_msg(r->outcome == OUTCOME_OK, "%s", r->message);
    ck_assert_str_eq(r->http->ip, "::1");
    result_destroy(&r);
    target_destroy(&t);
}
END_TEST

#define FIXTURE_TESTS(group, ...)                                                                  \
    TESTS(group##_bare, __VA_ARGS__)                                                               \
    static TCase *group(void)                                                                      \
    {                                                                                              \
        TCase *tc = group##_bare();                                                                \
        tcase_add_checked_fixture(tc, setup, teardown);                                            \
        return tc;                                                                                 \
    }

FIXTURE_TESTS(answers, test_ok_has_all_its_facts, test_phases_add_up_and_absent_ones_are_negative,
              test_status_without_expectation, test_expected_status, test_expected_body,
              test_title_is_decoded_and_sanitised, test_headers_are_sanitised,
              test_interim_response_is_not_the_answer, test_keep_body_keeps_that_much,
              test_head_has_no_body, test_request_is_as_asked, test_ipv6_literal,
              test_header_line_that_looks_like_a_status_is_none)
FIXTURE_TESTS(failures, test_causes_of_broken_answers, test_causes_of_time_outs,
              test_phases_of_a_time_out_add_up, test_bounds_of_the_answer, test_connect_refused)
FIXTURE_TESTS(redirects, test_redirects_are_hops, test_redirect_not_followed_is_ok,
              test_redirect_without_location_is_the_answer, test_too_many_redirects,
              test_bad_redirects, test_bad_redirect_is_itself_the_last_answer,
              test_denied_redirect_is_a_hop_to_nowhere,
              test_methods_across_redirects_are_the_browsers, test_secrets_stay_within_their_origin)
FIXTURE_TESTS(life, test_environment_proxy_is_not_used, test_cancel_in_every_state_ends_once,
              test_cancel_during_the_transfer, test_probe_after_probe_reuses_carriers,
              test_loopback_is_denied_without_dev, test_what_policy_refused_has_no_phases)
CHECK_MAIN("http", answers, failures, redirects, life)
