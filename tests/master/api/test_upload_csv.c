/* SPDX-License-Identifier: MIT */
#include "master/api/upload_csv.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

static void note(struct csv *c, enum csv_event e, struct strbuf *out)
{
    static const char *const words[] = {
        [CSV_TOO_LONG] = "L", [CSV_BAD] = "B", [CSV_OPEN] = "O", [CSV_RECORD] = ""};
    if (e == CSV_MORE)
        return;
    strbuf_printf(out, "%d%s", (int)c->line, words[e]);
    for (unsigned i = 0; e == CSV_RECORD && i < c->n_fields; i++) {
        size_t n;
        const char *p = csv_field(c, i, &n);
        strbuf_putc(out, '<');
        strbuf_append(out, p, n);
        strbuf_putc(out, '>');
    }
}

/* However the bytes are cut. */
static void check(const char *text, size_t len, const char *wanted)
{
    for (size_t step = 1; step < 300000; step = step * 5 + 1) {
        struct csv c;
        struct strbuf got;
        csv_init(&c);
        strbuf_init(&got, 1u << 20);
        for (size_t at = 0, used; at < len; at += used) {
            size_t piece = len - at < step ? len - at : step;
            note(&c, csv_next(&c, text + at, piece, &used), &got);
        }
        note(&c, csv_end(&c), &got);
        ck_assert_msg(csv_end(&c) == CSV_MORE, "the end is told once");
        ck_assert_msg(strcmp(got.data, wanted) == 0, "%s, step %zu", got.data, step);
        strbuf_fini(&got);
        csv_fini(&c);
    }
}

static void check_str(const char *text, const char *wanted)
{
    check(text, strlen(text), wanted);
}

START_TEST(test_records_with_and_without_a_last_newline)
{
    check_str("a,b\nc,d\n", "1<a><b>2<c><d>");
    check_str("a,b\r\nc,d", "1<a><b>2<c><d>");
    check_str("", "");
}
END_TEST

START_TEST(test_empty_fields_are_fields_and_empty_lines_are_none)
{
    check_str("a,\n,\n\"\"\n", "1<a><>2<><>3<>");
    check_str("\n\r\na\n\n", "3<a>");
    check_str("a,", "1<a><>");
}
END_TEST

START_TEST(test_quoted_fields_hold_commas_quotes_and_newlines)
{
    check_str("\"a,\"\"b\"\"\",c\n", "1<a,\"b\"><c>");
    check_str("\"a\r\nb\n\",c\r\nd,e\n", "1<a\r\nb\n><c>4<d><e>");
    check_str("\"a\"\r\n\"b\r\"", "1<a>2<b\r>");
}
END_TEST

START_TEST(test_a_byte_order_mark_is_dropped_and_what_only_begins_like_it_is_kept)
{
    check_str("\xef\xbb\xbf\"a\",b\n", "1<a><b>");
    check_str("\xef\xbb\xbf", "");
    check_str("\xef\xbbx\n", "1<\xef\xbbx>");
    check_str("\xef", "1<\xef>");
}
END_TEST

START_TEST(test_a_bad_record_is_told_by_its_line_and_spoils_no_other)
{
    check_str("a\nb\"c,d\ne\n", "1<a>2B3<e>");
    check_str("\"a\"b,c\nd\n", "1B2<d>");
    check_str("\"a\"\rb\nd\n", "1B2<d>");
}
END_TEST

START_TEST(test_a_quote_that_is_never_closed_is_told_at_the_end)
{
    check_str("a\nb,\"c\nd\ne\n", "1<a>2O");
    check_str("\"", "1O");
}
END_TEST

START_TEST(test_too_many_fields_make_a_bad_record)
{
    char text[200];
    memset(text, ',', sizeof(text));
    memcpy(text + CSV_FIELDS_MAX, "\na\n", 4);
    check_str(text, "1B2<a>");
}
END_TEST

START_TEST(test_a_record_too_long_is_told_by_its_line_and_spoils_no_other)
{
    static char text[3 * CSV_RECORD_MAX];
    memset(text, 'x', sizeof(text));
    memcpy(text, "a\n", 2);
    memcpy(text + 2 * CSV_RECORD_MAX, "\nb\n", 3);
    check(text, 2 * CSV_RECORD_MAX + 3, "1<a>2L3<b>");
    memcpy(text, "a\n\"", 3);
    memcpy(text + 2 * CSV_RECORD_MAX, "\n\"\nb\n", 5);
    check(text, 2 * CSV_RECORD_MAX + 5, "1<a>2L4<b>");
}
END_TEST

START_TEST(test_a_nul_is_a_byte_of_its_field)
{
    struct csv c;
    size_t used, n;
    csv_init(&c);
    ck_assert_int_eq(csv_next(&c, "a\0b,c\n", 6, &used), CSV_RECORD);
    ck_assert_int_eq(memcmp(csv_field(&c, 0, &n), "a\0b", 3), 0);
    ck_assert_uint_eq(n, 3);
    csv_fini(&c);
}
END_TEST

TESTS(csv, test_records_with_and_without_a_last_newline,
      test_empty_fields_are_fields_and_empty_lines_are_none,
      test_quoted_fields_hold_commas_quotes_and_newlines,
      test_a_byte_order_mark_is_dropped_and_what_only_begins_like_it_is_kept,
      test_a_bad_record_is_told_by_its_line_and_spoils_no_other,
      test_a_quote_that_is_never_closed_is_told_at_the_end, test_too_many_fields_make_a_bad_record,
      test_a_record_too_long_is_told_by_its_line_and_spoils_no_other,
      test_a_nul_is_a_byte_of_its_field)
CHECK_MAIN("upload_csv", csv)
