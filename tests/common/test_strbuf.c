/* SPDX-License-Identifier: MIT */
#include "common/strbuf.h"

#include "tests/support/check_main.h"

static struct strbuf b;

static void setup(void)
{
    strbuf_init(&b, 100000);
}

static void teardown(void)
{
    strbuf_fini(&b);
}

static void set_max(size_t max)
{
    strbuf_fini(&b);
    strbuf_init(&b, max);
}

START_TEST(test_fresh_buffer_is_an_empty_string)
{
    ck_assert_str_eq(b.data, "");
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(test_appends_follow_each_other)
{
    strbuf_puts(&b, "ab");
    strbuf_putc(&b, 'c');
    strbuf_append(&b, "de", 2);
    ck_assert_str_eq(b.data, "abcde");
    ck_assert_uint_eq(b.len, 5);
}
END_TEST

START_TEST(test_append_of_nothing_takes_null)
{
    strbuf_append(&b, NULL, 0);
    ck_assert_uint_eq(b.len, 0);
    ck_assert(!b.overflow);
}
END_TEST

START_TEST(test_nul_bytes_are_content)
{
    strbuf_append(&b, "a\0b", 3);
    ck_assert_uint_eq(b.len, 3);
    ck_assert_mem_eq(b.data, "a\0b", 4);
}
END_TEST

START_TEST(test_many_appends_grow_and_stay_terminated)
{
    for (int i = 0; i < 50000; i++)
        strbuf_putc(&b, (char)('a' + i % 26));
    ck_assert_uint_eq(b.len, 50000);
    ck_assert_uint_eq(strlen(b.data), 50000);
    ck_assert_int_eq(b.data[49999], 'a' + 49999 % 26);
}
END_TEST

START_TEST(test_printf_longer_than_the_room_is_whole)
{
    strbuf_puts(&b, "x");
    strbuf_printf(&b, "%0500d|%s", 7, "end");
    ck_assert_uint_eq(b.len, 505);
    ck_assert_str_eq(b.data + 498, "007|end");
}
END_TEST

START_TEST(test_u64_extremes)
{
    strbuf_u64(&b, 0);
    strbuf_putc(&b, ' ');
    strbuf_u64(&b, UINT64_MAX);
    ck_assert_str_eq(b.data, "0 18446744073709551615");
}
END_TEST

START_TEST(test_ceiling_can_be_met_exactly)
{
    set_max(5);
    strbuf_puts(&b, "abcde");
    ck_assert(!b.overflow);
    ck_assert_str_eq(b.data, "abcde");
}
END_TEST

START_TEST(test_append_past_ceiling_changes_nothing_but_the_flag)
{
    set_max(5);
    strbuf_puts(&b, "abc");
    strbuf_puts(&b, "def");
    ck_assert(b.overflow);
    ck_assert_str_eq(b.data, "abc");
}
END_TEST

START_TEST(test_printf_past_ceiling_changes_nothing_but_the_flag)
{
    set_max(5);
    strbuf_puts(&b, "abc");
    strbuf_printf(&b, "%s", "defghi");
    ck_assert(b.overflow);
    ck_assert_str_eq(b.data, "abc");
    ck_assert_uint_eq(b.len, 3);
}
END_TEST

START_TEST(test_first_printf_past_ceiling_leaves_empty)
{
    set_max(2);
    strbuf_printf(&b, "%d", 12345);
    ck_assert(b.overflow);
    ck_assert_str_eq(b.data, "");
}
END_TEST

START_TEST(test_overflow_is_sticky_for_appends_that_would_fit)
{
    set_max(5);
    strbuf_puts(&b, "abc");
    strbuf_puts(&b, "defghi");
    strbuf_putc(&b, 'd');
    strbuf_printf(&b, "e");
    ck_assert_str_eq(b.data, "abc");
}
END_TEST

START_TEST(test_size_that_would_wrap_is_refused)
{
    strbuf_puts(&b, "abc");
    ck_assert(!strbuf_grow(&b, SIZE_MAX));
    ck_assert(b.overflow);
}
END_TEST

START_TEST(test_reset_clears_overflow_and_content)
{
    set_max(3);
    strbuf_puts(&b, "abcd");
    strbuf_reset(&b);
    strbuf_puts(&b, "abc");
    ck_assert(!b.overflow);
    ck_assert_str_eq(b.data, "abc");
}
END_TEST

START_TEST(test_consume_drops_the_front)
{
    strbuf_puts(&b, "abcdef");
    strbuf_consume(&b, 4);
    ck_assert_str_eq(b.data, "ef");
    strbuf_consume(&b, 2);
    ck_assert_str_eq(b.data, "");
}
END_TEST

START_TEST(test_consume_nothing_of_a_fresh_buffer)
{
    strbuf_consume(&b, 0);
    strbuf_truncate(&b, 0);
    ck_assert_str_eq(b.data, "");
}
END_TEST

START_TEST(test_truncate_cuts_the_end)
{
    strbuf_puts(&b, "abcdef");
    strbuf_truncate(&b, 2);
    ck_assert_str_eq(b.data, "ab");
}
END_TEST

START_TEST(test_take_hands_over_and_empties)
{
    size_t len = 0;
    strbuf_puts(&b, "abc");
    char *s = strbuf_take(&b, &len);
    ck_assert_str_eq(s, "abc");
    ck_assert_uint_eq(len, 3);
    ck_assert_str_eq(b.data, "");
    strbuf_puts(&b, "next");
    ck_assert_str_eq(s, "abc");
    free(s);
}
END_TEST

START_TEST(test_take_of_a_fresh_buffer_is_an_owned_empty_string)
{
    char *s = strbuf_take(&b, NULL);
    ck_assert_str_eq(s, "");
    free(s);
}
END_TEST

TESTS(contents, test_fresh_buffer_is_an_empty_string, test_appends_follow_each_other,
      test_append_of_nothing_takes_null, test_nul_bytes_are_content,
      test_many_appends_grow_and_stay_terminated, test_printf_longer_than_the_room_is_whole,
      test_u64_extremes, test_ceiling_can_be_met_exactly,
      test_append_past_ceiling_changes_nothing_but_the_flag,
      test_printf_past_ceiling_changes_nothing_but_the_flag,
      test_first_printf_past_ceiling_leaves_empty,
      test_overflow_is_sticky_for_appends_that_would_fit, test_size_that_would_wrap_is_refused,
      test_reset_clears_overflow_and_content, test_consume_drops_the_front,
      test_consume_nothing_of_a_fresh_buffer, test_truncate_cuts_the_end,
      test_take_hands_over_and_empties, test_take_of_a_fresh_buffer_is_an_owned_empty_string)

static TCase *buffer(void)
{
    TCase *tc = contents();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}

CHECK_MAIN("strbuf", buffer)
