/* SPDX-License-Identifier: MIT */
#include "tests/proto/target_given.h"
#include <stdio.h>
#include <stdlib.h>

#define ANSWERS(rest) "{\"dns\":\"dns:a\",\"expect\":{\"answers\":" rest "}}"

static void encodes_as_given(const char *given)
{
    struct strbuf b;
    good(given);
    strbuf_init(&b, SPEC_MAX_BYTES);
    ck_assert_int_eq(target_encode(t, &b), ERR_NONE);
    ck_assert_str_eq(b.data, given);
    strbuf_fini(&b);
}

START_TEST(test_nothing_is_expected_by_default)
{
    good("dns:a");
    ck_assert(!target_answers_given(&t->dns.expect_answers));
}
END_TEST

START_TEST(test_all_members_are_read)
{
    good(ANSWERS("{\"contains\":[\"a\",\"b\"],\"equals\":[],\"regex\":\"^a\"}"));
    const struct dns_answers *a = &t->dns.expect_answers;
    ck_assert_uint_eq(a->contains.n, 2);
    ck_assert_str_eq(a->contains.data[1], "b");
    ck_assert(a->equals.set && a->equals.n == 0);
    ck_assert_str_eq(a->regex, "^a");
}
END_TEST

START_TEST(test_spec_reads_back_the_same)
{
    encodes_as_given(ANSWERS("{\"contains\":[\"a\"],\"equals\":[],\"regex\":\"^a\"}"));
    encodes_as_given(ANSWERS("{\"equals\":[\"\\\"é\\\\\\\"\",\"b\"]}"));
}
END_TEST

START_TEST(test_bad_answers_are_refused)
{
    static const struct bad bad[] = {
        {ANSWERS("{}"), "bad_value", "one of 'contains', 'equals' and 'regex' is needed"},
        {ANSWERS("[]"), "bad_value", "'answers' must be an object"},
        {ANSWERS("{\"contains\":[]}"), "bad_value", "'contains' is empty"},
        {ANSWERS("{\"contains\":[1]}"), "bad_value", "'contains' must hold strings"},
        {ANSWERS("{\"equals\":[\"a\",\"\"]}"), "bad_value", "'equals' must hold strings"},
        {ANSWERS("{\"equals\":\"a\"}"), "bad_value", "'equals' must be"},
        {ANSWERS("{\"regex\":\"[\"}"), "bad_value", "'regex' is not a regular expression"},
        {ANSWERS("{\"regex\":\"a\",\"x\":1}"), "bad_value", "unknown field 'x'"},
        {"{\"url\":\"http://a/\",\"expect\":{\"answers\":{}}}", "unknown_field",
         "'expect.answers' is an option of dns targets"},
    };
    REFUSE_ALL(bad);
}
END_TEST

START_TEST(test_data_at_the_bound_and_one_over)
{
    char *fits = repeat("{\"dns\":\"dns:a\",\"expect\":{\"answers\":{\"equals\":[\"", 'x',
                        ANSWER_DATA_MAX, "\"]}}}");
    char *over = repeat("{\"dns\":\"dns:a\",\"expect\":{\"answers\":{\"equals\":[\"", 'x',
                        ANSWER_DATA_MAX + 1, "\"]}}}");
    good(fits);
    refused(&(struct bad){over, "bad_value", "strings of 1 to 1024 bytes"});
    free(fits);
    free(over);
}
END_TEST

START_TEST(test_list_at_the_bound_and_one_over)
{
    char list[1024] = "", given[1200];
    for (int i = 0; i < ANSWERS_MAX; i++)
        memcpy(list + 4 * i, "\"a\",", 5);
    snprintf(given, sizeof(given), ANSWERS("{\"contains\":[%s\"a\"]}"), list);
    refused(&(struct bad){given, "bad_value", "'contains' must have at most 64 items"});
    list[4 * ANSWERS_MAX - 1] = '\0';
    snprintf(given, sizeof(given), ANSWERS("{\"contains\":[%s]}"), list);
    good(given);
}
END_TEST

START_TEST(test_target_overrides_the_defaults_member_by_member)
{
    ck_assert_int_eq(
        defaults("{\"expect\":{\"answers\":{\"contains\":[\"a\",\"b\"],\"regex\":\"x\"}}}"),
        ERR_NONE);
    good("dns:a");
    ck_assert_uint_eq(t->dns.expect_answers.contains.n, 2);
    good(ANSWERS("{\"contains\":[\"c\"]}"));
    ck_assert_uint_eq(t->dns.expect_answers.contains.n, 1);
    ck_assert_str_eq(t->dns.expect_answers.contains.data[0], "c");
    ck_assert_str_eq(t->dns.expect_answers.regex, "x");
}
END_TEST

TESTS(answers, test_nothing_is_expected_by_default, test_all_members_are_read,
      test_spec_reads_back_the_same, test_bad_answers_are_refused,
      test_data_at_the_bound_and_one_over, test_list_at_the_bound_and_one_over,
      test_target_overrides_the_defaults_member_by_member)
static TCase *all(void)
{
    TCase *tc = answers();
    tcase_add_checked_fixture(tc, NULL, teardown);
    return tc;
}
CHECK_MAIN("target_answers", all)
