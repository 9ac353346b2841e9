/* SPDX-License-Identifier: MIT */
#include "master/api/upload_lines.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <string.h>

static void note(struct lines *l, enum line_event e, char *out, size_t max)
{
    size_t n = strlen(out);
    if (e == LINE_READY)
        snprintf(out + n, max - n, "%d<%.*s>", (int)l->number, (int)l->len, l->text);
    else if (e == LINE_TOO_LONG)
        snprintf(out + n, max - n, "%dL", (int)l->number);
}

static void check(const char *text, size_t len, const char *wanted)
{
    for (size_t step = 1; step < 100000; step = step * 5 + 1) {
        struct lines l;
        char got[1000] = "";
        lines_init(&l);
        for (size_t at = 0, used; at < len; at += used) {
            size_t piece = len - at < step ? len - at : step;
            note(&l, lines_next(&l, text + at, piece, &used), got, sizeof(got));
        }
        note(&l, lines_end(&l), got, sizeof(got));
        ck_assert_msg(lines_end(&l) == LINE_MORE, "the end is told once");
        ck_assert_msg(strcmp(got, wanted) == 0, "%s, step %zu", got, step);
        lines_fini(&l);
    }
}

START_TEST(test_lines_with_and_without_a_last_newline)
{
    check("a\nbc\n", 5, "1<a>2<bc>");
    check("a\nbc", 4, "1<a>2<bc>");
    check("", 0, "");
}
END_TEST

START_TEST(test_empty_lines_are_counted)
{
    check("\n\na\n", 4, "1<>2<>3<a>");
}
END_TEST

START_TEST(test_carriage_returns_and_a_byte_order_mark_are_dropped)
{
    check("\xef\xbb\xbf"
          "a\r\nb\r\n",
          9, "1<a>2<b>");
}
END_TEST

START_TEST(test_a_line_too_long_is_told_by_its_number_and_spoils_no_other)
{
    static char text[3 * LINES_TEXT_MAX];
    memset(text, 'x', sizeof(text));
    memcpy(text, "a\n", 2);
    memcpy(text + 2 * LINES_TEXT_MAX, "\nb\n", 3);
    check(text, 2 * LINES_TEXT_MAX + 3, "1<a>2L3<b>");
    check(text + 2, LINES_TEXT_MAX + 1, "1L");
}
END_TEST

TESTS(lines, test_lines_with_and_without_a_last_newline, test_empty_lines_are_counted,
      test_carriage_returns_and_a_byte_order_mark_are_dropped,
      test_a_line_too_long_is_told_by_its_number_and_spoils_no_other)
CHECK_MAIN("upload_lines", lines)
