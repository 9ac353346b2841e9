/* SPDX-License-Identifier: MIT */
#include "tests/support/world/http_ill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/support/world/routes.h"

/* Far beyond every bound of a probe, and no load for long. */
#define FLOOD_BYTES (256ULL << 20)

enum { MIB = 1 << 20, UNIT_ROOM = 64 * 1024, RENEGOTIATIONS = 1000 };

#define OK_LINE "HTTP/1.1 200 OK\r\nConnection: close\r\n"

/* ---- plain bytes: what is written, and what then happens */

struct plain {
    const char *name;
    const char *bytes;
    uint64_t fill; /* bytes 'x' that follow */
    enum conn_after after;
};

static const struct plain plains[] = {
    {"header-drip", OK_LINE "X-Drip: ", 0, CONN_THEN_DRIP},
    {"stall-in-headers", OK_LINE "X-One: 1\r\n", 0, CONN_THEN_HANG},
    {"stall-after-headers", OK_LINE "Content-Length: 1000\r\n\r\n", 0, CONN_THEN_HANG},
    {"endless-line", OK_LINE "X-Endless: ", FLOOD_BYTES, CONN_THEN_CLOSE},
    {"endless-extension", OK_LINE "Transfer-Encoding: chunked\r\n\r\n1;endless=", FLOOD_BYTES,
     CONN_THEN_CLOSE},
    {"chunk-no-number", OK_LINE "Transfer-Encoding: chunked\r\n\r\nno number\r\nx\r\n", 0,
     CONN_THEN_CLOSE},
    {"chunk-too-big", OK_LINE "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx\r\n", 0,
     CONN_THEN_CLOSE},
    {"chunk-negative", OK_LINE "Transfer-Encoding: chunked\r\n\r\n-5\r\nx\r\n", 0, CONN_THEN_CLOSE},
    {"chunk-without-end", OK_LINE "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 0,
     CONN_THEN_CLOSE},
    {"bomb-none", OK_LINE "\r\n", FLOOD_BYTES, CONN_THEN_CLOSE},
    {"drop", OK_LINE "\r\nhello", 0, CONN_THEN_DROP},
    {"drop-with-length", OK_LINE "Content-Length: 5\r\n\r\nhello", 0, CONN_THEN_DROP},
    {"drop-too-early", OK_LINE "Content-Length: 50\r\n\r\nhello", 0, CONN_THEN_DROP},
    {"length-too-short", OK_LINE "Content-Length: 5\r\n\r\nhello, and much more", 0,
     CONN_THEN_CLOSE},
    {"length-too-long", OK_LINE "Content-Length: 1000\r\n\r\nhello", 0, CONN_THEN_CLOSE},
    {"length-negative", OK_LINE "Content-Length: -5\r\n\r\nhello", 0, CONN_THEN_CLOSE},
    {"length-no-number", OK_LINE "Content-Length: five\r\n\r\nhello", 0, CONN_THEN_CLOSE},
    {"length-two", OK_LINE "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 0,
     CONN_THEN_CLOSE},
    {"length-list", OK_LINE "Content-Length: 5, 6\r\n\r\nhello!", 0, CONN_THEN_CLOSE},
    {"length-same", OK_LINE "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 0,
     CONN_THEN_CLOSE},
    {"length-overflow", OK_LINE "Content-Length: 99999999999999999999999\r\n\r\nhello", 0,
     CONN_THEN_CLOSE},
    {"gzip-none", OK_LINE "Content-Encoding: gzip\r\n\r\nthis is no gzip", 0, CONN_THEN_CLOSE},
    {"gzip-many",
     OK_LINE "Content-Encoding: gzip, gzip, gzip, gzip, gzip, gzip, gzip, gzip\r\n\r\nhello", 0,
     CONN_THEN_CLOSE},
    {"status-99999", "HTTP/1.1 99999 Oh\r\n\r\nhello", 0, CONN_THEN_CLOSE},
    {"version-7.5", "HTTP/7.5 200 OK\r\n\r\nhello", 0, CONN_THEN_CLOSE},
    {"status-20", "HTTP/1.1 20\r\n\r\nhello", 0, CONN_THEN_CLOSE},
    {"http-0.9", "<html>HTTP 0.9 lives</html>", 0, CONN_THEN_CLOSE},
};

/* ---- floods: a head, and a unit over and over */

enum flood_kind { HEADERS, INTERIM, EARLY_HINTS, EXTENSIONS, TRAILERS, FLOODS };

static const struct {
    const char *head, *unit;
} floods[FLOODS] = {
    [HEADERS] = {OK_LINE, "X-Header: of many\r\n"},
    [INTERIM] = {"", "HTTP/1.1 100 Continue\r\n\r\n"},
    [EARLY_HINTS] = {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"},
    [EXTENSIONS] = {OK_LINE "Transfer-Encoding: chunked\r\n\r\n",
                    "1;a-long-extension-that-says-nothing=again-and-again\r\nx\r\n"},
    [TRAILERS] = {OK_LINE "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n",
                  "X-Trailer: of many\r\n"},
};

/* As many times as fit: few system calls for many units. */
static size_t repeated(const char *text, char *out, size_t room)
{
    size_t n = strlen(text), len = 0;
    for (; len + n <= room; len += n)
        memcpy(out + len, text, n);
    return len;
}

static void do_flood(struct conn *c, int kind)
{
    static char units[FLOODS][UNIT_ROOM];
    static size_t lens[FLOODS];
    if (!lens[kind])
        lens[kind] = repeated(floods[kind].unit, units[kind], UNIT_ROOM);
    conn_flood(c, floods[kind].head, strlen(floods[kind].head), units[kind], lens[kind],
               FLOOD_BYTES, CONN_THEN_CLOSE);
}

/* ---- bombs: streams of independent blocks, so that one block makes a bomb of any size */

struct bomb {
    const char *encoding;
    char head[64], unit[UNIT_ROOM];
    size_t head_len, unit_len;
    uint64_t times;
};

static const char gzip_head[10] = {0x1f, (char)0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

/* A raw deflate block that knows nothing of its neighbours. */
static size_t deflate_block(const char *in, size_t in_len, char *out, size_t room)
{
    z_stream z = {.next_in = (Bytef *)in,
                  .avail_in = (uInt)in_len,
                  .next_out = (Bytef *)out,
                  .avail_out = (uInt)room};
    loop_must(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) == Z_OK &&
                  deflate(&z, Z_FULL_FLUSH) == Z_OK && z.avail_out > 0,
              "deflate");
    deflateEnd(&z);
    return room - z.avail_out;
}

static void gzip_of(struct bomb *b, const char *block, size_t len)
{
    memcpy(b->head, gzip_head, sizeof(gzip_head));
    b->head_len = sizeof(gzip_head);
    b->unit_len = deflate_block(block, len, b->unit, UNIT_ROOM);
}

static void zeros(struct bomb *b)
{
    char *block = calloc(1, MIB);
    loop_must(block != NULL, "calloc");
    gzip_of(b, block, MIB);
    free(block);
}

/* Stored blocks without a byte in them: endless work, and nothing comes out. */
#define EMPTY_BLOCK     "\x00\x00\x00\xff\xff"
#define EMPTY_BLOCK_LEN 5

static void empties(struct bomb *b)
{
    memcpy(b->head, gzip_head, sizeof(gzip_head));
    b->head_len = sizeof(gzip_head);
    for (b->unit_len = 0; b->unit_len + EMPTY_BLOCK_LEN <= UNIT_ROOM;
         b->unit_len += EMPTY_BLOCK_LEN)
        memcpy(b->unit + b->unit_len, EMPTY_BLOCK, EMPTY_BLOCK_LEN);
}

/* What is in b becomes the content of another layer, a MiB of it in each block. */
static void wrap(struct bomb *b)
{
    struct bomb *in = malloc(sizeof(*in));
    char *block = malloc(MIB);
    loop_must(in != NULL && block != NULL, "malloc");
    *in = *b;
    size_t whole = MIB / in->unit_len * in->unit_len;
    for (size_t at = 0; at < whole; at += in->unit_len)
        memcpy(block + at, in->unit, in->unit_len);
    gzip_of(b, block, whole);
    b->head_len +=
        deflate_block(in->head, in->head_len, b->head + b->head_len, sizeof(b->head) - b->head_len);
    free(block);
    free(in);
}

static void zeros_twice(struct bomb *b)
{
    zeros(b);
    wrap(b);
}

static void empties_twice(struct bomb *b)
{
    empties(b);
    wrap(b);
}

/* What libbrotlienc makes of a first and of every further MiB of zeros, flushed after each. */
static void brotli(struct bomb *b)
{
    static const char head[] = "\xab\xff\xff\x07\x40\x02\x20\x1e\x0b\x24\xf7\xfe\xc1";
    static const char unit[] = "\xfa\xff\x7f\x00\x24\x00\xe2\xb0\x00\x74\xef\x1f\x0c";
    b->head_len = sizeof(head); /* its last byte is the NUL */
    memcpy(b->head, head, b->head_len);
    b->unit_len = sizeof(unit) - 1;
    memcpy(b->unit, unit, b->unit_len);
}

/* RFC 8878: a frame of unknown size, and a block of 128 KiB that is one byte repeated. */
static void zstd(struct bomb *b)
{
    static const char head[] = "\x28\xb5\x2f\xfd\x00\x58";
    static const char unit[] = "\x02\x00\x10\x00";
    b->head_len = sizeof(head) - 1;
    memcpy(b->head, head, b->head_len);
    b->unit_len = sizeof(unit) - 1;
    memcpy(b->unit, unit, b->unit_len);
}

static const struct {
    const char *encoding;
    void (*make)(struct bomb *b);
    uint64_t times; /* 1 GiB decoded, or as many bytes as a flood has */
} bombs[] = {
    {"gzip", zeros, 1024},    {"gzip, gzip", zeros_twice, 1024},
    {"gzip", empties, 4096},  {"gzip, gzip", empties_twice, 65536},
    {"br", brotli, 1024},     {"zstd", zstd, 8192},
    {"deflate", zeros, 1024}, {"x-gzip", zeros, 1024},
};

static void do_bomb(struct conn *c, int kind)
{
    static struct bomb *made[sizeof(bombs) / sizeof(bombs[0])];
    char head[256];
    if (!made[kind]) {
        made[kind] = calloc(1, sizeof(*made[kind]));
        loop_must(made[kind] != NULL, "calloc");
        bombs[kind].make(made[kind]);
        if (!strcmp(bombs[kind].encoding, "deflate"))
            made[kind]->head_len = 0; /* raw, as many servers send it */
    }
    struct bomb *b = made[kind];
    int n = snprintf(head, sizeof(head) - sizeof(b->head), OK_LINE "Content-Encoding: %s\r\n\r\n",
                     bombs[kind].encoding);
    memcpy(head + n, b->head, b->head_len);
    conn_flood(c, head, (size_t)n + b->head_len, b->unit, b->unit_len,
               b->unit_len * bombs[kind].times, CONN_THEN_CLOSE);
}

/* ---- the rest */

static bool do_plain(struct conn *c, const char *name)
{
    for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
        const struct plain *p = &plains[i];
        if (strcmp(name, p->name) == 0) {
            conn_write(c, p->bytes, strlen(p->bytes), p->fill, p->after);
            return true;
        }
    }
    return false;
}

static void do_nul(struct conn *c, int unused)
{
    static const char bytes[] = OK_LINE "X-Nul: a\0b\r\nContent-Length: 0\r\n\r\n";
    conn_write(c, bytes, sizeof(bytes) - 1, 0, CONN_THEN_CLOSE);
}

static void say_ok(struct conn *c)
{
    char ok[] = "/ok";
    routes_do(c, "GET", ok);
}

static void do_renegotiate(struct conn *c, int times)
{
    conn_renegotiate(c, (unsigned)times, say_ok);
}

static void do_location(struct conn *c, int bytes)
{
    char *buf = malloc((size_t)bytes + 256);
    loop_must(buf != NULL, "malloc");
    int n = snprintf(buf, 256,
                     "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n"
                     "Location: /");
    memset(buf + n, 'x', (size_t)bytes);
    memcpy(buf + n + bytes, "\r\n\r\n", 4);
    conn_write(c, buf, (size_t)(n + bytes) + 4, 0, CONN_THEN_CLOSE);
    free(buf);
}

static const struct {
    const char *name;
    void (*run)(struct conn *c, int arg);
    int arg;
} ills[] = {
    {"flood-headers", do_flood, HEADERS},
    {"flood-100", do_flood, INTERIM},
    {"flood-103", do_flood, EARLY_HINTS},
    {"flood-extensions", do_flood, EXTENSIONS},
    {"flood-trailers", do_flood, TRAILERS},
    {"bomb-gzip", do_bomb, 0},
    {"bomb-gzip-gzip", do_bomb, 1},
    {"bomb-empty", do_bomb, 2},
    {"bomb-gzip-empty", do_bomb, 3},
    {"bomb-br", do_bomb, 4},
    {"bomb-zstd", do_bomb, 5},
    {"bomb-deflate", do_bomb, 6},
    {"bomb-x-gzip", do_bomb, 7},
    {"nul-in-header", do_nul, 0},
    {"location-20k", do_location, 20 << 10},
    {"location-100k", do_location, 100 << 10},
    {"renegotiate-once", do_renegotiate, 1},
    {"renegotiate", do_renegotiate, RENEGOTIATIONS},
};

bool http_ill_do(struct conn *c, char *path)
{
    if (strncmp(path, "/ill/", 5) != 0)
        return false;
    for (size_t i = 0; i < sizeof(ills) / sizeof(ills[0]); i++) {
        if (strcmp(path + 5, ills[i].name) == 0) {
            ills[i].run(c, ills[i].arg);
            return true;
        }
    }
    return do_plain(c, path + 5);
}
