/* SPDX-License-Identifier: MIT */
#include "agent/probe/charset.h"
#include "common/mem.h"
#include "common/utf8.h"

#include "tests/support/check_main.h"

#define BAD "\xef\xbf\xbd"

static void label_is(const char *text, const char *want)
{
    char label[CHARSET_LABEL_MAX];
    charset_label(text, strlen(text), label);
    ck_assert_str_eq(label, want);
}

START_TEST(test_label_is_found_however_it_is_written)
{
    label_is("text/html; charset=GBK", "gbk");
    label_is("text/html;CharSet = \"Big5\"; x=y", "big5");
    label_is("text/html; charset='shift_jis'", "shift_jis");
    label_is("charset, but not yet; charset=koi8-r", "koi8-r");
}
END_TEST

START_TEST(test_no_label_is_empty)
{
    label_is("", "");
    label_is("text/html", "");
    label_is("text/html; charset", "");
    label_is("text/html; charset=", "");
    label_is("text/html; charset=a-label-that-is-longer-than-any-that-we-could-know", "");
}
END_TEST

static void reads_n(const char *label, bool html, const char *p, size_t n, const char *want)
{
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    charset_decode(charset_of(label, p, n, html), p, n, &b, 1 << 20);
    ck_assert_str_eq(b.data, want);
    strbuf_fini(&b);
}

static void reads(const char *label, const char *p, const char *want)
{
    reads_n(label, false, p, strlen(p), want);
}

static void page_reads(const char *p, const char *want)
{
    reads_n("", true, p, strlen(p), want);
}

START_TEST(test_label_decides)
{
    reads("gbk", "\xd6\xd0\xb9\xfa", "中国");
    reads("gb2312", "\xd6\xd0\xb9\xfa", "中国");
    reads("big5", "\xa4\xa4\xb0\xea", "中國");
    reads("shift_jis", "\x93\xfa\x96\x7b", "日本");
    reads("euc-jp", "\xc6\xfc\xcb\xdc", "日本");
    reads("iso-2022-jp", "\x1b$BF|K\\\x1b(B!", "日本!");
    reads("euc-kr", "\xc7\xd1\xb1\xb9", "한국");
    reads("iso-8859-1", "M\xfcller", "Müller");
    reads("windows-1252", "\x93q\x94 \x80", "“q” €");
    reads("windows-1251", "\xcc\xe8\xf0", "Мир");
    reads("koi8-r", "\xed\xc9\xd2", "Мир");
    reads("iso-8859-2", "\xb1\xe6", "ąć");
}
END_TEST

START_TEST(test_latin1_is_windows_1252)
{
    reads("iso-8859-1", "\x80", "€");
}
END_TEST

START_TEST(test_a_page_cannot_choose_any_iconv)
{
    reads("utf-7", "+ADw-", "+ADw-");
    reads("ucs-4", "abcd", "abcd");
    reads("iso-2022-cn-ext", "a", "a");
    reads("gbk//translit", "\xc3\xbc", "ü");
}
END_TEST

START_TEST(test_mark_beats_label)
{
    reads("gbk", "\xef\xbb\xbfü", "ü");
    reads_n("gbk", false, "\xff\xfe\x2d\x4e", 4, "中");
    reads_n("gbk", false, "\xfe\xff\x4e\x2d", 4, "中");
}
END_TEST

START_TEST(test_label_beats_meta)
{
    const char page[] = "<meta charset=big5>\xd6\xd0";
    reads_n("gbk", true, page, sizeof(page) - 1, "<meta charset=big5>中");
}
END_TEST

START_TEST(test_meta_of_a_page)
{
    page_reads("<html><META charset='gbk'>\xd6\xd0", "<html><META charset='gbk'>中");
    page_reads("<meta http-equiv=Content-Type content=\"text/html; charset=gbk\">\xd6\xd0",
               "<meta http-equiv=Content-Type content=\"text/html; charset=gbk\">中");
    page_reads("<meta charset=x-unknown><meta charset=gbk>\xd6\xd0",
               "<meta charset=x-unknown><meta charset=gbk>中");
}
END_TEST

START_TEST(test_what_is_no_meta)
{
    page_reads("<!-- <meta charset=gbk> -->\xc2\xa7", "<!-- <meta charset=gbk> -->§");
    page_reads("<metal charset=gbk>\xc2\xa7", "<metal charset=gbk>§");
    page_reads("<!-- <meta charset=gbk> \xc2\xa7", "<!-- <meta charset=gbk> §");
    page_reads("<meta charset=gbk \xc2\xa7", "<meta charset=gbk §");
    reads("", "<meta charset=gbk>\xc2\xa7", "<meta charset=gbk>§"); /* not HTML */
}
END_TEST

START_TEST(test_meta_too_far_down_is_none)
{
    char page[1200];
    memset(page, ' ', sizeof(page));
    memcpy(page + 1010, "<meta charset=gbk>\xc2\xa7", 20);
    ck_assert_ptr_null(charset_of("", page, sizeof(page), true));
    memcpy(page + 900, "<meta charset=gbk>\xc2\xa7", 20);
    ck_assert_ptr_nonnull(charset_of("", page, sizeof(page), true));
}
END_TEST

START_TEST(test_utf16_in_a_meta_that_could_be_read_is_utf8)
{
    page_reads("<meta charset=utf-16>ü", "<meta charset=utf-16>ü");
}
END_TEST

START_TEST(test_without_a_label_the_bytes_decide)
{
    reads("", "na\xefve caf\xe9", "naïve café");
    reads("", "naïve café", "naïve café");
    reads("x-unknown", "caf\xe9", "café");
}
END_TEST

START_TEST(test_utf8_with_a_fault_stays_utf8)
{
    reads("", "中国\xff万", "中国" BAD "万");
    reads("utf-8", "caf\xe9!", "caf" BAD "!");
}
END_TEST

START_TEST(test_bytes_with_nuls_are_no_text)
{
    reads_n("", false, "\x89PNG\0\xff", 6, BAD "PNG " BAD);
}
END_TEST

START_TEST(test_faults_are_replaced_one_by_one)
{
    reads("gbk", "\xd6\xd0\xff\xff\xb9\xfa", "中" BAD BAD "国");
    reads("windows-1252", "a\x81z", "a" BAD "z");
    reads_n("utf-16le", false, "\x00\xd8\x61\x00", 4, BAD "a"); /* half a pair */
}
END_TEST

START_TEST(test_unfinished_end_goes)
{
    reads("gbk", "\xd6\xd0\xb9", "中");
    reads("", "中\xe4\xb8", "中");
    reads("", "a\xf0\x9f\x98", "a");
    reads_n("utf-16le", false, "\x2d\x4e\x2d", 3, "中");
}
END_TEST

START_TEST(test_controls_become_spaces_lines_stay)
{
    reads("gbk", "a\x1b\x07\r\n\t\xd6\xd0", "a  \r\n\t中");
    reads_n("utf-16le", false, "\x9b\x00\x41\x00", 4, " A");
}
END_TEST

START_TEST(test_more_than_a_chunk_is_whole)
{
    enum { CHARS = 20000 };
    char *p = mem_alloc(2 * CHARS);
    struct strbuf b;
    strbuf_init(&b, 3 * CHARS + 4);
    for (size_t i = 0; i < CHARS; i++)
        memcpy(p + 2 * i, "\xd6\xd0", 2);
    charset_decode(charset_of("gbk", p, 2 * CHARS, false), p, 2 * CHARS, &b, 3 * CHARS + 4);
    ck_assert_uint_eq(b.len, 3 * CHARS);
    ck_assert(utf8_valid(b.data, b.len));
    strbuf_fini(&b);
    free(p);
}
END_TEST

START_TEST(test_cut_never_splits_a_character)
{
    for (size_t max = 0; max < 20; max++) {
        struct strbuf b;
        strbuf_init(&b, 64);
        charset_decode(charset_of("gbk", "", 0, false), "\xd6\xd0\xb9\xfa\xd6\xd0", 6, &b, max);
        ck_assert_uint_le(b.len, max);
        ck_assert(utf8_valid(b.data, b.len));
        ck_assert_uint_eq(b.len % 3, 0);
        strbuf_fini(&b);
    }
}
END_TEST

START_TEST(test_bytes_that_are_not_what_they_were_said_to_be)
{
    enum { N = 3000 };
    char p[N];
    struct strbuf b;
    memset(p, 0xff, N);
    memcpy(p + N - 2, "\xc3\xbc", 2);
    strbuf_init(&b, 3 * N + 4);
    charset_decode(charset_of("gbk", p, N, false), p, N, &b, 3 * N + 4);
    ck_assert(utf8_valid(b.data, b.len));
    ck_assert_str_eq(b.data + b.len - 2, "ü"); /* after 1,000 faults as UTF-8 */
    ck_assert_uint_eq(b.len, 3 * (N - 2) + 2);
    strbuf_fini(&b);
}
END_TEST

TESTS(labels, test_label_is_found_however_it_is_written, test_no_label_is_empty,
      test_latin1_is_windows_1252, test_a_page_cannot_choose_any_iconv)
TESTS(choice, test_label_decides, test_mark_beats_label, test_label_beats_meta, test_meta_of_a_page,
      test_what_is_no_meta, test_meta_too_far_down_is_none,
      test_utf16_in_a_meta_that_could_be_read_is_utf8, test_without_a_label_the_bytes_decide,
      test_utf8_with_a_fault_stays_utf8, test_bytes_with_nuls_are_no_text)
TESTS(decoding, test_faults_are_replaced_one_by_one, test_unfinished_end_goes,
      test_controls_become_spaces_lines_stay, test_more_than_a_chunk_is_whole,
      test_cut_never_splits_a_character, test_bytes_that_are_not_what_they_were_said_to_be)
CHECK_MAIN("charset", labels, choice, decoding)
