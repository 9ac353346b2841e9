/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_wire.h"
#include "common/digest.h"
#include "common/json.h"
#include "common/mem.h"
#include "proto/target.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

START_TEST(test_query_has_the_bytes_of_rfc1035)
{
    uint8_t b[DNS_QUERY_MAX];
    char hex[2 * DNS_QUERY_MAX + 1];
    size_t len = 0;
    struct dns_query q = {.id = 0xabcd, .name = "example.com", .type = 28, .recursion = true};
    ck_assert_int_eq(dns_query_build(&q, b, sizeof(b), &len), ERR_NONE);
    hex_encode(b, len, hex);
    ck_assert_str_eq(hex, "abcd01000001000000000000076578616d706c6503636f6d00001c0001");
}
END_TEST

START_TEST(test_query_offers_the_udp_size_asked_for)
{
    uint8_t b[DNS_QUERY_MAX];
    char hex[2 * DNS_QUERY_MAX + 1];
    size_t len = 0;
    struct dns_query q = {.id = 1, .name = "", .type = 1, .edns_size = 512};
    ck_assert_int_eq(dns_query_build(&q, b, sizeof(b), &len), ERR_NONE);
    hex_encode(b, len, hex);
    ck_assert_str_eq(hex, "000100000001000000000001"
                          "0000010001"
                          "0000290200000000000000");
}
END_TEST

START_TEST(test_query_with_do_has_opt)
{
    uint8_t b[DNS_QUERY_MAX];
    char hex[2 * DNS_QUERY_MAX + 1];
    size_t len = 0;
    struct dns_query q = {.id = 1, .name = "", .type = 48, .edns_size = 1232, .dnssec = true};
    ck_assert_int_eq(dns_query_build(&q, b, sizeof(b), &len), ERR_NONE);
    hex_encode(b, len, hex);
    ck_assert_str_eq(hex, "000100000001000000000001"
                          "0000300001"
                          "00002904d0000080000000");
}
END_TEST

static enum err build(const char *name)
{
    uint8_t b[DNS_QUERY_MAX];
    size_t len = 0;
    struct dns_query q = {.name = name, .type = 1};
    return dns_query_build(&q, b, sizeof(b), &len);
}

START_TEST(test_query_bounds_of_names)
{
    char name[300];
    memset(name, 'a', sizeof(name));
    name[63] = '\0';
    ck_assert_int_eq(build(name), ERR_NONE);
    name[63] = 'a';
    name[64] = '\0';
    ck_assert_int_eq(build(name), ERR_INVALID);
    for (int i = 0; i < 255; i++)
        name[i] = i % 2 ? '.' : 'a';
    name[253] = '\0'; /* 127 labels of one octet: 255 octets on the wire */
    ck_assert_int_eq(build(name), ERR_NONE);
    name[252] = 'a';
    memcpy(name + 253, "b", 2);
    ck_assert_int_eq(build(name), ERR_INVALID);
}
END_TEST

START_TEST(test_query_refuses_empty_labels)
{
    ck_assert_int_eq(build("a..b"), ERR_INVALID);
    ck_assert_int_eq(build(".a"), ERR_INVALID);
    ck_assert_int_eq(build(".."), ERR_INVALID);
    ck_assert_int_eq(build("a."), ERR_NONE);
    ck_assert_int_eq(build("."), ERR_NONE);
}
END_TEST

START_TEST(test_query_reads_escapes)
{
    uint8_t b[DNS_QUERY_MAX];
    size_t len = 0;
    struct dns_query q = {.name = "a\\.b\\007.c", .type = 1};
    ck_assert_int_eq(dns_query_build(&q, b, sizeof(b), &len), ERR_NONE);
    ck_assert_mem_eq(b + 12, "\4a.b\7\1c\0", 8);
    ck_assert_int_eq(build("a\\256"), ERR_INVALID);
    ck_assert_int_eq(build("a\\25"), ERR_INVALID);
    ck_assert_int_eq(build("a\\"), ERR_INVALID);
}
END_TEST

/* The parser of targets and the builder must agree: the probe takes a validated name for granted.
 */
START_TEST(test_every_name_of_a_target_builds)
{
    char label[70], name[300] = "", json[400];
    static const char *const odd[] = {"a..b", "a..", "..",  ".a",       "a.",   ".",
                                      "-",    "*",   "a/b", "_dmarc.x", "xn--", "\xc3\xbc.de"};
    memset(label, 'a', sizeof(label));
    for (size_t i = 0; i < ARRAY_LEN(odd) + 8; i++) {
        struct json_doc *doc;
        struct target *t = NULL;
        struct target_problem problem;
        size_t n = i - ARRAY_LEN(odd);
        if (i < ARRAY_LEN(odd))
            snprintf(name, sizeof(name), "%s", odd[i]);
        else /* labels of 62, 63, 64, 65, and names of 252 to 255 */
            snprintf(name, sizeof(name), "%.*s", (int)(62 + n % 4), label);
        if (i >= ARRAY_LEN(odd) && n >= 4)
            snprintf(name, sizeof(name), "%.63s.%.63s.%.63s.%.*s", label, label, label,
                     (int)(56 + n), label);
        snprintf(json, sizeof(json), "{\"dns\": \"%s\", \"type\": \"A\"}", name);
        ck_assert_int_eq(json_parse(json, strlen(json), &doc, NULL, 0), ERR_NONE);
        if (target_from_json(json_root(doc), NULL, &t, &problem) == ERR_NONE)
            ck_assert_msg(build(t->dns.name) == ERR_NONE, "%s", name);
        target_destroy(&t);
        json_free(&doc);
    }
}
END_TEST

TESTS(queries, test_query_has_the_bytes_of_rfc1035, test_query_offers_the_udp_size_asked_for,
      test_query_with_do_has_opt, test_query_bounds_of_names, test_query_refuses_empty_labels,
      test_query_reads_escapes, test_every_name_of_a_target_builds)
CHECK_MAIN("dns_query", queries)
