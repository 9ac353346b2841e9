/* SPDX-License-Identifier: MIT */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/sockdiag.h"
#include "tests/support/tcp_pair.h"

START_TEST(test_a_socket_whose_peer_has_hung_up_is_counted)
{
    int fds[2];
    uint16_t port = tcp_pair(fds), other = (uint16_t)(port == 1 ? 2 : port - 1);
    ck_assert_int_eq(sockdiag_count(&port, 1, SOCKDIAG_CLOSE_WAIT), 0);
    close(fds[0]);
    struct pollfd p = {.fd = fds[1], .events = POLLIN};
    ck_assert_int_eq(poll(&p, 1, 10000), 1); /* its end has come */
    ck_assert_int_eq(sockdiag_count(&port, 1, SOCKDIAG_CLOSE_WAIT), 1);
    uint16_t both[] = {other, port};
    ck_assert_int_eq(sockdiag_count(both, 2, SOCKDIAG_CLOSE_WAIT), 1);
    ck_assert_int_eq(sockdiag_count(&other, 1, SOCKDIAG_CLOSE_WAIT), 0);
    close(fds[1]);
    ck_assert_int_eq(sockdiag_count(&port, 1, SOCKDIAG_CLOSE_WAIT), 0);
}
END_TEST

TESTS(sockdiag, test_a_socket_whose_peer_has_hung_up_is_counted)
CHECK_MAIN("sockdiag", sockdiag)
