/* SPDX-License-Identifier: MIT */
#include "agent/run/local_fault.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/require.h"

#define DISCARD_PORT 9

/* Root servers: where every default route leads, and hardly any other. */
#define FAR_V4 "198.41.0.4"
#define FAR_V6 "2001:503:ba3e::2:30"

/* Asks the kernel for route and source address: connect() of a UDP socket sends nothing, and has
 * ports of its own. True also when it cannot be told. */
static bool has_way_to(const struct ip *ip)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int fd = socket(ip->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno != EAFNOSUPPORT;
    ip_to_sockaddr(ip, DISCARD_PORT, &sa, &len);
    bool has = connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EAGAIN;
    close(fd);
    return has;
}

static bool has_way_out(int family)
{
    struct ip far;
    enum err e = ip_parse(family == AF_INET ? FAR_V4 : FAR_V6, &far);
    REQUIRE(e == ERR_NONE);
    return has_way_to(&far);
}

enum cause local_fault(int errnum, const struct ip *ip)
{
    REQUIRE(errnum != 0 && ip != NULL);
    switch (errnum) {
    case EMFILE:
    case ENFILE:
        return CAUSE_agent_fd_exhausted;
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC: /* epoll's watches */
        return CAUSE_agent_memory;
    case ENETDOWN:
    case EPERM: /* a packet filter of ours */
        return CAUSE_agent_network_down;
    case EADDRNOTAVAIL: /* no free port, or no source address: IPv6 switched off */
    case EAGAIN:
        if (has_way_to(ip))
            return CAUSE_agent_ports_exhausted;
        break;
    default:
        break;
    }
    return has_way_out(ip->family) ? CAUSE_unreachable : CAUSE_agent_network_down;
}
