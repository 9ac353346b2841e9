/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include "proto/target.h"

static int type_of(const char *text)
{
    uint16_t type = 0;
    return rrtype_parse(text, &type) == ERR_NONE ? type : -1;
}

static int rcode_of(const char *text)
{
    int rcode = -7;
    return rcode_parse(text, &rcode) == ERR_NONE ? rcode : -1;
}

START_TEST(test_types_by_name_number_and_rfc3597)
{
    ck_assert_int_eq(type_of("AAAA"), 28);
    ck_assert_int_eq(type_of("caa"), 257);
    ck_assert_int_eq(type_of("65"), 65);
    ck_assert_int_eq(type_of("TYPE65280"), 65280);
    ck_assert_int_eq(type_of("type1"), 1);
    ck_assert_int_eq(type_of("65535"), 65535);
}
END_TEST

START_TEST(test_what_is_no_type_is_refused)
{
    static const char *const bad[] = {"",    "0",  "65536", "TYPE", "TYPE0", "TYPE65536",
                                      "FOO", "-1", "01",    " A",   "A ",    "TYPETYPE1"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(type_of(bad[i]) == -1, "'%s' was taken", bad[i]);
}
END_TEST

START_TEST(test_every_type_reads_back_from_its_text)
{
    char buf[RRTYPE_TEXT_MAX];
    for (unsigned t = 1; t <= UINT16_MAX; t++)
        ck_assert_int_eq(type_of(rrtype_format((uint16_t)t, buf)), (int)t);
}
END_TEST

START_TEST(test_unnamed_type_is_written_as_number)
{
    char buf[RRTYPE_TEXT_MAX];
    ck_assert_str_eq(rrtype_format(65280, buf), "TYPE65280");
    ck_assert_str_eq(rrtype_format(0, buf), "TYPE0");
}
END_TEST

START_TEST(test_rcodes_by_name_and_number)
{
    ck_assert_int_eq(rcode_of("NXDOMAIN"), 3);
    ck_assert_int_eq(rcode_of("noerror"), 0);
    ck_assert_int_eq(rcode_of("23"), 23);
    ck_assert_int_eq(rcode_of("12"), 12);
    ck_assert_int_eq(rcode_of("24"), -1);
    ck_assert_int_eq(rcode_of(""), -1);
    ck_assert_int_eq(rcode_of("NX"), -1);
}
END_TEST

START_TEST(test_unassigned_rcode_has_no_text)
{
    ck_assert_str_eq(rcode_text(0), "NOERROR");
    ck_assert_ptr_null(rcode_text(12));
    ck_assert_ptr_null(rcode_text(-1));
}
END_TEST

START_TEST(test_extended_errors_by_number)
{
    ck_assert_str_eq(ede_text(0), "Other Error");
    ck_assert_str_eq(ede_text(22), "No Reachable Authority");
    ck_assert_ptr_null(ede_text(30));
    ck_assert_ptr_null(ede_text(-1));
}
END_TEST

TESTS(numbers, test_extended_errors_by_number, test_types_by_name_number_and_rfc3597,
      test_what_is_no_type_is_refused, test_every_type_reads_back_from_its_text,
      test_unnamed_type_is_written_as_number, test_rcodes_by_name_and_number,
      test_unassigned_rcode_has_no_text)
CHECK_MAIN("rrtype", numbers)
