/* SPDX-License-Identifier: MIT */
#include "tests/support/world/dns.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/world/loop.h"

enum { DNS_MAX = 65535, DNS_UDP_ROOM = 1232, DNS_TTL = 60, DNS_NAME = 0xC00C };
enum { TYPE_A = 1, TYPE_NS = 2, TYPE_CNAME = 5, TYPE_SOA = 6, TYPE_PTR = 12, TYPE_MX = 15 };
enum {
    TYPE_TXT = 16,
    TYPE_AAAA = 28,
    TYPE_SRV = 33,
    TYPE_OPT = 41,
    TYPE_HTTPS = 65,
    TYPE_CAA = 257
};
enum { NOERROR = 0, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 };

struct msg {
    uint8_t bytes[DNS_MAX];
    size_t len;
};

struct question {
    char name[256];
    size_t end; /* where the question ends in the query */
    uint16_t type;
    bool edns;
};

static struct source udp;
static struct source tcp;

static void put8(struct msg *m, unsigned v)
{
    loop_must(m->len < DNS_MAX, "a DNS reply that is too long");
    m->bytes[m->len++] = (uint8_t)v;
}

static void put16(struct msg *m, unsigned v)
{
    put8(m, v >> 8);
    put8(m, v & 0xff);
}

static void put32(struct msg *m, uint32_t v)
{
    put16(m, v >> 16);
    put16(m, v & 0xffff);
}

static void put_bytes(struct msg *m, const void *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        put8(m, ((const uint8_t *)from)[i]);
}

static void put_name(struct msg *m, const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");
        put8(m, (unsigned)n);
        put_bytes(m, name, n);
        name += n + (name[n] == '.');
    }
    put8(m, 0);
}

static void put_text(struct msg *m, const char *text)
{
    put8(m, (unsigned)strlen(text));
    put_bytes(m, text, strlen(text));
}

static void count_up(struct msg *m, size_t at)
{
    unsigned n = (unsigned)(m->bytes[at] << 8 | m->bytes[at + 1]) + 1;
    m->bytes[at] = (uint8_t)(n >> 8);
    m->bytes[at + 1] = (uint8_t)n;
}

/* Opens an answer record owned by the question's name; end_record closes it. */
static size_t begin_record(struct msg *m, uint16_t type)
{
    put16(m, DNS_NAME);
    put16(m, type);
    put16(m, 1);
    put32(m, DNS_TTL);
    put16(m, 0);
    count_up(m, 6);
    return m->len;
}

static void end_record(struct msg *m, size_t start)
{
    size_t len = m->len - start;
    m->bytes[start - 2] = (uint8_t)(len >> 8);
    m->bytes[start - 1] = (uint8_t)len;
}

static void put_soa_data(struct msg *m)
{
    put_name(m, "ns1.ok.test");
    put_name(m, "hostmaster.ok.test");
    put32(m, 2026112201);
    put32(m, 7200);
    put32(m, 3600);
    put32(m, 1209600);
    put32(m, 300);
}

static void add_a(struct msg *m, uint32_t address)
{
    size_t at = begin_record(m, TYPE_A);
    put32(m, address);
    end_record(m, at);
}

static void add_aaaa_loopback(struct msg *m)
{
    static const uint8_t loopback[16] = {[15] = 1};
    size_t at = begin_record(m, TYPE_AAAA);
    put_bytes(m, loopback, sizeof(loopback));
    end_record(m, at);
}

static void add_name(struct msg *m, uint16_t type, const char *name)
{
    size_t at = begin_record(m, type);
    put_name(m, name);
    end_record(m, at);
}

static void add_mx(struct msg *m, unsigned preference, const char *name)
{
    size_t at = begin_record(m, TYPE_MX);
    put16(m, preference);
    put_name(m, name);
    end_record(m, at);
}

static void add_txt(struct msg *m)
{
    size_t at = begin_record(m, TYPE_TXT);
    put_text(m, "v=spf1 -all");
    put_text(m, "a \"second\" string");
    end_record(m, at);
}

static void add_srv(struct msg *m)
{
    size_t at = begin_record(m, TYPE_SRV);
    put16(m, 1);
    put16(m, 2);
    put16(m, 443);
    put_name(m, "srv.ok.test");
    end_record(m, at);
}

static void add_caa(struct msg *m)
{
    size_t at = begin_record(m, TYPE_CAA);
    put8(m, 0);
    put_text(m, "issue");
    put_bytes(m, "ca.test", 7);
    end_record(m, at);
}

static void add_soa(struct msg *m)
{
    size_t at = begin_record(m, TYPE_SOA);
    put_soa_data(m);
    end_record(m, at);
}

static void add_raw(struct msg *m, uint16_t type)
{
    size_t at = begin_record(m, type);
    put_bytes(m, "\x00\x01\x00", 3);
    end_record(m, at);
}

/* An empty answer tells by the SOA in its authority section that it is meant. */
static void add_authority(struct msg *m)
{
    size_t at = begin_record(m, TYPE_SOA);
    put_soa_data(m);
    end_record(m, at);
    m->bytes[7]--;
    count_up(m, 8);
}

static bool is(const struct question *q, const char *label)
{
    size_t n = strlen(label);
    return strncmp(q->name, label, n) == 0 && q->name[n] == '.';
}

static void add_addresses(struct msg *m, const struct question *q)
{
    if (is(q, "many")) {
        for (uint32_t i = 0; i < 200; i++)
            add_a(m, 0x7f000001 + i);
        return;
    }
    if (is(q, "v6"))
        return;
    if (is(q, "private"))
        add_a(m, 0x0a000001);
    else if (is(q, "meta"))
        add_a(m, 0xa9fea9fe);
    else
        add_a(m, 0x7f000001);
}

static void add_answers(struct msg *m, const struct question *q)
{
    switch (q->type) {
    case TYPE_A:
        add_addresses(m, q);
        break;
    case TYPE_AAAA:
        if (is(q, "v6") || is(q, "both"))
            add_aaaa_loopback(m);
        break;
    case TYPE_MX:
        add_mx(m, 10, "mail.ok.test");
        add_mx(m, 20, "mail2.ok.test");
        break;
    case TYPE_NS:
        add_name(m, TYPE_NS, "ns1.ok.test");
        break;
    case TYPE_PTR:
        add_name(m, TYPE_PTR, "host.ok.test");
        break;
    case TYPE_TXT:
        add_txt(m);
        break;
    case TYPE_SOA:
        add_soa(m);
        break;
    case TYPE_SRV:
        add_srv(m);
        break;
    case TYPE_CAA:
        add_caa(m);
        break;
    default:
        if (q->type >= TYPE_HTTPS)
            add_raw(m, q->type);
    }
}

/* alias.* is another name of host.ok.test; loop.* is another name of itself. */
static void add_alias(struct msg *m, const struct question *q)
{
    if (is(q, "loop")) {
        add_name(m, TYPE_CNAME, q->name);
        return;
    }
    add_name(m, TYPE_CNAME, "host.ok.test");
    if (q->type != TYPE_A)
        return;
    put_name(m, "host.ok.test");
    put16(m, TYPE_A);
    put16(m, 1);
    put32(m, DNS_TTL);
    put16(m, 4);
    put32(m, 0x7f000001);
    count_up(m, 6);
}

static bool parse_question(const uint8_t *query, size_t len, struct question *q)
{
    size_t at = 12, out = 0;
    if (len < 17 || query[4] != 0 || query[5] != 1 || (query[2] & 0x80))
        return false;
    while (at < len && query[at] != 0) {
        size_t n = query[at++];
        if (n > 63 || at + n >= len || out + n + 2 > sizeof(q->name))
            return false;
        for (size_t i = 0; i < n; i++)
            q->name[out++] = (char)tolower(query[at + i]);
        q->name[out++] = '.';
        at += n;
    }
    if (at + 5 > len)
        return false;
    if (out > 0)
        out--;
    q->name[out] = '\0';
    q->type = (uint16_t)(query[at + 1] << 8 | query[at + 2]);
    q->end = at + 5;
    q->edns = query[10] != 0 || query[11] != 0;
    return true;
}

static unsigned rcode_of(const struct question *q)
{
    static const struct {
        const char *label;
        unsigned rcode;
    } table[] = {{"nx", NXDOMAIN}, {"servfail", SERVFAIL}, {"refused", REFUSED}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (is(q, table[i].label))
            return table[i].rcode;
    return NOERROR;
}

static void start_reply(struct msg *m, const uint8_t *query, const struct question *q)
{
    m->len = 0;
    put_bytes(m, query, q->end);
    m->bytes[2] = (uint8_t)(0x84 | (query[2] & 0x01));
    m->bytes[3] = 0x80;
    memset(m->bytes + 6, 0, 6);
}

static void fill_reply(struct msg *m, const struct question *q)
{
    unsigned rcode = rcode_of(q);
    m->bytes[3] |= (uint8_t)rcode;
    if (is(q, "wrongid"))
        m->bytes[1] ^= 0x55;
    if (rcode == NOERROR && (is(q, "alias") || is(q, "loop")))
        add_alias(m, q);
    else if (rcode == NOERROR && !is(q, "nodata"))
        add_answers(m, q);
    bool empty = m->bytes[6] == 0 && m->bytes[7] == 0;
    if (empty && (rcode == NOERROR || rcode == NXDOMAIN))
        add_authority(m);
    if (!q->edns)
        return;
    put8(m, 0);
    put16(m, TYPE_OPT);
    put16(m, DNS_UDP_ROOM);
    put32(m, 0);
    put16(m, 0);
    count_up(m, 10);
}

/* A record whose length points far behind the end of the message. */
static void break_reply(struct msg *m)
{
    size_t at = begin_record(m, TYPE_A);
    m->bytes[at - 2] = 0x7f;
    m->bytes[at - 1] = 0xff;
    put8(m, 127);
}

/* False: no answer at all. */
static bool answer(const uint8_t *query, size_t len, bool over_udp, struct msg *m)
{
    struct question q;
    if (!parse_question(query, len, &q) || is(&q, "silent"))
        return false;
    start_reply(m, query, &q);
    if (is(&q, "malformed")) {
        break_reply(m);
        return true;
    }
    fill_reply(m, &q);
    bool too_long = m->len > (q.edns ? DNS_UDP_ROOM : 512);
    if (!over_udp || !(too_long || is(&q, "trunc")))
        return true;
    start_reply(m, query, &q);
    m->bytes[2] |= 0x02;
    return true;
}

static void on_udp(struct source *s, uint32_t events)
{
    static struct msg m;
    uint8_t query[4096];
    for (int i = 0; i < 256; i++) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(s->fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);
        if (n < 0)
            return;
        if (answer(query, (size_t)n, true, &m))
            sendto(s->fd, m.bytes, m.len, 0, (struct sockaddr *)&from, from_len);
    }
}

struct stream {
    struct source src;
    uint8_t in[4096];
    size_t len;
};

static void stream_free(struct stream *t)
{
    loop_close(&t->src);
    free(t);
}

static void stream_answer(struct stream *t)
{
    static struct msg m;
    while (t->len >= 2) {
        size_t need = (size_t)(t->in[0] << 8 | t->in[1]);
        if (t->len < need + 2)
            return;
        if (answer(t->in + 2, need, false, &m)) {
            uint8_t prefix[2] = {(uint8_t)(m.len >> 8), (uint8_t)m.len};
            send(t->src.fd, prefix, 2, MSG_NOSIGNAL | MSG_MORE);
            send(t->src.fd, m.bytes, m.len, MSG_NOSIGNAL);
        }
        t->len -= need + 2;
        memmove(t->in, t->in + need + 2, t->len);
    }
}

static void on_stream(struct source *s, uint32_t events)
{
    struct stream *t = (struct stream *)s;
    ssize_t n = read(s->fd, t->in + t->len, sizeof(t->in) - t->len);
    if (n <= 0) {
        stream_free(t);
        return;
    }
    t->len += (size_t)n;
    stream_answer(t);
}

static void on_tcp(struct source *s, uint32_t events)
{
    int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct stream *t = calloc(1, sizeof(*t));
    loop_must(t != NULL, "calloc");
    t->src.fd = fd;
    t->src.ready = on_stream;
    loop_add(&t->src, EPOLLIN);
}

void dns_serve(const char *addr, uint16_t port)
{
    int room = 4 << 20;
    /* TCP first: a free UDP port of the same number is then nearly certain. */
    tcp.fd = loop_listen(addr, port, SOCK_STREAM, 1024);
    loop_must(tcp.fd >= 0, "listening for DNS on TCP");
    udp.fd = loop_listen(addr, loop_port_of(tcp.fd), SOCK_DGRAM, 0);
    loop_must(udp.fd >= 0, "listening for DNS on UDP");
    setsockopt(udp.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    tcp.ready = on_tcp;
    udp.ready = on_udp;
    loop_add(&tcp, EPOLLIN);
    loop_add(&udp, EPOLLIN);
}

uint16_t dns_port(void)
{
    return loop_port_of(udp.fd);
}
