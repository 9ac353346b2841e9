/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include "mini_server.h"
#include "probe_run.h"
#include "tests/support/check_main.h"
#include "tests/support/dns_server.h"

#include <zlib.h>

/* What the options of a target do on the wire. */

#define BODY_BYTES 200000

static struct mini plain, other;
static struct dns_server names;
static struct probe_run run;

static void echo(struct mini_conn *c)
{
    char text[20000];
    snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(c->request), c->request);
    mini_puts(c, text);
}

static void redirect(struct mini_conn *c, uint16_t port)
{
    char text[200];
    snprintf(text, sizeof(text),
             "HTTP/1.1 302 R\r\nLocation: http://127.0.0.1:%u/echo\r\nContent-Length: 0\r\n\r\n",
             port);
    mini_puts(c, text);
}

/* The same body for all; in gzip a few hundred bytes for who takes that. */
static void big(struct mini_conn *c)
{
    static _Thread_local char body[BODY_BYTES];
    unsigned char packed[8192];
    memset(body, 'x', sizeof(body));
    if (!strstr(c->request, "gzip")) {
        mini_puts(c, "HTTP/1.1 200 OK\r\n\r\n");
        mini_write(c, body, sizeof(body));
        return;
    }
    z_stream z = {.next_in = (unsigned char *)body,
                  .avail_in = sizeof(body),
                  .next_out = packed,
                  .avail_out = sizeof(packed)};
    deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    mini_puts(c, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n");
    mini_write(c, packed, sizeof(packed) - z.avail_out);
    deflateEnd(&z);
}

static void long_headers(struct mini_conn *c)
{
    mini_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    for (int i = 0; i < 100; i++)
        mini_puts(c, "X-Header: 0123456789abcdef0123456789abcdef0123456789abcdef\r\n");
    mini_puts(c, "\r\n");
}

static void answer(struct mini_conn *c)
{
    const char *path = strchr(c->request, ' ');
    if (!path)
        return;
    if (!strncmp(path, " /echo", 6))
        echo(c);
    else if (!strncmp(path, " /same", 6))
        redirect(c, plain.port);
    else if (!strncmp(path, " /cross", 7))
        redirect(c, other.port);
    else if (!strncmp(path, " /big", 5))
        big(c);
    else if (!strncmp(path, " /headers", 9))
        long_headers(c);
    else if (!strncmp(path, " /json", 6))
        mini_puts(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Two: a\r\n"
                     "X-Two: b\r\n\r\n{\"status\":\"up\",\"nodes\":[{\"id\":7},{\"id\":9}]}");
}

static void setup(void)
{
    mini_init();
    plain = other = (struct mini){.answer = answer};
    mini_start(&plain);
    mini_start(&other);
    probe_run_init(&run, NULL, true);
}

static void teardown(void)
{
    probe_run_fini(&run);
}

static struct result *probe(const char *path, const char *options)
{
    char json[2048];
    snprintf(json, sizeof(json), "{\"url\":\"http://127.0.0.1:%u%s\",%s%s}", plain.port, path,
             strstr(options, "keep_body") ? "" : "\"keep_body\":9000", options);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    target_destroy(&t);
    return r;
}

static void ends(const char *path, const char *options, enum cause want)
{
    struct result *r = probe(path, options);
    ck_assert_msg(r->cause == want, "%s%s: %s", path, options, r->message ? r->message : "ok");
    result_destroy(&r);
}

static void sends(const char *path, const char *options, const char *text, bool want)
{
    struct result *r = probe(path, options);
    ck_assert_msg(r->cause == CAUSE_NONE, "%s", r->message);
    ck_assert_msg((strstr(r->http->body, text) != NULL) == want, "%s%s: %s", path, options,
                  r->http->body);
    result_destroy(&r);
}

#define BASIC  ",\"auth\":{\"basic\":{\"user\":\"Aladdin\",\"password\":\"open sesame\"}}"
#define BEARER ",\"auth\":{\"bearer\":\"t0k.en\"}"

START_TEST(test_auth_is_sent)
{
    sends("/echo", BASIC, "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", true);
    sends("/echo", BEARER, "Authorization: Bearer t0k.en\r\n", true);
    sends("/echo", "", "Authorization", false);
}
END_TEST

START_TEST(test_auth_stays_within_its_origin)
{
    sends("/same", BASIC, "Authorization: Basic", true);
    sends("/same", BEARER, "Authorization: Bearer", true);
    sends("/cross", BASIC, "Authorization", false);
    sends("/cross", BEARER, "Authorization", false);
}
END_TEST

/* Carriers are used again: what one probe set must not reach the next. */
START_TEST(test_auth_does_not_reach_the_next_probe)
{
    sends("/echo", BASIC, "Authorization", true);
    sends("/echo", "", "Authorization", false);
    struct http_state *s = run.env.state[TARGET_HTTP];
    ck_assert_uint_eq(s->carriers, 1);
}
END_TEST

START_TEST(test_record_holds_no_credential)
{
    struct strbuf b;
    struct result *r = probe("/big", BASIC);
    strbuf_init(&b, RESULT_MAX_BYTES);
    result_encode(r, wall_now(), &b);
    ck_assert_ptr_null(strstr(b.data, "sesame"));
    strbuf_fini(&b);
    result_destroy(&r);
}
END_TEST

START_TEST(test_compression_is_asked_for_unless_told_not_to)
{
    sends("/echo", "", "Accept-Encoding: ", true);
    sends("/echo", ",\"compression\":false", "Accept-Encoding", false);
    struct result *r = probe("/big", "");
    ck_assert_int_eq(r->http->size_bytes, BODY_BYTES);
    result_destroy(&r);
    r = probe("/big", ",\"compression\":false");
    ck_assert_int_eq(r->http->size_bytes, BODY_BYTES);
    result_destroy(&r);
}
END_TEST

START_TEST(test_wire_limit_counts_what_came_off_the_wire)
{
    ends("/big", ",\"wire_limit\":10000", CAUSE_NONE);
    ends("/big", ",\"wire_limit\":10000,\"compression\":false", CAUSE_body_too_large);
    ends("/big", ",\"wire_limit\":300000,\"compression\":false", CAUSE_NONE);
    ends("/headers", ",\"wire_limit\":2000", CAUSE_body_too_large);
    ends("/same", ",\"wire_limit\":2000", CAUSE_NONE);
}
END_TEST

START_TEST(test_wire_limit_is_named)
{
    struct result *r = probe("/big", ",\"wire_limit\":10000,\"compression\":false");
    ck_assert_ptr_nonnull(strstr(r->message, "over 10000 bytes came off the wire (wire_limit)"));
    result_destroy(&r);
}
END_TEST

START_TEST(test_expected_header)
{
    ends("/json", ",\"expect\":{\"header\":{\"x-two\":\"^b$\",\"Content-Type\":\"json\"}}",
         CAUSE_NONE);
    ends("/json", ",\"expect\":{\"header\":{\"x-two\":\"^c$\"}}", CAUSE_header_mismatch);
    ends("/cross", ",\"expect\":{\"header\":{\"location\":\"\"}}", CAUSE_header_mismatch);
}
END_TEST

START_TEST(test_expected_json)
{
    ends("/json",
         "\"keep_body\":0,\"expect\":{\"json\":[{\"path\":\"$.status\",\"equals\":\"up\"},"
         "{\"path\":\"$.nodes[-1].id\",\"regex\":\"^9$\"},{\"path\":\"$.x\",\"exists\":false}]}",
         CAUSE_NONE);
    ends("/json", ",\"expect\":{\"json\":[{\"path\":\"$.status\",\"equals\":\"down\"}]}",
         CAUSE_json_mismatch);
    ends("/echo", ",\"expect\":{\"json\":[{\"path\":\"$\"}]}", CAUSE_json_mismatch);
    ends("/json", ",\"method\":\"HEAD\",\"expect\":{\"json\":[{\"path\":\"$\"}]}",
         CAUSE_json_mismatch);
}
END_TEST

static void resolved(const char *host, enum cause want, const char *words)
{
    char json[500];
    snprintf(json, sizeof(json),
             "{\"url\":\"http://%s:%u/json\",\"timeout_ms\":1000,\"resolver\":\"127.0.0.1:%u\"}",
             host, plain.port, names.port);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    const char *message = r->message ? r->message : "ok";
    ck_assert_msg(r->cause == want && strstr(message, words) != NULL, "%s: %s", host, message);
    result_destroy(&r);
    target_destroy(&t);
}

/* The agent's own resolver is a dead port here: every answer is from the one that is named. */
START_TEST(test_names_are_asked_of_the_resolver_that_is_named)
{
    dns_server_start(&names);
    resolved("home.example", CAUSE_NONE, "ok");
    resolved("nx.example", CAUSE_dns_nxdomain, "127.0.0.1:");
    resolved("silent.example", CAUSE_dns_timeout, "127.0.0.1:");
    resolved("127.0.0.1", CAUSE_NONE, "ok");
    dns_server_stop(&names);
}
END_TEST

START_TEST(test_cancel_while_the_named_resolver_is_asked)
{
    char json[200];
    dns_server_start(&names);
    snprintf(json, sizeof(json),
             "{\"url\":\"http://silent.example/\",\"resolver\":\"127.0.0.1:%u\"}", names.port);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, true);
    ck_assert_int_eq(r->cause, CAUSE_cancelled_by_user);
    result_destroy(&r);
    target_destroy(&t);
    dns_server_stop(&names);
}
END_TEST

START_TEST(test_denied_resolver_is_not_asked)
{
    probe_run_fini(&run);
    probe_run_init(&run, NULL, false);
    ends("/json", ",\"resolver\":\"127.0.0.1:53\"", CAUSE_policy_resolver);
}
END_TEST

TESTS(bare, test_names_are_asked_of_the_resolver_that_is_named,
      test_cancel_while_the_named_resolver_is_asked, test_denied_resolver_is_not_asked,
      test_auth_is_sent, test_auth_stays_within_its_origin, test_auth_does_not_reach_the_next_probe,
      test_record_holds_no_credential, test_compression_is_asked_for_unless_told_not_to,
      test_wire_limit_counts_what_came_off_the_wire, test_wire_limit_is_named, test_expected_header,
      test_expected_json)
static TCase *options(void)
{
    TCase *tc = bare();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("http_options", options)
