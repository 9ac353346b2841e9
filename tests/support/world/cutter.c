/* SPDX-License-Identifier: MIT */
#include "tests/support/world/cutter.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/world/loop.h"

enum { CUTTER_CHUNK = 16384 };

struct cutter {
    struct source src;
    uint16_t to_port;
    size_t bytes;
};

/* One end of a relayed connection; its other end is NULL once that is gone. */
struct end {
    struct source src;
    struct end *other;
    size_t left; /* bytes that may still be read here and passed on */
};

static void end_free(struct end *e)
{
    if (e->other) {
        e->other->other = NULL;
        shutdown(e->other->src.fd, SHUT_RDWR); /* it hears of it and goes by itself */
        loop_change(&e->other->src, EPOLLIN);
    }
    loop_close(&e->src);
    free(e);
}

static void on_bytes(struct source *s, uint32_t events)
{
    struct end *e = (struct end *)s;
    char buf[CUTTER_CHUNK];
    size_t want = e->left < sizeof(buf) ? e->left : sizeof(buf);
    ssize_t n = read(s->fd, buf, want);
    if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
        return;
    if (n <= 0 || !e->other) {
        end_free(e);
        return;
    }
    e->left -= (size_t)n;
    if (send(e->other->src.fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
        end_free(e);
    else if (e->left == 0)
        loop_change(s, EPOLLRDHUP);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    loop_must(fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0, "connecting");
    return fd; /* of this host: the other end accepts at leisure */
}

static struct end *end_new(int fd, size_t left)
{
    struct end *e = calloc(1, sizeof(*e));
    loop_must(e != NULL, "calloc");
    e->src.fd = fd;
    e->src.ready = on_bytes;
    e->left = left;
    loop_add(&e->src, EPOLLIN);
    return e;
}

static void on_accept(struct source *s, uint32_t events)
{
    struct cutter *c = (struct cutter *)s;
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct end *client = end_new(fd, SIZE_MAX), *server = end_new(connect_to(c->to_port), c->bytes);
    client->other = server;
    server->other = client;
}

void cutter_serve(int listen_fd, uint16_t to_port, size_t bytes)
{
    struct cutter *c = calloc(1, sizeof(*c));
    loop_must(c != NULL, "calloc");
    c->src.fd = listen_fd;
    c->src.ready = on_accept;
    c->to_port = to_port;
    c->bytes = bytes;
    loop_add(&c->src, EPOLLIN);
}
