/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_tcp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/probe/dns_wire.h"
#include "common/mem.h"

#define FRAME_BYTES 2  /* the length before a message (RFC 1035 §4.2.2) */
#define READS_MAX   64 /* in one turn, so that a flood cannot hold the loop */

static void trouble(struct dns_tcp *t, enum dns_tcp_trouble what, int errnum)
{
    REQUIRE(t->active);
    t->events->trouble(t, what, errnum);
}

/* False: the connection failed, and the owner was told. */
static bool finish_connect(struct dns_tcp *t)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);
    if (getsockopt(t->watch.fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        errnum = errno;
    if (errnum) {
        trouble(t, DNS_TCP_NOT_CONNECTED, errnum);
        return false;
    }
    t->connected = true;
    t->events->connected(t);
    return t->active;
}

static void send_question(struct dns_tcp *t)
{
    while (t->sent < t->frame_len) {
        ssize_t n = send(t->watch.fd, t->frame + t->sent, t->frame_len - t->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            trouble(t, DNS_TCP_NOT_SENT, errno);
            return;
        }
        t->sent += (size_t)n;
    }
    if (!loop_modify(t->loop, &t->watch, EPOLLIN))
        trouble(t, DNS_TCP_BROKEN, errno);
}

/* A whole message is there. */
static void on_framed(struct dns_tcp *t)
{
    size_t len = t->got - FRAME_BYTES;
    t->got = 0;
    t->events->message(t, t->reply + FRAME_BYTES, len);
}

static size_t framed_size(const struct dns_tcp *t)
{
    if (t->got < FRAME_BYTES)
        return FRAME_BYTES;
    return FRAME_BYTES + ((size_t)t->reply[0] << 8 | t->reply[1]);
}

/* Room for what the peer announced. */
static bool make_room(struct dns_tcp *t, size_t need)
{
    REQUIRE(need <= FRAME_BYTES + DNS_MESSAGE_MAX);
    if (need <= t->reply_cap)
        return true;
    uint8_t *bigger = mem_try(need);
    if (!bigger)
        return false;
    if (t->got > 0)
        memcpy(bigger, t->reply, t->got);
    free(t->reply);
    t->reply = bigger;
    t->reply_cap = need;
    return true;
}

static void on_end(struct dns_tcp *t, ssize_t n, int errnum)
{
    if (n < 0)
        trouble(t, DNS_TCP_BROKEN, errnum);
    else
        trouble(t, t->got == 0 ? DNS_TCP_CLOSED : DNS_TCP_CUT_SHORT, 0);
}

static void read_messages(struct dns_tcp *t)
{
    for (int i = 0; i < READS_MAX && t->active; i++) {
        size_t need = framed_size(t);
        if (!make_room(t, need)) {
            trouble(t, DNS_TCP_NO_MEMORY, 0);
            return;
        }
        if (t->got == need) { /* only when the announced length is 0 */
            on_framed(t);
            continue;
        }
        ssize_t n = recv(t->watch.fd, t->reply + t->got, need - t->got, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            on_end(t, n, errno);
            return;
        }
        t->got += (size_t)n;
        if (t->got >= FRAME_BYTES && t->got == framed_size(t))
            on_framed(t);
    }
}

static void on_event(struct loop_fd *f, uint32_t events)
{
    struct dns_tcp *t = CONTAINER_OF(f, struct dns_tcp, watch);
    REQUIRE(t->active);
    if (!t->connected && !finish_connect(t))
        return;
    if (t->sent < t->frame_len)
        send_question(t);
    else
        read_messages(t);
}

static int connect_to(struct dns_tcp *t, int fd, const struct ip *server, uint16_t port)
{
    struct sockaddr_storage sa;
    socklen_t len;
    ip_to_sockaddr(server, port, &sa, &len);
    if (connect(fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS)
        return errno;
    return loop_add(t->loop, &t->watch, fd, EPOLLOUT, on_event) ? 0 : errno;
}

int dns_tcp_start(struct dns_tcp *t, struct loop *loop, const struct dns_tcp_events *events,
                  const struct ip *server, uint16_t port, const uint8_t *frame, size_t len)
{
    REQUIRE(!t->active && len > FRAME_BYTES);
    int fd = socket(server->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    uint8_t *reply = t->reply;
    *t = (struct dns_tcp){.ports = t->ports,
                          .loop = loop,
                          .events = events,
                          .frame = frame,
                          .frame_len = len,
                          .reply = reply,
                          .reply_cap = t->reply_cap};
    int errnum = connect_to(t, fd, server, port);
    if (errnum != 0)
        close(fd);
    t->active = errnum == 0;
    return errnum;
}

void dns_tcp_stop(struct dns_tcp *t)
{
    if (!t->active)
        return;
    loop_remove(t->loop, &t->watch);
    ports_close(t->ports, t->watch.fd);
    t->active = false;
}

void dns_tcp_fini(struct dns_tcp *t)
{
    dns_tcp_stop(t);
    free(t->reply);
    t->reply = NULL;
    t->reply_cap = 0;
}
