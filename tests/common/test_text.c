/* SPDX-License-Identifier: MIT */
#include "common/text.h"
#include "tests/support/check_main.h"

static struct strbuf b;

static void begin(void)
{
    text_init();
    strbuf_init(&b, 65536);
}

static void end(void)
{
    strbuf_fini(&b);
}

START_TEST(test_width_counts_columns_not_bytes)
{
    text_init();
    ck_assert_uint_eq(text_width("abc"), 3);
    ck_assert_uint_eq(text_width("путь"), 4);
    ck_assert_uint_eq(text_width("例え"), 4);
    ck_assert_uint_eq(text_width("e\xcc\x81"), 1);
    ck_assert_uint_eq(text_width(""), 0);
}
END_TEST

START_TEST(test_clean_removes_escapes)
{
    begin();
    text_clean(&b, "a\x1b[31mred\x07\r\n\x7f\xc2\x9b");
    ck_assert_ptr_null(memchr(b.data, 0x1b, b.len));
    ck_assert_ptr_null(memchr(b.data, '\n', b.len));
    ck_assert_ptr_null(memchr(b.data, 0x7f, b.len));
    ck_assert_ptr_null(strstr(b.data, "\xc2\x9b"));
    end();
}
END_TEST

START_TEST(test_clean_removes_direction_marks)
{
    begin();
    text_clean(&b, "moc.\xe2\x80\xae"
                   "evil\xe2\x81\xa6");
    ck_assert_str_eq(b.data, "moc. evil ");
    end();
}
END_TEST

START_TEST(test_clean_replaces_bad_utf8)
{
    begin();
    text_clean(&b, "a\xff"
                   "b");
    ck_assert_str_eq(b.data, "a\xef\xbf\xbd"
                             "b");
    end();
}
END_TEST

START_TEST(test_cut_middle_keeps_both_ends)
{
    begin();
    text_cut_middle(&b, "https://example.com/a/long/path", 11);
    ck_assert_str_eq(b.data, "https…/path");
    end();
}
END_TEST

START_TEST(test_cut_leaves_what_fits)
{
    begin();
    text_cut_middle(&b, "short", 5);
    ck_assert_str_eq(b.data, "short");
    end();
}
END_TEST

START_TEST(test_cut_end_keeps_the_beginning)
{
    begin();
    text_cut_end(&b, "abcdefgh", 4);
    ck_assert_str_eq(b.data, "abc…");
    end();
}
END_TEST

START_TEST(test_cut_never_splits_a_wide_character)
{
    text_init();
    for (size_t width = 0; width < 12; width++) {
        struct strbuf c;
        strbuf_init(&c, 4096);
        text_cut_middle(&c, "例え例え例え", width);
        ck_assert_uint_le(text_width(c.data), width);
        strbuf_fini(&c);
    }
}
END_TEST

static void wraps(size_t width, size_t at, size_t under, const char *from, const char *wanted)
{
    begin();
    text_wrap(&b, from, width, at, under);
    ck_assert_str_eq(b.data, wanted);
    strbuf_fini(&b);
}

START_TEST(test_wrapped_text_breaks_at_blanks_and_goes_on_under_itself)
{
    wraps(20, 0, 2, "aaaa bbbb cccc dddd eeee", "aaaa bbbb cccc dddd\n  eeee");
    wraps(20, 4, 4, "aaaa bbbb cccc dddd", "aaaa bbbb cccc\n    dddd");
    wraps(0, 0, 2, "aaaa bbbb cccc dddd eeee", "aaaa bbbb cccc dddd eeee");
    wraps(20, 0, 2, "", "");
}
END_TEST

START_TEST(test_word_that_is_too_long_is_cut)
{
    wraps(18, 2, 2, "0123456789012345678901234567890123",
          "0123456789012345\n  6789012345678901\n  23");
    wraps(18, 2, 2, "a 0123456789012345678", "a\n  0123456789012345\n  678");
    wraps(17, 1, 1, "日日日日日日日日日", "日日日日日日日日\n 日");
}
END_TEST

START_TEST(test_text_is_not_wrapped_where_there_is_no_room)
{
    wraps(10, 0, 2, "aaaa bbbb cccc", "aaaa bbbb cccc");
    wraps(20, 15, 2, "aaaa bbbb cccc", "aaaa bbbb cccc");
}
END_TEST

TESTS(text, test_wrapped_text_breaks_at_blanks_and_goes_on_under_itself,
      test_word_that_is_too_long_is_cut, test_text_is_not_wrapped_where_there_is_no_room,
      test_width_counts_columns_not_bytes, test_clean_removes_escapes,
      test_clean_removes_direction_marks, test_clean_replaces_bad_utf8,
      test_cut_middle_keeps_both_ends, test_cut_leaves_what_fits, test_cut_end_keeps_the_beginning,
      test_cut_never_splits_a_wide_character)
CHECK_MAIN("text", text)
