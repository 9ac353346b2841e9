/* SPDX-License-Identifier: MIT */
#include "common/require.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check_main.h"

struct outer {
    int before;
    int member;
};

START_TEST(test_true_condition_continues)
{
    int evaluated = 0;
    REQUIRE(++evaluated == 1);
    ck_assert_int_eq(evaluated, 1);
}
END_TEST

START_TEST(test_zero_from_pthread_call_continues)
{
    PTOK(0);
}
END_TEST

START_TEST(test_container_of_finds_the_owner)
{
    struct outer o = {0};
    ck_assert_ptr_eq(CONTAINER_OF(&o.member, struct outer, member), &o);
}
END_TEST

START_TEST(test_false_condition_aborts)
{
    REQUIRE(1 > 2);
}
END_TEST

START_TEST(test_unreachable_aborts)
{
    UNREACHABLE("of course");
}
END_TEST

/* Runs bug() in a child and reads what it says on stderr. */
static void report_of(void (*bug)(void), char *text, size_t max)
{
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        bug();
        _exit(0);
    }
    close(fds[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(fds[0], text + len, max - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    close(fds[0]);
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void fail_condition(void)
{
    REQUIRE(1 + 1 == 3);
}

static void fail_pthread(void)
{
    PTOK(EDEADLK);
}

START_TEST(test_report_names_file_and_expression)
{
    char text[1024];
    report_of(fail_condition, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "test_require.c:"));
    ck_assert_ptr_nonnull(strstr(text, "1 + 1 == 3"));
}
END_TEST

START_TEST(test_report_names_the_error_number)
{
    char text[1024];
    report_of(fail_pthread, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, strerrordesc_np(EDEADLK)));
}
END_TEST

TESTS(holds, test_true_condition_continues, test_zero_from_pthread_call_continues,
      test_container_of_finds_the_owner)
TESTS(reports, test_report_names_file_and_expression, test_report_names_the_error_number)

static TCase *fails(void)
{
    TCase *tc = tcase_create("fails");
    tcase_add_test_raise_signal(tc, test_false_condition_aborts, SIGABRT);
    tcase_add_test_raise_signal(tc, test_unreachable_aborts, SIGABRT);
    return tc;
}

CHECK_MAIN("require", holds, reports, fails)
