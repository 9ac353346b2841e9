/* SPDX-License-Identifier: MIT */
#include "common/utf8.h"

#include "tests/support/check_main.h"

#define FFFD "\xef\xbf\xbd"

static const char *const good[] = {
    "",
    "plain text that is longer than a machine word",
    "\x7f",
    "\xc2\x80",
    "\xdf\xbf",
    "\xe0\xa0\x80",
    "\xed\x9f\xbf",
    "\xee\x80\x80",
    "\xef\xbf\xbf",
    "\xf0\x90\x80\x80",
    "\xf4\x8f\xbf\xbf",
    "12345678\xe4\xb8\xad 12345678",
};

START_TEST(test_valid)
{
    ck_assert(utf8_valid(good[_i], strlen(good[_i])));
}
END_TEST

static const char *const bad[] = {
    "\x80",             /* continuation without lead */
    "\xbf",             /* the last of them */
    "\xc0\x80",         /* overlong NUL */
    "\xc1\xbf",         /* overlong two */
    "\xe0\x9f\xbf",     /* overlong three */
    "\xf0\x8f\xbf\xbf", /* overlong four */
    "\xed\xa0\x80",     /* first surrogate */
    "\xed\xbf\xbf",     /* last surrogate */
    "\xf4\x90\x80\x80", /* U+110000 */
    "\xf5\x80\x80\x80", /* no such lead */
    "\xff",             /* nor this */
    "\xc2",             /* cut after one of two */
    "\xe4\xb8",         /* cut after two of three */
    "\xf0\x90\x80",     /* cut after three of four */
    "\xe4\xb8\x41",     /* ASCII for a continuation */
    "\xf0\x90\x80\xc0", /* lead for a continuation */
    "12345678\x80",     /* after a word of ASCII */
    ("1234567\xff"
     "12345678"), /* at the end of a word */
};

START_TEST(test_invalid)
{
    ck_assert(!utf8_valid(bad[_i], strlen(bad[_i])));
}
END_TEST

START_TEST(test_sequence_past_the_end_is_invalid)
{
    ck_assert(!utf8_valid("\xe4\xb8\xad", 2));
}
END_TEST

START_TEST(test_nul_is_a_character)
{
    ck_assert(utf8_valid("a\0b", 3));
}
END_TEST

static void check_clean(const char *in, size_t n, size_t max, const char *want)
{
    struct strbuf b;
    strbuf_init(&b, 1000);
    utf8_sanitize(&b, in, n, max);
    ck_assert_str_eq(b.data, want);
    ck_assert_uint_eq(b.len, strlen(want));
    strbuf_fini(&b);
}

START_TEST(test_sanitize_keeps_good_text)
{
    check_clean("a\xe4\xb8\xad"
                "b",
                5, 100,
                "a\xe4\xb8\xad"
                "b");
}
END_TEST

START_TEST(test_sanitize_replaces_each_bad_byte)
{
    check_clean("a\xff\x80z", 4, 100, "a" FFFD FFFD "z");
    check_clean("\xed\xa0\x80", 3, 100, FFFD FFFD FFFD);
}
END_TEST

START_TEST(test_sanitize_makes_controls_spaces)
{
    check_clean("a\0\n\x1b[0m\x7f\xc2\x9b", 10, 100, "a   [0m  ");
}
END_TEST

START_TEST(test_sanitize_never_splits_a_character_at_the_cut)
{
    check_clean("ab\xe4\xb8\xad", 5, 4, "ab");
    check_clean("ab\xe4\xb8\xad", 5, 5, "ab\xe4\xb8\xad");
    check_clean("ab\xff", 3, 4, "ab");
}
END_TEST

START_TEST(test_sanitize_to_no_bytes_is_empty)
{
    check_clean("abc", 3, 0, "");
    check_clean(NULL, 0, 10, "");
}
END_TEST

START_TEST(test_sanitize_of_a_cut_sequence_is_valid)
{
    check_clean("\xf0\x90\x80", 3, 100, FFFD FFFD FFFD);
}
END_TEST

START_TEST(test_put_writes_each_length)
{
    static const struct {
        uint32_t point;
        const char *text;
    } forms[] = {{0x24, "$"},
                 {0x7f, "\x7f"},
                 {0x80, "\xc2\x80"},
                 {0x7ff, "\xdf\xbf"},
                 {0x800, "\xe0\xa0\x80"},
                 {0xffff, "\xef\xbf\xbf"},
                 {0x10000, "\xf0\x90\x80\x80"},
                 {0x10ffff, "\xf4\x8f\xbf\xbf"}};
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        char out[UTF8_MAX];
        ck_assert_uint_eq(utf8_put(out, forms[i].point), strlen(forms[i].text));
        ck_assert_mem_eq(out, forms[i].text, strlen(forms[i].text));
    }
}
END_TEST

START_TEST(test_sanitize_text_keeps_lines_and_tabs_only)
{
    struct strbuf b;
    strbuf_init(&b, 100);
    utf8_sanitize_text(&b, "a\n\tb\r\n\x1b[1m", 10, 100);
    ck_assert_str_eq(b.data, "a\n\tb\r\n [1m");
    strbuf_fini(&b);
}
END_TEST

TESTS(edges, test_sequence_past_the_end_is_invalid, test_nul_is_a_character,
      test_put_writes_each_length)
TESTS(sanitize, test_sanitize_keeps_good_text, test_sanitize_replaces_each_bad_byte,
      test_sanitize_makes_controls_spaces, test_sanitize_never_splits_a_character_at_the_cut,
      test_sanitize_to_no_bytes_is_empty, test_sanitize_of_a_cut_sequence_is_valid,
      test_sanitize_text_keeps_lines_and_tabs_only)

static TCase *tables(void)
{
    TCase *tc = tcase_create("tables");
    tcase_add_loop_test(tc, test_valid, 0, (int)ARRAY_LEN(good));
    tcase_add_loop_test(tc, test_invalid, 0, (int)ARRAY_LEN(bad));
    return tc;
}

CHECK_MAIN("utf8", edges, sanitize, tables)
