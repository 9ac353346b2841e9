/* SPDX-License-Identifier: MIT */
#include "tests/proto/target_given.h"
#include <stdio.h>

#define URL(rest) "{\"url\":\"http://a/\"," rest "}"
#define DNS(rest) "{\"dns\":\"dns:a\"," rest "}"

START_TEST(test_built_in_options)
{
    good("https://a/");
    ck_assert_int_eq(t->timeout_ms, HTTP_TIMEOUT_MS);
    ck_assert_str_eq(t->http.method, "GET");
    ck_assert(t->http.follow_redirects && t->http.verify_tls);
    ck_assert_int_eq(t->http.max_redirects, REDIRECTS_MAX);
    ck_assert_int_eq(t->http.body_limit, BODY_LIMIT_BYTES);
    ck_assert_int_eq(t->max_total_ms, -1);
    good("dns:a");
    ck_assert_int_eq(t->timeout_ms, DNS_TIMEOUT_MS);
    ck_assert(t->dns.recursion && !t->dns.tcp && !t->dns.dnssec);
    ck_assert_int_eq(t->dns.edns_size, EDNS_SIZE);
    ck_assert_int_eq(t->retries, 0);
    ck_assert_int_eq(t->dns.expect_rcode, -1);
}
END_TEST

START_TEST(test_http_object_with_every_option)
{
    good("{\"url\":\"https://a/\",\"timeout_ms\":30000,\"user_id\":\"row 1\",\"method\":\"POST\","
         "\"headers\":{\"Host\":\"b\",\"X-A\":\"c\\td\"},\"body\":\"é\",\"follow_redirects\":false,"
         "\"max_redirects\":0,\"ip_version\":6,\"http_version\":\"1.1\",\"verify_tls\":false,"
         "\"body_limit\":0,\"keep_body\":65536,\"expect\":{\"status\":[200,\"3xx\"],"
         "\"body_regex\":\"^a\",\"body_not_regex\":\"b$\",\"max_total_ms\":1,\"tls_min_days\":0}}");
    const struct target_http *h = &t->http;
    ck_assert_int_eq(t->timeout_ms, 30000);
    ck_assert_str_eq(t->user_id, "row 1");
    ck_assert_str_eq(h->method, "POST");
    ck_assert_uint_eq(h->n_headers, 2);
    ck_assert_str_eq(h->headers[1].value, "c\td");
    ck_assert_uint_eq(h->body_len, 2);
    ck_assert(!h->follow_redirects && !h->verify_tls);
    ck_assert_int_eq(h->ip_version, IP_V6);
    ck_assert_int_eq(h->http_version, HTTP_1_1);
    ck_assert_int_eq(h->keep_body, 65536);
    ck_assert(status_set_has(&h->expect_status, 200) && status_set_has(&h->expect_status, 399));
    ck_assert(!status_set_has(&h->expect_status, 201) && !status_set_has(&h->expect_status, 400));
    ck_assert_int_eq(t->max_total_ms, 1);
    ck_assert_int_eq(h->tls_min_days, 0);
}
END_TEST

START_TEST(test_dns_object_with_every_option)
{
    good("{\"dns\":\"a\",\"type\":65,\"timeout_ms\":1,\"resolver\":\"::1\",\"transport\":\"tcp\","
         "\"recursion\":false,\"dnssec\":true,\"edns_size\":4096,\"retries\":5,"
         "\"expect\":{\"rcode\":\"NXDOMAIN\",\"min_answers\":0,\"max_total_ms\":30000}}");
    ck_assert_str_eq(t->uri, "dns:a");
    ck_assert_uint_eq(t->dns.type, 65);
    ck_assert_str_eq(t->dns.resolver, "[::1]:53");
    ck_assert(t->dns.tcp && !t->dns.recursion && t->dns.dnssec);
    ck_assert_int_eq(t->dns.edns_size, 4096);
    ck_assert_int_eq(t->retries, 5);
    ck_assert_int_eq(t->dns.expect_rcode, 3);
    ck_assert_int_eq(t->dns.expect_min_answers, 0);
    ck_assert_int_eq(t->max_total_ms, 30000);
}
END_TEST

START_TEST(test_null_counts_as_absent)
{
    good("{\"url\":\"http://a/\",\"dns\":null,\"timeout_ms\":null,\"headers\":null,\"expect\":null,"
         "\"ip_version\":null}");
    ck_assert_int_eq(t->timeout_ms, HTTP_TIMEOUT_MS);
}
END_TEST

START_TEST(test_bad_objects_are_refused_by_field)
{
    static const struct bad bad[] = {
        {"{}", "bad_value", "exactly one of 'url' and 'dns', and here is none"},
        {URL("\"dns\":\"dns:a\""), "bad_value", "here are both"},
        {"{\"url\":5}", "bad_value", "'url' must be a string"},
        {"{\"url\":\"dns:a\"}", "bad_value", "write a dns URI in 'dns'"},
        {"{\"dns\":\"http://a/\"}", "bad_value", "in 'url'"},
        {"{\"dns\":\"a\"}", "bare_name", "give 'type' beside it"},
        {"{\"url\":\"a\"}", "bare_name", "https://a/"},
        {"{\"dns\":\"//1.1.1.1/a\",\"type\":\"A\"}", "bad_uri", "cannot begin with '/'"},
        {URL("\"tmeout_ms\":1"), "unknown_field",
         "unknown field 'tmeout_ms'; did you mean 'timeout_ms'?"},
        {URL("\"expect\":{\"statsu\":[200]}"), "unknown_field",
         "unknown field 'expect.statsu'; did you mean 'status'?"},
        {URL("\"resolver\":\"ns1\""), "bad_value", "'resolver' must be an IP address"},
        {URL("\"type\":\"A\""), "unknown_field", "'type' is an option of dns targets"},
        {DNS("\"headers\":{}"), "unknown_field", "'headers' is an option of http targets"},
        {DNS("\"expect\":{\"status\":[200]}"), "unknown_field",
         "'expect.status' is an option of http"},
        {URL("\"timeout_ms\":0"), "bad_value", "'timeout_ms' must be an integer from 1 to 30000"},
        {URL("\"timeout_ms\":30001"), "bad_value", "'timeout_ms'"},
        {URL("\"timeout_ms\":1.5"), "bad_value", "'timeout_ms'"},
        {URL("\"method\":\"get\""), "bad_value", "'method' must be 1 to 16 capital letters"},
        {URL("\"method\":\"ABCDEFGHIJKLMNOPQ\""), "bad_value", "'method'"},
        {URL("\"method\":\"\""), "bad_value", "'method'"},
        {URL("\"method\":\"CONNECT\""), "bad_value", "CONNECT"},
        {URL("\"max_redirects\":6"), "bad_value", "'max_redirects' must be an integer from 0 to 5"},
        {URL("\"ip_version\":5"), "bad_value", "'ip_version' must be 4, 6 or \"any\""},
        {URL("\"http_version\":2"), "bad_value", "'http_version' must be \"auto\""},
        {URL("\"http_version\":\"2\""), "bad_value", "'http_version' 2 is for https"},
        {URL("\"verify_tls\":\"no\""), "bad_value", "'verify_tls' must be true or false"},
        {URL("\"body_limit\":16777217"), "bad_value", "'body_limit'"},
        {URL("\"keep_body\":65537"), "bad_value", "'keep_body'"},
        {URL("\"headers\":[]"), "bad_value", "'headers' must be an object"},
        {URL("\"headers\":{\"A b\":\"c\"}"), "bad_value", "'A b' cannot be the name of a header"},
        {URL("\"headers\":{\"\":\"c\"}"), "bad_value", "cannot be the name of a header"},
        {URL("\"headers\":{\"A\":1}"), "bad_value",
         "the header 'A' must be a string, not a number"},
        {URL("\"headers\":{\"A\":\"b\\r\\nc\"}"), "bad_value", "the header 'A' holds a line break"},
        {URL("\"headers\":{\"A\":\"b\",\"a\":\"c\"}"), "bad_value", "'a' is given twice"},
        {URL("\"headers\":{\"content-length\":\"1\"}"), "bad_value", "made by the probe itself"},
        {URL("\"headers\":{\"Transfer-Encoding\":\"x\"}"), "bad_value", "made by the probe itself"},
        {URL("\"headers\":{\"Connection\":\"x\"}"), "bad_value", "made by the probe itself"},
        {URL("\"expect\":[]"), "bad_value", "'expect' must be an object"},
        {URL("\"expect\":{\"status\":[]}"), "bad_value", "in 'expect': 'status' is empty"},
        {URL("\"expect\":{\"status\":[600]}"), "bad_value", "'status' must hold codes"},
        {URL("\"expect\":{\"status\":[\"6xx\"]}"), "bad_value", "'status' must hold codes"},
        {URL("\"expect\":{\"status\":[\"2xxx\"]}"), "bad_value", "'status' must hold codes"},
        {URL("\"expect\":{\"body_regex\":\"ab(\"}"), "bad_value", "at byte 3"},
        {URL("\"expect\":{\"max_total_ms\":0}"), "bad_value", "in 'expect': 'max_total_ms'"},
        {DNS("\"type\":\"X\""), "bad_value", "'type' must be a DNS type"},
        {DNS("\"type\":0"), "bad_value", "'type' must be an integer from 1 to 65535"},
        {DNS("\"type\":252"), "bad_value", "'type' 252 cannot be asked"},
        {"{\"dns\":\"dns:a?type=A\",\"type\":\"MX\"}", "bad_value", "'type' contradicts"},
        {"{\"dns\":\"dns://1.1.1.1/a\",\"resolver\":\"8.8.8.8\"}", "bad_value",
         "'resolver' contradicts"},
        {DNS("\"resolver\":\"ns1\""), "bad_value", "'resolver' must be an IP address"},
        {DNS("\"transport\":\"sctp\""), "bad_value", "'transport' must be \"udp\" or \"tcp\""},
        {DNS("\"expect\":{\"rcode\":\"NX\"}"), "bad_value", "'rcode' must be a DNS response code"},
        {DNS("\"expect\":{\"rcode\":24}"), "bad_value", "'rcode'"},
        {DNS("\"retries\":6"), "bad_value", "'retries' must be an integer from 0 to 5"},
        {URL("\"retries\":6"), "bad_value", "'retries' must be an integer from 0 to 5"},
        {DNS("\"edns_size\":511"), "bad_value", "must be 0 (no EDNS) or from 512 to 4096"},
        {DNS("\"edns_size\":4097"), "bad_value", "'edns_size'"},
        {DNS("\"edns_size\":0,\"dnssec\":true"), "bad_value", "'dnssec' needs EDNS"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_target_that_is_neither_string_nor_object)
{
    ck_assert_int_eq(json("[1]"), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(p.detail, "a URI or an object, not an array"));
    ck_assert_int_eq(json("\"http://a/\""), ERR_NONE);
}
END_TEST

START_TEST(test_user_id_at_the_bound_and_one_over)
{
    char *s = repeat("{\"url\":\"http://a/\",\"user_id\":\"", 'x', USER_ID_MAX, "\"}");
    good(s);
    free(s);
    s = repeat("{\"url\":\"http://a/\",\"user_id\":\"", 'x', USER_ID_MAX + 1, "\"}");
    ck_assert_int_eq(json(s), ERR_INVALID);
    free(s);
}
END_TEST

START_TEST(test_defaults_reach_the_targets_of_their_kind_only)
{
    ck_assert_int_eq(
        defaults("{\"timeout_ms\":777,\"method\":\"HEAD\",\"type\":\"MX\","
                 "\"resolver\":\"9.9.9.9\",\"headers\":{\"A\":\"1\",\"B\":\"2\"},"
                 "\"expect\":{\"status\":[204],\"min_answers\":2,\"max_total_ms\":9}}"),
        ERR_NONE);
    good("http://a/");
    ck_assert_str_eq(t->http.method, "HEAD");
    ck_assert_int_eq(t->timeout_ms, 777);
    ck_assert_uint_eq(t->http.n_headers, 2);
    ck_assert(status_set_has(&t->http.expect_status, 204));
    good("dns:a");
    ck_assert_uint_eq(t->dns.type, 15);
    ck_assert_str_eq(t->dns.resolver, "9.9.9.9:53");
    ck_assert_int_eq(t->dns.expect_min_answers, 2);
    ck_assert_int_eq(t->max_total_ms, 9);
}
END_TEST

START_TEST(test_target_overrides_its_defaults)
{
    ck_assert_int_eq(
        defaults("{\"timeout_ms\":777,\"type\":\"MX\",\"resolver\":\"9.9.9.9\","
                 "\"headers\":{\"A\":\"1\",\"B\":\"2\"},\"expect\":{\"status\":[204]}}"),
        ERR_NONE);
    good(URL("\"timeout_ms\":5,\"headers\":{\"a\":\"3\"},\"expect\":{\"max_total_ms\":4}"));
    ck_assert_int_eq(t->timeout_ms, 5);
    ck_assert_uint_eq(t->http.n_headers, 2);
    ck_assert_str_eq(t->http.headers[0].value, "3");
    ck_assert(t->http.expect_status_set);
    good("dns://1.1.1.1/a?type=A");
    ck_assert_uint_eq(t->dns.type, 1);
    ck_assert_str_eq(t->dns.resolver, "1.1.1.1:53");
}
END_TEST

START_TEST(test_bad_defaults_are_refused)
{
    static const struct bad bad[] = {
        {"[]", "bad_value", "'defaults' must be an object"},
        {"{\"url\":\"http://a/\"}", "unknown_field", "unknown field 'url'"},
        {"{\"user_id\":\"x\"}", "unknown_field", "unknown field 'user_id'"},
        {"{\"x\":1}", "unknown_field", "unknown field 'x'"},
        {"{\"expect\":{\"x\":1}}", "unknown_field", "unknown field 'expect.x'"},
        {"{\"timeout_ms\":-1}", "bad_value", "'timeout_ms'"},
        {"{\"resolver\":\"x\"}", "bad_value", "'resolver'"},
        {"{\"expect\":{\"body_regex\":\"[\"}}", "bad_value", "'body_regex'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_msg(defaults(bad[i].given) == ERR_INVALID, "%s was taken", bad[i].given);
        ck_assert_str_eq(p.code, bad[i].code);
        ck_assert_ptr_nonnull(strstr(p.detail, bad[i].detail));
    }
}
END_TEST

TESTS(options, test_built_in_options, test_http_object_with_every_option,
      test_dns_object_with_every_option, test_null_counts_as_absent,
      test_bad_objects_are_refused_by_field, test_target_that_is_neither_string_nor_object,
      test_user_id_at_the_bound_and_one_over, test_defaults_reach_the_targets_of_their_kind_only,
      test_target_overrides_its_defaults, test_bad_defaults_are_refused)

static TCase *all(void)
{
    TCase *tc = options();
    tcase_add_checked_fixture(tc, NULL, teardown);
    return tc;
}
CHECK_MAIN("target_options", all)
