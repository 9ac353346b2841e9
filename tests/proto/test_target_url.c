/* SPDX-License-Identifier: MIT */
#include "tests/proto/target_given.h"
#include <stdio.h>

static void host_is(const char *uri, const char *host, unsigned port)
{
    good(uri);
    ck_assert_str_eq(t->http.host, host);
    ck_assert_uint_eq(t->http.port, port);
}

START_TEST(test_url_has_scheme_host_and_port)
{
    host_is("http://Example.COM", "example.com", 80);
    ck_assert(!t->http.https);
    host_is("HTTPS://example.com./a?b#c", "example.com", 443);
    ck_assert(t->http.https);
    host_is("https://example.com:65535/", "example.com", 65535);
    host_is("https://example.com:1?x", "example.com", 1);
    host_is("http://example.com:/", "example.com", 80);
    host_is("http://[2001:DB8:0::1]:8080/", "2001:db8::1", 8080);
    host_is("http://_dmarc.a_b/", "_dmarc.a_b", 80);
}
END_TEST

START_TEST(test_uri_is_kept_as_given_but_trimmed)
{
    good(" \t HTTP://EXAMPLE.com/A \r");
    ck_assert_str_eq(t->uri, "HTTP://EXAMPLE.com/A");
    good("\xef\xbb\xbfhttp://a/");
    ck_assert_str_eq(t->uri, "http://a/");
}
END_TEST

START_TEST(test_old_forms_of_ipv4_become_dotted_quads)
{
    host_is("http://127.1/", "127.0.0.1", 80);
    host_is("http://0x7f.1/", "127.0.0.1", 80);
    host_is("http://0X7F000001/", "127.0.0.1", 80);
    host_is("http://2130706433/", "127.0.0.1", 80);
    host_is("http://017700000001/", "127.0.0.1", 80);
    host_is("http://127.0.0.1./", "127.0.0.1", 80);
    host_is("http://1.2.772/", "1.2.3.4", 80);
    host_is("http://4294967295/", "255.255.255.255", 80);
    host_is("http://0/", "0.0.0.0", 80);
    host_is("http://１２７.0.0.1/", "127.0.0.1", 80);
}
END_TEST

START_TEST(test_what_ends_in_a_number_but_is_no_address_is_refused)
{
    static const struct bad bad[] = {
        {"http://4294967296/", "bad_uri", "'4294967296' ends in a number"},
        {"http://1.2.3.256/", "bad_uri", "is not an IPv4 address"},
        {"http://1.2.3.4.5/", "bad_uri", "is not an IPv4 address"},
        {"http://256.1/", "bad_uri", "is not an IPv4 address"},
        {"http://1.16777216/", "bad_uri", "is not an IPv4 address"},
        {"http://08/", "bad_uri", "is not an IPv4 address"},
        {"http://example.123/", "bad_uri", "is not an IPv4 address"},
        {"http://0xg.0x1/", "bad_uri", "is not an IPv4 address"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_international_names_become_ascii)
{
    host_is("http://bücher.example/", "xn--bcher-kva.example", 80);
    host_is("http://BÜCHER.example/", "xn--bcher-kva.example", 80);
    host_is("http://faß.de/", "xn--fa-hia.de", 80);
    host_is("http://例え。テスト/", "xn--r8jz45g.xn--zckzah", 80);
    good("dns:bücher.example?type=MX");
    ck_assert_str_eq(t->dns.name, "xn--bcher-kva.example");
}
END_TEST

START_TEST(test_bad_urls_are_refused_with_the_fix)
{
    static const struct bad bad[] = {
        {"", "empty", "the target is empty"},
        {"  \t", "empty", "the target is empty"},
        {"http:/a", "bad_uri", "two slashes must follow 'http:'"},
        {"https:a", "bad_uri", "write https://HOST/"},
        {"http://", "bad_uri", "has no host"},
        {"http:///path", "bad_uri", "has no host"},
        {"http://:80/", "bad_uri", "has no host"},
        {"http://user@a/", "bad_uri", "must not hold a user or a password"},
        {"http://a b/", "bad_uri", "a space at byte 9 of the URI: write %20"},
        {"http://a/\tb", "bad_uri", "a control character at byte 10"},
        {"http://a/\x7f", "bad_uri", "a control character at byte 10"},
        {"http://a/\xc2\x85", "bad_uri", "a control character at byte 10"},
        {"http://a\\b/", "bad_uri", "a backslash at byte 9"},
        {"http://a/\xff", "bad_utf8", "not valid UTF-8"},
        {"http://a:0/", "bad_uri", "'0' is not a number from 1 to 65535"},
        {"http://a:65536/", "bad_uri", "'65536' is not a number"},
        {"http://a:8o/", "bad_uri", "'8o' is not a number"},
        {"http://a:-1/", "bad_uri", "'-1' is not a number"},
        {"http://::1/", "bad_uri", "needs brackets"},
        {"http://[::1/", "bad_uri", "has no ']'"},
        {"http://[::1]8/", "bad_uri", "only ':' and a port may follow"},
        {"http://[1.2.3.4]/", "bad_uri", "is not an IPv6 address"},
        {"http://[]/", "bad_uri", "is not an IPv6 address"},
        {"http://[fe80::1%25eth0]/", "bad_uri", "zone"},
        {"http://a..b/", "bad_uri", "an empty part between dots"},
        {"http://./", "bad_uri", "an empty part between dots"},
        {"http://a%2eb/", "bad_uri", "percent-encoded"},
        {"http://a!b/", "bad_uri", "'!' cannot stand in the host 'a!b'"},
        {"http://xn--\xc3\xbc.a/", "bad_uri", "not a valid international name"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_marks_are_refused_at_every_offset)
{
    static const char marks[] = "\x01\x1f \\\x7f";
    for (const char *m = marks; *m != '\0'; m++)
        for (size_t at = 10; at < 40; at++) {
            char uri[] = "http://a/bcdefghijklmnopqrstuvwxyz[]{}~!0", where[32];
            ck_assert_int_eq(text(uri), ERR_NONE);
            uri[at] = *m;
            snprintf(where, sizeof(where), "at byte %zu of the URI", at + 1);
            const struct bad b = {uri, "bad_uri", where};
            refused(&b);
        }
}
END_TEST

START_TEST(test_password_is_never_quoted)
{
    static const char *const secrets[] = {"http://u:hunter2@a/", "ftp://u:hunter2@a/",
                                          "//u:hunter2@a/", "a/u:hunter2@b"};
    for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
        ck_assert_int_eq(text(secrets[i]), ERR_INVALID);
        ck_assert_ptr_null(strstr(p.detail, "hunter2"));
    }
}
END_TEST

START_TEST(test_unknown_scheme_names_the_known_ones)
{
    static const struct bad bad[] = {
        {"ftp://a/", "unknown_scheme", "the scheme 'ftp' is not known: http, https and dns are"},
        {"file:///etc/passwd", "unknown_scheme", "'file'"},
        {"mailto:joe", "unknown_scheme", "'mailto'"},
        {"httpx://a/", "unknown_scheme", "'httpx'"},
        {"h.t://a/", "unknown_scheme", "'h.t'"},
        {"//a/", "bad_uri", "it must begin with http://, https:// or dns:"},
        {"# comment", "bad_uri", "a space"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_bare_name_gets_both_ways_to_write_it)
{
    ck_assert_int_eq(text("example.com"), ERR_INVALID);
    ck_assert_str_eq(p.code, "bare_name");
    ck_assert_str_eq(p.detail,
                     "'example.com' is not a URI: write https://example.com/ to probe the "
                     "site or dns:example.com?type=A to resolve the name");
    static const struct bad bad[] = {
        {"example.com:8080/x", "bare_name", "write https://example.com:8080/x to probe"},
        {"localhost:3000", "bare_name", "dns:localhost?type=A"},
        {"localhost", "bare_name", "dns:localhost?type=A"},
        {"bücher.example", "bare_name", "https://bücher.example/"},
        {"a-name-so-long-that-it-is-quoted-only-once.example.com", "bare_name",
         "begin it with https://"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_uri_at_the_bound_and_one_over)
{
    char *s = repeat("http://a/", 'x', URI_MAX - 9, "");
    good(s);
    free(s);
    s = repeat("http://a/", 'x', URI_MAX - 8, "");
    ck_assert_int_eq(text(s), ERR_INVALID);
    ck_assert_str_eq(p.code, "too_long");
    free(s);
}
END_TEST

START_TEST(test_label_at_the_bound_and_one_over)
{
    char *s = repeat("http://", 'x', 63, ".com/");
    good(s);
    free(s);
    s = repeat("http://", 'x', 64, ".com/");
    ck_assert_int_eq(text(s), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(p.detail, "has 64 bytes, at most 63"));
    free(s);
}
END_TEST

START_TEST(test_name_at_the_bound_and_one_over)
{
    char name[256] = "";
    for (size_t i = 0; i < 253; i++)
        name[i] = i % 2 == 0 ? 'a' : '.';
    char uri[300];
    snprintf(uri, sizeof(uri), "dns:%s.", name);
    good(uri);
    snprintf(uri, sizeof(uri), "dns:%sa", name);
    ck_assert_int_eq(text(uri), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(p.detail, "has 254 bytes, at most 253"));
}
END_TEST

START_TEST(test_dns_uri_has_name_type_and_resolver)
{
    good("dns:Example.com");
    ck_assert_str_eq(t->dns.name, "example.com");
    ck_assert_uint_eq(t->dns.type, 1);
    ck_assert_ptr_null(t->dns.resolver);
    good("DNS://1.1.1.1/example.com.?TYPE=aaaa");
    ck_assert_str_eq(t->dns.name, "example.com");
    ck_assert_uint_eq(t->dns.type, 28);
    ck_assert_str_eq(t->dns.resolver, "1.1.1.1:53");
    good("dns://[::1]:5353/_dmarc.x?class=in;type=TYPE65280");
    ck_assert_str_eq(t->dns.resolver, "[::1]:5353");
    ck_assert_uint_eq(t->dns.type, 65280);
    good("dns:///x");
    ck_assert_ptr_null(t->dns.resolver);
    good("dns:.?type=NS");
    ck_assert_str_eq(t->dns.name, "");
    good("dns:0/25.2.0.192.in-addr.arpa?type=PTR");
    good("dns:%65xample.com");
    ck_assert_str_eq(t->dns.name, "example.com");
}
END_TEST

START_TEST(test_bad_dns_uris_are_refused_with_the_fix)
{
    static const struct bad bad[] = {
        {"dns:", "bad_uri", "has no name"},
        {"dns:?type=NS", "bad_uri", "dns:.?type=NS for the root"},
        {"dns://1.1.1.1", "bad_uri", "no name follows the resolver"},
        {"dns://1.1.1.1/", "bad_uri", "has no name"},
        {"dns://ns1.example/x", "bad_uri", "'ns1.example' is not an IP address"},
        {"dns://1.1.1.1:0/x", "bad_uri", "is not an IP address"},
        {"dns:////x", "bad_uri", "cannot begin with '/'"},
        {"dns:x?type=", "bad_value", "'' is not a DNS type"},
        {"dns:x?type=FOO", "bad_value", "'FOO' is not a DNS type"},
        {"dns:x?type=AXFR", "bad_value", "'AXFR' cannot be asked"},
        {"dns:x?type=OPT", "bad_value", "'OPT' cannot be asked"},
        {"dns:x?", "bad_uri", "is not type=T"},
        {"dns:x?AAAA", "bad_uri", "'AAAA' after '?' is not type=T"},
        {"dns:x?tpye=A", "unknown_field", "'tpye' after '?' is not known"},
        {"dns:x?class=CH", "bad_value", "'CH' is not supported"},
        {"dns:x?type=A;type=A", "bad_uri", "given twice"},
        {"dns:a%2eb", "bad_uri", "'%2e' cannot stand in a name"},
        {"dns:a%00b", "bad_uri", "'%00' cannot stand in a name"},
        {"dns:a%2", "bad_uri", "two hexadecimal digits"},
        {"dns:a%", "bad_uri", "two hexadecimal digits"},
        {"dns:a%ff", "bad_utf8", "not valid UTF-8"},
        {"dns:a..b", "bad_uri", "empty part"},
        {"dns:a#b", "bad_uri", "'#' has no meaning"},
        {"dns:a,b", "bad_uri", "',' cannot stand in the name"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_text_with_a_nul_is_refused)
{
    ck_assert_int_eq(target_from_text("http://a/\0b", 11, NULL, &t, &p), ERR_INVALID);
    ck_assert_str_eq(p.code, "bad_uri");
}
END_TEST

TESTS(uris, test_url_has_scheme_host_and_port, test_uri_is_kept_as_given_but_trimmed,
      test_old_forms_of_ipv4_become_dotted_quads,
      test_what_ends_in_a_number_but_is_no_address_is_refused,
      test_international_names_become_ascii, test_bad_urls_are_refused_with_the_fix,
      test_password_is_never_quoted, test_unknown_scheme_names_the_known_ones,
      test_bare_name_gets_both_ways_to_write_it, test_uri_at_the_bound_and_one_over,
      test_label_at_the_bound_and_one_over, test_name_at_the_bound_and_one_over,
      test_dns_uri_has_name_type_and_resolver, test_bad_dns_uris_are_refused_with_the_fix,
      test_text_with_a_nul_is_refused, test_marks_are_refused_at_every_offset)

static TCase *all(void)
{
    TCase *tc = uris();
    tcase_add_checked_fixture(tc, NULL, teardown);
    return tc;
}
CHECK_MAIN("target_url", all)
