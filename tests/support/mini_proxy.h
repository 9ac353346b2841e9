/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/cidr.h"
#include <check.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * mini_proxy - a proxy on 127.0.0.1 for unit tests, HTTP CONNECT and SOCKS5 on one port, one thread
 * per connection. It lives until the test's process ends.
 *
 * It notes what it was asked for. Without `says` it does its work; with it, that is its reply to
 * the request (for SOCKS5, to the first thing that it is told).
 */
struct mini_proxy_ways {
    const char *says;        /* NULL = works */
    bool hangs_up;           /* after what it says; else it keeps the connection */
    bool drips;              /* its words one byte at a time */
    const char *user;        /* SOCKS5: wants this user with the password "pa55"; NULL = nobody */
    const char *first_bytes; /* of the tunnel, in one segment with the reply; nothing is relayed */
};
struct mini_proxy {
    int fd;
    uint16_t port;
    atomic_int failures; /* so many requests are answered with 502 or 4 first */
    atomic_int silences; /* and so many with nothing, before */
    atomic_int requests;
    pthread_mutex_t lock; /* of what follows */
    struct mini_proxy_ways ways;
    char asked[4][ADDR_TEXT_MAX]; /* "ADDR:PORT" of the first requests */
    char head[2048];              /* of the last HTTP request */
};

struct mini_proxy_conn {
    int fd;
    struct mini_proxy *p;
    struct mini_proxy_ways ways; /* as they were when it came */
};

static inline bool mini_proxy_write(struct mini_proxy_conn *c, const void *bytes, size_t n)
{
    int on = 1;
    size_t step = c->ways.drips ? 1 : n;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    for (size_t done = 0; done < n; done += step) {
        if (send(c->fd, (const char *)bytes + done, step, MSG_NOSIGNAL) != (ssize_t)step)
            return false;
        if (c->ways.drips)
            poll(NULL, 0, 1);
    }
    return true;
}

static inline bool mini_proxy_read(int fd, void *bytes, size_t n)
{
    return recv(fd, bytes, n, MSG_WAITALL) == (ssize_t)n;
}

static inline void mini_proxy_hang(int fd)
{
    char sink[1024];
    while (recv(fd, sink, sizeof(sink), 0) > 0)
        ;
}

/* True when a failure is to be answered. */
static inline bool mini_proxy_note(struct mini_proxy *p, const char *asked)
{
    int i = atomic_fetch_add(&p->requests, 1);
    pthread_mutex_lock(&p->lock);
    if (i < 4)
        snprintf(p->asked[i], sizeof(p->asked[i]), "%s", asked);
    pthread_mutex_unlock(&p->lock);
    return atomic_fetch_sub(&p->failures, 1) > 0;
}

static inline int mini_proxy_connect(const char *to)
{
    struct ip ip;
    uint16_t port;
    struct sockaddr_storage sa;
    socklen_t len;
    if (addr_parse(to, 0, &ip, &port) != ERR_NONE)
        return -1; /* a name: this proxy resolves none */
    ip_to_sockaddr(&ip, port, &sa, &len);
    int fd = socket(ip.family, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&sa, len) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline bool mini_proxy_move(int from, int to)
{
    char bytes[16384];
    ssize_t n = recv(from, bytes, sizeof(bytes), 0);
    if (n <= 0) {
        shutdown(to, SHUT_WR);
        return false;
    }
    for (ssize_t done = 0; done < n;) {
        ssize_t w = send(to, bytes + done, (size_t)(n - done), MSG_NOSIGNAL);
        if (w <= 0)
            return false;
        done += w;
    }
    return true;
}

static inline void mini_proxy_relay(int a, int b)
{
    struct pollfd p[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
    while (p[0].fd >= 0 || p[1].fd >= 0) {
        if (poll(p, 2, -1) < 0)
            return;
        if (p[0].revents && !mini_proxy_move(a, b))
            p[0].fd = -1;
        if (p[1].revents && !mini_proxy_move(b, a))
            p[1].fd = -1;
    }
}

/* The tunnel to `to`, with the proxy's reply for each case. */
static inline void mini_proxy_tunnel(struct mini_proxy_conn *c, const char *to, bool fails,
                                     const void *yes, size_t yes_len, const void *no, size_t no_len)
{
    char bytes[512];
    if (c->ways.first_bytes) {
        size_t more = strlen(c->ways.first_bytes);
        memcpy(bytes, yes, yes_len);
        memcpy(bytes + yes_len, c->ways.first_bytes, more);
        mini_proxy_write(c, bytes, yes_len + more);
        mini_proxy_hang(c->fd);
        return;
    }
    int target = fails ? -1 : mini_proxy_connect(to);
    if (target < 0) {
        mini_proxy_write(c, no, no_len);
        return;
    }
    if (mini_proxy_write(c, yes, yes_len))
        mini_proxy_relay(c->fd, target);
    close(target);
}

static inline void mini_proxy_http(struct mini_proxy_conn *c)
{
    static const char yes[] = "HTTP/1.1 200 Connection established\r\nVia: mini\r\n\r\n";
    static const char no[] = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno";
    char head[2048] = "", to[ADDR_TEXT_MAX] = "";
    for (size_t n = 0; n < sizeof(head) - 1 && !strstr(head, "\r\n\r\n"); n++)
        if (!mini_proxy_read(c->fd, head + n, 1))
            return;
    sscanf(head, "CONNECT %55s HTTP/1.1\r\n", to);
    pthread_mutex_lock(&c->p->lock);
    memcpy(c->p->head, head, sizeof(head));
    pthread_mutex_unlock(&c->p->lock);
    bool fails = mini_proxy_note(c->p, to);
    if (atomic_fetch_sub(&c->p->silences, 1) > 0) {
        mini_proxy_hang(c->fd);
    } else if (c->ways.says) {
        mini_proxy_write(c, c->ways.says, strlen(c->ways.says));
        if (!c->ways.hangs_up)
            mini_proxy_hang(c->fd);
    } else {
        mini_proxy_tunnel(c, to, fails, yes, sizeof(yes) - 1, no, sizeof(no) - 1);
    }
}

/* False: nobody who may pass. */
static inline bool mini_proxy_login(struct mini_proxy_conn *c, const uint8_t *methods, size_t n)
{
    uint8_t b[256], len[2];
    char user[256] = "", password[256] = "";
    uint8_t choice[2] = {5, c->ways.user ? 2 : 0};
    if (!memchr(methods, choice[1], n)) {
        mini_proxy_write(c, "\x05\xff", 2);
        return false;
    }
    if (!mini_proxy_write(c, choice, 2) || !c->ways.user)
        return !c->ways.user;
    if (!mini_proxy_read(c->fd, len, 2) || !mini_proxy_read(c->fd, user, len[1]) ||
        !mini_proxy_read(c->fd, b, 1) || !mini_proxy_read(c->fd, password, b[0]))
        return false;
    bool knows = len[0] == 1 && strcmp(user, c->ways.user) == 0 && strcmp(password, "pa55") == 0;
    return mini_proxy_write(c, knows ? "\x01\x00" : "\x01\x01", 2) && knows;
}

static inline void mini_proxy_socks(struct mini_proxy_conn *c)
{
    static const uint8_t yes[] = {5, 0, 0, 1, 127, 0, 0, 1, 0, 9},
                         no[] = {5, 4, 0, 1, 0, 0, 0, 0, 0, 0};
    uint8_t hello[2], methods[255], request[4], rest[18];
    char to[ADDR_TEXT_MAX] = "a name";
    struct ip ip = {.family = AF_INET};
    if (!mini_proxy_read(c->fd, hello, 2) || !mini_proxy_read(c->fd, methods, hello[1]))
        return;
    bool silent = atomic_fetch_sub(&c->p->silences, 1) > 0;
    if (silent || c->ways.says) {
        mini_proxy_note(c->p, "");
        if (!silent && mini_proxy_write(c, c->ways.says, strlen(c->ways.says)) && c->ways.hangs_up)
            return;
        mini_proxy_hang(c->fd);
        return;
    }
    if (!mini_proxy_login(c, methods, hello[1]) || !mini_proxy_read(c->fd, request, 4))
        return;
    size_t n = request[3] == 1 ? 4 : 16;
    if (request[3] != 3 && mini_proxy_read(c->fd, rest, n + 2)) {
        ip.family = n == 4 ? AF_INET : AF_INET6;
        memcpy(ip.bytes, rest, n);
        addr_format(&ip, (uint16_t)(rest[n] << 8 | rest[n + 1]), to);
    }
    bool fails = mini_proxy_note(c->p, to);
    mini_proxy_tunnel(c, to, fails, yes, sizeof(yes), no, sizeof(no));
}

static inline void *mini_proxy_serve(void *arg)
{
    struct mini_proxy_conn *c = arg;
    uint8_t first;
    if (recv(c->fd, &first, 1, MSG_PEEK) == 1) {
        if (first == 5)
            mini_proxy_socks(c);
        else
            mini_proxy_http(c);
    }
    close(c->fd);
    free(c);
    return NULL;
}

static inline void *mini_proxy_accept(void *arg)
{
    struct mini_proxy *p = arg;
    for (int fd; (fd = accept(p->fd, NULL, NULL)) >= 0;) {
        struct mini_proxy_conn *c = calloc(1, sizeof(*c));
        pthread_t t;
        c->fd = fd;
        c->p = p;
        pthread_mutex_lock(&p->lock);
        c->ways = p->ways;
        pthread_mutex_unlock(&p->lock);
        pthread_create(&t, NULL, mini_proxy_serve, c);
        pthread_detach(t);
    }
    return NULL;
}

/* How the connections that come from now on are treated. */
static inline void mini_proxy_behave(struct mini_proxy *p, const struct mini_proxy_ways *ways)
{
    pthread_mutex_lock(&p->lock);
    p->ways = *ways;
    pthread_mutex_unlock(&p->lock);
}

static inline void mini_proxy_start(struct mini_proxy *p)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    pthread_t t;
    signal(SIGPIPE, SIG_IGN);
    pthread_mutex_init(&p->lock, NULL);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(p->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    ck_assert_int_eq(listen(p->fd, 64), 0);
    ck_assert_int_eq(getsockname(p->fd, (struct sockaddr *)&sa, &len), 0);
    p->port = ntohs(sa.sin_port);
    ck_assert_int_eq(pthread_create(&t, NULL, mini_proxy_accept, p), 0);
    pthread_detach(t);
}

/* What the request number i asked for; "" = there was none. */
static inline const char *mini_proxy_asked(struct mini_proxy *p, int i)
{
    static char text[ADDR_TEXT_MAX];
    pthread_mutex_lock(&p->lock);
    memcpy(text, p->asked[i], sizeof(text));
    pthread_mutex_unlock(&p->lock);
    return text;
}

static inline bool mini_proxy_saw(struct mini_proxy *p, const char *words)
{
    pthread_mutex_lock(&p->lock);
    bool saw = strstr(p->head, words) != NULL;
    pthread_mutex_unlock(&p->lock);
    return saw;
}
