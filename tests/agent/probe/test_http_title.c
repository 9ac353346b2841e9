/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"
#include "common/mem.h"
#include "common/utf8.h"

#include "tests/support/check_main.h"

static void title_is(const char *html, const char *want)
{
    char *title = http_title(html, strlen(html));
    if (want)
        ck_assert_str_eq(title ? title : "(none)", want);
    else
        ck_assert_ptr_null(title);
    free(title);
}

START_TEST(test_plain)
{
    title_is("<html><title>Hello</title>", "Hello");
}
END_TEST

START_TEST(test_case_and_attributes)
{
    title_is("<TiTlE id=\"a\" lang=de>x</TITLE>", "x");
}
END_TEST

START_TEST(test_white_space_is_folded)
{
    title_is("<title>\n  a\t\r\n b  </title>", "a b");
}
END_TEST

START_TEST(test_entities)
{
    title_is("<title>&lt;a&gt; &amp; &#66;&#x43; &unknown; &#xZZ; &</title>",
             "<a> & BC &unknown; &#xZZ; &");
}
END_TEST

START_TEST(test_entities_cannot_make_bad_text)
{
    title_is("<title>&#0;&#xD800;&#x110000;&#27;[</title>",
             "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD [");
}
END_TEST

START_TEST(test_other_tags_are_no_title)
{
    title_is("<titlebar>x</titlebar>", NULL);
    title_is("<title", NULL);
    title_is("<title>", NULL);
    title_is("", NULL);
}
END_TEST

START_TEST(test_missing_end_takes_what_is_there)
{
    title_is("<title>cut off", "cut off");
}
END_TEST

START_TEST(test_long_title_is_cut_to_valid_text)
{
    size_t n = 20000;
    char *html = mem_zalloc(n + 8);
    memcpy(html, "<title>", 7);
    for (size_t i = 7; i + 1 < n; i += 2)
        memcpy(html + i, "\xc3\xbc", 2);
    char *title = http_title(html, n);
    ck_assert_ptr_nonnull(title);
    ck_assert_uint_le(strlen(title), 512);
    ck_assert(utf8_valid(title, strlen(title)));
    free(title);
    free(html);
}
END_TEST

TESTS(titles, test_plain, test_case_and_attributes, test_white_space_is_folded, test_entities,
      test_entities_cannot_make_bad_text, test_other_tags_are_no_title,
      test_missing_end_takes_what_is_there, test_long_title_is_cut_to_valid_text)
CHECK_MAIN("http_title", titles)
