/* SPDX-License-Identifier: MIT */
#include "tests/support/world/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOOP_EVENTS = 256, LOOP_TICK_MS = 5 };

/* Fresh port numbers tried: with half of the range taken at one of the places, all fail once in
 * 2^64 times. */
enum { LOOP_PORT_TRIES = 64 };

static int epoll_fd = -1;
static struct source *delayed;
static volatile sig_atomic_t stopping;

void loop_must(bool cond, const char *what)
{
    if (cond)
        return;
    fprintf(stderr, "target_server: %s: %s\n", what, strerror(errno));
    _exit(1); /* half a line of ports, still in the buffer, would be taken for the whole */
}

static void on_signal(int sig)
{
    stopping = 1;
}

void loop_init(void)
{
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop_must(epoll_fd >= 0, "epoll_create1");
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void loop_add(struct source *s, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = s};
    loop_must(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, s->fd, &ev) == 0, "epoll_ctl add");
}

void loop_change(struct source *s, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = s};
    loop_must(epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &ev) == 0, "epoll_ctl mod");
}

static void forget_due(struct source *s)
{
    if (!s->due)
        return;
    if (s->prev)
        s->prev->next = s->next;
    else
        delayed = s->next;
    if (s->next)
        s->next->prev = s->prev;
    s->next = s->prev = NULL;
    s->due = NULL;
}

void loop_close(struct source *s)
{
    forget_due(s);
    close(s->fd);
    s->fd = -1;
}

void loop_later(struct source *s, unsigned delay_ms, void (*due)(struct source *))
{
    forget_due(s);
    s->due = due;
    s->due_ms = now_ms() + delay_ms;
    s->prev = NULL;
    s->next = delayed;
    if (delayed)
        delayed->prev = s;
    delayed = s;
}

/* A due callback may free its own source and nothing else, so the next one is taken before it runs.
 */
static void run_due(void)
{
    uint64_t now = now_ms();
    for (struct source *s = delayed, *next; s; s = next) {
        next = s->next;
        if (s->due_ms > now)
            continue;
        void (*due)(struct source *) = s->due;
        forget_due(s);
        due(s);
    }
}

static socklen_t fill_address(const char *addr, uint16_t port, struct sockaddr_storage *ss)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
    memset(ss, 0, sizeof(*ss));
    if (inet_pton(AF_INET, addr, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        return sizeof(*v4);
    }
    inet_pton(AF_INET6, addr, &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    return sizeof(*v6);
}

int loop_listen(const char *addr, uint16_t port, int type, int backlog)
{
    struct sockaddr_storage ss;
    socklen_t len = fill_address(addr, port, &ss);
    int fd = socket(ss.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    if (type == SOCK_STREAM) /* on UDP it would share the port with whoever asks so, too */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ss.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    bool ok = bind(fd, (struct sockaddr *)&ss, len) == 0;
    if (ok && type == SOCK_STREAM && backlog >= 0)
        ok = listen(fd, backlog) == 0;
    if (ok)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

uint16_t loop_port_of(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    loop_must(getsockname(fd, (struct sockaddr *)&ss, &len) == 0, "getsockname");
    /* The port stands at the same place for both families. */
    return ntohs(((struct sockaddr_in *)&ss)->sin_port);
}

/* How many of the places were had, in order; errno says why it is not all. */
static size_t listen_at_all(const struct loop_place *places, size_t n, uint16_t port, int *fds)
{
    for (size_t i = 0; i < n; i++) {
        fds[i] = loop_listen(places[i].addr, port, places[i].type, places[i].backlog);
        bool lacks = errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT;
        if (fds[i] < 0 && !(places[i].may_lack && lacks))
            return i;
        if (i == 0)
            port = loop_port_of(fds[0]);
    }
    return n;
}

void loop_listen_same(const struct loop_place *places, size_t n, uint16_t port, int *fds)
{
    char what[128], number[16] = "any";
    size_t had = 0;
    for (int tries = port ? 1 : LOOP_PORT_TRIES; tries > 0; tries--) {
        had = listen_at_all(places, n, port, fds);
        if (had == n)
            return;
        int why = errno;
        for (size_t i = 0; i < had; i++)
            if (fds[i] >= 0)
                close(fds[i]);
        errno = why;
    }
    if (port)
        snprintf(number, sizeof(number), "%u", port);
    snprintf(what, sizeof(what), "listening on %s, %s port %s, as one of %zu of that number",
             places[had].addr, places[had].type == SOCK_STREAM ? "TCP" : "UDP", number, n);
    loop_must(false, what);
}

void loop_stop(void)
{
    stopping = 1;
}

void loop_run(void)
{
    struct epoll_event events[LOOP_EVENTS];
    while (!stopping) {
        int n = epoll_wait(epoll_fd, events, LOOP_EVENTS, delayed ? LOOP_TICK_MS : -1);
        for (int i = 0; i < n; i++) {
            struct source *s = events[i].data.ptr;
            s->ready(s, events[i].events);
        }
        run_due();
    }
}
