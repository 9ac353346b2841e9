/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>
#include "common/mem.h"
#include "common/strbuf.h"
#include "proto/result.h"

#define DAY_US (INT64_C(86400) * 1000000)
#define NOW_US (INT64_C(20000) * DAY_US)

static struct result *res;
static struct strbuf b;
static struct json_doc *doc;
static char why[JSON_PROBLEM_MAX + 64];

static void setup(void)
{
    res = result_create(812, "ticket");
    strbuf_init(&b, 1 << 20);
}

static void teardown(void)
{
    result_destroy(&res);
    json_free(&doc);
    strbuf_fini(&b);
}

static const struct json_node *encode(void)
{
    result_encode(res, (struct wall){NOW_US}, &b);
    ck_assert(!b.overflow);
    ck_assert_uint_le(b.len, RESULT_MAX_BYTES - RESULT_ENVELOPE_MAX);
    ck_assert_msg(json_parse(b.data, b.len, &doc, why, sizeof(why)) == ERR_NONE, "%s", why);
    return json_root(doc);
}

static bool has(const char *text)
{
    return strstr(b.data, text) != NULL;
}

static struct result_http *add_http(void)
{
    res->http = mem_zalloc(sizeof(*res->http));
    res->http->size_bytes = -1;
    return res->http;
}

static void add_header(const char *name, const char *value)
{
    struct result_http *h = res->http;
    h->headers = mem_realloc(h->headers, (h->n_headers + 1) * sizeof(*h->headers));
    h->headers[h->n_headers++] = (struct result_header){mem_strdup(name), mem_strdup(value)};
}

static enum err head(const char *text, struct result_head *h)
{
    json_free(&doc);
    why[0] = '\0';
    ck_assert_int_eq(json_parse(text, strlen(text), &doc, NULL, 0), ERR_NONE);
    return result_head_parse(json_root(doc), h, why, sizeof(why));
}

START_TEST(test_fresh_result_has_nothing_that_happened)
{
    encode();
    ck_assert_str_eq(
        b.data,
        "{\"outcome\":\"ok\",\"cause\":null,\"message\":null,\"started_at\":null,"
        "\"queue_ms\":null,\"timings\":{\"dns_ms\":null,\"connect_ms\":null,\"proxy_ms\":null,"
        "\"tls_ms\":null,\"send_ms\":null,\"wait_ms\":null,\"download_ms\":null,"
        "\"total_ms\":null},\"http\":null,\"dns\":null,\"checks\":[]}");
}
END_TEST

START_TEST(test_http_record_has_every_member)
{
    struct result_http *h = add_http();
    h->status = 200;
    h->version = mem_strdup("2");
    h->ip = mem_strdup("93.184.216.34");
    h->port = 443;
    h->size_bytes = 1256;
    h->title = mem_strdup("A \"title\"");
    res->started_at.us = NOW_US;
    res->queue_ms = 3.1;
    res->t.dns_ms = 0;
    res->t.total_ms = 76.1;
    result_check_add(res, "status", true, NULL);
    encode();
    ck_assert(has("\"started_at\":\"2024-10-04T00:00:00.000000Z\",\"queue_ms\":3.1"));
    ck_assert(has("\"dns_ms\":0,\"connect_ms\":null"));
    ck_assert(
        has("\"http\":{\"status\":200,\"version\":\"2\",\"ip\":\"93.184.216.34\",\"port\":443,"
            "\"size\":1256,\"redirects\":[],\"headers\":{},\"body_sha256\":null,"
            "\"title\":\"A \\\"title\\\"\",\"tls\":null}"));
    ck_assert(has("\"checks\":[{\"check\":\"status\",\"ok\":true}]"));
    ck_assert(!has("\"cut\""));
}
END_TEST

START_TEST(test_a_clock_that_is_off_is_said)
{
    res->started_at.us = NOW_US;
    encode();
    ck_assert(!has("clock_skew"));
    res->clock_skew_ms = -86400000;
    strbuf_reset(&b);
    json_free(&doc);
    encode();
    ck_assert(has("\"started_at\":\"2024-10-04T00:00:00.000000Z\",\"clock_skew_ms\":-86400000,"));
}
END_TEST

START_TEST(test_headers_are_joined_and_lower_case)
{
    add_http();
    add_header("Vary", "a");
    add_header("X-One", "1");
    add_header("vary", "b");
    encode();
    ck_assert(has("\"headers\":{\"vary\":\"a, b\",\"x-one\":\"1\"}"));
}
END_TEST

START_TEST(test_proxy_is_told_when_there_was_one)
{
    struct result_http *h = add_http();
    res->t.proxy_ms = 2.5;
    h->proxy = mem_strdup("p.test:3128");
    encode();
    ck_assert(has("\"proxy_ms\":2.5,\"tls_ms\":null"));
    ck_assert(has("\"proxy\":\"p.test:3128\""));
}
END_TEST

START_TEST(test_cookies_are_counted_not_told)
{
    add_http();
    add_header("Set-Cookie", "id=secret");
    add_header("set-cookie", "t=secret");
    encode();
    ck_assert(has("\"set-cookie\":\"(2 cookies)\""));
    ck_assert(!has("secret"));
}
END_TEST

START_TEST(test_days_left_rounds_down_on_both_sides_of_now)
{
    struct result_http *h = add_http();
    h->tls = mem_zalloc(sizeof(*h->tls));
    h->tls->not_after.us = NOW_US + 71 * DAY_US + DAY_US / 2;
    encode();
    ck_assert(has("\"days_left\":71"));
    h->tls->not_after.us = NOW_US - DAY_US / 2;
    strbuf_reset(&b);
    json_free(&doc);
    encode();
    ck_assert(has("\"days_left\":-1"));
    h->tls->not_after.us = 0;
    strbuf_reset(&b);
    json_free(&doc);
    encode();
    ck_assert(has("\"days_left\":null"));
}
END_TEST

START_TEST(test_chain_and_the_first_of_it_to_end)
{
    struct result_tls *t = mem_zalloc(sizeof(*t));
    add_http()->tls = t;
    t->not_after.us = NOW_US + 71 * DAY_US;
    t->sent_chain = 3;
    t->n_chain = 2;
    t->chain = mem_array(2, sizeof(*t->chain));
    t->chain[0] = (struct result_cert){.subject = mem_strdup("CN=a"), .not_after = t->not_after};
    t->chain[1].not_after.us = NOW_US + 9 * DAY_US;
    encode();
    ck_assert(has("\"days_left\":71,\"days_left_min\":9,"));
    ck_assert(has("\"chain_length\":3,\"chain\":[{\"subject\":\"CN=a\",\"issuer\":null,"
                  "\"not_before\":null,\"not_after\":\"2024-12-14T00:00:00.000000Z\","
                  "\"days_left\":71},{\"subject\":null,"));
    ck_assert(has("\"days_left\":9}]"));
}
END_TEST

START_TEST(test_key_and_staple_that_are_not_known_are_null)
{
    struct result_tls *t = mem_zalloc(sizeof(*t));
    add_http()->tls = t;
    encode();
    ck_assert(has("\"days_left_min\":null,"));
    ck_assert(has("\"key_type\":null,\"key_bits\":null,\"signature\":null,\"alpn\":null,"
                  "\"ocsp_stapled\":null,\"chain_length\":0,\"chain\":[],"));
    t->staple = STAPLE_NONE;
    strbuf_reset(&b);
    json_free(&doc);
    encode();
    ck_assert(has("\"ocsp_stapled\":false,"));
}
END_TEST

START_TEST(test_hop_has_its_own_timings)
{
    struct result_http *h = add_http();
    h->hops = mem_zalloc(sizeof(*h->hops));
    h->n_hops = 1;
    h->hops[0].url = mem_strdup("http://a/");
    h->hops[0].status = 301;
    result_timings_init(&h->hops[0].t);
    h->hops[0].t.wait_ms = 4;
    encode();
    ck_assert(has("\"redirects\":[{\"url\":\"http://a/\",\"status\":301,\"ip\":null,\"port\":null,"
                  "\"timings\":{\"dns_ms\":null"));
    ck_assert(has("\"wait_ms\":4,"));
}
END_TEST

START_TEST(test_try_that_is_over_leaves_a_new_result)
{
    res->dns = mem_zalloc(sizeof(*res->dns));
    res->t.total_ms = 7;
    result_check_add(res, "rcode", false, "x");
    result_end(res, CAUSE_dns_servfail, "say \"%s\"", "it");
    result_try_over(res, (struct wall){.us = 1733011200000000}, 1.5);
    ck_assert(res->cause == CAUSE_NONE && res->outcome == OUTCOME_OK && res->message == NULL);
    ck_assert(res->dns == NULL && res->n_checks == 0 && res->t.total_ms < 0);
    result_end(res, CAUSE_dns_timeout, NULL);
    result_try_over(res, (struct wall){0}, 2);
    encode();
    ck_assert(has("\"checks\":[],\"tries\":[{\"started_at\":\"2024-12-01T00:00:00.000000Z\","
                  "\"total_ms\":1.5,\"cause\":\"dns_servfail\",\"message\":\"say \\\"it\\\"\"},"
                  "{\"started_at\":null,\"total_ms\":2,\"cause\":\"dns_timeout\","));
}
END_TEST

START_TEST(test_international_name_is_shown_beside_its_ascii_form)
{
    struct result_dns *d = res->dns = mem_zalloc(sizeof(*d));
    d->sections[0] = mem_zalloc(sizeof(struct result_rr));
    d->n_sections[0] = 1;
    d->sections[0][0] = (struct result_rr){mem_strdup("xn--bcher-kva.de."), mem_strdup("TXT"),
                                           mem_strdup("\"a\""), 1};
    encode();
    ck_assert(has("\"name\":\"xn--bcher-kva.de.\",\"name_unicode\":\"b\xc3\xbc"
                  "cher.de.\",\"type\":\"TXT\""));
}
END_TEST

START_TEST(test_dns_record_has_what_edns_said)
{
    struct result_dns *d = res->dns = mem_zalloc(sizeof(*d));
    d->edns = mem_zalloc(sizeof(*d->edns));
    *d->edns = (struct result_edns){.udp_size = 1232, .dnssec_ok = true, .n_ede = 2};
    d->edns->ede[0] = (struct result_ede){.code = 6, .text = mem_strdup("a\"b")};
    d->edns->ede[1].code = 4000;
    encode();
    ck_assert(has("\"edns\":{\"version\":0,\"udp_size\":1232,\"do\":true,\"ede\":["
                  "{\"code\":6,\"name\":\"DNSSEC Bogus\",\"text\":\"a\\\"b\"},"
                  "{\"code\":4000,\"name\":null,\"text\":null}]},"));
}
END_TEST

START_TEST(test_dns_record_has_flags_and_sections)
{
    struct result_dns *d = res->dns = mem_zalloc(sizeof(*d));
    d->server = mem_strdup("1.1.1.1:53");
    d->transport = mem_strdup("udp");
    d->rcode = 3;
    d->qr = d->ra = true;
    d->size_bytes = 56;
    d->sections[1] = mem_zalloc(sizeof(struct result_rr));
    d->n_sections[1] = 1;
    d->sections[1][0] =
        (struct result_rr){mem_strdup("x."), mem_strdup("TXT"), mem_strdup("\"a\""), 4294967295u};
    encode();
    ck_assert(has("\"dns\":{\"server\":\"1.1.1.1:53\",\"transport\":\"udp\",\"truncated\":false,"
                  "\"rcode\":\"NXDOMAIN\",\"flags\":[\"qr\",\"ra\"],\"edns\":null,\"answer\":[],"
                  "\"authority\":[{\"name\":\"x.\",\"type\":\"TXT\",\"ttl\":4294967295,"
                  "\"data\":\"\\\"a\\\"\"}],\"additional\":[],\"size\":56}"));
}
END_TEST

START_TEST(test_rcode_without_a_name_and_no_answer)
{
    res->dns = mem_zalloc(sizeof(*res->dns));
    res->dns->rcode = 12;
    encode();
    ck_assert(has("\"rcode\":\"RCODE12\""));
    res->dns->rcode = -1;
    strbuf_reset(&b);
    json_free(&doc);
    encode();
    ck_assert(has("\"rcode\":null"));
}
END_TEST

static char *long_text(size_t n)
{
    char *s = mem_alloc(n + 1);
    memset(s, 'x', n);
    s[n] = '\0';
    return s;
}

START_TEST(test_headers_go_before_the_body_when_too_big)
{
    struct result_http *h = add_http();
    char *value = long_text(100 * 1024);
    add_header("x", value);
    free(value);
    h->body = long_text(60 * 1024);
    encode();
    ck_assert(has("\"headers\":{}"));
    ck_assert(has("\"body\":\"xxx"));
    ck_assert(has("\"cut\":true}"));
}
END_TEST

START_TEST(test_body_goes_when_headers_were_not_enough)
{
    struct result_http *h = add_http();
    h->status = 200;
    h->body = long_text(140 * 1024);
    encode();
    ck_assert(!has("\"body\":"));
    ck_assert(has("\"status\":200"));
    ck_assert(has("\"cut\":true}"));
}
END_TEST

START_TEST(test_headers_larger_than_a_record_alone_are_cut)
{
    add_http();
    char *value = long_text(70 * 1024);
    add_header("x", value);
    add_header("x", value);
    free(value);
    encode();
    ck_assert(has("\"headers\":{}"));
}
END_TEST

START_TEST(test_lists_go_last)
{
    struct result_http *h = add_http();
    h->status = 200;
    h->tls = mem_zalloc(sizeof(*h->tls));
    h->tls->n_alt_names = 1;
    h->tls->alt_names = mem_zalloc(sizeof(char *));
    h->tls->alt_names[0] = long_text(200 * 1024);
    encode();
    ck_assert(has("\"alt_names\":[]"));
    ck_assert(has("\"status\":200"));
}
END_TEST

START_TEST(test_end_follows_the_table)
{
    result_end(res, CAUSE_dns_nxdomain, NULL);
    ck_assert_int_eq(res->outcome, OUTCOME_FAILED);
    ck_assert_str_eq(res->message, cause_text(CAUSE_dns_nxdomain));
    result_end(res, CAUSE_policy_port, "port %d", 25);
    ck_assert_int_eq(res->outcome, OUTCOME_REFUSED);
    ck_assert_str_eq(res->message, "port 25");
    result_end(res, CAUSE_NONE, NULL);
    ck_assert_int_eq(res->outcome, OUTCOME_OK);
    ck_assert_ptr_null(res->message);
}
END_TEST

START_TEST(test_end_may_quote_its_own_message)
{
    result_end(res, CAUSE_too_slow, "inner");
    result_end(res, CAUSE_too_slow, "outer (%s)", res->message);
    ck_assert_str_eq(res->message, "outer (inner)");
}
END_TEST

START_TEST(test_message_from_a_hostile_peer_is_made_utf8)
{
    result_end(res, CAUSE_protocol_error, "got '%s'", "\xff\xfe\r\n");
    encode();
    ck_assert(!has("\\r"));
}
END_TEST

START_TEST(test_verdict_record_reads_back)
{
    struct result_head h;
    result_encode_verdict(CAUSE_no_agent, NULL, &b);
    ck_assert_int_eq(head(b.data, &h), ERR_NONE);
    ck_assert_int_eq(h.outcome, OUTCOME_EXPIRED);
    ck_assert_str_eq(h.cause, "no_agent");
    ck_assert(h.total_ms < 0);
    ck_assert(has(cause_text(CAUSE_no_agent)));
}
END_TEST

START_TEST(test_verdict_with_its_own_sentence)
{
    result_encode_verdict(CAUSE_agent_lost, "100% lost", &b);
    ck_assert(has("\"message\":\"100% lost\""));
}
END_TEST

START_TEST(test_head_of_an_encoded_record)
{
    struct result_head h;
    res->t.total_ms = 12.5;
    result_end(res, CAUSE_http_5xx, NULL);
    ck_assert_int_eq(result_head_parse(encode(), &h, why, sizeof(why)), ERR_NONE);
    ck_assert_int_eq(h.outcome, OUTCOME_FAILED);
    ck_assert_str_eq(h.cause, "http_5xx");
    ck_assert_double_eq(h.total_ms, 12.5);
}
END_TEST

START_TEST(test_head_keeps_a_cause_of_a_newer_agent)
{
    struct result_head h;
    ck_assert_int_eq(head("{\"outcome\":\"failed\",\"cause\":\"quic_timeout\"}", &h), ERR_NONE);
    ck_assert_str_eq(h.cause, "quic_timeout");
}
END_TEST

START_TEST(test_head_refuses_what_does_not_belong_together)
{
    static const char *const bad[][2] = {
        {"{}", "'outcome' is missing"},
        {"[]", "must be an object"},
        {"{\"outcome\":\"good\"}", "'outcome' is not one of"},
        {"{\"outcome\":1}", "'outcome' must be a string"},
        {"{\"outcome\":\"failed\"}", "needs a cause"},
        {"{\"outcome\":\"failed\",\"cause\":null}", "needs a cause"},
        {"{\"outcome\":\"ok\",\"cause\":\"poison\"}", "outcome 'ok' with the cause 'poison'"},
        {"{\"outcome\":\"failed\",\"cause\":\"poison\"}", "which means 'undetermined'"},
        {"{\"outcome\":\"failed\",\"cause\":\"No Such\"}", "'cause' must be lower-case"},
        {"{\"outcome\":\"failed\",\"cause\":7}", "'cause' must be a string"},
        {"{\"outcome\":\"ok\",\"timings\":[]}", "'timings' must be an object"},
        {"{\"outcome\":\"ok\",\"timings\":{\"total_ms\":-1}}", "in 'timings'"},
    };
    struct result_head h;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_msg(head(bad[i][0], &h) == ERR_INVALID, "taken: %s", bad[i][0]);
        ck_assert_msg(strstr(why, bad[i][1]) != NULL, "'%s' is not in '%s'", bad[i][1], why);
    }
}
END_TEST

START_TEST(test_head_bounds_the_cause)
{
    struct result_head h;
    char text[160];
    snprintf(text, sizeof(text), "{\"outcome\":\"failed\",\"cause\":\"%.*s\"}", CAUSE_MAX - 1,
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    ck_assert_int_eq(head(text, &h), ERR_NONE);
    snprintf(text, sizeof(text), "{\"outcome\":\"failed\",\"cause\":\"%.*s\"}", CAUSE_MAX,
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    ck_assert_int_eq(head(text, &h), ERR_INVALID);
}
END_TEST

TESTS(encoding, test_fresh_result_has_nothing_that_happened, test_http_record_has_every_member,
      test_headers_are_joined_and_lower_case, test_a_clock_that_is_off_is_said,
      test_proxy_is_told_when_there_was_one, test_cookies_are_counted_not_told,
      test_days_left_rounds_down_on_both_sides_of_now, test_chain_and_the_first_of_it_to_end,
      test_key_and_staple_that_are_not_known_are_null, test_hop_has_its_own_timings,
      test_try_that_is_over_leaves_a_new_result,
      test_international_name_is_shown_beside_its_ascii_form, test_dns_record_has_what_edns_said,
      test_dns_record_has_flags_and_sections, test_rcode_without_a_name_and_no_answer,
      test_headers_go_before_the_body_when_too_big, test_body_goes_when_headers_were_not_enough,
      test_headers_larger_than_a_record_alone_are_cut, test_lists_go_last,
      test_end_follows_the_table, test_end_may_quote_its_own_message,
      test_message_from_a_hostile_peer_is_made_utf8, test_verdict_record_reads_back,
      test_verdict_with_its_own_sentence, test_head_of_an_encoded_record,
      test_head_keeps_a_cause_of_a_newer_agent, test_head_refuses_what_does_not_belong_together,
      test_head_bounds_the_cause)

static TCase *all(void)
{
    TCase *tc = encoding();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("result", all)
