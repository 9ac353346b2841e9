/* SPDX-License-Identifier: MIT */
#include "common/sockdiag.h"
#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "common/require.h"

#define DUMP_BYTES  32768  /* of one datagram: the kernel fills at most so much */
#define PATIENCE_US 200000 /* a dump is answered by the send itself; this is for a lost one */

_Static_assert(SOCKDIAG_CLOSE_WAIT == 1u << TCP_CLOSE_WAIT, "the kernel's number of the state");

struct question {
    struct nlmsghdr head;
    struct inet_diag_req_v2 req;
};

static bool ask(int fd, int family, uint32_t states)
{
    struct question q = {.head = {.nlmsg_len = sizeof(q),
                                  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                         .req = {.sdiag_family = (uint8_t)family,
                                 .sdiag_protocol = IPPROTO_TCP,
                                 .idiag_states = states}};
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    return sendto(fd, &q, sizeof(q), 0, (struct sockaddr *)&kernel, sizeof(kernel)) ==
           (ssize_t)sizeof(q);
}

static bool is_asked_for(const struct nlmsghdr *h, const uint16_t *ports, unsigned n_ports)
{
    const struct inet_diag_msg *m = NLMSG_DATA(h);
    if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
        return false;
    for (unsigned i = 0; i < n_ports; i++)
        if (ntohs(m->id.idiag_sport) == ports[i])
            return true;
    return false;
}

/* As NLMSG_OK, whose mix of signs is a warning with clang. */
static bool is_whole(const struct nlmsghdr *h, int left)
{
    return left >= (int)sizeof(*h) && h->nlmsg_len >= sizeof(*h) && h->nlmsg_len <= (size_t)left;
}

/* One datagram of the dump. False: it was the last, or an error (*n = −1). */
static bool count_some(int fd, const uint16_t *ports, unsigned n_ports, int64_t *n)
{
    _Alignas(struct nlmsghdr) char buf[DUMP_BYTES];
    ssize_t got = recv(fd, buf, sizeof(buf), 0);
    if (got <= 0) {
        *n = -1;
        return false;
    }
    int len = (int)got;
    for (struct nlmsghdr *h = (struct nlmsghdr *)buf; is_whole(h, len); h = NLMSG_NEXT(h, len)) {
        if (h->nlmsg_type == NLMSG_ERROR)
            *n = -1;
        if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE)
            return false;
        *n += is_asked_for(h, ports, n_ports);
    }
    return true;
}

static int64_t count(int fd, int family, const uint16_t *ports, unsigned n_ports, uint32_t states)
{
    int64_t n = 0;
    if (!ask(fd, family, states))
        return -1;
    while (count_some(fd, ports, n_ports, &n))
        ;
    return n;
}

int64_t sockdiag_count(const uint16_t *ports, unsigned n_ports, uint32_t states)
{
    struct timeval patience = {.tv_usec = PATIENCE_US};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    int64_t v4 = count(fd, AF_INET, ports, n_ports, states);
    int64_t v6 = v4 < 0 ? -1 : count(fd, AF_INET6, ports, n_ports, states);
    close(fd);
    return v6 < 0 ? -1 : v4 + v6;
}
