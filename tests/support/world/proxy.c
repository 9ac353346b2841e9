/* SPDX-License-Identifier: MIT */
#include "tests/support/world/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/world/loop.h"

/*
 *   ASKING ──► CONNECTING ──► REPLYING ──► RELAY ──► OVER
 *      └──────────────────────────┴───────────────────▲
 *
 * A pair has a side for the client and one for the target. A side is closed in its own callback
 * alone: what ends the pair shuts both sockets down, and the loop tells each side.
 */
enum { ASKING, CONNECTING, REPLYING, RELAY, OVER };
enum { HEAD_BYTES = 4096, RELAY_BYTES = 16384, REPLY_BYTES = 128, DRIP_MS = 3 };
enum { HTTP, SOCKS_HELLO, SOCKS_LOGIN, SOCKS_REQUEST };
enum { SOCKS_REFUSED = 2, SOCKS_UNREACHABLE = 4, SOCKS_NO_CONNECTION = 5 };

#define BASIC_ANN "Basic YW5uOnBhNTU="

struct proxy {
    struct source src;
    enum proxy_mode mode;
};

struct side {
    struct source src; /* fd −1: closed, or not there yet */
    struct pair *pair;
    struct side *peer;
    char buf[RELAY_BYTES]; /* read here, to be written there */
    size_t at, len;
    bool eof, told_eof;
};

struct pair {
    struct side client, target;
    enum proxy_mode mode;
    int state, stage;
    bool socks, granted;
    char in[HEAD_BYTES];
    size_t in_len;
    char out[REPLY_BYTES];
    size_t out_at, out_len;
};

static void on_side(struct source *s, uint32_t events);

/* ---- the end */

static void side_close(struct side *s)
{
    struct pair *p = s->pair;
    loop_close(&s->src);
    if (p->client.src.fd < 0 && p->target.src.fd < 0)
        free(p);
}

static void pair_end(struct pair *p)
{
    p->state = OVER;
    if (p->client.src.fd >= 0)
        shutdown(p->client.src.fd, SHUT_RDWR);
    if (p->target.src.fd >= 0)
        shutdown(p->target.src.fd, SHUT_RDWR);
}

/* ---- the relay */

static void want(struct side *s)
{
    uint32_t events = (!s->eof && s->len == 0 ? EPOLLIN : 0u) | (s->peer->len > 0 ? EPOLLOUT : 0u);
    loop_change(&s->src, events);
}

/* What was read here goes to the peer as far as it takes it; false: the peer is broken. */
static bool pass_on(struct side *s)
{
    while (s->len > 0) {
        ssize_t n = send(s->peer->src.fd, s->buf + s->at, s->len, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        s->at += (size_t)n;
        s->len -= (size_t)n;
    }
    s->at = 0;
    if (s->eof && !s->told_eof) {
        shutdown(s->peer->src.fd, SHUT_WR);
        s->told_eof = true;
    }
    return true;
}

static bool take_in(struct side *s)
{
    if (s->eof || s->len > 0)
        return true;
    ssize_t n = recv(s->src.fd, s->buf, sizeof(s->buf), 0);
    if (n < 0)
        return errno == EAGAIN;
    s->len = (size_t)n;
    s->eof = n == 0;
    return true;
}

static void relay(struct side *s)
{
    bool well = pass_on(s->peer) && take_in(s) && pass_on(s);
    if (!well || (s->told_eof && s->peer->told_eof)) {
        pair_end(s->pair);
        return;
    }
    want(s);
    want(s->peer);
}

/* ---- replies: those to the client */

static void reply_due(struct source *src);

/* Sends what stands in out and goes on; false: the client has left, or drips. */
static bool reply_on(struct pair *p)
{
    while (p->out_at < p->out_len) {
        size_t n = p->mode == PROXY_DRIPS ? 1 : p->out_len - p->out_at;
        if (send(p->client.src.fd, p->out + p->out_at, n, MSG_NOSIGNAL) != (ssize_t)n) {
            pair_end(p);
            return false;
        }
        p->out_at += n;
        if (p->mode == PROXY_DRIPS && p->out_at < p->out_len) {
            loop_later(&p->client.src, DRIP_MS, reply_due);
            return false;
        }
    }
    p->out_at = p->out_len = 0;
    return true;
}

static void after_reply(struct pair *p)
{
    if (p->granted && p->state == REPLYING) {
        p->state = RELAY;
        want(&p->client);
        want(&p->target);
    } else if (p->state == REPLYING) {
        shutdown(p->client.src.fd, SHUT_WR); /* refused: it is the client's to hang up */
        p->state = ASKING;
        p->mode = PROXY_SILENT;
        loop_change(&p->client.src, EPOLLIN);
    }
}

static void reply_due(struct source *src)
{
    struct pair *p = ((struct side *)src)->pair;
    if (p->state != OVER && reply_on(p))
        after_reply(p);
}

static void say(struct pair *p, const void *bytes, size_t n)
{
    loop_must(p->out_len + n <= sizeof(p->out), "a proxy's reply that is too long");
    memcpy(p->out + p->out_len, bytes, n);
    p->out_len += n;
    if (reply_on(p))
        after_reply(p);
}

static void last_word(struct pair *p, const char *http, uint8_t socks)
{
    const uint8_t reply[] = {5, socks, 0, 1, 0, 0, 0, 0, 0, 0};
    p->state = REPLYING;
    if (p->socks)
        say(p, reply, sizeof(reply));
    else
        say(p, http, strlen(http));
}

/* ---- the way to the target */

static void target_is_there(struct pair *p)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);
    getsockopt(p->target.src.fd, SOL_SOCKET, SO_ERROR, &errnum, &len);
    p->granted = errnum == 0;
    if (p->granted) {
        loop_change(&p->target.src, 0);
        last_word(p, "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n", 0);
    } else {
        side_close(&p->target);
        last_word(p, "HTTP/1.1 502 Bad Gateway\r\n\r\n", SOCKS_NO_CONNECTION);
    }
}

static void connect_to(struct pair *p, const struct sockaddr *sa, socklen_t len)
{
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    loop_must(fd >= 0, "socket");
    if (connect(fd, sa, len) != 0 && errno != EINPROGRESS) {
        close(fd);
        last_word(p, "HTTP/1.1 502 Bad Gateway\r\n\r\n", SOCKS_UNREACHABLE);
        return;
    }
    p->state = CONNECTING;
    p->target.src.fd = fd;
    p->target.src.ready = on_side;
    loop_change(&p->client.src, 0);
    loop_add(&p->target.src, EPOLLOUT);
}

static void asked_for(struct pair *p, const struct sockaddr *sa, socklen_t len)
{
    if (p->mode == PROXY_REFUSES)
        last_word(p, "HTTP/1.1 403 Forbidden\r\n\r\n", SOCKS_REFUSED);
    else if (p->mode == PROXY_FAILS)
        last_word(p, "HTTP/1.1 502 Bad Gateway\r\n\r\n", SOCKS_UNREACHABLE);
    else
        connect_to(p, sa, len);
}

/* "1.2.3.4:80", "[::1]:80"; a name is none. */
static void asked_for_text(struct pair *p, char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    char *colon = strrchr(text, ':');
    uint16_t port = colon ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
    if (colon)
        *colon = '\0';
    v4.sin_port = v6.sin6_port = htons(port);
    if (*text == '[' && colon > text)
        colon[-1] = '\0';
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        asked_for(p, (struct sockaddr *)&v4, sizeof(v4));
    else if (inet_pton(AF_INET6, text + 1, &v6.sin6_addr) == 1)
        asked_for(p, (struct sockaddr *)&v6, sizeof(v6));
    else
        last_word(p, "HTTP/1.1 400 Only addresses\r\n\r\n", 8);
}

/* ---- what the client asks */

static void on_http(struct pair *p)
{
    char to[256];
    if (!strstr(p->in, "\r\n\r\n"))
        return;
    if (p->mode == PROXY_WANTS_USER && !strstr(p->in, "\r\nProxy-Authorization: " BASIC_ANN "\r\n"))
        last_word(p, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", 0);
    else if (sscanf(p->in, "CONNECT %255s", to) == 1)
        asked_for_text(p, to);
    else
        last_word(p, "HTTP/1.1 405 Only CONNECT\r\n\r\n", 0);
}

/* The next message of the client's, of n bytes, has been read. */
static void next_stage(struct pair *p, size_t n, int stage)
{
    memmove(p->in, p->in + n, p->in_len - n);
    p->in_len -= n;
    p->stage = stage;
}

static void on_hello(struct pair *p, const uint8_t *in)
{
    if (p->in_len < 2 || p->in_len < 2u + in[1])
        return;
    uint8_t choice = p->mode == PROXY_WANTS_USER ? 2 : 0;
    if (!memchr(in + 2, choice, in[1])) {
        p->state = REPLYING;
        say(p, "\x05\xff", 2);
        return;
    }
    next_stage(p, 2u + in[1], choice ? SOCKS_LOGIN : SOCKS_REQUEST);
    say(p, choice ? "\x05\x02" : "\x05\x00", 2);
}

static void on_login(struct pair *p, const uint8_t *in)
{
    static const char ann[] = "\x01\x03"
                              "ann\x04pa55";
    if (p->in_len < 2 || p->in_len < 3u + in[1] || p->in_len < 3u + in[1] + in[2 + in[1]])
        return;
    bool known = p->in_len == sizeof(ann) - 1 && memcmp(in, ann, sizeof(ann) - 1) == 0;
    next_stage(p, 3u + in[1] + in[2 + in[1]], SOCKS_REQUEST);
    if (!known)
        p->state = REPLYING;
    say(p, known ? "\x01\x00" : "\x01\x01", 2);
}

static void on_request(struct pair *p, const uint8_t *in)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (p->in_len < 4 || (in[3] == 1 && p->in_len < 10) || (in[3] == 4 && p->in_len < 22))
        return;
    if (in[3] == 1) {
        memcpy(&v4.sin_addr, in + 4, 4);
        memcpy(&v4.sin_port, in + 8, 2);
        asked_for(p, (struct sockaddr *)&v4, sizeof(v4));
    } else if (in[3] == 4) {
        memcpy(&v6.sin6_addr, in + 4, 16);
        memcpy(&v6.sin6_port, in + 20, 2);
        asked_for(p, (struct sockaddr *)&v6, sizeof(v6));
    } else {
        last_word(p, "", 8);
    }
}

/* Who speaks in turn has nothing of the next stage there yet. */
static void on_socks(struct pair *p)
{
    const uint8_t *in = (const uint8_t *)p->in;
    if (p->stage == SOCKS_HELLO)
        on_hello(p, in);
    else if (p->stage == SOCKS_LOGIN)
        on_login(p, in);
    else
        on_request(p, in);
}

static void asking(struct pair *p)
{
    static const char smtp[] = "220 mail.test ESMTP\r\n";
    ssize_t n = recv(p->client.src.fd, p->in + p->in_len, sizeof(p->in) - 1 - p->in_len, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        pair_end(p);
        return;
    }
    if (p->mode == PROXY_SILENT)
        return;
    p->in_len += (size_t)n;
    p->in[p->in_len] = '\0';
    if (p->mode == PROXY_GARBAGE) {
        p->state = REPLYING;
        say(p, smtp, sizeof(smtp) - 1);
        return;
    }
    if (p->stage == HTTP && p->in[0] == 5) {
        p->socks = true;
        p->stage = SOCKS_HELLO;
    }
    if (p->socks)
        on_socks(p);
    else
        on_http(p);
}

static void on_side(struct source *src, uint32_t events)
{
    struct side *s = (struct side *)src;
    struct pair *p = s->pair;
    if (p->state == OVER)
        side_close(s);
    else if (p->state == RELAY)
        relay(s);
    else if (p->state == CONNECTING && s == &p->target)
        target_is_there(p);
    else if (p->state == ASKING && s == &p->client)
        asking(p);
    else
        pair_end(p); /* it has hung up */
}

static void on_accept(struct source *src, uint32_t events)
{
    struct proxy *x = (struct proxy *)src;
    int on = 1;
    int fd = accept4(src->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct pair *p = calloc(1, sizeof(*p));
    loop_must(p != NULL, "calloc");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    p->mode = x->mode;
    p->client.pair = p->target.pair = p;
    p->client.peer = &p->target;
    p->target.peer = &p->client;
    p->target.src.fd = -1;
    p->client.src.fd = fd;
    p->client.src.ready = on_side;
    loop_add(&p->client.src, EPOLLIN);
}

void proxy_serve(int listen_fd, enum proxy_mode mode)
{
    struct proxy *x = calloc(1, sizeof(*x));
    loop_must(x != NULL, "calloc");
    x->mode = mode;
    x->src.fd = listen_fd;
    x->src.ready = on_accept;
    loop_add(&x->src, EPOLLIN);
}
