/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <string.h>
#include "proto/cause.h"
#include "proto/limits.h"

START_TEST(test_every_cause_reads_back)
{
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++) {
        enum cause back = CAUSE_NONE;
        ck_assert_int_eq(cause_parse(cause_word((enum cause)i), &back), ERR_NONE);
        ck_assert_int_eq(back, i);
    }
}
END_TEST

START_TEST(test_every_word_fits_its_bound)
{
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        ck_assert_uint_lt(strlen(cause_word((enum cause)i)), CAUSE_MAX);
}
END_TEST

START_TEST(test_outcome_follows_who_is_at_fault)
{
    static const enum outcome of[] = {
        [WHERE_TARGET] = OUTCOME_FAILED,      [WHERE_RESOLVER] = OUTCOME_FAILED,
        [WHERE_AGENT] = OUTCOME_UNDETERMINED, [WHERE_MASTER] = OUTCOME_EXPIRED,
        [WHERE_POLICY] = OUTCOME_REFUSED,     [WHERE_USER] = OUTCOME_CANCELLED,
        [WHERE_PROXY] = OUTCOME_UNDETERMINED,
    };
    for (int i = CAUSE_NONE + 1; i < CAUSE_COUNT; i++)
        if (i != CAUSE_bad_tls_option) /* the user's too, and nothing was asked of the target */
            ck_assert_int_eq(cause_outcome((enum cause)i), of[cause_where((enum cause)i)]);
    ck_assert_int_eq(cause_outcome(CAUSE_bad_tls_option), OUTCOME_REFUSED);
}
END_TEST

START_TEST(test_no_cause_is_ok_and_has_no_word)
{
    ck_assert_int_eq(cause_outcome(CAUSE_NONE), OUTCOME_OK);
    ck_assert_ptr_null(cause_word(CAUSE_NONE));
    ck_assert_ptr_null(cause_text(CAUSE_NONE));
}
END_TEST

START_TEST(test_unknown_cause_leaves_out_alone)
{
    enum cause c = CAUSE_poison;
    ck_assert_int_eq(cause_parse("dns_nxdomains", &c), ERR_NOT_FOUND);
    ck_assert_int_eq(cause_parse("", &c), ERR_NOT_FOUND);
    ck_assert_int_eq(c, CAUSE_poison);
}
END_TEST

START_TEST(test_every_outcome_reads_back)
{
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        enum outcome back = OUTCOME_OK;
        ck_assert_int_eq(outcome_parse(outcome_word((enum outcome)i), &back), ERR_NONE);
        ck_assert_int_eq(back, i);
    }
}
END_TEST

START_TEST(test_unknown_outcome_is_refused)
{
    enum outcome o;
    ck_assert_int_eq(outcome_parse("OK", &o), ERR_NOT_FOUND);
}
END_TEST

TESTS(words, test_every_cause_reads_back, test_every_word_fits_its_bound,
      test_outcome_follows_who_is_at_fault, test_no_cause_is_ok_and_has_no_word,
      test_unknown_cause_leaves_out_alone, test_every_outcome_reads_back,
      test_unknown_outcome_is_refused)
CHECK_MAIN("cause", words)
