/* SPDX-License-Identifier: MIT */
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/sockinfo.h"
#include "tests/support/tcp_pair.h"

static void close_pair(int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static int option(int fd, int level, int name)
{
    int v = -1;
    socklen_t len = sizeof(v);
    ck_assert_int_eq(getsockopt(fd, level, name, &v, &len), 0);
    return v;
}

START_TEST(test_unread_bytes_show_as_recvq)
{
    int fds[2];
    struct sockinfo si;
    tcp_pair(fds);
    ck_assert_int_eq(write(fds[0], "hello", 5), 5);
    struct pollfd p = {.fd = fds[1], .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 10000), 1);
    ck_assert(sockinfo_read(fds[1], &si));
    ck_assert_int_eq(si.recvq_bytes, 5);
    ck_assert_int_eq(si.sendq_bytes, 0);
    close_pair(fds);
}
END_TEST

START_TEST(test_connection_has_a_round_trip)
{
    int fds[2];
    struct sockinfo si;
    tcp_pair(fds);
    ck_assert(sockinfo_read(fds[0], &si));
    ck_assert(si.rtt_ms > 0);
    close_pair(fds);
}
END_TEST

START_TEST(test_what_is_no_tcp_socket_is_refused)
{
    struct sockinfo si;
    ck_assert(!sockinfo_read(-1, &si));
    ck_assert_int_eq(si.recvq_bytes, -1);
    ck_assert_int_eq(si.sendq_bytes, -1);
}
END_TEST

START_TEST(test_tuning_sets_keepalive_and_bounds)
{
    int fds[2];
    tcp_pair(fds);
    sockinfo_tune_link(fds[0]);
    ck_assert_int_eq(option(fds[0], SOL_SOCKET, SO_KEEPALIVE), 1);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_KEEPIDLE), 20);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_KEEPINTVL), 3);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_KEEPCNT), 5);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 20000);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_NOTSENT_LOWAT), 16384);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_NODELAY), 1);
    close_pair(fds);
}
END_TEST

START_TEST(test_bearing_with_a_peer_lasts_until_it_is_over)
{
    int fds[2];
    tcp_pair(fds);
    sockinfo_tune_link(fds[0]);
    sockinfo_bear(fds[0], true);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 60000);
    sockinfo_bear(fds[0], false);
    ck_assert_int_eq(option(fds[0], IPPROTO_TCP, TCP_USER_TIMEOUT), 20000);
    close_pair(fds);
}
END_TEST

START_TEST(test_tuning_bears_unix_sockets)
{
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    sockinfo_tune_link(fds[0]);
    sockinfo_bear(fds[0], true);
    ck_assert_int_eq(write(fds[0], "x", 1), 1);
    close_pair(fds);
}
END_TEST

TESTS(sockinfo, test_unread_bytes_show_as_recvq, test_connection_has_a_round_trip,
      test_what_is_no_tcp_socket_is_refused, test_tuning_sets_keepalive_and_bounds,
      test_bearing_with_a_peer_lasts_until_it_is_over, test_tuning_bears_unix_sockets)
CHECK_MAIN("sockinfo", sockinfo)
