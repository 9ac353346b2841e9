/* SPDX-License-Identifier: MIT */
#include "master/ctl/check_page.h"
#include "common/text.h"
#include "master/ctl/checks.h"
#include "tests/support/json_fixture.h"
#include <stdio.h>

static const char *bar(const char *series, bool colour)
{
    static struct strbuf out;
    char text[2048];
    struct table_style style = {.colour = colour};
    snprintf(text, sizeof(text), "{\"series\":[%s]}", series);
    struct json_doc *d = must_parse(text);
    strbuf_fini(&out);
    strbuf_init(&out, 4096);
    check_page_bar(&out, json_root(d), &style);
    json_free(&d);
    return out.data;
}
#define DAY(up, degraded, down)                                                                    \
    "{\"up_ms\":" #up ",\"degraded_ms\":" #degraded ",\"down_ms\":" #down ",\"unknown_ms\":5}"

START_TEST(test_the_bar_falls_with_the_time_down)
{
    ck_assert_str_eq(bar("", false), "");
    ck_assert_str_eq(bar(DAY(0, 0, 0), false), "·");
    ck_assert_str_eq(bar(DAY(10000, 0, 0) "," DAY(9996, 0, 4) "," DAY(9994, 0, 6), false), "██▇");
    ck_assert_str_eq(
        bar(DAY(98, 0, 2) "," DAY(90, 0, 10) "," DAY(50, 0, 50) "," DAY(0, 0, 1), false), "▅▃▁▁");
}
END_TEST

START_TEST(test_degraded_is_up_and_another_colour)
{
    ck_assert_str_eq(bar(DAY(0, 100, 0), false), "█");
    ck_assert_str_eq(bar(DAY(0, 100, 0), true), "\x1b[33m█\x1b[0m");
    ck_assert_str_eq(bar(DAY(100, 0, 0), true), "\x1b[32m█\x1b[0m");
    ck_assert_str_eq(bar(DAY(1, 0, 9), true), "\x1b[31m▁\x1b[0m");
}
END_TEST

static const char *percent(const char *text)
{
    static char shown[CHECKS_PERCENT_MAX];
    struct json_doc *d = must_parse(text);
    checks_percent(json_first(json_root(d)), shown);
    json_free(&d);
    return shown;
}

START_TEST(test_percent_is_never_rounded_up_to_100)
{
    ck_assert_str_eq(percent("[1]"), "100 %");
    ck_assert_str_eq(percent("[0.9999999]"), "99.999 %");
    ck_assert_str_eq(percent("[0.5]"), "50.000 %");
    ck_assert_str_eq(percent("[0]"), "0.000 %");
    ck_assert_str_eq(percent("[null]"), "-");
    ck_assert_str_eq(percent("[\"x\"]"), "-");
    ck_assert_str_eq(percent("[-1]"), "-");
    ck_assert_str_eq(percent("[]"), "-");
}
END_TEST

START_TEST(test_a_page_of_what_is_not_there)
{
    struct strbuf out;
    struct table_style style = {.width = 80};
    struct json_doc *d = must_parse("{\"running\":true,\"next_at\":null}");
    text_init();
    strbuf_init(&out, 1 << 16);
    check_page_put(&out, json_root(d), json_root(d), &style);
    ck_assert_ptr_nonnull(strstr(out.data, "uptime      - since"));
    ck_assert_ptr_nonnull(strstr(out.data, "now         a run is under way"));
    ck_assert_ptr_null(strstr(out.data, "next "));
    strbuf_fini(&out);
    json_free(&d);
}
END_TEST

TESTS(check_page, test_the_bar_falls_with_the_time_down, test_degraded_is_up_and_another_colour,
      test_percent_is_never_rounded_up_to_100, test_a_page_of_what_is_not_there)
CHECK_MAIN("ctl check page", check_page)
