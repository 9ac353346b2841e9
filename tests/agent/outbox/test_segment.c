/* SPDX-License-Identifier: MIT */
#include "agent/outbox/segment.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#define RECORDS 4

static const struct segment_head head = {
    .number = 7,
    .store = "0193a1b2-0000-7000-8000-000000000001",
    .instance = "5f0c9e8d7b6a4f3e2d1c0b9a88776655",
    .agent = "bj-1",
};
static struct strbuf b;
static size_t ends[RECORDS + 1]; /* where the head and each record end */

static void put(uint64_t task, const char *ticket, const char *record)
{
    segment_put_result(&b, task, ticket, record, strlen(record));
}
/* Three results and, before the last, the acks of two others. */
static void setup(void)
{
    static const uint64_t acked[] = {11, INT64_MAX};
    strbuf_init(&b, 1 << 20);
    segment_put_head(&b, &head);
    ends[0] = b.len;
    put(11, "1.5.7.aa", "{\"outcome\":\"ok\"}");
    ends[1] = b.len;
    put(12, "1.5.8.bb", "{\"outcome\":\"failed\",\"cause\":\"tls_expired\"}");
    ends[2] = b.len;
    segment_put_acks(&b, acked, 2);
    ends[3] = b.len;
    put(13, "1.5.9.cc", "{}");
    ends[4] = b.len;
}
static void teardown(void)
{
    strbuf_fini(&b);
}

/* The record of that place is as it was written. */
static void check_item(unsigned k, const struct segment_item *i)
{
    static const char *const tickets[] = {"1.5.7.aa", "1.5.8.bb", "", "1.5.9.cc"};
    static const char *const records[] = {
        "{\"outcome\":\"ok\"}", "{\"outcome\":\"failed\",\"cause\":\"tls_expired\"}", "", "{}"};
    if (k == 2) {
        ck_assert_int_eq(i->kind, SEGMENT_ACKS);
        ck_assert_uint_eq(i->n_acks, 2);
        ck_assert_uint_eq(segment_ack(i, 0), 11);
        ck_assert_uint_eq(segment_ack(i, 1), INT64_MAX);
        return;
    }
    ck_assert_int_eq(i->kind, SEGMENT_RESULT);
    ck_assert_uint_eq(i->task, k == 3 ? 13 : 11 + k);
    ck_assert_str_eq(i->ticket, tickets[k]);
    ck_assert_uint_eq(i->record_len, strlen(records[k]));
    ck_assert_mem_eq(i->record, records[k], i->record_len);
}

/* Reads from a copy of exactly n bytes, so that a sanitizer sees one too many; how many records are
 * whole. */
static unsigned read_all(const char *bytes, size_t n, enum err *end, size_t *at)
{
    char *p = malloc(n + (n == 0));
    struct segment_head h;
    struct segment_item i;
    unsigned k = 0;
    if (n > 0)
        memcpy(p, bytes, n);
    *end = segment_read_head(p, n, &h);
    if (*end == ERR_NONE) {
        ck_assert_uint_eq(h.number, head.number);
        ck_assert_str_eq(h.store, head.store);
        ck_assert_str_eq(h.instance, head.instance);
        ck_assert_str_eq(h.agent, head.agent);
        struct segment_cursor c = {p, n, SEGMENT_HEAD_BYTES};
        for (; (*end = segment_next(&c, &i)) == ERR_NONE; k++)
            check_item(k, &i);
        *at = c.at;
    }
    free(p);
    return k;
}

START_TEST(what_was_written_is_read)
{
    enum err end;
    size_t at;
    ck_assert_uint_eq(read_all(b.data, b.len, &end, &at), RECORDS);
    ck_assert_int_eq(end, ERR_NOT_FOUND);
    ck_assert_uint_eq(at, b.len);
}
END_TEST

/* All that is whole is read, and the place of the damage is said. */
START_TEST(a_file_that_ends_anywhere)
{
    for (size_t n = 0; n < b.len; n++) {
        enum err end;
        size_t at = 0;
        unsigned whole = 0, got = read_all(b.data, n, &end, &at);
        if (n < ends[0]) {
            ck_assert_int_eq(end, ERR_CORRUPT);
            continue;
        }
        while (whole < RECORDS && ends[whole + 1] <= n)
            whole++;
        ck_assert_uint_eq(got, whole);
        ck_assert_uint_eq(at, ends[whole]);
        ck_assert_int_eq(end, n == ends[whole] ? ERR_NOT_FOUND : ERR_CORRUPT);
    }
}
END_TEST

START_TEST(a_bit_that_flipped_anywhere)
{
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        enum err end;
        size_t at = 0;
        unsigned hit = 0;
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        unsigned got = read_all(b.data, b.len, &end, &at);
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        if (bit / 8 < ends[0]) {
            ck_assert(end == ERR_CORRUPT || end == ERR_VERSION);
            continue;
        }
        while (ends[hit + 1] <= bit / 8)
            hit++;
        ck_assert_uint_eq(got, hit);
        ck_assert_uint_eq(at, ends[hit]);
        ck_assert_int_eq(end, ERR_CORRUPT);
    }
}
END_TEST

START_TEST(bytes_that_a_power_cut_left_as_zeros)
{
    enum err end;
    size_t at;
    char zeros[4096] = {0};
    strbuf_append(&b, zeros, sizeof(zeros));
    ck_assert_uint_eq(read_all(b.data, b.len, &end, &at), RECORDS);
    ck_assert_int_eq(end, ERR_CORRUPT);
    ck_assert_uint_eq(at, ends[RECORDS]);
    memset(b.data, 0, b.len);
    ck_assert_uint_eq(read_all(b.data, b.len, &end, &at), 0);
    ck_assert_int_eq(end, ERR_CORRUPT);
}
END_TEST

START_TEST(a_file_of_another_release)
{
    struct segment_head h;
    b.data[8] = 2;
    ck_assert_int_eq(segment_read_head(b.data, b.len, &h), ERR_VERSION);
}
END_TEST

/* Whatever the checksum says: what is sent must not make a line that the master refuses. */
START_TEST(what_would_be_no_line_is_damage)
{
    static const struct {
        uint64_t task;
        const char *ticket, *record;
    } bad[] = {
        {(uint64_t)INT64_MAX + 1, "1.1.1.aa", "{}"},
        {1, "", "{}"},
        {1, "1.1 1.aa", "{}"},
        {1, "1.1.1.aa\n", "{}"},
        {1, "1.1.1.aa", ""},
        {1, "1.1.1.aa", "{\"outcome\":\"ok\""},
        {1, "1.1.1.aa", "{}}"},
        {1, "1.1.1.aa", "{\n}"},
        {1, "1.1.1.aa", "[]"},
        {1, "1.1.1.aa", "{\"a\":\"\xff\"}"},
    };
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        struct segment_item i;
        strbuf_reset(&b);
        segment_put_head(&b, &head);
        put(bad[k].task, bad[k].ticket, bad[k].record);
        struct segment_cursor c = {b.data, b.len, SEGMENT_HEAD_BYTES};
        ck_assert_msg(segment_next(&c, &i) == ERR_CORRUPT, "case %zu was read", k);
        ck_assert_uint_eq(c.at, SEGMENT_HEAD_BYTES);
    }
}
END_TEST

static void sign(size_t at, size_t n)
{
    uint32_t crc = (uint32_t)crc32_z(0, (unsigned char *)b.data + at + 4, n - 4);
    memcpy(b.data + at, &crc, sizeof(crc));
}

START_TEST(lengths_that_lie)
{
    static const uint32_t lies[] = {0, 1, 9, 17, 200000, UINT32_MAX - 20, UINT32_MAX};
    for (size_t k = 0; k < sizeof(lies) / sizeof(lies[0]); k++) {
        struct segment_item i;
        strbuf_reset(&b);
        segment_put_head(&b, &head);
        put(1, "1.1.1.aa", "{}");
        memcpy(b.data + SEGMENT_HEAD_BYTES + 4, &lies[k], sizeof(lies[k]));
        sign(SEGMENT_HEAD_BYTES, b.len - SEGMENT_HEAD_BYTES);
        struct segment_cursor c = {b.data, b.len, SEGMENT_HEAD_BYTES};
        ck_assert_int_eq(segment_next(&c, &i), ERR_CORRUPT);
    }
}
END_TEST

TESTS(segment, what_was_written_is_read, a_file_that_ends_anywhere, a_bit_that_flipped_anywhere,
      bytes_that_a_power_cut_left_as_zeros, a_file_of_another_release,
      what_would_be_no_line_is_damage, lengths_that_lie)
static TCase *segment_fixed(void)
{
    TCase *tc = segment();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("segment", segment_fixed)
