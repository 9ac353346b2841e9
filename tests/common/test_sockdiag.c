/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/sockdiag.h"

/* Both ends of a connection; the listener's port is that of the accepted one. */
static uint16_t tcp_pair(int fds[2])
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&sin, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&sin, len), 0);
    fds[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(fds[1], 0);
    close(listener);
    return ntohs(sin.sin_port);
}

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
