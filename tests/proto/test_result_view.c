/* SPDX-License-Identifier: MIT */
#include "proto/result_view.h"
#include "common/text.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

static struct strbuf out;

static void show_in(size_t width, const char *json)
{
    struct table_style style = {.width = width};
    struct json_doc *d = NULL;
    text_init();
    strbuf_init(&out, 1u << 20);
    ck_assert_int_eq(json_parse(json, strlen(json), &d, NULL, 0), ERR_NONE);
    result_view_put(json_root(d), &style, &out);
    json_free(&d);
}

static void show(const char *json)
{
    show_in(0, json);
}

#define SHOWN(text) ck_assert_msg(strstr(out.data, text) != NULL, "no '%s' in:\n%s", text, out.data)
#define NOT_SHOWN(text)                                                                            \
    ck_assert_msg(strstr(out.data, text) == NULL, "'%s' in:\n%s", text, out.data)

START_TEST(test_failure_shows_cause_fault_and_sentence)
{
    show("{\"target\":\"http://a/\",\"outcome\":\"failed\",\"cause\":\"connect_refused\","
         "\"message\":\"10.0.0.1:80: Connection refused\",\"agent\":\"a1\"}");
    SHOWN("failed: connect_refused (at fault: target)");
    SHOWN("the target refused the connection: 10.0.0.1:80: Connection refused");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_sentence_is_not_said_twice)
{
    show(
        "{\"outcome\":\"cancelled\",\"cause\":\"cancelled_by_user\",\"message\":\"cancelled by the "
        "user\"}");
    SHOWN("\ncancelled by the user\n");
    NOT_SHOWN("cancelled by the user: ");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_phase_that_never_happened_has_no_line)
{
    show("{\"outcome\":\"ok\",\"timings\":{\"dns_ms\":null,\"connect_ms\":1.5,\"tls_ms\":null,"
         "\"wait_ms\":3,\"total_ms\":4.5}}");
    SHOWN("connect");
    NOT_SHOWN("dns");
    NOT_SHOWN("proxy");
    NOT_SHOWN("tls");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_proxy_has_its_phase_and_its_name)
{
    show("{\"outcome\":\"undetermined\",\"cause\":\"proxy_refused\",\"timings\":{\"connect_ms\":1,"
         "\"proxy_ms\":1.5},\"http\":{\"ip\":\"192.0.2.1\",\"port\":80,\"proxy\":\"p.test:1\"}}");
    SHOWN("(at fault: proxy)");
    SHOWN("1.5 ms");
    SHOWN("  proxy       p.test:1\n");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_bars_follow_one_another)
{
    show("{\"outcome\":\"ok\",\"timings\":{\"connect_ms\":1,\"wait_ms\":1,\"total_ms\":2}}");
    const char *wait = strstr(out.data, "wait");
    ck_assert_ptr_nonnull(wait);
    const char *bar = strstr(wait, "█");
    ck_assert_ptr_nonnull(bar);
    ck_assert_int_gt(bar - strstr(wait, "ms"), 20);
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_certificate_is_shown)
{
    show(
        "{\"outcome\":\"failed\",\"cause\":\"tls_expired\",\"http\":{\"tls\":{\"subject\":\"CN=a\","
        "\"not_after\":\"2020-01-01T00:00:00.000000Z\",\"days_left\":-12,\"verified\":false,"
        "\"alt_names\":[\"a\",\"b\"]}}}");
    SHOWN("CN=a");
    SHOWN("2020-01-01, 12 days ago");
    SHOWN("a, b");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_chain_and_key_are_shown)
{
    show(
        "{\"outcome\":\"ok\",\"http\":{\"tls\":{\"subject\":\"CN=a\",\"key_type\":\"RSA\","
        "\"key_bits\":2048,\"signature\":\"sha256WithRSAEncryption\",\"alpn\":\"h2\","
        "\"ocsp_stapled\":false,\"chain_length\":12,\"chain\":[{\"subject\":\"CN=a\"},{\"subject\":"
        "\"CN=sub\",\"not_after\":\"2031-01-01T00:00:00Z\",\"days_left\":40},{\"subject\":null}]}}"
        "}");
    SHOWN("RSA, 2048 bits, signed with sha256WithRSAEncryption");
    SHOWN("h2");
    SHOWN("not stapled");
    SHOWN("chain       CN=a\n");
    SHOWN("2031-01-01, 40 days left: CN=sub\n");
    SHOWN("and 9 more");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_dns_answers_are_shown)
{
    show("{\"outcome\":\"ok\",\"dns\":{\"server\":\"1.1.1.1:53\",\"transport\":\"udp\",\"rcode\":"
         "\"NOERROR\",\"flags\":[\"qr\",\"rd\"],\"answer\":[{\"name\":\"a.test.\",\"type\":\"A\","
         "\"ttl\":60,\"data\":\"10.1.2.3\"}]}}");
    SHOWN("1.1.1.1:53 over udp");
    SHOWN("qr rd");
    SHOWN("a.test.  60  A  10.1.2.3");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_what_edns_said_is_shown)
{
    show("{\"outcome\":\"failed\",\"cause\":\"dns_servfail\",\"dns\":{\"rcode\":\"SERVFAIL\","
         "\"edns\":{"
         "\"version\":0,\"udp_size\":1232,\"do\":true,\"ede\":[{\"code\":6,\"name\":"
         "\"DNSSEC Bogus\",\"text\":\"late\"},{\"code\":99,\"name\":null,\"text\":null}]}}}");
    SHOWN("version 0, 1232 bytes, do");
    SHOWN("DNSSEC Bogus (6): late\n");
    SHOWN("- (99)\n");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_international_name_is_shown_beside_its_ascii_form)
{
    show("{\"outcome\":\"ok\",\"dns\":{\"edns\":null,\"answer\":[{\"name\":\"xn--bcher-kva.\","
         "\"name_unicode\":\"b\xc3\xbc"
         "cher.\",\"type\":\"A\",\"ttl\":6,\"data\":\"10.1.2.3\"}]}}");
    SHOWN("xn--bcher-kva. (b\xc3\xbc"
          "cher.)  6  A  10.1.2.3");
    NOT_SHOWN("edns");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_tries_before_are_shown)
{
    show("{\"outcome\":\"ok\",\"tries\":[{\"started_at\":null,\"total_ms\":1.5,\"cause\":"
         "\"dns_timeout\",\"message\":\"no answer\"}]}");
    SHOWN("tries before this one\n");
    SHOWN("  try 1       dns_timeout after 1.5 ms: no answer\n");
    strbuf_fini(&out);
}
END_TEST

#define TIMINGS(ms)                                                                                \
    "{\"dns_ms\":" ms ",\"connect_ms\":null,\"tls_ms\":null,\"send_ms\":null,\"wait_ms\":" ms      \
    ",\"download_ms\":null,\"total_ms\":" ms "}"

START_TEST(test_each_hop_has_its_phases_on_one_time_line)
{
    show("{\"outcome\":\"ok\",\"timings\":" TIMINGS(
        "1") ",\"http\":{\"status\":200,\"ip\":"
             "\"10.0.0.2\",\"port\":80,\"url\":\"http://b/\",\"redirects\":[{\"url\":\"http://a/\","
             "\"status\":302,\"ip\":\"10.0.0.1\",\"port\":80,\"timings\":" TIMINGS("1") "}]}}");
    const char *one = strstr(out.data, "  hop 1       302 from http://a/ (10.0.0.1 port 80)\n");
    const char *two = strstr(out.data, "  hop 2       200 from http://b/ (10.0.0.2 port 80)\n");
    ck_assert_msg(one && two && one < two, "%s", out.data);
    SHOWN("dns              1.0 ms  ████████████\n");
    SHOWN("wait             1.0 ms              █████████████\n");
    SHOWN("dns              1.0 ms                           ████████████\n");
    SHOWN("wait             1.0 ms                                       █████████████\n");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_first_end_of_the_chain_is_named)
{
    show("{\"outcome\":\"ok\",\"http\":{\"tls\":{\"subject\":\"CN=a\",\"verified\":true,"
         "\"chain_length\":2,\"chain\":["
         "{\"subject\":\"CN=a\",\"not_after\":\"2031-01-01T00:00:00Z\",\"days_left\":40},"
         "{\"subject\":\"CN=sub\",\"not_after\":\"2030-12-01T00:00:00Z\",\"days_left\":1}]}}}");
    SHOWN("first end   2030-12-01, 1 day left: CN=sub\n");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_reason_stands_first)
{
    show(
        "{\"target\":\"http://a/"
        "\",\"outcome\":\"failed\",\"cause\":\"status_mismatch\",\"message\":"
        "\"the status is 404\",\"checks\":[{\"check\":\"status\",\"ok\":false,\"detail\":\"d\"}]}");
    ck_assert_ptr_eq(strstr(out.data, "failed: status_mismatch (at fault: target)\n"
                                      "the status is not one of those expected: the status is "
                                      "404\n\n  target      http://a/\n"),
                     out.data);
    SHOWN("expectations\n  FAILED  status: d\n");
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_kept_body_is_shown_line_by_line)
{
    char json[20000], body[9001];
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    snprintf(json, sizeof(json),
             "{\"outcome\":\"ok\",\"http\":{\"body\":\"one\\ntwo\\u001b\\n%s\"}}", body);
    show(json);
    SHOWN("  body\n  one\n  two \n  x");
    size_t n = 0;
    for (const char *p = out.data; *p; p++)
        n += *p == 'x';
    ck_assert_uint_eq(n, sizeof(body) - 1);
    strbuf_fini(&out);
}
END_TEST

static void check_width(size_t width, const char *json)
{
    show_in(width, json);
    char *rest = out.data, *line;
    while ((line = strsep(&rest, "\n")) != NULL)
        ck_assert_msg(text_width(line) <= width, "%zu columns: '%s'", width, line);
    strbuf_fini(&out);
}

START_TEST(test_no_line_is_wider_than_the_terminal)
{
    static const char page[] =
        "{\"target\":\"https://a.example/a/very/long/path/that/fits/nowhere/at/all/in/44\","
        "\"outcome\":\"failed\",\"cause\":\"too_many_redirects\",\"message\":\"the certificate is "
        "for "
        "quite another name than the one that was asked for\",\"started_at\":"
        "\"2026-11-27T23:26:12.273852Z\",\"timings\":" TIMINGS(
            "1234.5") ",\"tries\":[{\"total_ms\":1,"
                      "\"cause\":\"connect_refused\",\"message\":\"10.0.0.1:80: Connection refused "
                      "by somebody\"}],"
                      "\"checks\":[{\"check\":\"body_regex\",\"ok\":false,\"detail\":\"the body "
                      "does not match it\"}],"
                      "\"http\":{\"status\":200,\"ip\":\"2001:db8:1111:2222:3333:4444:5555:6666\","
                      "\"port\":80,"
                      "\"redirects\":[{\"url\":\"http://a.example/a/very/long/path/that/fits/"
                      "nowhere\",\"timings\":" TIMINGS(
                          "1") "}],\"headers\":{\"x-\xe6\x97\xa5\":"
                               "\"\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
                               "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6"
                               "\x97\xa5\xe6\x97\xa5\xe6\x97\xa5"
                               "\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\xe6"
                               "\x97\xa5\xe6\x97\xa5\xe6\x97\xa5\"},"
                               "\"tls\":{\"fingerprint_sha256\":"
                               "\"0123456789012345678901234567890123456789012345678901234567890123"
                               "\"}}}";
    check_width(44, page);
    check_width(80, page);
    check_width(110, page);
}
END_TEST

START_TEST(test_peers_cannot_write_controls)
{
    show("{\"target\":\"http://a/\\u001b]0;x\\u0007\",\"outcome\":\"ok\",\"http\":{\"title\":"
         "\"t\\u009b2J\\u001b[2J\",\"headers\":{\"x\\u001b\":\"y\\r\\nz\"}}}");
    ck_assert_ptr_null(strchr(out.data, 0x1b));
    ck_assert_ptr_null(strchr(out.data, '\r'));
    ck_assert_ptr_null(strchr(out.data, 0x07));
    ck_assert_ptr_null(strstr(out.data, "\xc2\x9b"));
    strbuf_fini(&out);
}
END_TEST

START_TEST(test_members_of_wrong_types_are_passed_over)
{
    show(
        "{\"target\":7,\"outcome\":[],\"cause\":{},\"timings\":\"x\",\"http\":3,\"dns\":{\"flags\":"
        "[1],\"edns\":{\"ede\":[7]},\"answer\":[5,{}]},\"tries\":[8],\"checks\":[null]}");
    SHOWN("-");
    strbuf_fini(&out);
}
END_TEST

TESTS(view, test_failure_shows_cause_fault_and_sentence, test_sentence_is_not_said_twice,
      test_phase_that_never_happened_has_no_line, test_proxy_has_its_phase_and_its_name,
      test_bars_follow_one_another, test_certificate_is_shown, test_chain_and_key_are_shown,
      test_dns_answers_are_shown, test_what_edns_said_is_shown,
      test_international_name_is_shown_beside_its_ascii_form, test_tries_before_are_shown,
      test_each_hop_has_its_phases_on_one_time_line, test_first_end_of_the_chain_is_named,
      test_reason_stands_first, test_kept_body_is_shown_line_by_line,
      test_no_line_is_wider_than_the_terminal, test_peers_cannot_write_controls,
      test_members_of_wrong_types_are_passed_over)
CHECK_MAIN("result_view", view)
