/* SPDX-License-Identifier: MIT */
#include "tests/support/world/routes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "tests/support/world/http_ill.h"

enum { ROUTE_MAX_HEADERS = 20000, ROUTE_GZIP_OUT = 4 << 20 };

#define PAGE                                                                                       \
    "<!doctype html><html><head><title>A fine page</title></head><body>all is well</body></html>"

static void reply(struct conn *c, const char *status, const char *headers, const char *body)
{
    char buf[8192];
    int n = snprintf(buf, sizeof(buf),
                     "HTTP/1.1 %s\r\nContent-Type: text/html\r\nConnection: close\r\n%s"
                     "Content-Length: %zu\r\n\r\n%s",
                     status, headers, strlen(body), body);
    loop_must(n > 0 && (size_t)n < sizeof(buf), "a reply that is too long");
    conn_write(c, buf, (size_t)n, 0, CONN_THEN_CLOSE);
}

static void say_ok(struct conn *c)
{
    reply(c, "200 OK", "", PAGE);
}

static void do_ok(struct conn *c, char *arg)
{
    say_ok(c);
}

static void do_json(struct conn *c, char *arg)
{
    reply(c, "200 OK", "X-World: test\r\n", "{\"status\":\"up\",\"n\":3}");
}

static void do_status(struct conn *c, char *arg)
{
    char line[64];
    snprintf(line, sizeof(line), "%03d Told So", (int)strtol(arg, NULL, 10) % 1000);
    reply(c, line, "", PAGE);
}

static void do_slow(struct conn *c, char *arg)
{
    conn_later(c, (unsigned)strtoul(arg, NULL, 10), say_ok);
}

static void do_redirect(struct conn *c, char *arg)
{
    unsigned long left = strtoul(arg, NULL, 10);
    char header[128];
    if (left == 0) {
        say_ok(c);
        return;
    }
    snprintf(header, sizeof(header), "Location: /redirect/%lu\r\n", left - 1);
    reply(c, "302 Found", header, "");
}

static void do_loop(struct conn *c, char *arg)
{
    reply(c, "302 Found", "Location: /loop\r\n", "");
}

static void percent_decode(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            char hex[3] = {s[1], s[2], '\0'};
            *to++ = (char)strtol(hex, NULL, 16);
            s += 2;
        } else {
            *to++ = *s;
        }
    }
    *to = '\0';
}

/* What the request held, so that a test sees which credentials arrived. */
static void do_echo(struct conn *c, char *arg)
{
    reply(c, "200 OK", "", c->in);
}

static void do_redirect_to(struct conn *c, char *arg)
{
    char header[2200];
    percent_decode(arg);
    snprintf(header, sizeof(header), "Location: %s\r\n", arg);
    reply(c, "302 Found", header, "");
}

static void do_tarpit(struct conn *c, char *arg)
{
    conn_hang(c);
}

static void write_head(struct conn *c, const char *headers, uint64_t fill, enum conn_after after)
{
    char buf[512];
    int n = snprintf(buf, sizeof(buf), "HTTP/1.1 200 OK\r\nConnection: close\r\n%s\r\n", headers);
    conn_write(c, buf, (size_t)n, fill, after);
}

static void do_drip(struct conn *c, char *arg)
{
    write_head(c, "", 0, CONN_THEN_DRIP);
}

/* Half of the body and then nothing. */
static void do_stall(struct conn *c, char *arg)
{
    write_head(c, "Content-Length: 1000\r\n", 500, CONN_THEN_HANG);
}

/* Half of the body and then the end. */
static void do_cut(struct conn *c, char *arg)
{
    write_head(c, "Content-Length: 1000\r\n", 500, CONN_THEN_CLOSE);
}

static void do_cut_reset(struct conn *c, char *arg)
{
    write_head(c, "Content-Length: 1000\r\n", 500, CONN_THEN_RESET);
}

static void do_big(struct conn *c, char *arg)
{
    char header[64];
    uint64_t size = strtoull(arg, NULL, 10);
    snprintf(header, sizeof(header), "Content-Length: %llu\r\n", (unsigned long long)size);
    write_head(c, header, size, CONN_THEN_CLOSE);
}

static size_t gzip_zeros(uint64_t size, char *out, size_t room)
{
    static char zeros[65536];
    z_stream z = {.next_out = (Bytef *)out, .avail_out = (uInt)room};
    loop_must(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) == Z_OK,
              "deflateInit2");
    while (size > 0) {
        z.next_in = (Bytef *)zeros;
        z.avail_in = size < sizeof(zeros) ? (uInt)size : (uInt)sizeof(zeros);
        size -= z.avail_in;
        loop_must(deflate(&z, Z_NO_FLUSH) == Z_OK && z.avail_in == 0, "deflate");
    }
    loop_must(deflate(&z, Z_FINISH) == Z_STREAM_END, "deflate");
    deflateEnd(&z);
    return room - z.avail_out;
}

static void do_gzip(struct conn *c, char *arg)
{
    char *buf = malloc(ROUTE_GZIP_OUT);
    loop_must(buf != NULL, "malloc");
    int n = snprintf(buf, 256,
                     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n");
    size_t len = gzip_zeros(strtoull(arg, NULL, 10), buf + n, ROUTE_GZIP_OUT - (size_t)n);
    conn_write(c, buf, (size_t)n + len, 0, CONN_THEN_CLOSE);
    free(buf);
}

static void do_headers(struct conn *c, char *arg)
{
    unsigned long count = strtoul(arg, NULL, 10), room = 0;
    if (count > ROUTE_MAX_HEADERS)
        count = ROUTE_MAX_HEADERS;
    char *buf = malloc(256 + count * 128);
    loop_must(buf != NULL, "malloc");
    room = (unsigned long)snprintf(buf, 128, "HTTP/1.1 200 OK\r\nConnection: close\r\n");
    for (unsigned long i = 0; i < count; i++)
        room += (unsigned long)snprintf(buf + room, 128, "X-Header-%05lu: %080lu\r\n", i, i);
    room += (unsigned long)snprintf(buf + room, 64, "Content-Length: 2\r\n\r\nok");
    conn_write(c, buf, room, 0, CONN_THEN_CLOSE);
    free(buf);
}

static void do_reset(struct conn *c, char *arg)
{
    conn_reset(c);
}

static void do_empty(struct conn *c, char *arg)
{
    conn_end(c);
}

static void do_garbage(struct conn *c, char *arg)
{
    static const char garbage[] = "\x01\x02 this is no HTTP \xff\xfe\r\n\r\n";
    conn_write(c, garbage, sizeof(garbage) - 1, 0, CONN_THEN_CLOSE);
}

/* What a Chinese page of old looks like: the characters in GBK. */
static void do_gbk(struct conn *c, char *arg)
{
    static const char page[] = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=gb2312\r\n"
                               "Connection: close\r\n\r\n"
                               "<title>\xd6\xd0\xb9\xfa</title>\xc4\xe3\xba\xc3";
    conn_write(c, page, sizeof(page) - 1, 0, CONN_THEN_CLOSE);
}

static void do_counts(struct conn *c, char *arg)
{
    char body[256];
    conn_counts.requests--; /* to look changes nothing */
    snprintf(body, sizeof(body),
             "{\"accepted\":%llu,\"requests\":%llu,\"open\":%u,\"max_open\":%u}\n",
             (unsigned long long)conn_counts.accepted, (unsigned long long)conn_counts.requests,
             conn_counts.open, conn_counts.max_open);
    reply(c, "200 OK", "", body);
}

static const struct {
    const char *prefix;
    void (*run)(struct conn *c, char *arg);
} routes[] = {
    {"/status/", do_status},
    {"/slow/", do_slow},
    {"/redirect/", do_redirect},
    {"/redirect-to?url=", do_redirect_to},
    {"/echo", do_echo},
    {"/loop", do_loop},
    {"/tarpit", do_tarpit},
    {"/drip", do_drip},
    {"/stall", do_stall},
    {"/cut-reset", do_cut_reset},
    {"/cut", do_cut},
    {"/big/", do_big},
    {"/gzip/", do_gzip},
    {"/headers/", do_headers},
    {"/reset", do_reset},
    {"/empty", do_empty},
    {"/garbage", do_garbage},
    {"/gbk", do_gbk},
    {"/counts", do_counts},
    {"/json", do_json},
    {"/ok", do_ok},
};

void routes_do(struct conn *c, const char *method, char *path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        size_t len = strlen(routes[i].prefix);
        if (strncmp(path, routes[i].prefix, len) == 0) {
            routes[i].run(c, path + len);
            return;
        }
    }
    if (http_ill_do(c, path))
        return;
    reply(c, "404 Not Found", "", "<title>no such page</title>");
}
