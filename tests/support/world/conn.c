/* SPDX-License-Identifier: MIT */
#include "tests/support/world/conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 *   HANDSHAKE -> READING -> BODY -> RENEGOTIATING -> WAITING -> WRITING -> CLOSING -> freed
 *
 * CLOSING has sent FIN and reads to the end, so that no unread byte turns the close into a reset.
 */
enum { HANDSHAKE, READING, BODY, RENEGOTIATING, WAITING, WRITING, CLOSING };
enum { LINGER_MS = 2000, DRIP_MS = 100, CHUNK = 16384, WOULD_BLOCK = -1, BROKEN = -2 };

struct listener {
    struct source src;
    SSL_CTX *ctx;
    conn_route_f *route;
    void (*take)(struct listener *, int fd);
    const char *bytes;
    size_t len;
};

struct conn_counts conn_counts;
static char fill_bytes[CHUNK];

/* The route of a connection is its listener's; kept here so that conn.h need not know listeners. */
struct routed {
    struct conn conn;
    struct listener *from;
};

static void conn_free(struct conn *c)
{
    loop_close(&c->src);
    SSL_free(c->ssl);
    free(c->out);
    free(c);
    conn_counts.open--;
}

static void due_free(struct source *s)
{
    conn_free((struct conn *)s);
}

static int tls_result(struct conn *c, int n)
{
    int e = SSL_get_error(c->ssl, n);
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE)
        return WOULD_BLOCK;
    return e == SSL_ERROR_ZERO_RETURN ? 0 : BROKEN;
}

/* Bytes, 0 at the end, WOULD_BLOCK or BROKEN. */
static int conn_read(struct conn *c, char *buf, size_t len)
{
    if (c->ssl) {
        ERR_clear_error();
        int n = SSL_read(c->ssl, buf, (int)len);
        return n > 0 ? n : tls_result(c, n);
    }
    ssize_t n = read(c->src.fd, buf, len);
    if (n >= 0)
        return (int)n;
    return errno == EAGAIN || errno == EINTR ? WOULD_BLOCK : BROKEN;
}

static int conn_send(struct conn *c, const char *buf, size_t len)
{
    if (c->ssl) {
        ERR_clear_error();
        int n = SSL_write(c->ssl, buf, (int)len);
        return n > 0 ? n : tls_result(c, n);
    }
    ssize_t n = send(c->src.fd, buf, len, MSG_NOSIGNAL);
    if (n >= 0)
        return (int)n;
    return errno == EAGAIN || errno == EINTR ? WOULD_BLOCK : BROKEN;
}

static void enter(struct conn *c, uint8_t state, uint32_t events)
{
    c->state = state;
    loop_change(&c->src, events);
}

void conn_end(struct conn *c)
{
    if (c->ssl)
        SSL_shutdown(c->ssl);
    shutdown(c->src.fd, SHUT_WR);
    enter(c, CLOSING, EPOLLIN);
    loop_later(&c->src, LINGER_MS, due_free);
}

void conn_reset(struct conn *c)
{
    struct linger hard = {.l_onoff = 1};
    setsockopt(c->src.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    conn_free(c);
}

void conn_hang(struct conn *c)
{
    enter(c, WAITING, EPOLLRDHUP);
}

void conn_later(struct conn *c, unsigned delay_ms, void (*due)(struct conn *))
{
    enter(c, WAITING, EPOLLRDHUP);
    loop_later(&c->src, delay_ms, (void (*)(struct source *))(void (*)(void))due);
}

static void due_drip(struct source *s)
{
    struct conn *c = (struct conn *)s;
    if (conn_send(c, "x", 1) == BROKEN)
        conn_free(c);
    else
        loop_later(s, DRIP_MS, due_drip);
}

static void after_writing(struct conn *c)
{
    switch ((enum conn_after)c->after) {
    case CONN_THEN_CLOSE:
        conn_end(c);
        break;
    case CONN_THEN_DROP:
        SSL_free(c->ssl);
        c->ssl = NULL;
        conn_end(c);
        break;
    case CONN_THEN_RESET:
        conn_reset(c);
        break;
    case CONN_THEN_HANG:
        conn_hang(c);
        break;
    case CONN_THEN_DRIP:
        conn_hang(c);
        loop_later(&c->src, DRIP_MS, due_drip);
        break;
    }
}

static int send_some(struct conn *c)
{
    if (c->out_pos < c->out_len) {
        int n = conn_send(c, c->out + c->out_pos, c->out_len - c->out_pos);
        if (n > 0)
            c->out_pos += (size_t)n;
        return n;
    }
    size_t left = c->unit_len - c->unit_pos;
    int n = conn_send(c, c->unit + c->unit_pos, c->fill < left ? (size_t)c->fill : left);
    if (n > 0) {
        c->fill -= (uint64_t)n;
        c->unit_pos = (c->unit_pos + (size_t)n) % c->unit_len;
    }
    return n;
}

static void on_writable(struct conn *c)
{
    while (c->out_pos < c->out_len || c->fill > 0) {
        int n = send_some(c);
        if (n == WOULD_BLOCK)
            return;
        if (n <= 0) {
            conn_free(c);
            return;
        }
    }
    after_writing(c);
}

void conn_flood(struct conn *c, const char *head, size_t head_len, const char *unit,
                size_t unit_len, uint64_t bytes, enum conn_after after)
{
    c->out = malloc(head_len ? head_len : 1);
    loop_must(c->out != NULL && unit_len > 0, "malloc");
    memcpy(c->out, head, head_len);
    c->out_len = head_len;
    c->out_pos = 0;
    c->unit = unit;
    c->unit_len = unit_len;
    c->unit_pos = 0;
    c->fill = bytes;
    c->after = (uint8_t)after;
    enter(c, WRITING, EPOLLOUT);
}

void conn_write(struct conn *c, const char *bytes, size_t len, uint64_t fill, enum conn_after after)
{
    conn_flood(c, bytes, len, fill_bytes, sizeof(fill_bytes), fill, after);
}

/* The client's answer to a HelloRequest is read as data is. */
static void on_renegotiating(struct conn *c)
{
    char scratch[CHUNK];
    int n;
    do
        n = conn_read(c, scratch, sizeof(scratch));
    while (n > 0);
    if (n != WOULD_BLOCK) {
        conn_free(c);
        return;
    }
    if (SSL_renegotiate_pending(c->ssl))
        return;
    if (c->handshakes == 0) {
        c->then(c);
        return;
    }
    c->handshakes--;
    if (SSL_renegotiate(c->ssl) != 1 || SSL_do_handshake(c->ssl) != 1)
        conn_free(c);
}

void conn_renegotiate(struct conn *c, unsigned times, void (*then)(struct conn *))
{
    loop_must(c->ssl != NULL, "renegotiation without TLS");
    c->handshakes = times;
    c->then = then;
    enter(c, RENEGOTIATING, EPOLLIN);
    on_renegotiating(c);
}

static uint64_t content_length(const char *head)
{
    const char *at = strcasestr(head, "\r\ncontent-length:");
    return at ? strtoull(at + 17, NULL, 10) : 0;
}

static void do_request(struct conn *c)
{
    char method[32], path[2048];
    conn_counts.requests++;
    if (sscanf(c->in, "%31s %2047s", method, path) != 2) {
        conn_reset(c);
        return;
    }
    ((struct routed *)c)->from->route(c, method, path);
}

static void on_head(struct conn *c)
{
    int n = conn_read(c, c->in + c->in_len, sizeof(c->in) - 1 - c->in_len);
    if (n == WOULD_BLOCK)
        return;
    if (n <= 0) {
        conn_free(c);
        return;
    }
    c->in_len += (size_t)n;
    c->in[c->in_len] = '\0';
    char *end = strstr(c->in, "\r\n\r\n");
    if (!end) {
        if (c->in_len == sizeof(c->in) - 1)
            conn_reset(c);
        return;
    }
    uint64_t body = content_length(c->in), have = c->in_len - (size_t)(end + 4 - c->in);
    c->body_left = body > have ? body - have : 0;
    c->state = BODY;
    if (c->body_left == 0)
        do_request(c);
}

static void on_body(struct conn *c)
{
    char scratch[CHUNK];
    int n = conn_read(c, scratch, sizeof(scratch));
    if (n == WOULD_BLOCK)
        return;
    if (n <= 0) {
        conn_free(c);
        return;
    }
    c->body_left -= (uint64_t)n < c->body_left ? (uint64_t)n : c->body_left;
    if (c->body_left == 0)
        do_request(c);
}

static void on_closing(struct conn *c)
{
    char scratch[CHUNK];
    ssize_t n = read(c->src.fd, scratch, sizeof(scratch));
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    conn_free(c);
}

static void on_handshake(struct conn *c)
{
    ERR_clear_error();
    int n = SSL_accept(c->ssl);
    if (n == 1) {
        enter(c, READING, EPOLLIN);
        on_head(c);
        return;
    }
    int e = SSL_get_error(c->ssl, n);
    if (e == SSL_ERROR_WANT_READ)
        loop_change(&c->src, EPOLLIN);
    else if (e == SSL_ERROR_WANT_WRITE)
        loop_change(&c->src, EPOLLOUT);
    else
        conn_free(c);
}

static void on_ready(struct source *s, uint32_t events)
{
    struct conn *c = (struct conn *)s;
    switch (c->state) {
    case HANDSHAKE:
        on_handshake(c);
        break;
    case READING:
        on_head(c);
        break;
    case BODY:
        on_body(c);
        break;
    case RENEGOTIATING:
        on_renegotiating(c);
        break;
    case WAITING:
        conn_free(c); /* the other side has left */
        break;
    case WRITING:
        on_writable(c);
        break;
    case CLOSING:
        on_closing(c);
        break;
    }
}

static struct conn *conn_new(struct listener *l, int fd, uint8_t state, uint32_t events)
{
    struct routed *r = calloc(1, sizeof(*r));
    loop_must(r != NULL, "calloc");
    r->from = l;
    r->conn.src.fd = fd;
    r->conn.src.ready = on_ready;
    r->conn.state = state;
    conn_counts.accepted++;
    conn_counts.open++;
    if (conn_counts.open > conn_counts.max_open)
        conn_counts.max_open = conn_counts.open;
    loop_add(&r->conn.src, events);
    return &r->conn;
}

static void take_http(struct listener *l, int fd)
{
    struct conn *c = conn_new(l, fd, l->ctx ? HANDSHAKE : READING, EPOLLIN);
    if (!l->ctx)
        return;
    c->ssl = SSL_new(l->ctx);
    loop_must(c->ssl != NULL && SSL_set_fd(c->ssl, fd) == 1, "SSL_new");
}

static void take_tarpit(struct listener *l, int fd)
{
    conn_new(l, fd, WAITING, EPOLLRDHUP);
}

static void bytes_ready(struct source *s, uint32_t events)
{
    struct conn *c = (struct conn *)s;
    struct listener *l = ((struct routed *)c)->from;
    char scratch[CHUNK];
    if (read(s->fd, scratch, sizeof(scratch)) <= 0) {
        conn_free(c);
        return;
    }
    if (!l->bytes) {
        conn_reset(c);
        return;
    }
    s->ready = on_ready;
    conn_write(c, l->bytes, l->len, 0, CONN_THEN_CLOSE);
}

static void take_bytes(struct listener *l, int fd)
{
    conn_new(l, fd, READING, EPOLLIN)->src.ready = bytes_ready;
}

static void on_accept(struct source *s, uint32_t events)
{
    struct listener *l = (struct listener *)s;
    for (int i = 0; i < 64; i++) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        l->take(l, fd);
    }
}

static struct listener *listener_new(int fd, void (*take)(struct listener *, int))
{
    struct listener *l = calloc(1, sizeof(*l));
    loop_must(l != NULL, "calloc");
    memset(fill_bytes, 'x', sizeof(fill_bytes));
    l->src.fd = fd;
    l->src.ready = on_accept;
    l->take = take;
    loop_add(&l->src, EPOLLIN);
    return l;
}

void conn_serve(int listen_fd, SSL_CTX *ctx, conn_route_f *route)
{
    struct listener *l = listener_new(listen_fd, take_http);
    l->ctx = ctx;
    l->route = route;
}

void conn_serve_tarpit(int listen_fd)
{
    listener_new(listen_fd, take_tarpit);
}

void conn_serve_bytes(int listen_fd, const char *bytes, size_t len)
{
    struct listener *l = listener_new(listen_fd, take_bytes);
    l->bytes = bytes;
    l->len = len;
}

void conn_serve_reset(int listen_fd)
{
    listener_new(listen_fd, take_bytes);
}
