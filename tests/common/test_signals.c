/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>
#include "common/signals.h"

START_TEST(test_signals_become_data)
{
    signals_block();
    int fd = signals_open_fd();
    kill(getpid(), SIGTERM);
    ck_assert_int_eq(signals_read(fd), SIGTERM);
    kill(getpid(), SIGHUP);
    ck_assert_int_eq(signals_read(fd), SIGHUP);
    kill(getpid(), SIGINT);
    ck_assert_int_eq(signals_read(fd), SIGINT);
    close(fd);
}
END_TEST

START_TEST(test_no_signal_reads_as_zero)
{
    signals_block();
    int fd = signals_open_fd();
    ck_assert_int_eq(signals_read(fd), 0);
    close(fd);
}
END_TEST

START_TEST(test_descriptor_is_not_inherited)
{
    signals_block();
    int fd = signals_open_fd();
    ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
}
END_TEST

START_TEST(test_a_closed_pipe_does_not_kill)
{
    int fds[2];
    signals_block();
    ck_assert_int_eq(pipe(fds), 0);
    close(fds[0]);
    ck_assert_int_eq(write(fds[1], "x", 1), -1);
    ck_assert_int_eq(errno, EPIPE);
    close(fds[1]);
}
END_TEST

TESTS(signals, test_signals_become_data, test_no_signal_reads_as_zero,
      test_descriptor_is_not_inherited, test_a_closed_pipe_does_not_kill)
CHECK_MAIN("signals", signals)
