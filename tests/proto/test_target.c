/* SPDX-License-Identifier: MIT */
#include "tests/proto/target_given.h"
#include <stdio.h>
#include "common/strbuf.h"

#define URL(rest) "{\"url\":\"http://a/\"," rest "}"

static void encodes(const char *given, const char *want)
{
    struct strbuf b;
    strbuf_init(&b, SPEC_MAX_BYTES);
    good(given);
    ck_assert_int_eq(target_encode(t, &b), ERR_NONE);
    ck_assert_str_eq(b.data, want);
    target_defaults_destroy(&d);
    char *first = mem_strdup(b.data);
    good(first);
    strbuf_reset(&b);
    ck_assert_int_eq(target_encode(t, &b), ERR_NONE);
    ck_assert_str_eq(b.data, first);
    free(first);
    strbuf_fini(&b);
}

START_TEST(test_spec_leaves_out_what_is_built_in)
{
    encodes("https://a/", "{\"url\":\"https://a/\"}");
    encodes("dns:a?type=A", "{\"dns\":\"dns:a?type=A\"}");
    encodes(
        URL("\"timeout_ms\":10000,\"user_id\":\"x\",\"method\":\"GET\",\"follow_redirects\":true"),
        "{\"url\":\"http://a/\"}");
}
END_TEST

START_TEST(test_spec_reads_back_to_the_same_target)
{
    static const char http[] =
        "{\"url\":\"https://a/"
        "\",\"timeout_ms\":5,\"retries\":2,\"method\":\"POST\",\"headers\":{\"A\":\"1\"},"
        "\"body\":\"x\",\"auth\":{\"basic\":{\"user\":\"u\",\"password\":\"p:\"}},"
        "\"follow_redirects\":false,\"max_redirects\":1,\"resolver\":\"[::1]:53\",\"ip_version\":4,"
        "\"http_version\":\"2\",\"verify_tls\":false,\"body_limit\":7,\"wire_limit\":9,"
        "\"compression\":false,\"keep_body\":8,"
        "\"expect\":{\"status\":[\"2xx\",301],\"body_regex\":\"a\",\"body_not_regex\":\"b\","
        "\"header\":{\"Server\":\"^n\",\"X\":\"\"},\"json\":[{\"path\":\"$.a[0]\",\"equals\":1.5},"
        "{\"path\":\"$\",\"equals\":null,\"regex\":\"x\"},{\"path\":\"$.b\",\"exists\":false}],"
        "\"tls_min_days\":3,\"max_total_ms\":4}}";
    static const char dns[] =
        "{\"dns\":\"dns:a\",\"timeout_ms\":6,\"retries\":5,\"type\":\"MX\",\"resolver\":\"1.1.1.1:"
        "53\","
        "\"transport\":\"tcp\",\"recursion\":false,\"dnssec\":true,\"edns_size\":512,"
        "\"expect\":{\"rcode\":\"NOERROR\",\"min_answers\":1,\"max_total_ms\":2}}";
    encodes(http, http);
    encodes(URL("\"auth\":{\"bearer\":\"t\"}"),
            "{\"url\":\"http://a/\",\"auth\":{\"bearer\":\"t\"}}");
    encodes(
        URL("\"expect\":{\"json\":[{\"path\":\"$\",\"equals\":\"\\u00e9\\n\",\"exists\":true}]}"),
        "{\"url\":\"http://a/\",\"expect\":{\"json\":[{\"path\":\"$\",\"equals\":\"é\\n\"}]}}");
    encodes(dns, dns);
    encodes("dns://1.1.1.1/a?type=MX",
            "{\"dns\":\"dns://1.1.1.1/a?type=MX\",\"type\":\"MX\",\"resolver\":\"1.1.1.1:53\"}");
    encodes("{\"dns\":\"a\",\"type\":\"A\",\"edns_size\":0}",
            "{\"dns\":\"dns:a\",\"edns_size\":0}");
    encodes("{\"dns\":\".\",\"type\":\"NS\"}", "{\"dns\":\"dns:.\",\"type\":\"NS\"}");
}
END_TEST

START_TEST(test_spec_holds_what_the_defaults_gave)
{
    ck_assert_int_eq(defaults("{\"timeout_ms\":5,\"type\":\"MX\"}"), ERR_NONE);
    encodes("dns:a", "{\"dns\":\"dns:a\",\"timeout_ms\":5,\"type\":\"MX\"}");
}
END_TEST

START_TEST(test_http2_as_a_default_is_for_what_can_speak_it)
{
    ck_assert_int_eq(defaults("{\"http_version\":\"2\"}"), ERR_NONE);
    encodes("http://a/", "{\"url\":\"http://a/\"}");
    ck_assert_int_eq(defaults("{\"http_version\":\"2\"}"), ERR_NONE);
    encodes("https://a/", "{\"url\":\"https://a/\",\"http_version\":\"2\"}");
}
END_TEST

START_TEST(test_spec_over_its_bound_is_too_big)
{
    struct strbuf b, s;
    strbuf_init(&b, 1 << 20);
    strbuf_init(&s, 1 << 20);
    strbuf_puts(&s, "{\"url\":\"http://a/\",\"headers\":{\"h\":\"\"");
    for (int i = 0; i < 8; i++) {
        char *value = repeat("", 'x', HEADER_VALUE_MAX, "");
        strbuf_printf(&s, ",\"h%d\":\"%s\"", i, value);
        free(value);
    }
    strbuf_puts(&s, "}}");
    good(s.data);
    ck_assert_int_eq(target_encode(t, &b), ERR_TOO_BIG);
    strbuf_fini(&b);
    strbuf_fini(&s);
}
END_TEST

static uint64_t hash_of(const char *uri)
{
    good(uri);
    return target_host_hash(t);
}

START_TEST(test_host_hash_is_the_key_of_politeness)
{
    ck_assert_uint_eq(hash_of("http://A.example/x"), hash_of("https://a.example:8443/y"));
    ck_assert_uint_eq(hash_of("http://127.1/"), hash_of("http://127.0.0.1/"));
    ck_assert_uint_ne(hash_of("http://a.example/"), hash_of("http://b.example/"));
    ck_assert_uint_eq(hash_of("dns://1.1.1.1/a"), hash_of("dns://1.1.1.1:53/b"));
    ck_assert_uint_ne(hash_of("dns:a"), hash_of("dns:b"));
    ck_assert_uint_ne(hash_of("dns:a.example"), hash_of("http://a.example/"));
}
END_TEST

START_TEST(test_safe_methods_and_dns_are_safe)
{
    good("dns:a");
    ck_assert(target_safe(t));
    good("http://a/");
    ck_assert(target_safe(t));
    good(URL("\"method\":\"OPTIONS\""));
    ck_assert(target_safe(t));
    good(URL("\"method\":\"POST\""));
    ck_assert(!target_safe(t));
}
END_TEST

TESTS(specs, test_spec_leaves_out_what_is_built_in, test_spec_reads_back_to_the_same_target,
      test_spec_holds_what_the_defaults_gave, test_http2_as_a_default_is_for_what_can_speak_it,
      test_spec_over_its_bound_is_too_big, test_host_hash_is_the_key_of_politeness,
      test_safe_methods_and_dns_are_safe)

static TCase *all(void)
{
    TCase *tc = specs();
    tcase_add_checked_fixture(tc, NULL, teardown);
    return tc;
}
CHECK_MAIN("target", all)
