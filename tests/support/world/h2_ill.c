/* SPDX-License-Identifier: MIT */
#include "tests/support/world/h2_ill.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/world/loop.h"
#include "tests/support/world/tls_ill.h"

#define FLOOD_BYTES (64ULL << 20)

enum { H2_PORTS = 32, BOMB_VALUE = 4000, BOMB_REFERENCES = 12000 };

/* RFC 9113 §4.1: length, type, flags, stream. Every request is on stream 1. */
#define FRAME(length, type, flags, stream) "\x00" length type flags "\x00\x00\x00" stream
#define SETTINGS                           FRAME("\x00\x00", "\x04", "\x00", "\x00")
#define STATUS                             "\x88" /* HPACK: ":status: 200" */
#define HEADERS                            FRAME("\x00\x01", "\x01", "\x04", "\x01") STATUS
#define LAST                               FRAME("\x00\x01", "\x01", "\x05", "\x01") STATUS
#define OPEN                               FRAME("\x00\x01", "\x01", "\x00", "\x01") STATUS /* to be continued */

#define PING     FRAME("\x00\x08", "\x06", "\x00", "\x00") "12345678"
#define PRIORITY FRAME("\x00\x05", "\x02", "\x00", "\x03") "\x00\x00\x00\x00\x10"
#define UNKNOWN  FRAME("\x00\x10", "\xfe", "\x00", "\x00") "nobody knows me."
#define WINDOW   FRAME("\x00\x04", "\x08", "\x00", "\x00") "\x00\x00\x00\x01"
#define CONTINUED                                                                                  \
    FRAME("\x00\x05", "\x09", "\x00", "\x01")                                                      \
    "\x00\x01"                                                                                     \
    "a"                                                                                            \
    "\x01"                                                                                         \
    "b"
#define EMPTY_DATA FRAME("\x00\x00", "\x00", "\x00", "\x01")
#define DATA       FRAME("\x00\x05", "\x00", "\x01", "\x01") "hello"
#define RESET      FRAME("\x00\x04", "\x03", "\x00", "\x01") "\x00\x00\x00\x02"
#define GOAWAY     FRAME("\x00\x08", "\x07", "\x00", "\x00") "\x00\x00\x00\x00\x00\x00\x00\x0b"
#define HTTP_1     "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

#define BYTES(text) text, sizeof(text) - 1
#define SAYS(name, text, then)                                                                     \
    {                                                                                              \
        name, BYTES(text), NULL, 0, then                                                           \
    }
#define FLOODS(name, text, frame)                                                                  \
    {                                                                                              \
        name, BYTES(text), BYTES(frame), CONN_THEN_CLOSE                                           \
    }

const struct h2_ill h2_ills[] = {
    SAYS("h2_well", SETTINGS LAST, CONN_THEN_HANG),
    SAYS("h2_silent", SETTINGS, CONN_THEN_HANG),
    SAYS("h2_stall", SETTINGS HEADERS, CONN_THEN_HANG),
    SAYS("h2_reset", SETTINGS RESET, CONN_THEN_HANG),
    SAYS("h2_goaway", SETTINGS GOAWAY, CONN_THEN_HANG),
    SAYS("h2_data_first", SETTINGS DATA, CONN_THEN_HANG),
    SAYS("h2_no_settings", LAST, CONN_THEN_HANG),
    SAYS("h2_http_1", HTTP_1, CONN_THEN_HANG),
    SAYS("h2_cut", SETTINGS HEADERS "\x00\x10", CONN_THEN_CLOSE),
    SAYS("h2_bomb", SETTINGS, CONN_THEN_HANG), /* made by hpack_bomb() */
    FLOODS("h2_flood_ping", SETTINGS, PING),
    FLOODS("h2_flood_settings", SETTINGS, SETTINGS),
    FLOODS("h2_flood_priority", SETTINGS, PRIORITY),
    FLOODS("h2_flood_window", SETTINGS, WINDOW),
    FLOODS("h2_flood_unknown", SETTINGS, UNKNOWN),
    FLOODS("h2_flood_continuation", SETTINGS OPEN, CONTINUED),
    FLOODS("h2_flood_empty", SETTINGS HEADERS, EMPTY_DATA),
};
const size_t n_h2_ills = sizeof(h2_ills) / sizeof(h2_ills[0]);

static uint16_t ports[H2_PORTS];

/* One header of 4,000 bytes, put into the table, and a byte for each time that it comes again. */
static void hpack_bomb(struct conn *c)
{
    static const char entry[] = "\x40\x01"
                                "a"
                                "\x7f\xa1\x1e";
    static char buf[32768];
    size_t len = sizeof(SETTINGS) - 1, block = 1 + sizeof(entry) - 1 + BOMB_VALUE + BOMB_REFERENCES;
    memcpy(buf, SETTINGS, len);
    memcpy(buf + len, FRAME("\x00\x00", "\x01", "\x05", "\x01") STATUS, 10);
    buf[len + 1] = (char)(block >> 8);
    buf[len + 2] = (char)block;
    len += 10;
    memcpy(buf + len, entry, sizeof(entry) - 1);
    len += sizeof(entry) - 1;
    memset(buf + len, 'x', BOMB_VALUE);
    memset(buf + len + BOMB_VALUE, 0xbe, BOMB_REFERENCES);
    conn_write(c, buf, len + BOMB_VALUE + BOMB_REFERENCES, 0, CONN_THEN_HANG);
}

/* The client's preface looks like a request; which server it has come to, its port tells. */
static void on_preface(struct conn *c, const char *method, char *path)
{
    uint16_t port = loop_port_of(c->src.fd);
    size_t i = 0;
    while (ports[i] != port)
        i++;
    const struct h2_ill *h = &h2_ills[i];
    if (strcmp(h->name, "h2_bomb") == 0)
        hpack_bomb(c);
    else if (h->unit)
        conn_flood(c, h->head, h->head_len, h->unit, h->unit_len, FLOOD_BYTES, h->after);
    else
        conn_write(c, h->head, h->head_len, 0, h->after);
}

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                     const unsigned char *in, unsigned in_len, void *arg)
{
    *out = (const unsigned char *)"h2";
    *out_len = 2;
    return SSL_TLSEXT_ERR_OK;
}

void h2_ill_serve(int listen_fd, size_t i)
{
    static SSL_CTX *ctx;
    loop_must(n_h2_ills < H2_PORTS, "too many servers of HTTP/2");
    if (!ctx) {
        ctx = tls_ill_good();
        SSL_CTX_set_alpn_select_cb(ctx, choose_h2, NULL);
    }
    ports[i] = loop_port_of(listen_fd);
    conn_serve(listen_fd, ctx, on_preface);
}
