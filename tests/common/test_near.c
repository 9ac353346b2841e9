/* SPDX-License-Identifier: MIT */
#include "common/near.h"
#include "tests/support/check_main.h"
#include <string.h>

static const char *nearest(const char *word)
{
    static const char *const names[] = {"every", "cron", "windows", "maintenance"};
    struct near x;
    near_init(&x, word);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        near_offer(&x, names[i]);
    return x.best;
}

START_TEST(test_a_slip_is_near)
{
    ck_assert_str_eq(nearest("evry"), "every");
    ck_assert_str_eq(nearest("window"), "windows");
    ck_assert_str_eq(nearest("maintainance"), "maintenance");
}
END_TEST

START_TEST(test_another_word_is_not)
{
    ck_assert_ptr_null(nearest("colour"));
    ck_assert_ptr_null(nearest("x"));
    ck_assert_ptr_null(nearest(""));
}
END_TEST

START_TEST(test_a_long_word_is_near_to_nothing)
{
    char word[NEAR_WORD_MAX + 2];
    memset(word, 'a', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    ck_assert_ptr_null(nearest(word));
    word[NEAR_WORD_MAX] = '\0';
    ck_assert_ptr_null(nearest(word));
}
END_TEST

TESTS(near, test_a_slip_is_near, test_another_word_is_not, test_a_long_word_is_near_to_nothing)
CHECK_MAIN("near", near)
