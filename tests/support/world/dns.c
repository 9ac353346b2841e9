/* SPDX-License-Identifier: MIT */
#include "tests/support/world/dns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/world/dns_lies.h"
#include "tests/support/world/loop.h"

static struct source udp;
static struct source tcp;

static void put_soa_data(struct dns_msg *m)
{
    dns_put_name(m, "ns1.ok.test");
    dns_put_name(m, "hostmaster.ok.test");
    dns_put32(m, 2026112201);
    dns_put32(m, 7200);
    dns_put32(m, 3600);
    dns_put32(m, 1209600);
    dns_put32(m, 300);
}

static void add_a(struct dns_msg *m, uint32_t address)
{
    size_t at = dns_begin_record(m, TYPE_A);
    dns_put32(m, address);
    dns_end_record(m, at);
}

static void add_aaaa_loopback(struct dns_msg *m)
{
    static const uint8_t loopback[16] = {[15] = 1};
    size_t at = dns_begin_record(m, TYPE_AAAA);
    dns_put_bytes(m, loopback, sizeof(loopback));
    dns_end_record(m, at);
}

static void add_name(struct dns_msg *m, uint16_t type, const char *name)
{
    size_t at = dns_begin_record(m, type);
    dns_put_name(m, name);
    dns_end_record(m, at);
}

static void add_mx(struct dns_msg *m, unsigned preference, const char *name)
{
    size_t at = dns_begin_record(m, TYPE_MX);
    dns_put16(m, preference);
    dns_put_name(m, name);
    dns_end_record(m, at);
}

static void add_txt(struct dns_msg *m)
{
    size_t at = dns_begin_record(m, TYPE_TXT);
    dns_put_text(m, "v=spf1 -all");
    dns_put_text(m, "a \"second\" string");
    dns_end_record(m, at);
}

static void add_srv(struct dns_msg *m)
{
    size_t at = dns_begin_record(m, TYPE_SRV);
    dns_put16(m, 1);
    dns_put16(m, 2);
    dns_put16(m, 443);
    dns_put_name(m, "srv.ok.test");
    dns_end_record(m, at);
}

static void add_caa(struct dns_msg *m)
{
    size_t at = dns_begin_record(m, TYPE_CAA);
    dns_put8(m, 0);
    dns_put_text(m, "issue");
    dns_put_bytes(m, "ca.test", 7);
    dns_end_record(m, at);
}

static void add_soa(struct dns_msg *m)
{
    size_t at = dns_begin_record(m, TYPE_SOA);
    put_soa_data(m);
    dns_end_record(m, at);
}

static void add_raw(struct dns_msg *m, uint16_t type)
{
    size_t at = dns_begin_record(m, type);
    dns_put_bytes(m, "\x00\x01\x00", 3);
    dns_end_record(m, at);
}

/* An empty answer tells by the SOA in its authority section that it is meant. */
static void add_authority(struct dns_msg *m)
{
    size_t at = dns_begin_record(m, TYPE_SOA);
    put_soa_data(m);
    dns_end_record(m, at);
    m->bytes[7]--;
    dns_count_up(m, 8);
}

static void add_addresses(struct dns_msg *m, const struct dns_question *q)
{
    if (dns_is(q, "many")) {
        for (uint32_t i = 0; i < 200; i++)
            add_a(m, 0x7f000001 + i);
        return;
    }
    if (dns_is(q, "v6"))
        return;
    if (dns_is(q, "private"))
        add_a(m, 0x0a000001);
    else if (dns_is(q, "meta"))
        add_a(m, 0xa9fea9fe);
    else
        add_a(m, 0x7f000001);
}

static void add_answers(struct dns_msg *m, const struct dns_question *q)
{
    switch (q->type) {
    case TYPE_A:
        add_addresses(m, q);
        break;
    case TYPE_AAAA:
        if (dns_is(q, "v6") || dns_is(q, "both"))
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
static void add_alias(struct dns_msg *m, const struct dns_question *q)
{
    if (dns_is(q, "loop")) {
        add_name(m, TYPE_CNAME, q->name);
        return;
    }
    add_name(m, TYPE_CNAME, "host.ok.test");
    if (q->type != TYPE_A)
        return;
    dns_put_name(m, "host.ok.test");
    dns_put16(m, TYPE_A);
    dns_put16(m, 1);
    dns_put32(m, DNS_TTL);
    dns_put16(m, 4);
    dns_put32(m, 0x7f000001);
    dns_count_up(m, 6);
}

static unsigned rcode_of(const struct dns_question *q)
{
    static const struct {
        const char *label;
        unsigned rcode;
    } table[] = {{"nx", NXDOMAIN}, {"servfail", SERVFAIL}, {"refused", REFUSED}};
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (dns_is(q, table[i].label))
            return table[i].rcode;
    return NOERROR;
}

static void fill_reply(struct dns_msg *m, const struct dns_question *q)
{
    unsigned rcode = rcode_of(q);
    m->bytes[3] |= (uint8_t)rcode;
    if (dns_is(q, "wrongid"))
        m->bytes[1] ^= 0x55;
    if (rcode == NOERROR && (dns_is(q, "alias") || dns_is(q, "loop")))
        add_alias(m, q);
    else if (rcode == NOERROR && !dns_is(q, "nodata"))
        add_answers(m, q);
    bool empty = m->bytes[6] == 0 && m->bytes[7] == 0;
    if (empty && (rcode == NOERROR || rcode == NXDOMAIN))
        add_authority(m);
    if (!q->edns)
        return;
    dns_put8(m, 0);
    dns_put16(m, TYPE_OPT);
    dns_put16(m, DNS_UDP_ROOM);
    dns_put32(m, 0);
    dns_put16(m, 0);
    dns_count_up(m, 10);
}

/* A record whose length points far behind the end of the message. */
static void break_reply(struct dns_msg *m)
{
    size_t at = dns_begin_record(m, TYPE_A);
    m->bytes[at - 2] = 0x7f;
    m->bytes[at - 1] = 0xff;
    dns_put8(m, 127);
}

static enum dns_way answer(const uint8_t *query, size_t len, bool over_udp, struct dns_msg *m)
{
    struct dns_question q;
    enum dns_way way;
    if (!dns_parse_question(query, len, &q) || dns_is(&q, "silent"))
        return DNS_NOT_AT_ALL;
    if (dns_lies(query, &q, over_udp, m, &way))
        return way;
    dns_start_reply(m, query, &q);
    if (dns_is(&q, "malformed")) {
        break_reply(m);
        return DNS_AS_IT_IS;
    }
    fill_reply(m, &q);
    bool too_long = m->len > (q.edns ? DNS_UDP_ROOM : 512);
    if (!over_udp || !(too_long || dns_is(&q, "trunc")))
        return DNS_AS_IT_IS;
    dns_start_reply(m, query, &q);
    m->bytes[2] |= 0x02;
    return DNS_AS_IT_IS;
}

static void on_udp(struct source *s, uint32_t events)
{
    static struct dns_msg m;
    uint8_t query[4096];
    for (int i = 0; i < 256; i++) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(s->fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);
        if (n < 0)
            return;
        enum dns_way way = answer(query, (size_t)n, true, &m);
        dns_lies_send(s->fd, &from, from_len, &m, way);
    }
}

struct stream {
    struct source src;
    uint8_t in[4096];
    size_t len;
    struct dns_msg flood;
};

static void stream_free(struct stream *t)
{
    loop_close(&t->src);
    free(t);
}

static void on_flood(struct source *s, uint32_t events)
{
    static char frames[65536];
    struct stream *t = (struct stream *)s;
    size_t one = t->flood.len + 2;
    for (size_t at = 0; at + one <= sizeof(frames); at += one) {
        frames[at] = (char)(t->flood.len >> 8);
        frames[at + 1] = (char)t->flood.len;
        memcpy(frames + at + 2, t->flood.bytes, t->flood.len);
    }
    if (send(s->fd, frames, sizeof(frames) / one * one, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        stream_free(t);
}

static void stream_flood(struct stream *t, const struct dns_msg *m)
{
    t->flood = *m;
    t->flood.bytes[0] ^= 0x55;
    t->src.ready = on_flood;
    loop_change(&t->src, EPOLLOUT);
}

static void stream_send(struct stream *t, const struct dns_msg *m, enum dns_way way)
{
    uint8_t prefix[2] = {(uint8_t)(m->len >> 8), (uint8_t)m->len};
    if (way == DNS_NOT_AT_ALL)
        return;
    if (way == DNS_OVER_AND_OVER) {
        stream_flood(t, m);
        return;
    }
    if (way == DNS_AS_IT_IS)
        send(t->src.fd, prefix, 2, MSG_NOSIGNAL | MSG_MORE);
    send(t->src.fd, m->bytes, m->len, MSG_NOSIGNAL);
}

/* False: the connection is to end. */
static bool stream_answer(struct stream *t)
{
    static struct dns_msg m;
    while (t->len >= 2) {
        size_t need = (size_t)(t->in[0] << 8 | t->in[1]);
        if (t->len < need + 2)
            return true;
        enum dns_way way = answer(t->in + 2, need, false, &m);
        if (way == DNS_CLOSE)
            return false;
        stream_send(t, &m, way);
        t->len -= need + 2;
        memmove(t->in, t->in + need + 2, t->len);
    }
    return true;
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
    if (!stream_answer(t))
        stream_free(t);
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
    const struct loop_place places[] = {{addr, SOCK_STREAM, 1024, false},
                                        {addr, SOCK_DGRAM, 0, false}};
    int room = 4 << 20, fds[2];
    loop_listen_same(places, 2, port, fds);
    tcp.fd = fds[0];
    udp.fd = fds[1];
    setsockopt(udp.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    tcp.ready = on_tcp;
    udp.ready = on_udp;
    loop_add(&tcp, EPOLLIN);
    loop_add(&udp, EPOLLIN);
}

uint16_t dns_serve_udp_only(const char *addr)
{
    static struct source lone = {.ready = on_udp};
    /* TCP is bound and does not listen: it refuses, and nobody else can take the port. */
    const struct loop_place places[] = {{addr, SOCK_STREAM, -1, false},
                                        {addr, SOCK_DGRAM, 0, false}};
    int fds[2];
    loop_listen_same(places, 2, 0, fds);
    lone.fd = fds[1];
    loop_add(&lone, EPOLLIN);
    return loop_port_of(lone.fd);
}

uint16_t dns_port(void)
{
    return loop_port_of(udp.fd);
}
