/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tests/support/json_fixture.h"

static void refused(const char *text, const char *expected)
{
    char why[200] = "";
    ck_assert_msg(parse(text, why) == ERR_INVALID, "accepted: %s", text);
    ck_assert_msg(strstr(why, expected) != NULL, "%s: said '%s'", text, why);
}

/* ---- writer */

START_TEST(test_writer_places_commas)
{
    struct json_out w = writer();
    json_obj_begin(&w);
    json_int(&w, "a", -1);
    json_key(&w, "b");
    json_arr_begin(&w);
    json_put_bool(&w, true);
    json_put_null(&w);
    json_obj_begin(&w);
    json_obj_end(&w);
    json_arr_end(&w);
    json_id(&w, "c", UINT64_MAX);
    json_raw(&w, "d", "[1]", 3);
    json_obj_end(&w);
    ck_assert_str_eq(buf.data,
                     "{\"a\":-1,\"b\":[true,null,{}],\"c\":\"18446744073709551615\",\"d\":[1]}");
}
END_TEST

START_TEST(test_writer_prints_extreme_integers)
{
    struct json_out w = writer();
    json_arr_begin(&w);
    json_put_int(&w, INT64_MIN);
    json_put_int(&w, INT64_MAX);
    json_put_u64(&w, 0);
    json_put_u64(&w, 99);
    json_put_u64(&w, 100);
    json_arr_end(&w);
    ck_assert_str_eq(buf.data, "[-9223372036854775808,9223372036854775807,0,99,100]");
}
END_TEST

START_TEST(test_writer_escapes_what_must_be)
{
    struct json_out w = writer();
    json_put_str(&w, "plain text first, \"q\" \\ / \b\f\n\r\t\x01\x1f\x7f é");
    ck_assert_str_eq(buf.data,
                     "\"plain text first, \\\"q\\\" \\\\ / \\b\\f\\n\\r\\t\\u0001\\u001f\x7f é\"");
}
END_TEST

START_TEST(test_writer_escapes_at_every_offset)
{
    for (size_t at = 0; at < 20; at++) {
        char text[21];
        memset(text, 'x', 20);
        text[20] = '\0';
        text[at] = '"';
        struct json_out w = writer();
        json_put_str(&w, text);
        struct json_doc *d = must_parse(buf.data);
        ck_assert_str_eq(json_node_str(json_root(d)), text);
        json_free(&d);
    }
}
END_TEST

START_TEST(test_writer_null_string_is_null)
{
    struct json_out w = writer();
    json_put_str(&w, NULL);
    ck_assert_str_eq(buf.data, "null");
}
END_TEST

static void ms_is(double v, const char *text)
{
    struct json_out w = writer();
    json_put_ms(&w, v);
    ck_assert_str_eq(buf.data, text);
}

START_TEST(test_ms_has_three_decimals_at_most)
{
    ms_is(0, "0");
    ms_is(40, "40");
    ms_is(3.1, "3.1");
    ms_is(0.125, "0.125");
    ms_is(0.0004, "0");
    ms_is(0.0006, "0.001");
    ms_is(9.9999, "10");
    ms_is(1000.05, "1000.05");
    ms_is(123456789.001, "123456789.001");
}
END_TEST

START_TEST(test_ms_that_never_happened_is_null)
{
    ms_is(-1, "null");
    ms_is(NAN, "null");
    ms_is(INFINITY, "null");
}
END_TEST

START_TEST(test_num_reads_back)
{
    static const double all[] = {0, 0.1, -2.5, 1e300, 1.0 / 3, 5e-324, 9007199254740993.0, 1e15};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct json_out w = writer();
        json_put_num(&w, all[i]);
        struct json_doc *d = must_parse(buf.data);
        ck_assert(json_node_num(json_root(d)) == all[i]);
        json_free(&d);
    }
}
END_TEST

START_TEST(test_num_is_short)
{
    struct json_out w = writer();
    json_put_num(&w, 0.1);
    ck_assert_str_eq(buf.data, "0.1");
}
END_TEST

START_TEST(test_writer_stops_at_the_ceiling)
{
    struct strbuf small;
    strbuf_init(&small, 16);
    struct json_out w;
    json_out_init(&w, &small);
    json_arr_begin(&w);
    for (int i = 0; i < 100; i++)
        json_put_str(&w, "0123456789");
    json_arr_end(&w);
    ck_assert(small.overflow);
    ck_assert_uint_le(small.len, 16);
    strbuf_fini(&small);
}
END_TEST

/* ---- reader */

START_TEST(test_reads_every_type)
{
    struct json_doc *d =
        must_parse(" {\"s\":\"\\u00e9\\ud83d\\ude00\",\"n\":-1.5e2,\"t\":true,\"f\":false,"
                   "\"z\":null,\"a\":[1,2,3],\"o\":{}} ");
    const struct json_node *n = json_first(json_root(d));
    ck_assert_str_eq(json_node_key(n), "s");
    ck_assert_str_eq(json_node_str(n), "é😀");
    n = json_next(n);
    ck_assert(json_node_num(n) == -150);
    n = json_next(n);
    ck_assert(json_node_bool(n));
    n = json_next(n);
    ck_assert(!json_node_bool(n));
    n = json_next(n);
    ck_assert_int_eq(json_type(n), JSON_NULL);
    n = json_next(n);
    ck_assert_int_eq(json_type(n), JSON_ARRAY);
    ck_assert_uint_eq(json_count(n), 3);
    n = json_next(n);
    ck_assert_int_eq(json_type(n), JSON_OBJECT);
    ck_assert_ptr_null(json_first(n));
    ck_assert_ptr_null(json_next(n));
    json_free(&d);
}
END_TEST

START_TEST(test_refuses_broken_structure)
{
    refused("", "too early");
    refused("   ", "too early");
    refused("{", "too early");
    refused("[1,]", "value expected");
    refused("[,1]", "value expected");
    refused("{\"a\":1,}", "member name expected");
    refused("{\"a\" 1}", "':' expected");
    refused("{a:1}", "member name expected");
    refused("{'a':1}", "member name expected");
    refused("[1 2]", "',' or ']' expected");
    refused("[1}", "',' or ']' expected");
    refused("nul", "unknown word");
    refused("True", "value expected");
    refused("\xef\xbb\xbf{}", "value expected");
    refused("// c\n1", "value expected");
}
END_TEST

START_TEST(test_refuses_lax_numbers)
{
    static const char *const bad[] = {"+1",  "01",   "-01", ".5",   "1.",       "-",   "1e",
                                      "1e+", "0x10", "NaN", "1.e1", "Infinity", "--1", "1_0"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(parse(bad[i], NULL) == ERR_INVALID, "accepted %s", bad[i]);
}
END_TEST

START_TEST(test_refuses_numbers_that_are_not_finite)
{
    refused("1e999", "out of range");
    refused("[-1e400]", "out of range");
}
END_TEST

START_TEST(test_refuses_numbers_that_would_be_cut)
{
    char text[80];
    memset(text, '1', 70);
    text[70] = '\0';
    refused(text, "too many digits");
}
END_TEST

START_TEST(test_refuses_trailing_text)
{
    refused("{} x", "text after the value at byte 3");
    refused("1 2", "text after the value");
    refused("{}}", "text after the value");
}
END_TEST

START_TEST(test_refuses_nul_bytes)
{
    struct json_doc *d = NULL;
    ck_assert_int_eq(json_parse("\"a\0b\"", 5, &d, NULL, 0), ERR_INVALID);
    ck_assert_int_eq(json_parse("1\0", 2, &d, NULL, 0), ERR_INVALID);
    refused("\"\\u0000\"", "\\u0000");
}
END_TEST

START_TEST(test_refuses_raw_control_characters)
{
    refused("\"a\nb\"", "control character in a string at byte 2");
    refused("\"\x1f\"", "control character");
}
END_TEST

START_TEST(test_refuses_bad_escapes)
{
    refused("\"\\x\"", "bad escape");
    refused("\"\\u12g4\"", "bad \\u escape");
    refused("\"\\ud800\"", "lone surrogate");
    refused("\"\\udc00\"", "lone surrogate");
    refused("\"\\ud800\\u0041\"", "lone surrogate");
    refused("\"abc", "string without an end");
    refused("\"abc\\\"", "string without an end");
}
END_TEST

START_TEST(test_refuses_bad_utf8)
{
    refused("\"\xff\"", "bad UTF-8");
    refused("\"\xc0\xaf\"", "bad UTF-8");
    refused("\"\xed\xa0\x80\"", "bad UTF-8");
    refused("{\"\xe2\x82\":1}", "bad UTF-8");
}
END_TEST

/* What ends a run of plain characters stands at every place of a word of eight. */
START_TEST(test_decodes_strings_at_every_offset)
{
    static const struct {
        const char *raw, *text;
    } marks[] = {{"", ""},
                 {"\\n", "\n"},
                 {"\\\"\\\\", "\"\\"},
                 {"\xc3\xa9", "\xc3\xa9"},
                 {"\\u00e9\\u20ac\\ud83d\\ude00", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
                 {"\x7f\\t", "\x7f\t"}};
    for (size_t m = 0; m < ARRAY_LEN(marks); m++)
        for (int before = 0; before < 20; before++) {
            char raw[80], text[80];
            snprintf(raw, sizeof(raw), "[\"%.*s%s0123456789\",1]", before, "abcdefghijklmnopqrst",
                     marks[m].raw);
            snprintf(text, sizeof(text), "%.*s%s0123456789", before, "abcdefghijklmnopqrst",
                     marks[m].text);
            struct json_doc *d = must_parse(raw);
            ck_assert_str_eq(json_node_str(json_first(json_root(d))), text);
            json_free(&d);
        }
}
END_TEST

START_TEST(test_refuses_controls_at_every_offset)
{
    for (size_t at = 1; at < 30; at++) {
        char text[40] = "\"abcdefghijklmnopqrstuvwxyzabcdef\"";
        text[at] = '\x1f';
        char expected[60];
        snprintf(expected, sizeof(expected), "control character in a string at byte %zu", at);
        refused(text, expected);
        text[at] = '\xff';
        refused(text, "bad UTF-8 in a string at byte 0");
    }
}
END_TEST

START_TEST(test_numbers_end_where_they_end)
{
    struct json_doc *d = must_parse("[0,-0.5,1e2 ,12]");
    static const double values[] = {0, -0.5, 100, 12};
    const struct json_node *n = json_first(json_root(d));
    for (size_t i = 0; i < ARRAY_LEN(values); i++, n = json_next(n))
        ck_assert(json_node_num(n) == values[i]);
    json_free(&d);
    d = must_parse("42");
    ck_assert(json_node_num(json_root(d)) == 42);
    ck_assert_ptr_null(json_first(json_root(d)));
    json_free(&d);
}
END_TEST

START_TEST(test_depth_is_bounded)
{
    char text[2 * JSON_DEPTH_MAX + 8] = "";
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    ck_assert_int_eq(parse(text, NULL), ERR_NONE);
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    refused(text, "nested too deep");
}
END_TEST

START_TEST(test_refuses_duplicate_names)
{
    refused("{\"a\":1,\"a\":2}", "duplicate name \"a\"");
    refused("[{\"x\":{\"b\":1,\"\\u0062\":2}}]", "duplicate name \"b\"");
    ck_assert_int_eq(parse("{\"a\":{\"a\":1},\"A\":2}", NULL), ERR_NONE);
}
END_TEST

/* As good as random: of any 64 a few have hashes that begin alike. */
static void name_of(unsigned i, char out[16])
{
    snprintf(out, 16, "k%x", i * 2654435761u ^ i * i * i);
}

/* An object with n members and, when `more` is not negative, once more that one's name. */
static const char *members(unsigned n, int more)
{
    char key[16];
    struct json_out w = writer();
    json_obj_begin(&w);
    for (unsigned i = 0; i < n; i++) {
        name_of(i, key);
        json_int(&w, key, i);
    }
    name_of((unsigned)more, key);
    if (more >= 0)
        json_int(&w, key, 1);
    json_obj_end(&w);
    return buf.data;
}

START_TEST(test_tells_names_apart_however_many)
{
    for (unsigned n = 1; n <= 200; n++) {
        char last[16];
        name_of(n - 1, last);
        ck_assert_int_eq(parse(members(n, -1), NULL), ERR_NONE);
        refused(members(n, 0), "duplicate name \"k0\"");
        refused(members(n, (int)n - 1), last);
    }
}
END_TEST

START_TEST(test_finds_duplicates_in_a_large_object)
{
    char name[16];
    name_of(777, name);
    refused(members(20000, 777), name);
}
END_TEST

START_TEST(test_print_gives_back_compact_text)
{
    const char *text = "{\"a\":[1,2.5,\"x\\ny\"],\"b\":{\"c\":null},\"d\":[],\"e\":true}";
    struct json_doc *d = must_parse(text);
    struct json_out w = writer();
    json_print(&w, json_root(d));
    ck_assert_str_eq(buf.data, text);
    json_free(&d);
}
END_TEST

/* ---- member_span */

static void span_is(const char *text, const char *name, const char *expected)
{
    const char *start = NULL;
    size_t n = 0;
    bool found = json_member_span(text, strlen(text), name, &start, &n);
    ck_assert_msg(found == (expected != NULL), "%s in %s", name, text);
    if (found) {
        ck_assert_uint_eq(n, strlen(expected));
        ck_assert_mem_eq(start, expected, n);
    }
}

START_TEST(test_span_finds_the_exact_bytes)
{
    span_is("{\"a\": {\"b\" : [1, 2]} , \"c\":1.50}", "a", "{\"b\" : [1, 2]}");
    span_is("{\"a\": {\"c\":0} , \"c\" : 1.50 }", "c", "1.50");
    span_is("{\"\\u0061b\":\"x\"}", "ab", "\"x\"");
}
END_TEST

START_TEST(test_span_of_a_node_is_its_bytes)
{
    const char *text = " {\"a\" : [1, \"x\\n\"] , \"b\":null}";
    size_t at, len;
    struct json_doc *d = must_parse(text);
    json_node_span(json_root(d), &at, &len);
    ck_assert_uint_eq(at, 1);
    ck_assert_uint_eq(len, strlen(text) - 1);
    json_node_span(json_first(json_root(d)), &at, &len);
    ck_assert_uint_eq(len, strlen("[1, \"x\\n\"]"));
    ck_assert_mem_eq(text + at, "[1, \"x\\n\"]", len);
    json_free(&d);
}
END_TEST

START_TEST(test_span_of_an_absent_member_is_false)
{
    span_is("{}", "a", NULL);
    span_is("{\"b\":{\"a\":1}}", "a", NULL);
    span_is("[1]", "a", NULL);
    span_is("{\"b\":1", "a", NULL);
}
END_TEST

TESTS(json_writer, test_writer_places_commas, test_writer_prints_extreme_integers,
      test_writer_escapes_what_must_be, test_writer_escapes_at_every_offset,
      test_writer_null_string_is_null, test_ms_has_three_decimals_at_most,
      test_ms_that_never_happened_is_null, test_num_reads_back, test_num_is_short,
      test_writer_stops_at_the_ceiling)
TESTS(json_reader, test_reads_every_type, test_refuses_broken_structure, test_refuses_lax_numbers,
      test_refuses_numbers_that_are_not_finite, test_refuses_numbers_that_would_be_cut,
      test_refuses_trailing_text, test_refuses_nul_bytes, test_refuses_raw_control_characters,
      test_refuses_bad_escapes, test_refuses_bad_utf8, test_decodes_strings_at_every_offset,
      test_refuses_controls_at_every_offset, test_numbers_end_where_they_end, test_depth_is_bounded,
      test_span_of_a_node_is_its_bytes, test_refuses_duplicate_names,
      test_tells_names_apart_however_many, test_finds_duplicates_in_a_large_object,
      test_print_gives_back_compact_text, test_span_finds_the_exact_bytes,
      test_span_of_an_absent_member_is_false)
CHECK_MAIN("json", json_writer, json_reader)
