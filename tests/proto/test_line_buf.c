/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <string.h>
#include "common/mem.h"
#include "proto/message.h"

static struct line_buf l;

static void feed(const char *s)
{
    ck_assert_int_eq(line_buf_feed(&l, s, strlen(s)), ERR_NONE);
}

static void expect(const char *want)
{
    size_t n = 0;
    const char *line = line_buf_next(&l, &n);
    if (want == NULL) {
        ck_assert_ptr_null(line);
        return;
    }
    ck_assert_ptr_nonnull(line);
    ck_assert_uint_eq(n, strlen(want));
    ck_assert_mem_eq(line, want, n);
}

static enum err feed_many(char c, size_t n)
{
    char *p = mem_alloc(n + 1);
    memset(p, c, n);
    enum err e = line_buf_feed(&l, p, n);
    free(p);
    return e;
}

START_TEST(test_many_lines_in_one_feed)
{
    line_buf_init(&l);
    feed("a\nbb\nccc\n");
    ck_assert(line_buf_any(&l));
    expect("a");
    expect("bb");
    expect("ccc");
    expect(NULL);
    line_buf_fini(&l);
}
END_TEST

START_TEST(test_line_over_many_feeds)
{
    line_buf_init(&l);
    feed("he");
    expect(NULL);
    feed("ll");
    feed("o\nwor");
    expect("hello");
    expect(NULL);
    feed("ld\n");
    expect("world");
    expect(NULL);
    line_buf_fini(&l);
}
END_TEST

START_TEST(test_feed_keeps_lines_not_taken)
{
    line_buf_init(&l);
    feed("a\nb\n");
    expect("a");
    feed("c\n");
    expect("b");
    expect("c");
    expect(NULL);
    line_buf_fini(&l);
}
END_TEST

START_TEST(test_empty_lines_are_skipped)
{
    line_buf_init(&l);
    feed("\n\na\n\n");
    expect("a");
    expect(NULL);
    line_buf_fini(&l);
}
END_TEST

START_TEST(test_line_at_the_bound_is_taken)
{
    size_t n;
    line_buf_init(&l);
    ck_assert_int_eq(feed_many('x', LINE_MAX_BYTES), ERR_NONE);
    feed("\n");
    ck_assert_ptr_nonnull(line_buf_next(&l, &n));
    ck_assert_uint_eq(n, LINE_MAX_BYTES);
    line_buf_fini(&l);
}
END_TEST

START_TEST(test_line_over_the_bound_is_refused_before_its_end)
{
    line_buf_init(&l);
    ck_assert_int_eq(feed_many('x', LINE_MAX_BYTES + 1), ERR_TOO_BIG);
    line_buf_fini(&l);
}
END_TEST

START_TEST(test_line_over_the_bound_is_refused_when_it_ends_in_the_feed)
{
    line_buf_init(&l);
    ck_assert_int_eq(feed_many('x', LINE_MAX_BYTES), ERR_NONE);
    ck_assert_int_eq(line_buf_feed(&l, "x\n", 2), ERR_TOO_BIG);
    line_buf_fini(&l);
}
END_TEST

START_TEST(test_lines_that_nobody_takes_are_bounded)
{
    line_buf_init(&l);
    enum err e = ERR_NONE;
    for (int i = 0; i < 8 && e == ERR_NONE; i++)
        e = feed_many('\n', LINE_MAX_BYTES);
    ck_assert_int_eq(e, ERR_TOO_BIG);
    line_buf_fini(&l);
}
END_TEST

START_TEST(test_memory_of_a_long_line_is_given_back)
{
    size_t n;
    line_buf_init(&l);
    ck_assert_int_eq(feed_many('x', LINE_MAX_BYTES), ERR_NONE);
    feed("\n");
    ck_assert_ptr_nonnull(line_buf_next(&l, &n));
    feed("a\n");
    ck_assert_uint_lt(l.b.cap, LINE_MAX_BYTES);
    expect("a");
    line_buf_fini(&l);
}
END_TEST

TESTS(lines, test_many_lines_in_one_feed, test_line_over_many_feeds,
      test_feed_keeps_lines_not_taken, test_empty_lines_are_skipped,
      test_line_at_the_bound_is_taken, test_line_over_the_bound_is_refused_before_its_end,
      test_line_over_the_bound_is_refused_when_it_ends_in_the_feed,
      test_lines_that_nobody_takes_are_bounded, test_memory_of_a_long_line_is_given_back)
CHECK_MAIN("line_buf", lines)
