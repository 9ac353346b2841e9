/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"
#include "common/utf8.h"

#include "mini_server.h"
#include "probe_run.h"
#include "tests/support/check_main.h"

static struct probe_run run;
static struct mini server;

static const struct {
    const char *path, *answer;
} pages[] = {
    {"/gbk ", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=GBK\r\n\r\n"
              "<title>\xd6\xd0\xb9\xfa &amp; \xff</title>\xc4\xe3\xba\xc3"},
    {"/meta ", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
               "<meta charset=big5><title>\xa4\xa4\xb0\xea</title>"},
    {"/plain ", "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=Shift_JIS\r\n\r\n"
                "\x93\xfa\x96\x7b\n"},
    {"/bare ", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<title>caf\xe9</title>"},
    {"/broken ", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
                 "<title>\xe4\xb8\xad\xff\xe5\x9b\xbd</title>"},
    {"/lie ", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
              "<title>\xd6\xd0\xb9\xfa</title>"},
    {"/odd ", "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-7//IGNORE\xff\r\n\r\n"
              "<title>+ADw- \xc3\xbc</title>"},
};

static void answer(struct mini_conn *c)
{
    static const char wide[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"
                               "\xff\xfe<\0t\0i\0t\0l\0e\0>\0\x2d\x4e<\0/\0t\0i\0t\0l\0e\0>";
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        if (strstr(c->request, pages[i].path))
            mini_puts(c, pages[i].answer);
    if (strstr(c->request, "/wide "))
        mini_write(c, wide, sizeof(wide));
}

static void setup(void)
{
    mini_init();
    probe_run_init(&run, NULL, true);
    server.answer = answer;
    mini_start(&server);
}

static void teardown(void)
{
    probe_run_fini(&run);
}

static struct result *probe(const char *path, const char *options)
{
    char json[512];
    snprintf(json, sizeof(json), "{\"url\":\"http://127.0.0.1:%u%s\"%s}", server.port, path,
             options);
    struct target *t = probe_run_target(json);
    struct result *r = probe_run_go(&run, t, false);
    target_destroy(&t);
    return r;
}

static void title_is(const char *path, const char *want)
{
    struct result *r = probe(path, "");
    ck_assert_ptr_nonnull(r->http->title);
    ck_assert_str_eq(r->http->title, want);
    result_destroy(&r);
}

START_TEST(test_title_by_the_charset_of_content_type)
{
    title_is("/gbk", "中国 & \xef\xbf\xbd");
}
END_TEST

START_TEST(test_title_by_meta)
{
    title_is("/meta", "中國");
}
END_TEST

START_TEST(test_title_of_wide_characters)
{
    title_is("/wide", "中");
}
END_TEST

START_TEST(test_title_without_a_charset)
{
    title_is("/bare", "café");
    title_is("/broken", "中\xef\xbf\xbd国");
    title_is("/odd", "+ADw- ü");
}
END_TEST

START_TEST(test_title_that_is_not_what_it_says)
{
    struct result *r = probe("/lie", "");
    ck_assert(utf8_valid(r->http->title, strlen(r->http->title)));
    ck_assert_ptr_nonnull(strstr(r->http->title, "\xef\xbf\xbd"));
    result_destroy(&r);
}
END_TEST

START_TEST(test_kept_body_is_utf8_of_that_many_bytes)
{
    struct result *r = probe("/plain", ",\"keep_body\":100");
    ck_assert_str_eq(r->http->body, "日本\n");
    result_destroy(&r);
    r = probe("/plain", ",\"keep_body\":4");
    ck_assert_str_eq(r->http->body, "日");
    ck_assert_int_eq(r->http->size_bytes, 5); /* of the body as it came */
    result_destroy(&r);
}
END_TEST

START_TEST(test_patterns_see_the_page_as_utf8)
{
    struct result *r = probe("/gbk", ",\"expect\":{\"body_regex\":\"^<title>中.*你好$\"}");
    ck_assert_msg(r->outcome == OUTCOME_OK, "%s", r->message);
    result_destroy(&r);
    r = probe("/plain", ",\"expect\":{\"body_not_regex\":\"日本\"}");
    ck_assert_int_eq(r->cause, CAUSE_body_mismatch);
    result_destroy(&r);
}
END_TEST

TESTS(text_bare, test_title_by_the_charset_of_content_type, test_title_by_meta,
      test_title_of_wide_characters, test_title_without_a_charset,
      test_title_that_is_not_what_it_says, test_kept_body_is_utf8_of_that_many_bytes,
      test_patterns_see_the_page_as_utf8)
static TCase *text(void)
{
    TCase *tc = text_bare();
    tcase_add_checked_fixture(tc, setup, teardown);
    return tc;
}
CHECK_MAIN("http_text", text)
