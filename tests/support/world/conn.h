/* SPDX-License-Identifier: MIT */
#pragma once
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/support/world/loop.h"

/*
 * conn - one HTTP connection of the test world, plain or TLS: reads one request, does one thing,
 * ends.
 *
 * conn owns itself: it frees itself at its end. A route calls exactly one of the conn_* verbs below
 * for a request; what was passed is copied.
 */
enum { CONN_HEAD_BYTES = 4096 };

struct conn {
    struct source src;
    SSL *ssl;
    char in[CONN_HEAD_BYTES];
    size_t in_len;
    uint64_t body_left; /* of the request, still to be read */
    char *out;
    size_t out_len, out_pos;
    const char *unit;
    size_t unit_len, unit_pos;
    uint64_t fill;       /* so many bytes of the unit, over and over, follow what is in out */
    unsigned handshakes; /* that a renegotiating server still asks for */
    void (*then)(struct conn *);
    uint8_t state, after;
};

/* What happens once everything has been written. */
enum conn_after {
    CONN_THEN_CLOSE,
    CONN_THEN_DROP /* without the close_notify of TLS */,
    CONN_THEN_RESET,
    CONN_THEN_HANG,
    CONN_THEN_DRIP
};

/* Gets a whole request: method and path, NUL-terminated. */
typedef void conn_route_f(struct conn *c, const char *method, char *path);

/* Serves what fd accepts. ctx NULL: plain HTTP. */
void conn_serve(int listen_fd, SSL_CTX *ctx, conn_route_f *route);

/* Accepts and keeps what comes, and neither reads nor answers. */
void conn_serve_tarpit(int listen_fd);

/* Accepts, reads something, answers with these bytes and closes. */
void conn_serve_bytes(int listen_fd, const char *bytes, size_t len);

/* Accepts, waits for the first bytes, and resets the connection. */
void conn_serve_reset(int listen_fd);

void conn_write(struct conn *c, const char *bytes, size_t len, uint64_t fill,
                enum conn_after after);
/* Writes head and then `bytes` bytes of the unit, over and over; the unit is not copied: it lives
 * as long as the program. */
void conn_flood(struct conn *c, const char *head, size_t head_len, const char *unit,
                size_t unit_len, uint64_t bytes, enum conn_after after);
/* Asks for that many new handshakes, one after another, and then does `then`. */
void conn_renegotiate(struct conn *c, unsigned times, void (*then)(struct conn *));
void conn_hang(struct conn *c);
void conn_end(struct conn *c);
void conn_reset(struct conn *c);
void conn_later(struct conn *c, unsigned delay_ms, void (*due)(struct conn *));

struct conn_counts {
    uint64_t accepted, requests;
    unsigned open, max_open;
};
extern struct conn_counts conn_counts;
