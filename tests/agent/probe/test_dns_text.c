/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_text.h"
#include "common/digest.h"
#include "common/mem.h"
#include "proto/target.h"
#include "tests/support/check_main.h"
#include <stdlib.h>
#include <string.h>

/* RDATA alone, without a message around it: an exact copy on the heap, so that a read behind the
 * end is seen by the sanitizer. Blanks in the hex text only part the fields. */
static const char *read_rdata(const char *type, const char *hex, struct strbuf *b)
{
    uint8_t bytes[512];
    char packed[1024];
    size_t n = 0;
    uint16_t number = 0;
    for (const char *p = hex; *p != '\0'; p++)
        if (*p != ' ')
            packed[n++] = *p;
    ck_assert(n <= sizeof(packed) && n / 2 <= sizeof(bytes));
    ck_assert_msg(hex_decode(packed, n, bytes), "%s", hex);
    ck_assert_int_eq(rrtype_parse(type, &number), ERR_NONE);
    uint8_t *copy = mem_dup(bytes, n / 2);
    struct dns_cur c;
    dns_cur_init(&c, copy, n / 2);
    dns_text_rdata(&c, number, false, b);
    free(copy);
    return c.why;
}

static void reads(const char *type, const char *hex, const char *want)
{
    struct strbuf b;
    strbuf_init(&b, 4096);
    const char *why = read_rdata(type, hex, &b);
    ck_assert_msg(why == NULL, "%s %s: %s", type, hex, why);
    ck_assert_msg(strcmp(b.data, want) == 0, "%s %s: '%s'", type, hex, b.data);
    strbuf_fini(&b);
}

static void refuses(const char *type, const char *hex)
{
    struct strbuf b;
    strbuf_init(&b, 4096);
    ck_assert_msg(read_rdata(type, hex, &b) != NULL, "%s accepted %s: %s", type, hex, b.data);
    strbuf_fini(&b);
}

#define FOO_EXAMPLE_COM "03666f6f 076578616d706c65 03636f6d 00"
#define FOO_EXAMPLE_ORG "03666f6f 076578616d706c65 036f7267 00"

/* The vectors of RFC 9460, appendix D.1 to D.2. */
START_TEST(test_svcb_vectors_of_rfc9460)
{
    reads("HTTPS", "0000 " FOO_EXAMPLE_COM, "0 foo.example.com.");
    reads("SVCB", "0001 00", "1 .");
    reads("SVCB", "0010 " FOO_EXAMPLE_COM " 0003 0002 0035", "16 foo.example.com. port=53");
    reads("SVCB", "0001 " FOO_EXAMPLE_COM " 029b 0005 68656c6c6f",
          "1 foo.example.com. key667=\"hello\"");
    reads("SVCB", "0001 " FOO_EXAMPLE_COM " 029b 0009 68656c6c6f d2 716f6f",
          "1 foo.example.com. key667=\"hello\\210qoo\"");
    reads("SVCB",
          "0001 " FOO_EXAMPLE_COM
          " 0006 0020 20010db8000000000000000000000001 20010db8000000000000000000530001",
          "1 foo.example.com. ipv6hint=2001:db8::1,2001:db8::53:1");
    reads("SVCB",
          "0010 " FOO_EXAMPLE_ORG
          " 0000 0004 0001 0004 0001 0009 02 6832 05 68332d3139 0004 0004 c0000201",
          "16 foo.example.org. mandatory=alpn,ipv4hint alpn=\"h2,h3-19\" ipv4hint=192.0.2.1");
    reads("SVCB", "0010 " FOO_EXAMPLE_ORG " 0001 000c 08 665c6f6f2c626172 02 6832",
          "16 foo.example.org. alpn=\"f\\\\\\\\oo\\\\,bar,h2\"");
}
END_TEST

START_TEST(test_svcb_other_keys)
{
    reads("HTTPS", "0001 00 0001 0003 02 6832 0002 0000", "1 . alpn=\"h2\" no-default-alpn");
    reads("HTTPS", "0001 00 0005 0004 deadbeef", "1 . ech=3q2+7w==");
    reads("SVCB", "0001 00 0007 0010 2f646e732d71756572797b3f646e737d",
          "1 . dohpath=\"/dns-query{?dns}\"");
    reads("SVCB", "0001 00 0008 0000", "1 . ohttp");
    reads("SVCB", "0001 00 ffff 0000", "1 . key65535");
}
END_TEST

START_TEST(test_svcb_keys_must_ascend)
{
    refuses("SVCB", "0001 00 0003 0002 0035 0001 0003 02 6832");
    refuses("SVCB", "0001 00 0003 0002 0035 0003 0002 0035");
}
END_TEST

START_TEST(test_svcb_values_must_have_their_shape)
{
    static const char *const bad[] = {
        "0000 0000",            /* mandatory: none */
        "0000 0003 0001 00",    /* mandatory: half a key */
        "0000 0002 0000",       /* mandatory: itself */
        "0000 0004 0004 0001",  /* mandatory: descending */
        "0001 0000",            /* alpn: none */
        "0001 0001 00",         /* alpn: an empty one */
        "0001 0002 02 68",      /* alpn: longer than the value */
        "0002 0001 00",         /* no-default-alpn: a value */
        "0003 0001 35",         /* port: one octet */
        "0003 0003 003500",     /* port: three */
        "0004 0000",            /* ipv4hint: none */
        "0004 0005 c000020100", /* ipv4hint: one and a quarter */
        "0005 0000",            /* ech: none */
        "0006 0004 c0000201",   /* ipv6hint: an IPv4 address */
        "0008 0001 00",         /* ohttp: a value */
        "0003 0004 0035",       /* longer than the record */
        "0003 00",              /* half a length */
        "00",                   /* half a key */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char hex[128] = "0001 00 ";
        memcpy(hex + strlen(hex), bad[i], strlen(bad[i]) + 1);
        refuses("HTTPS", hex);
    }
}
END_TEST

/* RFC 5155 appendix A: example. NSEC3 and NSEC3PARAM. */
START_TEST(test_nsec3_of_rfc5155)
{
    reads("NSEC3",
          "01 01 000c 04 aabbccdd 14 174eb2409fe28bcb4887a1836f957f0a8425e27b "
          "0007 2201000000 0290",
          "1 1 12 AABBCCDD 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR NS SOA MX RRSIG DNSKEY NSEC3PARAM");
    reads("NSEC3PARAM", "01 00 000c 04 aabbccdd", "1 0 12 AABBCCDD");
    reads("NSEC3PARAM", "01 00 0000 00", "1 0 0 -");
}
END_TEST

START_TEST(test_nsec3_without_types_has_no_blank_at_its_end)
{
    reads("NSEC3", "01 00 0000 00 01 ff", "1 0 0 - VS");
}
END_TEST

START_TEST(test_nsec3_that_is_cut_is_refused)
{
    refuses("NSEC3", "01 00 0000 04 aabb");
    refuses("NSEC3", "01 00 0000 00 14 00");
    refuses("NSEC3", "01 00 0000 00 00");
    refuses("NSEC3PARAM", "01 00 0000 00 00");
}
END_TEST

/* The examples of RFC 1876 §4, as BIND writes them. */
START_TEST(test_loc_of_rfc1876)
{
    reads("LOC", "00 33 16 13 89172dd0 70be15f0 00988d20",
          "42 21 54.000 N 71 6 18.000 W -24.00m 30m 10000m 10m");
    reads("LOC", "00 12 16 13 8b3556c8 80081650 00989a68",
          "52 14 5.000 N 0 8 50.000 E 10.00m 1m 10000m 10m");
    reads("LOC", "00 11 00 99 791b7d28 98e64868 00000000",
          "32 7 19.000 S 116 2 25.000 E -100000.00m 0.10m 0m 90000000m");
}
END_TEST

START_TEST(test_loc_at_the_edge_of_the_globe)
{
    reads("LOC", "00 12 16 13 934fd900 59604e00 ffffffff",
          "90 0 0.000 N 180 0 0.000 W 42849672.95m 1m 10000m 10m");
    refuses("LOC", "00 12 16 13 934fd901 59604e00 00000000");
    refuses("LOC", "00 12 16 13 934fd900 59604dff 00000000");
}
END_TEST

START_TEST(test_loc_with_bad_digits_is_refused)
{
    refuses("LOC", "00 a0 16 13 80000000 80000000 00989680");
    refuses("LOC", "00 12 1a 13 80000000 80000000 00989680");
    refuses("LOC", "00 12 16 13 80000000 80000000 009896");
    refuses("LOC", "");
}
END_TEST

START_TEST(test_loc_of_another_version_is_rfc3597)
{
    reads("LOC", "01 0203", "\\# 3 010203");
}
END_TEST

START_TEST(test_rarer_types)
{
    reads("CERT", "0001 04d2 08 deadbeef", "1 1234 8 3q2+7w==");
    reads("KEY", "0101 03 08 deadbeef", "257 3 8 3q2+7w==");
    reads("OPENPGPKEY", "deadbeef", "3q2+7w==");
    reads("DHCID", "deadbeef", "3q2+7w==");
    reads("CSYNC", "00000042 0003 0004 60000008", "66 3 A NS AAAA");
    reads("ZONEMD", "00000042 01 01 abcd", "66 1 1 ABCD");
    reads("DLV", "04d2 08 02 abcd", "1234 8 2 ABCD");
    reads("EUI48", "00005e00532a", "00-00-5e-00-53-2a");
    reads("EUI64", "00005eef1000002a", "00-00-5e-ef-10-00-00-2a");
    refuses("EUI48", "00005e0053");
    refuses("EUI64", "00005eef1000002a00");
}
END_TEST

START_TEST(test_empty_rest_leaves_no_blank)
{
    reads("DS", "04d2 08 00", "1234 8 0");
    reads("NSEC", "00", ".");
    reads("DNSKEY", "0101 03 08", "257 3 8");
}
END_TEST

TESTS(svcb, test_svcb_vectors_of_rfc9460, test_svcb_other_keys, test_svcb_keys_must_ascend,
      test_svcb_values_must_have_their_shape)
TESTS(nsec3, test_nsec3_of_rfc5155, test_nsec3_without_types_has_no_blank_at_its_end,
      test_nsec3_that_is_cut_is_refused)
TESTS(others, test_loc_of_rfc1876, test_loc_at_the_edge_of_the_globe,
      test_loc_with_bad_digits_is_refused, test_loc_of_another_version_is_rfc3597, test_rarer_types,
      test_empty_rest_leaves_no_blank)
CHECK_MAIN("dns_text", svcb, nsec3, others)
