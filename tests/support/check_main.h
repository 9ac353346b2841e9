/* SPDX-License-Identifier: MIT */
#pragma once
#include <check.h>
#include <stdlib.h>

/*
 * check_main - the one main() of every unit test: CHECK_MAIN("name", tcase, tcase, …) with
 * TESTS(name, test, …) above it.
 *
 *     TESTS(parsing, test_refuses_trailing_comma, test_reads_nested)
 *     CHECK_MAIN("json", parsing)
 */
#define TESTS(group, ...)                                                                          \
    static TCase *group(void)                                                                      \
    {                                                                                              \
        const TTest *const tests_##group[] = {__VA_ARGS__};                                        \
        TCase *tc = tcase_create(#group);                                                          \
        tcase_set_timeout(tc, 60);                                                                 \
        for (size_t i = 0; i < sizeof(tests_##group) / sizeof(tests_##group[0]); i++)              \
            tcase_add_test(tc, tests_##group[i]);                                                  \
        return tc;                                                                                 \
    }

/* ck_assert for each of a million rounds: Check itself writes down every assertion that it comes
 * by, and that would be the test's time. */
#define ck_assert_each(cond)                                                                       \
    do {                                                                                           \
        if (!(cond))                                                                               \
            ck_abort_msg("Assertion '" #cond "' failed");                                          \
    } while (0)

typedef TCase *check_group_f(void);
#define CHECK_MAIN(name, ...)                                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        check_group_f *const groups[] = {__VA_ARGS__};                                             \
        Suite *s = suite_create(name);                                                             \
        for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)                            \
            suite_add_tcase(s, groups[i]());                                                       \
        SRunner *r = srunner_create(s);                                                            \
        srunner_run_all(r, CK_ENV);                                                                \
        int failed = srunner_ntests_failed(r);                                                     \
        srunner_free(r);                                                                           \
        return failed ? EXIT_FAILURE : EXIT_SUCCESS;                                               \
    }
