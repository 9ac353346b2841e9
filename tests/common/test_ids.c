/* SPDX-License-Identifier: MIT */
#include "common/ids.h"

#include <string.h>

#include "tests/support/check_main.h"

static const uint8_t ones[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t zeros[16];

/* The time and bits of the example in RFC 9562, appendix A.6. */
START_TEST(test_uuid7_matches_the_rfc_example)
{
    static const uint8_t random[10] = {0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f};
    char text[UUID_TEXT_MAX];
    uuid7_format((struct wall){1645557742000 * 1000}, random, text);
    ck_assert_str_eq(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}
END_TEST

START_TEST(test_uuid7_sets_version_and_variant_over_the_random_bits)
{
    char text[UUID_TEXT_MAX];
    uuid7_format((struct wall){0}, ones, text);
    ck_assert_str_eq(text, "00000000-0000-7fff-bfff-ffffffffffff");
    uuid7_format((struct wall){0}, zeros, text);
    ck_assert_str_eq(text, "00000000-0000-7000-8000-000000000000");
}
END_TEST

START_TEST(test_uuid7_sorts_by_time)
{
    char earlier[UUID_TEXT_MAX], later[UUID_TEXT_MAX];
    uuid7_format((struct wall){1000000}, ones, earlier);
    uuid7_format((struct wall){1001000}, zeros, later);
    ck_assert_str_lt(earlier, later);
}
END_TEST

START_TEST(test_uuid_of_any_version_is_valid)
{
    ck_assert(uuid_valid("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"));
    ck_assert(uuid_valid("f47ac10b-58cc-4372-a567-0e02b2c3d479"));
}
END_TEST

static const char *const bad_uuids[] = {
    "",
    "017f22e2",
    "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
    "017f22e279b07cc398c4dc0c0c07398f",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
    "017f22e2-79b07-cc3-98c4-dc0c0c07398f",
    "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
};

START_TEST(test_uuid_refuses)
{
    ck_assert_msg(!uuid_valid(bad_uuids[_i]), "took '%s'", bad_uuids[_i]);
}
END_TEST

START_TEST(test_trace_is_the_bytes_in_hex)
{
    char text[TRACE_TEXT_MAX];
    static const uint8_t random[16] = {0x4b, 0xf9, 0x2f, [15] = 0x36};
    trace_format(random, text);
    ck_assert_str_eq(text, "4bf92f00000000000000000000000036");
    ck_assert(trace_valid(text));
}
END_TEST

START_TEST(test_trace_of_zeros_is_made_valid)
{
    char text[TRACE_TEXT_MAX];
    trace_format(zeros, text);
    ck_assert(trace_valid(text));
}
END_TEST

static const char *const bad_traces[] = {
    "",
    "00000000000000000000000000000000",
    "4bf92f0000000000000000000000003",
    "4bf92f000000000000000000000000366",
    "4BF92F00000000000000000000000036",
    "4bf92f0000000000000000000000003x",
};

START_TEST(test_trace_refuses)
{
    ck_assert_msg(!trace_valid(bad_traces[_i]), "took '%s'", bad_traces[_i]);
}
END_TEST

#define TRACE  "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static const char *const good_parents[] = {
    "00-" TRACE "-" PARENT "-01",
    "00-" TRACE "-" PARENT "-00",
    "cc-" TRACE "-" PARENT "-01",
    "cc-" TRACE "-" PARENT "-01-what-a-later-version-adds",
};

START_TEST(test_trace_of_a_traceparent)
{
    char out[TRACE_TEXT_MAX] = "";
    ck_assert_msg(trace_of_parent(good_parents[_i], out), "refused '%s'", good_parents[_i]);
    ck_assert_str_eq(out, TRACE);
}
END_TEST

static const char *const bad_parents[] = {
    "",
    "00",
    "00-" TRACE,
    "00-" TRACE "-" PARENT,
    "00-" TRACE "-" PARENT "-",
    "00-" TRACE "-" PARENT "-0",
    "00-" TRACE "-" PARENT "-01-",
    "00-" TRACE "-" PARENT "-010",
    "cc-" TRACE "-" PARENT "-01.",
    "ff-" TRACE "-" PARENT "-01",
    "0x-" TRACE "-" PARENT "-01",
    "00-00000000000000000000000000000000-" PARENT "-01",
    "00-" TRACE "-0000000000000000-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b70-01",
    "00_" TRACE "-" PARENT "-01",
    " 00-" TRACE "-" PARENT "-01",
    "00-" TRACE "-" PARENT "-zz",
};

START_TEST(test_traceparent_refuses)
{
    char out[TRACE_TEXT_MAX] = "untouched";
    ck_assert_msg(!trace_of_parent(bad_parents[_i], out), "took '%s'", bad_parents[_i]);
    ck_assert_str_eq(out, "untouched");
}
END_TEST

START_TEST(test_traceparent_is_not_read_behind_its_end)
{
    char out[TRACE_TEXT_MAX];
    size_t len = strlen(good_parents[0]);
    for (size_t n = 0; n < len; n++) {
        char *cut = strndup(good_parents[0], n);
        ck_assert_msg(!trace_of_parent(cut, out), "took '%s'", cut);
        free(cut);
    }
}
END_TEST

static void check_u64(const char *text, uint64_t want)
{
    uint64_t v = 1;
    ck_assert_int_eq(u64_parse(text, strlen(text), &v), ERR_NONE);
    ck_assert_uint_eq(v, want);
}

START_TEST(test_u64_reads_its_whole_range)
{
    check_u64("0", 0);
    check_u64("812", 812);
    check_u64("18446744073709551615", UINT64_MAX);
}
END_TEST

START_TEST(test_u64_reads_only_len_bytes)
{
    uint64_t v = 0;
    ck_assert_int_eq(u64_parse("12x", 2, &v), ERR_NONE);
    ck_assert_uint_eq(v, 12);
}
END_TEST

START_TEST(test_i64_reads_up_to_its_maximum)
{
    int64_t v = 0;
    ck_assert_int_eq(i64_parse("9223372036854775807", 19, &v), ERR_NONE);
    ck_assert_int_eq(v, INT64_MAX);
}
END_TEST

START_TEST(test_i64_refuses_one_more_than_its_maximum)
{
    int64_t v = 5;
    ck_assert_int_eq(i64_parse("9223372036854775808", 19, &v), ERR_INVALID);
    ck_assert_int_eq(v, 5);
}
END_TEST

static const char *const bad_numbers[] = {
    "",
    "+1",
    "-1",
    "-0",
    " 1",
    "1 ",
    "01",
    "00",
    "1.0",
    "1e3",
    "0x1",
    "12a",
    "١",
    "18446744073709551616",
    "99999999999999999999",
    "184467440737095516150",
};

START_TEST(test_numbers_refuse)
{
    const char *text = bad_numbers[_i];
    uint64_t u = 5;
    int64_t i = 5;
    ck_assert_msg(u64_parse(text, strlen(text), &u) == ERR_INVALID, "took '%s'", text);
    ck_assert_msg(i64_parse(text, strlen(text), &i) == ERR_INVALID, "took '%s'", text);
    ck_assert(u == 5 && i == 5);
}
END_TEST

START_TEST(test_nul_inside_a_number_is_refused)
{
    uint64_t v = 5;
    ck_assert_int_eq(u64_parse("1\0002", 3, &v), ERR_INVALID);
}
END_TEST

TESTS(uuids, test_uuid7_matches_the_rfc_example,
      test_uuid7_sets_version_and_variant_over_the_random_bits, test_uuid7_sorts_by_time,
      test_uuid_of_any_version_is_valid)
TESTS(traces, test_trace_is_the_bytes_in_hex, test_trace_of_zeros_is_made_valid,
      test_traceparent_is_not_read_behind_its_end)
TESTS(numbers, test_u64_reads_its_whole_range, test_u64_reads_only_len_bytes,
      test_i64_reads_up_to_its_maximum, test_i64_refuses_one_more_than_its_maximum,
      test_nul_inside_a_number_is_refused)

static TCase *refusals(void)
{
    TCase *tc = tcase_create("refusals");
    tcase_add_loop_test(tc, test_uuid_refuses, 0, (int)ARRAY_LEN(bad_uuids));
    tcase_add_loop_test(tc, test_trace_refuses, 0, (int)ARRAY_LEN(bad_traces));
    tcase_add_loop_test(tc, test_trace_of_a_traceparent, 0, (int)ARRAY_LEN(good_parents));
    tcase_add_loop_test(tc, test_traceparent_refuses, 0, (int)ARRAY_LEN(bad_parents));
    tcase_add_loop_test(tc, test_numbers_refuse, 0, (int)ARRAY_LEN(bad_numbers));
    return tc;
}

CHECK_MAIN("ids", uuids, traces, numbers, refusals)
