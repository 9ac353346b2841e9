/* SPDX-License-Identifier: MIT */
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/require.h"

/*
 * closed_port - a port of 127.0.0.1 at which nobody listens, and which nobody else gets as long as
 * the process lives. One that was only bound and closed again may be another program's a moment
 * later.
 *
 * TCP is bound and does not listen: the kernel refuses. UDP is bound, and connected to somebody
 * else: what comes from anyone but him is for no socket, and the kernel refuses that as well.
 */
static inline bool closed_port_bind(int udp, int tcp, struct sockaddr_in *a)
{
    socklen_t len = sizeof(*a);
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return bind(udp, (struct sockaddr *)a, len) == 0 &&
           getsockname(udp, (struct sockaddr *)a, &len) == 0 &&
           bind(tcp, (struct sockaddr *)a, len) == 0;
}

static inline uint16_t closed_port(void)
{
    struct sockaddr_in a, discard = {.sin_family = AF_INET,
                                     .sin_port = htons(9),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int tries = 0;; tries++) {
        int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(udp >= 0 && tcp >= 0);
        if (closed_port_bind(udp, tcp, &a)) {
            REQUIRE(connect(udp, (struct sockaddr *)&discard, sizeof(discard)) == 0);
            return ntohs(a.sin_port);
        }
        close(udp);
        close(tcp);
        REQUIRE(tries < 100); /* the UDP port may be taken for TCP */
    }
}
