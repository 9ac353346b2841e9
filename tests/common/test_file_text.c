/* SPDX-License-Identifier: MIT */
#include "common/file_text.h"
#include "tests/support/check_main.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char path[] = "/tmp/sonde-file-text-XXXXXX";
static struct strbuf b;
static char why[256];

static enum err read_back(const char *bytes, size_t n, size_t max)
{
    snprintf(path, sizeof(path), "/tmp/sonde-file-text-XXXXXX");
    int fd = mkstemp(path);
    ck_assert(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
    close(fd);
    strbuf_init(&b, max);
    enum err e = file_text(path, &b, why, sizeof(why));
    unlink(path);
    return e;
}

START_TEST(test_file_is_read_whole)
{
    ck_assert_int_eq(read_back("a\nb\n", 4, 4), ERR_NONE);
    ck_assert_str_eq(b.data, "a\nb\n");
    strbuf_fini(&b);
    ck_assert_int_eq(read_back("", 0, 4), ERR_NONE);
    ck_assert_uint_eq(b.len, 0);
    strbuf_fini(&b);
}
END_TEST

START_TEST(test_file_over_the_ceiling_is_refused)
{
    ck_assert_int_eq(read_back("abcde", 5, 4), ERR_TOO_BIG);
    ck_assert_ptr_nonnull(strstr(why, "is longer than 4 bytes"));
    strbuf_fini(&b);
}
END_TEST

START_TEST(test_what_is_not_text_is_refused)
{
    ck_assert_int_eq(read_back("a\xff", 2, 9), ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(why, "UTF-8"));
    strbuf_fini(&b);
    ck_assert_int_eq(read_back("a\0b", 3, 9), ERR_INVALID);
    strbuf_fini(&b);
}
END_TEST

START_TEST(test_missing_file_is_named)
{
    strbuf_init(&b, 9);
    ck_assert_int_eq(file_text("/nonexistent/x", &b, why, sizeof(why)), ERR_IO);
    ck_assert_ptr_nonnull(strstr(why, "'/nonexistent/x' cannot be read: No such file"));
    strbuf_fini(&b);
}
END_TEST

START_TEST(test_directory_is_no_file)
{
    strbuf_init(&b, 9);
    ck_assert_int_eq(file_text("/tmp", &b, why, sizeof(why)), ERR_IO);
    strbuf_fini(&b);
}
END_TEST

TESTS(files, test_file_is_read_whole, test_file_over_the_ceiling_is_refused,
      test_what_is_not_text_is_refused, test_missing_file_is_named, test_directory_is_no_file)
CHECK_MAIN("file_text", files)
