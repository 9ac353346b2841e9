/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_wire.h"
#include "common/digest.h"
#include "common/mem.h"
#include "common/random.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

/* A reply in the making: header, the question example.com/TYPE, and records. */
struct made {
    uint8_t b[DNS_MESSAGE_MAX];
    size_t len;
};

static void add(struct made *m, const void *p, size_t n)
{
    ck_assert_uint_le(m->len + n, sizeof(m->b));
    memcpy(m->b + m->len, p, n);
    m->len += n;
}

static void add16(struct made *m, unsigned v)
{
    uint8_t p[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    add(m, p, 2);
}

static void add_hex(struct made *m, const char *hex)
{
    uint8_t p[1024];
    size_t n = strlen(hex) / 2;
    ck_assert(n <= sizeof(p) && hex_decode(hex, n * 2, p));
    add(m, p, n);
}

#define OWNER "\xc0\x0c" /* the question's name */

static void add_name(struct made *m)
{
    add(m, "\7example\3com", 13);
}

static struct made *start(unsigned flags, unsigned type, unsigned answers, unsigned authority,
                          unsigned additional)
{
    struct made *m = mem_zalloc(sizeof(*m));
    add16(m, 0x1234);
    add16(m, flags);
    add16(m, 1);
    add16(m, answers);
    add16(m, authority);
    add16(m, additional);
    add_name(m);
    add16(m, type);
    add16(m, 1);
    return m;
}

static void add_rr_head(struct made *m, unsigned type, unsigned rdlength)
{
    add(m, OWNER, 2);
    add16(m, type);
    add16(m, 1);
    add16(m, 0);
    add16(m, 300);
    add16(m, rdlength);
}

static void add_rr(struct made *m, unsigned type, const char *hex)
{
    add_rr_head(m, type, (unsigned)strlen(hex) / 2);
    add_hex(m, hex);
}

static char why[128];

static enum err parse(const struct made *m, unsigned type, struct dns_message *out)
{
    /* an exact copy on the heap, so that a read behind the end is seen by the sanitizer */
    uint8_t *copy = mem_dup(m->b, m->len);
    enum err e = dns_message_parse(copy, m->len, (uint16_t)type, out, why, sizeof(why));
    free(copy);
    return e;
}

static void must_read(unsigned type, const char *hex, const char *want)
{
    struct made *m = start(0x8180, type, 1, 0, 0);
    struct dns_message out;
    add_rr(m, type, hex);
    ck_assert_msg(parse(m, type, &out) == ERR_NONE, "type %u: %s", type, why);
    ck_assert_uint_eq(out.n_sections[0], 1);
    ck_assert_str_eq(out.sections[0][0].data, want);
    ck_assert_str_eq(out.sections[0][0].name, "example.com.");
    ck_assert_uint_eq(out.sections[0][0].ttl, 300);
    dns_message_fini(&out);
    free(m);
}

static void must_refuse(unsigned type, const char *hex)
{
    struct made *m = start(0x8180, type, 1, 0, 0);
    struct dns_message out;
    add_rr(m, type, hex);
    ck_assert_msg(parse(m, type, &out) == ERR_CORRUPT, "type %u accepted %s", type, hex);
    ck_assert_ptr_null(strstr(why, "question"));
    free(m);
}

static const struct dns_query asked = {.id = 0x1234, .name = "example.com", .type = 1};

START_TEST(test_matching_reply)
{
    struct made *m = start(0x8180, 1, 0, 0, 0);
    ck_assert(dns_reply_matches(&asked, m->b, m->len));
    m->b[13] = 'E'; /* case does not matter */
    ck_assert(dns_reply_matches(&asked, m->b, m->len));
    free(m);
}
END_TEST

START_TEST(test_reply_with_wrong_id_is_foreign)
{
    struct made *m = start(0x8180, 1, 0, 0, 0);
    m->b[1] ^= 1;
    ck_assert(!dns_reply_matches(&asked, m->b, m->len));
    free(m);
}
END_TEST

START_TEST(test_query_is_not_a_reply)
{
    struct made *m = start(0x0100, 1, 0, 0, 0);
    ck_assert(!dns_reply_matches(&asked, m->b, m->len));
    free(m);
}
END_TEST

START_TEST(test_reply_to_another_question_is_foreign)
{
    struct made *m = start(0x8180, 28, 0, 0, 0);
    ck_assert(!dns_reply_matches(&asked, m->b, m->len));
    free(m);
    m = start(0x8180, 1, 0, 0, 0);
    m->b[14] = 'y';
    ck_assert(!dns_reply_matches(&asked, m->b, m->len));
    free(m);
}
END_TEST

START_TEST(test_short_reply_is_foreign)
{
    struct made *m = start(0x8180, 1, 0, 0, 0);
    for (size_t n = 0; n < m->len; n++)
        ck_assert(!dns_reply_matches(&asked, m->b, n));
    free(m);
}
END_TEST

START_TEST(test_error_reply_may_lack_the_question)
{
    static const uint8_t refused[12] = {0x12, 0x34, 0x81, 0x85};
    static const uint8_t fine[12] = {0x12, 0x34, 0x81, 0x80};
    ck_assert(dns_reply_matches(&asked, refused, 12));
    ck_assert(!dns_reply_matches(&asked, fine, 12));
}
END_TEST

START_TEST(test_flags)
{
    struct made *m = start(0x8000 | 0x0400 | 0x0100 | 0x0020 | 3, 1, 0, 0, 0);
    struct dns_message out;
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert(out.qr && out.aa && out.rd && out.ad && !out.tc && !out.ra && !out.cd);
    ck_assert_int_eq(out.rcode, 3);
    free(m);
}
END_TEST

START_TEST(test_three_sections)
{
    struct made *m = start(0x8180, 1, 2, 1, 1);
    struct dns_message out;
    add_rr(m, 5, "037777770161c014");
    add_rr(m, 1, "01020304");
    add_rr(m, 2, "026e73c00c");
    add_rr(m, 28, "20010db8000000000000000000000001");
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert_uint_eq(out.n_sections[0], 2);
    ck_assert_uint_eq(out.n_sections[1], 1);
    ck_assert_uint_eq(out.n_sections[2], 1);
    ck_assert_uint_eq(out.n_answers, 2);
    ck_assert_uint_eq(out.n_matching, 1);
    ck_assert_uint_eq(out.n_records, 4);
    ck_assert_str_eq(out.sections[1][0].data, "ns.example.com.");
    ck_assert_str_eq(out.sections[2][0].type, "AAAA");
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_any_counts_every_answer)
{
    struct made *m = start(0x8180, 255, 2, 0, 0);
    struct dns_message out;
    add_rr(m, 1, "01020304");
    add_rr(m, 16, "0161");
    ck_assert_int_eq(parse(m, 255, &out), ERR_NONE);
    ck_assert_uint_eq(out.n_matching, 2);
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_opt_extends_rcode_and_is_no_record)
{
    struct made *m = start(0x8180, 1, 0, 0, 1);
    struct dns_message out;
    add_hex(m, "00002904d0010080000000");
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert_int_eq(out.rcode, 16);
    ck_assert_uint_eq(out.n_records, 0);
    ck_assert_ptr_nonnull(out.edns);
    ck_assert_uint_eq(out.edns->version, 0);
    ck_assert_uint_eq(out.edns->udp_size, 1232);
    ck_assert(out.edns->dnssec_ok);
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_extended_errors_are_read)
{
    struct made *m = start(0x8182, 1, 0, 0, 1);
    struct dns_message out;
    add_hex(m, "000029020000010000001c"
               "000a00080102030405060708" /* a cookie: passed over */
               "000f0006000673696721"     /* 6 and "sig!" */
               "000f00020016");           /* 22 */
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert_uint_eq(out.edns->version, 1);
    ck_assert_uint_eq(out.edns->n_ede, 2);
    ck_assert_uint_eq(out.edns->ede[0].code, 6);
    ck_assert_str_eq(out.edns->ede[0].text, "sig!");
    ck_assert_uint_eq(out.edns->ede[1].code, 22);
    ck_assert_ptr_null(out.edns->ede[1].text);
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_text_of_extended_errors_is_made_utf8)
{
    struct made *m = start(0x8182, 1, 0, 0, 1);
    struct dns_message out;
    add_hex(m, "000029020000000000000a000f000600001b61ff0a");
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert_str_eq(out.edns->ede[0].text, " a\xef\xbf\xbd ");
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_extended_errors_over_the_bound_are_dropped)
{
    struct made *m = start(0x8182, 1, 0, 0, 1);
    struct dns_message out;
    add_hex(m, "0000290200000000000024");
    for (int i = 0; i < 6; i++)
        add_hex(m, "000f00020003");
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert_uint_eq(out.edns->n_ede, RESULT_EDE_MAX);
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_bad_opt_is_refused)
{
    static const char *const bad[] = {
        "0000290200000000000003000f00",           /* half an option */
        "0000290200000000000005000a000201",       /* longer than the record */
        "0000290200000000000005000f000100",       /* an extended error of one octet */
        ("00002902000000000000000000290200000000" /* two OPTs */
         "0000"),
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct made *m = start(0x8180, 1, 0, 0, i + 1 == ARRAY_LEN(bad) ? 2 : 1);
        struct dns_message out;
        add_hex(m, bad[i]);
        ck_assert_msg(parse(m, 1, &out) == ERR_CORRUPT, "%s", bad[i]);
        free(m);
    }
}
END_TEST

/* c00c is example.com, c014 is com. */
START_TEST(test_presentation_forms)
{
    must_read(1, "5db8d822", "93.184.216.34");
    must_read(28, "26064700000000000000000000001111", "2606:4700::1111");
    must_read(5, "03777777c00c", "www.example.com.");
    must_read(39, "0161c014", "a.com.");
    must_read(15, "000a046d61696cc00c", "10 mail.example.com.");
    must_read(15, "000000", "0 .");
    must_read(2, "c00c", "example.com.");
    must_read(12, "00", ".");
    must_read(16, "0568656c6c6f05776f726c64", "\"hello\" \"world\"");
    must_read(16, "00", "\"\"");
    must_read(6, "026e73c00c0461646d69c00c000000010000000200000003000000040000ffff",
              "ns.example.com. admi.example.com. 1 2 3 4 65535");
    must_read(33, "000a001413c4c00c", "10 20 5060 example.com.");
    must_read(257,
              "00056973737565"
              "6c657473656e63727970742e6f7267",
              "0 issue \"letsencrypt.org\"");
    must_read(257, "0005697373756522", "0 issue \"\\\"\"");
    must_read(43, "04d20802abcd", "1234 8 2 ABCD");
    must_read(48, "01010308deadbeef", "257 3 8 3q2+7w==");
    must_read(52, "030101ab", "3 1 1 AB");
    must_read(44, "0402ff00", "4 2 FF00");
    must_read(35, "000a00140155075349502b44325500c00c",
              "10 20 \"U\" \"SIP+D2U\" \"\" example.com.");
    must_read(46,
              "0001"
              "08"
              "02"
              "00000e10"
              "5e0be100"
              "5de45400"
              "04d2"
              "c00c"
              "abcdef",
              "A 8 2 3600 20200101000000 20191202000000 1234 example.com. q83v");
    must_read(47, "c00c0006400000000002", "example.com. A RRSIG");
    must_read(13, "01410142", "\"A\" \"B\"");
    must_read(256, "00010002687474703a2f2f61", "1 2 \"http://a\"");
}
END_TEST

START_TEST(test_unknown_types_are_rfc3597)
{
    must_read(65280, "0a000001", "\\# 4 0A000001");
    must_read(65280, "", "\\# 0");
    must_read(55, "000100", "\\# 3 000100");
}
END_TEST

START_TEST(test_other_classes_are_rfc3597)
{
    struct made *m = start(0x8180, 1, 1, 0, 0);
    struct dns_message out;
    add(m, OWNER, 2);
    add_hex(m, "00010003000000000003"
               "010203");
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert_str_eq(out.sections[0][0].data, "\\# 3 010203");
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_hostile_octets_are_escaped)
{
    must_read(5, "06612e620020ff00", "a\\.b\\000\\032\\255.");
    must_read(5,
              "0322"
              "3b5c"
              "00",
              "\\\"\\;\\\\.");
    must_read(16, "060a1b225c7fff", "\"\\010\\027\\\"\\\\\\127\\255\"");
    must_read(257,
              "0003"
              "61200a"
              "00",
              "0 a\\032\\010 \"\\000\"");
}
END_TEST

START_TEST(test_rdata_of_wrong_length_is_refused)
{
    must_refuse(1, "010203");
    must_refuse(1, "0102030405");
    must_refuse(28, "01020304");
    must_refuse(15, "00");
    must_refuse(16, "");
    must_refuse(16, "0561");
    must_refuse(6, "0000");
    must_refuse(5, "");
    must_refuse(5, "c00c00");
    must_refuse(257, "00ff61");
    must_refuse(47, "c00c0000");
    must_refuse(47, "c00c0021");
}
END_TEST

START_TEST(test_names_do_not_run_out_of_their_rdata)
{
    /* the label would end in the next record */
    struct made *m = start(0x8180, 5, 2, 0, 0);
    struct dns_message out;
    add_rr(m, 5, "2061");
    add_rr(m, 1, "01020304");
    ck_assert_int_eq(parse(m, 5, &out), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why, "answer record 1"));
    free(m);
}
END_TEST

START_TEST(test_pointer_loops_are_refused)
{
    must_refuse(5, "c029");     /* at itself: the RDATA of the first record starts at 41 */
    must_refuse(5, "c02a");     /* into itself */
    must_refuse(5, "0161c029"); /* back to its own start */
    must_refuse(5, "cfff");     /* forward */
}
END_TEST

START_TEST(test_reserved_label_types_are_refused)
{
    must_refuse(5, "4000");
    must_refuse(5, "8000");
}
END_TEST

START_TEST(test_name_over_255_octets_is_refused)
{
    char hex[600] = "";
    for (int i = 0; i < 4; i++) { /* four labels of 63 and example.com */
        memcpy(hex + strlen(hex), "3f", 3);
        for (int k = 0; k < 63; k++)
            memcpy(hex + strlen(hex), "61", 3);
    }
    memcpy(hex + strlen(hex), "c00c", 5);
    must_refuse(5, hex);
}
END_TEST

START_TEST(test_long_pointer_chains_are_refused)
{
    struct made *m = start(0x8180, 65280, 2, 0, 0);
    struct dns_message out;
    add_rr_head(m, 65280, 300 * 2);
    size_t base = m->len;
    add(m, OWNER, 2);
    for (unsigned i = 1; i < 300; i++)
        add16(m, 0xc000 | (unsigned)(base + 2 * (i - 1)));
    add_rr_head(m, 5, 2);
    add16(m, 0xc000 | (unsigned)(base + 2 * 299));
    ck_assert_int_eq(parse(m, 5, &out), ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why, "jumps"));
    free(m);
}
END_TEST

START_TEST(test_every_cut_of_a_reply_is_refused)
{
    struct made *m = start(0x8180, 15, 1, 0, 0);
    struct dns_message out;
    add_rr(m, 15, "000a046d61696cc00c");
    size_t whole = m->len;
    for (m->len = 0; m->len < whole; m->len++)
        ck_assert_int_eq(parse(m, 15, &out), ERR_CORRUPT);
    ck_assert_int_eq(parse(m, 15, &out), ERR_NONE);
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_truncated_reply_keeps_what_is_there)
{
    struct made *m = start(0x8380, 1, 2, 0, 0);
    struct dns_message out;
    add_rr(m, 1, "01020304");
    add(m, OWNER, 2);
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert(out.tc);
    ck_assert_uint_eq(out.n_sections[0], 1);
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_records_over_the_bound_are_counted_not_kept)
{
    struct made *m = start(0x8180, 1, 300, 0, 0);
    struct dns_message out;
    for (int i = 0; i < 300; i++)
        add_rr(m, 1, "01020304");
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert_uint_eq(out.n_sections[0], DNS_RR_KEEP_MAX);
    ck_assert_uint_eq(out.n_answers, 300);
    ck_assert_uint_eq(out.n_matching, 300);
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_reading_stops_at_its_bound)
{
    struct made *m = start(0x8180, 1, 5000, 0, 0);
    struct dns_message out;
    for (int i = 0; i < 5000; i++)
        add_hex(m, "0000010003000000000000"); /* root, class CH, empty: 11 octets */
    ck_assert_int_eq(parse(m, 1, &out), ERR_NONE);
    ck_assert_uint_eq(out.n_records, DNS_RR_READ_MAX);
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_text_is_bounded)
{
    struct made *m = start(0x8180, 65280, 2, 0, 0);
    struct dns_message out;
    static const uint8_t big[30000];
    add_rr_head(m, 65280, sizeof(big));
    add(m, big, sizeof(big));
    add_rr(m, 65280, "00");
    ck_assert_int_eq(parse(m, 65280, &out), ERR_NONE);
    ck_assert_uint_eq(out.n_answers, 2);
    ck_assert_uint_eq(out.n_sections[0], 1);
    ck_assert_str_eq(out.sections[0][0].data, "\\# 1 00");
    dns_message_fini(&out);
    free(m);
}
END_TEST

START_TEST(test_noise_is_survived)
{
    struct rng rng;
    rng_init(&rng, 7);
    struct made *base = start(0x8180, 255, 3, 0, 0);
    add_rr(base, 15, "000a046d61696cc00c");
    add_rr(base, 257, "000569737375656c");
    add_rr(base, 47, "c00c0006400000000001");
    for (int round = 0; round < 20000; round++) {
        struct dns_message out;
        uint8_t copy[256];
        memcpy(copy, base->b, base->len);
        for (int i = 0; i < 3; i++)
            copy[rng_below(&rng, base->len)] = (uint8_t)rng_next(&rng);
        if (dns_message_parse(copy, base->len, 255, &out, why, sizeof(why)) == ERR_NONE)
            dns_message_fini(&out);
    }
    free(base);
}
END_TEST

TESTS(matching, test_matching_reply, test_reply_with_wrong_id_is_foreign, test_query_is_not_a_reply,
      test_reply_to_another_question_is_foreign, test_short_reply_is_foreign,
      test_error_reply_may_lack_the_question)
TESTS(reading, test_flags, test_three_sections, test_any_counts_every_answer,
      test_opt_extends_rcode_and_is_no_record, test_extended_errors_are_read,
      test_text_of_extended_errors_is_made_utf8, test_extended_errors_over_the_bound_are_dropped,
      test_bad_opt_is_refused, test_presentation_forms, test_unknown_types_are_rfc3597,
      test_other_classes_are_rfc3597, test_hostile_octets_are_escaped)
TESTS(hostile, test_rdata_of_wrong_length_is_refused, test_names_do_not_run_out_of_their_rdata,
      test_pointer_loops_are_refused, test_reserved_label_types_are_refused,
      test_name_over_255_octets_is_refused, test_long_pointer_chains_are_refused,
      test_every_cut_of_a_reply_is_refused, test_truncated_reply_keeps_what_is_there,
      test_records_over_the_bound_are_counted_not_kept, test_reading_stops_at_its_bound,
      test_text_is_bounded, test_noise_is_survived)
CHECK_MAIN("dns_wire", matching, reading, hostile)
