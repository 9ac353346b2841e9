/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include "common/hostinfo.h"
#include "tests/support/tcp_pair.h"

/* Spends CPU time until the process's clock has moved by `ms`. */
static void burn(int ms)
{
    clock_t until = clock() + (clock_t)ms * (CLOCKS_PER_SEC / 1000);
    while (clock() < until)
        ;
}

START_TEST(test_cpu_is_unknown_at_first_and_then_measured)
{
    struct hostinfo h = {0};
    hostinfo_read(&h);
    ck_assert(h.cpu_percent == -1);
    burn(60);
    hostinfo_read(&h);
    ck_assert(h.cpu_percent > 0);
}
END_TEST

START_TEST(test_memory_and_load_are_known)
{
    struct hostinfo h = {0};
    hostinfo_read(&h);
    ck_assert_int_gt(h.rss_bytes, 100000);
    ck_assert_int_gt(h.mem_available_bytes, 1000000);
    ck_assert(h.load1 >= 0);
}
END_TEST

START_TEST(test_descriptors_are_counted)
{
    struct hostinfo h = {0};
    hostinfo_read(&h);
    int64_t before = h.fds_used;
    int fd = open("/dev/null", O_RDONLY);
    ck_assert_int_ge(fd, 0);
    hostinfo_read(&h);
    ck_assert_int_eq(h.fds_used, before + 1);
    ck_assert_int_gt(h.fds_max, before);
    close(fd);
}
END_TEST

START_TEST(test_sockets_and_ports_are_known)
{
    struct hostinfo h = {0};
    hostinfo_read(&h);
    ck_assert_int_ge(h.sockets_established, 0);
    ck_assert_int_ge(h.sockets_time_wait, 0);
    ck_assert_int_gt(h.ephemeral_ports, 0);
    ck_assert_int_le(h.ephemeral_ports, 65535);
}
END_TEST

START_TEST(test_those_that_hung_up_and_were_not_closed_are_counted)
{
    struct hostinfo h = {0};
    int pair[2];
    hostinfo_read(&h);
    int64_t before = h.sockets_close_wait;
    ck_assert_int_ge(before, 0);
    tcp_pair(pair);
    hostinfo_read(&h);
    ck_assert_int_eq(h.sockets_close_wait, before);
    close(pair[1]);
    hostinfo_read(&h);
    ck_assert_int_eq(h.sockets_close_wait, before + 1);
    close(pair[0]);
    hostinfo_read(&h);
    ck_assert_int_eq(h.sockets_close_wait, before);
}
END_TEST

TESTS(hostinfo, test_cpu_is_unknown_at_first_and_then_measured, test_memory_and_load_are_known,
      test_descriptors_are_counted, test_sockets_and_ports_are_known,
      test_those_that_hung_up_and_were_not_closed_are_counted)
CHECK_MAIN("hostinfo", hostinfo)
