/* SPDX-License-Identifier: MIT */
#include "master/ctl/probe_view.h"
#include "master/ctl/result_list.h"
#include "master/ctl/text.h"
#include "tests/support/check_main.h"
#include <string.h>

static struct strbuf out;

static void show(const char *json)
{
    struct table_style style = {.width = 0};
    struct json_doc *d = NULL;
    text_init();
    strbuf_init(&out, 1u << 20);
    ck_assert_int_eq(json_parse(json, strlen(json), &d, NULL, 0), ERR_NONE);
    probe_view_put(json_root(d), &style, &out);
    json_free(&d);
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
    SHOWN("  cancelled by the user\n");
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
    NOT_SHOWN("tls");
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
    SHOWN("CN=sub, until 2031-01-01 (40 days)");
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
    SHOWN("tries before\n");
    SHOWN("  dns_timeout after 1.5 ms: no answer\n");
    strbuf_fini(&out);
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
      test_phase_that_never_happened_has_no_line, test_bars_follow_one_another,
      test_certificate_is_shown, test_chain_and_key_are_shown, test_dns_answers_are_shown,
      test_what_edns_said_is_shown, test_international_name_is_shown_beside_its_ascii_form,
      test_tries_before_are_shown, test_peers_cannot_write_controls,
      test_members_of_wrong_types_are_passed_over)
CHECK_MAIN("ctl probe_view", view)
