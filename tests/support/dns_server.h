/* SPDX-License-Identifier: MIT */
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include "common/require.h"

/*
 * dns_server - a tiny DNS server on loopback for unit tests, UDP and TCP on one port, in a thread
 * of its own.
 *
 * The first label of the name asked for chooses the behaviour (dns_server_rules below); any other
 * name gets one record: A 192.0.2.1, AAAA 2001:db8::1, or an empty answer. `second` and `recovers`
 * are silent and SERVFAIL to the first question that the server gets.
 */
struct dns_server {
    int udp, tcp, stop[2];
    uint16_t port;
    pthread_t thread;
    atomic_bool mute; /* answers nothing at all */
    atomic_uint asked, asked_tcp, asked_aaaa;
    int held[64]; /* TCP connections that never get an answer */
    unsigned n_held;
};

struct dns_server_reply {
    uint8_t b[4096];
    size_t len;
};

static inline void dns_server_put(struct dns_server_reply *r, const void *p, size_t n)
{
    REQUIRE(r->len + n <= sizeof(r->b));
    memcpy(r->b + r->len, p, n);
    r->len += n;
}

static inline void dns_server_rr(struct dns_server_reply *r, unsigned type, const void *rdata,
                                 size_t n)
{
    uint8_t head[12] = {0xc0, 0x0c,      (uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0, 0, 60,
                        0,    (uint8_t)n};
    dns_server_put(r, head, sizeof(head));
    dns_server_put(r, rdata, n);
    r->b[7]++; /* ANCOUNT */
}

static inline bool dns_server_is(const uint8_t *query, const char *label)
{
    return query[12] == strlen(label) &&
           strncasecmp((const char *)query + 13, label, query[12]) == 0;
}

static inline void dns_server_address(struct dns_server_reply *r, unsigned type)
{
    static const uint8_t v4[4] = {192, 0, 2, 1};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    if (type == 1)
        dns_server_rr(r, 1, v4, 4);
    if (type == 28)
        dns_server_rr(r, 28, v6, 16);
}

/* Copies header and question as an answer with this rcode. */
static inline void dns_server_begin(struct dns_server_reply *r, const uint8_t *q,
                                    size_t question_end, unsigned rcode)
{
    r->len = 0;
    dns_server_put(r, q, question_end);
    r->b[2] = (uint8_t)(0x80 | (q[2] & 1));
    r->b[3] = (uint8_t)(0x80 | rcode);
    memset(r->b + 4, 0, 8);
    r->b[5] = 1;
}

static inline unsigned dns_server_rcode(const uint8_t *q)
{
    static const struct {
        const char *label;
        unsigned rcode;
    } codes[] = {{"formerr", 1}, {"servfail", 2}, {"nx", 3}, {"notimp", 4}, {"refused", 5}};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++)
        if (dns_server_is(q, codes[i].label))
            return codes[i].rcode;
    return 0;
}

static inline void dns_server_many(struct dns_server_reply *r, unsigned type, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        dns_server_address(r, type);
}

static inline void dns_server_fill(struct dns_server_reply *r, const uint8_t *q, unsigned type,
                                   bool tcp)
{
    static const char cname[] = "\5other\xc0\x0c";
    static const uint8_t six[4] = {192, 0, 2, 7}, loopback[4] = {127, 0, 0, 1};
    if (dns_server_is(q, "nodata") ||
        ((dns_server_is(q, "v4") || dns_server_is(q, "v4fails")) && type == 28) ||
        (dns_server_is(q, "v6") && type == 1))
        return;
    if (dns_server_is(q, "home")) { /* this machine, by IPv4 alone */
        if (type == 1)
            dns_server_rr(r, type, loopback, sizeof(loopback));
    } else if (dns_server_is(q, "short")) {
        dns_server_rr(r, type, "abc", 3);
    } else if (dns_server_is(q, "cname")) {
        dns_server_rr(r, 5, cname, sizeof(cname) - 1);
        size_t at =
            r->len - (sizeof(cname) - 1); /* the owner of the next record is the CNAME's target */
        dns_server_rr(r, 1, six, 4);
        r->b[r->len - 16] = (uint8_t)(0xc0 | at >> 8);
        r->b[r->len - 15] = (uint8_t)at;
    } else if (dns_server_is(q, "dangling")) {
        dns_server_rr(r, 5, cname, sizeof(cname) - 1);
    } else if (dns_server_is(q, "big") && tcp) {
        dns_server_many(r, type, 100);
    } else if ((dns_server_is(q, "big") || dns_server_is(q, "tcpclose") ||
                dns_server_is(q, "tcphang")) &&
               !tcp) {
        r->b[2] |= 2; /* TC */
    } else {
        dns_server_address(r, type);
    }
}

/* 0: no answer. */
static inline size_t dns_server_answer(struct dns_server *s, const uint8_t *q, size_t len, bool tcp,
                                       struct dns_server_reply *r)
{
    size_t at = 12;
    while (at < len && q[at] != 0)
        at += q[at] + 1u;
    if (at + 5 > len)
        return 0;
    unsigned type = (unsigned)q[at + 1] << 8 | q[at + 2];
    bool first = atomic_fetch_add(&s->asked, 1) == 0;
    if (type == 28)
        atomic_fetch_add(&s->asked_aaaa, 1);
    if (atomic_load(&s->mute) || dns_server_is(q, "silent") ||
        (dns_server_is(q, "second") && first) || (dns_server_is(q, "v6silent") && type == 28) ||
        ((dns_server_is(q, "v4silent") || dns_server_is(q, "v4fails")) && type == 1))
        return 0;
    unsigned rcode = dns_server_is(q, "recovers") && first ? 2 : dns_server_rcode(q);
    dns_server_begin(r, q, at + 5, rcode);
    if (rcode == 0)
        dns_server_fill(r, q, type, tcp);
    return r->len;
}

static inline void dns_server_on_udp(struct dns_server *s)
{
    uint8_t q[1500];
    struct dns_server_reply r = {.len = 0};
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t n = recvfrom(s->udp, q, sizeof(q), 0, (struct sockaddr *)&from, &from_len);
    if (n < 12 || dns_server_answer(s, q, (size_t)n, false, &r) == 0)
        return;
    if (dns_server_is(q, "spoof") || dns_server_is(q, "wrongid")) {
        r.b[1] ^= 0x55;
        (void)!sendto(s->udp, r.b, r.len, 0, (struct sockaddr *)&from, from_len);
        r.b[1] ^= 0x55;
        r.b[13] ^= 0x01; /* the right id, another question */
        (void)!sendto(s->udp, r.b, r.len, 0, (struct sockaddr *)&from, from_len);
        r.b[13] ^= 0x01;
    }
    if (!dns_server_is(q, "wrongid"))
        (void)!sendto(s->udp, r.b, r.len, 0, (struct sockaddr *)&from, from_len);
}

static inline bool dns_server_read(int fd, uint8_t *p, size_t n)
{
    for (size_t got = 0; got < n;) {
        ssize_t k = recv(fd, p + got, n - got, 0);
        if (k <= 0)
            return false;
        got += (size_t)k;
    }
    return true;
}

static inline void dns_server_on_tcp(struct dns_server *s)
{
    uint8_t q[1500], frame[2];
    struct dns_server_reply r = {.len = 0};
    int fd = accept(s->tcp, NULL, NULL);
    if (fd < 0)
        return;
    atomic_fetch_add(&s->asked_tcp, 1);
    size_t n = dns_server_read(fd, frame, 2) ? (size_t)(frame[0] << 8 | frame[1]) : 0;
    if (n < 12 || n > sizeof(q) || !dns_server_read(fd, q, n) || dns_server_is(q, "tcpclose")) {
        close(fd);
        return;
    }
    if (dns_server_is(q, "tcphang") || dns_server_answer(s, q, n, true, &r) == 0) {
        REQUIRE(s->n_held < ARRAY_LEN(s->held));
        s->held[s->n_held++] = fd;
        return;
    }
    frame[0] = (uint8_t)(r.len >> 8);
    frame[1] = (uint8_t)r.len;
    (void)!send(fd, frame, 1, MSG_NOSIGNAL); /* in pieces, as a network may */
    (void)!send(fd, frame + 1, 1, MSG_NOSIGNAL);
    (void)!send(fd, r.b, r.len / 2, MSG_NOSIGNAL);
    (void)!send(fd, r.b + r.len / 2, r.len - r.len / 2, MSG_NOSIGNAL);
    close(fd);
}

static inline void *dns_server_main(void *arg)
{
    struct dns_server *s = arg;
    struct pollfd p[3] = {{.fd = s->stop[0], .events = POLLIN},
                          {.fd = s->udp, .events = POLLIN},
                          {.fd = s->tcp, .events = POLLIN}};
    for (;;) {
        if (poll(p, 3, -1) < 0)
            continue;
        if (p[0].revents)
            return NULL;
        if (p[1].revents)
            dns_server_on_udp(s);
        if (p[2].revents)
            dns_server_on_tcp(s);
    }
}

static inline bool dns_server_bind(struct dns_server *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int room = 4 << 20; /* hundreds of questions at once, while this thread waits for a processor */
    setsockopt(s->udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    REQUIRE(s->udp >= 0 && s->tcp >= 0);
    if (bind(s->udp, (struct sockaddr *)&a, len) == 0 &&
        getsockname(s->udp, (struct sockaddr *)&a, &len) == 0 &&
        bind(s->tcp, (struct sockaddr *)&a, len) == 0 && listen(s->tcp, 16) == 0) {
        s->port = ntohs(a.sin_port);
        return true;
    }
    close(s->udp);
    close(s->tcp);
    return false;
}

static inline void dns_server_start(struct dns_server *s)
{
    memset(s, 0, sizeof(*s));
    for (int tries = 0; !dns_server_bind(s); tries++)
        REQUIRE(tries < 100); /* the UDP port may be taken for TCP */
    REQUIRE(pipe(s->stop) == 0);
    PTOK(pthread_create(&s->thread, NULL, dns_server_main, s));
}

static inline void dns_server_stop(struct dns_server *s)
{
    REQUIRE(write(s->stop[1], "x", 1) == 1);
    PTOK(pthread_join(s->thread, NULL));
    for (unsigned i = 0; i < s->n_held; i++)
        close(s->held[i]);
    close(s->udp);
    close(s->tcp);
    close(s->stop[0]);
    close(s->stop[1]);
}
