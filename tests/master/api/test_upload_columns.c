/* SPDX-License-Identifier: MIT */
#include "master/api/upload_columns.h"
#include "tests/support/check_main.h"
#include <string.h>

/* The header row and one record: the record as JSON, or the code and sentence of what is wrong. */
static void check_bytes(const char *text, size_t len, const char *wanted)
{
    struct csv c;
    struct columns cols = {.n = 0};
    struct columns_problem p;
    struct strbuf out;
    size_t used = 0, more = 0;
    csv_init(&c);
    strbuf_init(&out, 1u << 20);
    ck_assert_int_eq(csv_next(&c, text, len, &used), CSV_RECORD);
    enum err e = columns_take(&cols, &c, &p);
    if (e == ERR_NONE) {
        ck_assert_int_eq(csv_next(&c, text + used, len - used, &more), CSV_RECORD);
        e = columns_json(&cols, &c, &out, &p);
    }
    if (e != ERR_NONE) {
        strbuf_reset(&out);
        strbuf_printf(&out, "%s: %s", p.code, p.detail);
    }
    ck_assert_msg(strstr(out.data, wanted) != NULL, "%s, wanted %s", out.data, wanted);
    strbuf_fini(&out);
    csv_fini(&c);
}

static void check(const char *text, const char *wanted)
{
    check_bytes(text, strlen(text), wanted);
}

START_TEST(test_cells_become_members_of_their_type)
{
    check("url,timeout_ms,verify_tls,method,user_id\nhttp://a/, 500 ,false,HEAD, 7 \n",
          "{\"url\":\"http://a/\",\"timeout_ms\":500,\"verify_tls\":false,\"method\":\"HEAD\","
          "\"user_id\":\" 7 \"}");
    check("url,ip_version\nhttp://a/,any\n", "\"ip_version\":\"any\"");
    check("url,proxy\nhttp://a/, socks5://b \n", "\"proxy\":\"socks5://b\"");
}
END_TEST

START_TEST(test_an_empty_cell_gives_nothing)
{
    check("user_id,target,timeout_ms\n,http://a/,\n", "{\"url\":\"http://a/\"}");
}
END_TEST

START_TEST(test_a_target_may_be_a_question)
{
    check("target\ndns:a.test?type=MX\n", "{\"dns\":\"dns:a.test?type=MX\"}");
    check("target,type\na.test,MX\n", "{\"dns\":\"a.test\",\"type\":\"MX\"}");
    check("target,type\nhttp://a.test/,\n", "{\"url\":\"http://a.test/\"}");
}
END_TEST

START_TEST(test_cells_of_json_are_members_as_they_are)
{
    check("url,expect\nhttp://a/,\"{\"\"status\"\": [200]}\"\n", "\"expect\":{\"status\":[200]}");
    check("url,headers\nhttp://a/,{\n", "bad_value: 'headers' must be JSON");
}
END_TEST

START_TEST(test_an_unknown_column_is_named)
{
    check("url,colour\n", "unknown_column: unknown column 'colour'");
    check("url;timeout_ms\n", "separated by commas");
    check("url,\n", "bad_header: column 2");
}
END_TEST

START_TEST(test_a_header_row_has_one_column_of_targets)
{
    check("user_id,timeout_ms\n", "bad_header: the header row has neither 'url' nor 'target'");
    check("url,target\n", "'url' beside 'target'");
    check("url,method,method\n", "'method' beside 'method'");
}
END_TEST

START_TEST(test_bad_records_say_what_is_wrong)
{
    check("url,method\nhttp://a/\n", "bad_record: the record has 1 field, and the header row 2");
    check("url,method\n,GET\n", "empty: 'url' is empty");
    check("url\nhttp://a/\xff\n", "bad_utf8: 'url' is not valid UTF-8");
    check_bytes("url\nhttp://a/\0b\n", 16, "bad_value: 'url' holds a NUL byte");
}
END_TEST

TESTS(columns, test_cells_become_members_of_their_type, test_an_empty_cell_gives_nothing,
      test_a_target_may_be_a_question, test_cells_of_json_are_members_as_they_are,
      test_an_unknown_column_is_named, test_a_header_row_has_one_column_of_targets,
      test_bad_records_say_what_is_wrong)
CHECK_MAIN("upload_columns", columns)
