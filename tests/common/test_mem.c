/* SPDX-License-Identifier: MIT */
#include "common/mem.h"

#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "tests/support/check_main.h"

START_TEST(test_zero_bytes_is_not_null)
{
    void *p = mem_alloc(0), *q = mem_try(0), *r = mem_array(0, 8);
    ck_assert(p && q && r);
    free(p);
    free(q);
    free(r);
}
END_TEST

START_TEST(test_zalloc_and_array_are_zeroed)
{
    static const char zeros[64];
    char *p = mem_zalloc(64), *q = mem_array(8, 8);
    ck_assert_mem_eq(p, zeros, 64);
    ck_assert_mem_eq(q, zeros, 64);
    free(p);
    free(q);
}
END_TEST

START_TEST(test_realloc_keeps_content)
{
    char *p = mem_strdup("abc");
    p = mem_realloc(p, 4096);
    ck_assert_str_eq(p, "abc");
    free(p);
}
END_TEST

START_TEST(test_strdup_of_null_is_null)
{
    ck_assert_ptr_null(mem_strdup(NULL));
}
END_TEST

START_TEST(test_strndup_stops_at_n_and_at_nul)
{
    char *cut = mem_strndup("abcdef", 3), *whole = mem_strndup("ab", 9);
    ck_assert_str_eq(cut, "abc");
    ck_assert_str_eq(whole, "ab");
    free(cut);
    free(whole);
}
END_TEST

START_TEST(test_dup_copies_nul_bytes)
{
    char *p = mem_dup("a\0b", 3);
    ck_assert_mem_eq(p, "a\0b", 3);
    free(p);
}
END_TEST

START_TEST(test_dup_of_nothing_is_not_null)
{
    void *p = mem_dup(NULL, 0);
    ck_assert_ptr_nonnull(p);
    free(p);
}
END_TEST

START_TEST(test_free_secret_accepts_null_and_memory)
{
    mem_free_secret(NULL, 10);
    mem_free_secret(mem_strdup("secret"), 6);
}
END_TEST

START_TEST(test_array_overflow_aborts)
{
    volatile size_t huge = SIZE_MAX / 2;
    free(mem_array(huge, 3));
}
END_TEST

TESTS(memory, test_zero_bytes_is_not_null, test_zalloc_and_array_are_zeroed,
      test_realloc_keeps_content, test_strdup_of_null_is_null, test_strndup_stops_at_n_and_at_nul,
      test_dup_copies_nul_bytes, test_dup_of_nothing_is_not_null,
      test_free_secret_accepts_null_and_memory)

static TCase *aborts(void)
{
    TCase *tc = tcase_create("aborts");
    tcase_add_test_raise_signal(tc, test_array_overflow_aborts, SIGABRT);
    return tc;
}

CHECK_MAIN("mem", memory, aborts)
