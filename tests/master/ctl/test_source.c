/* SPDX-License-Identifier: MIT */
#include "master/ctl/source.h"
#include "tests/support/check_main.h"
#include <string.h>
#include <unistd.h>

#define LARGE (3 * SOURCE_HEAD_MAX)

static const char *type_of(const char *name, const char *head)
{
    return source_type_of(name, head, strlen(head));
}

START_TEST(test_ending_tells_the_type)
{
    ck_assert_str_eq(type_of("a.json", "x"), "application/json");
    ck_assert_str_eq(type_of("a.NDJSON", "x"), "application/x-ndjson");
    ck_assert_str_eq(type_of("a.txt", "{"), "text/plain");
}
END_TEST

START_TEST(test_first_bytes_tell_without_an_ending)
{
    ck_assert_str_eq(type_of("-", "# c\nhttp://a/\n"), "text/plain");
    ck_assert_str_eq(type_of("-", ""), "text/plain");
    ck_assert_str_eq(type_of("-", "\n {\"targets\": ["), "application/json");
    ck_assert_str_eq(type_of("-", "{\"name\":\"x\",\"targets\":[]}"), "application/json");
    ck_assert_str_eq(type_of("-", "{\"url\":\"http://a/\"}\n{\"url\":\"http://b/\"}\n"),
                     "application/x-ndjson");
    ck_assert_str_eq(type_of("-", "\"http://a/\"\n"), "application/x-ndjson");
}
END_TEST

START_TEST(test_a_table_is_told_by_its_ending_or_its_header_row)
{
    ck_assert_str_eq(type_of("a.csv", "x"), "text/csv");
    ck_assert_str_eq(type_of("-", "url,timeout_ms\nhttp://a/,5\n"), "text/csv");
    ck_assert_str_eq(type_of("-", "\xef\xbb\xbf\"target\"\r\nhttp://a/\r\n"), "text/csv");
    ck_assert_str_eq(type_of("-", "urls.test\n"), "text/plain");
    ck_assert_str_eq(type_of("-", "url"), "text/plain");
}
END_TEST

START_TEST(test_missing_file_says_why)
{
    struct source s;
    ck_assert_int_eq(source_open(&s, "/nonexistent/x"), ERR_IO);
    ck_assert_int_eq(s.os_errno, 2);
}
END_TEST

START_TEST(test_directory_is_refused)
{
    struct source s;
    ck_assert_int_eq(source_open(&s, "/tmp"), ERR_IO);
}
END_TEST

/* Reads to the end in odd pieces and checks each byte; the number of bytes. */
static size_t drain(struct source *s)
{
    char buf[777];
    size_t total = 0;
    ssize_t n;
    while ((n = source_read(s, buf, sizeof(buf))) > 0)
        for (ssize_t i = 0; i < n; i++, total++)
            ck_assert_int_eq(buf[i], 'a' + (int)(total % 23));
    ck_assert_int_eq(n, 0);
    return total;
}

START_TEST(test_large_file_is_read_whole_and_again)
{
    char path[] = "/tmp/sonde-source-XXXXXX";
    struct source s;
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    ck_assert_ptr_nonnull(f);
    for (size_t i = 0; i < LARGE; i++)
        putc('a' + (int)(i % 23), f);
    fclose(f);
    ck_assert_int_eq(source_open(&s, path), ERR_NONE);
    ck_assert_uint_eq(drain(&s), LARGE);
    ck_assert(source_rewind(&s));
    ck_assert_uint_eq(drain(&s), LARGE);
    source_close(&s);
    unlink(path);
}
END_TEST

/* Standard input becomes a pipe that gives n bytes. The writer is a child, so that it may block. */
static void pipe_in(size_t n)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    if (fork() == 0) {
        close(fds[0]);
        FILE *f = fdopen(fds[1], "w");
        for (size_t i = 0; i < n; i++)
            putc('a' + (int)(i % 23), f);
        fclose(f);
        _exit(0);
    }
    close(fds[1]);
    ck_assert_int_eq(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
    close(fds[0]);
}

START_TEST(test_small_pipe_can_be_sent_again)
{
    struct source s;
    pipe_in(1000);
    ck_assert_int_eq(source_open(&s, "-"), ERR_NONE);
    ck_assert_uint_eq(drain(&s), 1000);
    ck_assert(source_rewind(&s));
    ck_assert_uint_eq(drain(&s), 1000);
    source_close(&s);
}
END_TEST

START_TEST(test_large_pipe_cannot_be_sent_again)
{
    struct source s;
    pipe_in(LARGE);
    ck_assert_int_eq(source_open(&s, "-"), ERR_NONE);
    ck_assert_uint_eq(drain(&s), LARGE);
    ck_assert(!source_rewind(&s));
    source_close(&s);
}
END_TEST

TESTS(source, test_ending_tells_the_type, test_first_bytes_tell_without_an_ending,
      test_a_table_is_told_by_its_ending_or_its_header_row, test_missing_file_says_why,
      test_directory_is_refused, test_large_file_is_read_whole_and_again,
      test_small_pipe_can_be_sent_again, test_large_pipe_cannot_be_sent_again)
CHECK_MAIN("ctl source", source)
