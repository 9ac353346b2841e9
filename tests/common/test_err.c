/* SPDX-License-Identifier: MIT */
#include "common/err.h"

#include <string.h>

#include "tests/support/check_main.h"

static const enum err all[] = {
#define X(name, value, text) name,
    ERR_TABLE(X)
#undef X
};

START_TEST(test_success_is_zero)
{
    ck_assert_int_eq(ERR_NONE, 0);
    ck_assert_str_eq(err_text(ERR_NONE), "success");
}
END_TEST

START_TEST(test_errors_are_negative_and_distinct)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ck_assert_int_lt(all[i], 0);
        for (size_t j = 0; j < i; j++)
            ck_assert_int_ne(all[i], all[j]);
    }
}
END_TEST

START_TEST(test_every_error_has_its_own_text)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        ck_assert_uint_gt(strlen(err_text(all[i])), 0);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(err_text(all[i]), err_text(all[j]));
    }
}
END_TEST

START_TEST(test_unknown_number_has_a_text)
{
    int unknown = -999;
    ck_assert_str_eq(err_text((enum err)unknown), "unknown error");
}
END_TEST

TESTS(texts, test_success_is_zero, test_errors_are_negative_and_distinct,
      test_every_error_has_its_own_text, test_unknown_number_has_a_text)
CHECK_MAIN("err", texts)
