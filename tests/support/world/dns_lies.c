/* SPDX-License-Identifier: MIT */
#include "tests/support/world/dns_lies.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/world/loop.h"

#define LOOPBACK 0x7f000001
#define PRIVATE  0x0a000001
#define METADATA 0xa9fea9fe
#define PUBLIC   0xc0af3001 /* 192.175.48.1: a sink of AS112, for tests in a network of their own */

enum { CHAIN = 60, MANY_RECORDS = 4096, FLOOD = 200, REBIND_NAMES = 64 };

static void add_a(struct dns_msg *m, uint32_t address)
{
    size_t at = dns_begin_record(m, TYPE_A);
    dns_put32(m, address);
    dns_end_record(m, at);
}

static void add_alias(struct dns_msg *m, const char *owner, const char *of)
{
    size_t at;
    dns_put_name(m, owner);
    dns_put16(m, TYPE_CNAME);
    dns_put16(m, 1);
    dns_put32(m, DNS_TTL);
    dns_put16(m, 0);
    at = m->len;
    dns_put_name(m, of);
    dns_end_record(m, at);
    dns_count_up(m, 6);
}

static void add_a_of(struct dns_msg *m, const char *owner, uint32_t address)
{
    dns_put_name(m, owner);
    dns_put16(m, TYPE_A);
    dns_put16(m, 1);
    dns_put32(m, DNS_TTL);
    dns_put16(m, 4);
    dns_put32(m, address);
    dns_count_up(m, 6);
}

static bool is_even_question(const char *name)
{
    static struct {
        char name[256];
        unsigned asked;
    } seen[REBIND_NAMES];
    size_t i = 0;
    while (seen[i].name[0] && strcmp(seen[i].name, name) != 0)
        i++;
    loop_must(i < REBIND_NAMES - 1, "too many names that are bound again");
    snprintf(seen[i].name, sizeof(seen[i].name), "%s", name);
    return ++seen[i].asked % 2 == 0;
}

static void rebind(struct dns_msg *m, const struct dns_question *q)
{
    add_a(m, is_even_question(q->name) ? PRIVATE : LOOPBACK);
}

static void mixed(struct dns_msg *m, const struct dns_question *q)
{
    add_a(m, PRIVATE);
    add_a(m, METADATA);
    add_a(m, LOOPBACK);
}

static void honest(struct dns_msg *m, const struct dns_question *q)
{
    add_a(m, LOOPBACK);
}

static void public_address(struct dns_msg *m, const struct dns_question *q)
{
    add_a(m, PUBLIC);
}

static void alias_circle(struct dns_msg *m, const struct dns_question *q)
{
    add_alias(m, q->name, "there.lie.test");
    add_alias(m, "there.lie.test", q->name);
}

static void alias_chain(struct dns_msg *m, const struct dns_question *q)
{
    char from[32], to[32];
    add_alias(m, q->name, "link0.lie.test");
    for (int i = 0; i < CHAIN; i++) {
        snprintf(from, sizeof(from), "link%d.lie.test", i);
        snprintf(to, sizeof(to), "link%d.lie.test", i + 1);
        add_alias(m, from, to);
    }
    add_a_of(m, to, LOOPBACK);
}

/* An address, but of a name that nobody has asked for. */
static void of_another(struct dns_msg *m, const struct dns_question *q)
{
    add_a_of(m, "other.lie.test", LOOPBACK);
}

/* All but the first few belong to the root: so many just fit. */
static void many_records(struct dns_msg *m, const struct dns_question *q)
{
    for (uint32_t i = 0; i < MANY_RECORDS; i++)
        add_a_of(m, i < 16 ? q->name : "", LOOPBACK + i % 16);
}

static void another_question(struct dns_msg *m, const struct dns_question *q)
{
    m->bytes[13] ^= 1; /* another letter at the begin of the name */
    add_a(m, LOOPBACK);
}

static void pointer_to_itself(struct dns_msg *m, const struct dns_question *q)
{
    dns_put16(m, 0xC000u | (unsigned)m->len);
    dns_put16(m, TYPE_A);
    dns_put16(m, 1);
    dns_put32(m, DNS_TTL);
    dns_put16(m, 4);
    dns_put32(m, LOOPBACK);
    dns_count_up(m, 6);
}

static void five_bytes(struct dns_msg *m, const struct dns_question *q)
{
    m->len = 5;
}

static void garbage(struct dns_msg *m, const struct dns_question *q)
{
    m->len = 0;
    for (unsigned i = 0; i < 4000; i++)
        dns_put8(m, 0xff ^ (i * 7));
}

static void truncated(struct dns_msg *m, const struct dns_question *q)
{
    m->bytes[2] |= 0x02;
}

typedef void lie_f(struct dns_msg *m, const struct dns_question *q);

/* What one name gets over UDP, and over TCP when somebody asks there. */
static const struct lie {
    const char *label;
    lie_f *udp;
    enum dns_way udp_way;
    lie_f *tcp;
    enum dns_way tcp_way;
} lies[] = {
    {"mixed", mixed, DNS_AS_IT_IS, mixed, DNS_AS_IT_IS},
    {"public", public_address, DNS_AS_IT_IS, public_address, DNS_AS_IT_IS},
    {"circle", alias_circle, DNS_AS_IT_IS, alias_circle, DNS_AS_IT_IS},
    {"chain", truncated, DNS_AS_IT_IS, alias_chain, DNS_AS_IT_IS},
    {"ofanother", of_another, DNS_AS_IT_IS, of_another, DNS_AS_IT_IS},
    {"empty", honest, DNS_EMPTY, honest, DNS_NOT_AT_ALL},
    {"fivebytes", five_bytes, DNS_AS_IT_IS, five_bytes, DNS_AS_IT_IS},
    {"garbage", garbage, DNS_AS_IT_IS, garbage, DNS_AS_IT_IS},
    {"pointer", pointer_to_itself, DNS_AS_IT_IS, pointer_to_itself, DNS_AS_IT_IS},
    {"wrongquestion", another_question, DNS_AS_IT_IS, another_question, DNS_AS_IT_IS},
    {"otherport", honest, DNS_FROM_OTHER_PORT, honest, DNS_AS_IT_IS},
    {"flood", honest, DNS_AFTER_FLOOD, honest, DNS_AS_IT_IS},
    {"tcpsilent", truncated, DNS_AS_IT_IS, honest, DNS_NOT_AT_ALL},
    {"tcpgarbage", truncated, DNS_AS_IT_IS, garbage, DNS_UNFRAMED},
    {"tcpflood", truncated, DNS_AS_IT_IS, honest, DNS_OVER_AND_OVER},
    {"tcpclose", truncated, DNS_AS_IT_IS, honest, DNS_CLOSE},
    {"tcptruncated", truncated, DNS_AS_IT_IS, truncated, DNS_AS_IT_IS},
    {"records", truncated, DNS_AS_IT_IS, many_records, DNS_AS_IT_IS},
};

static const struct lie *find(const struct dns_question *q)
{
    static const struct lie rebinding = {"rebind", rebind, DNS_AS_IT_IS, rebind, DNS_AS_IT_IS};
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
        if (dns_is(q, lies[i].label))
            return &lies[i];
    return strncmp(q->name, "rebind", 6) == 0 ? &rebinding : NULL;
}

bool dns_lies(const uint8_t *query, const struct dns_question *q, bool over_udp, struct dns_msg *m,
              enum dns_way *way)
{
    const struct lie *l = find(q);
    if (!l || (q->type != TYPE_A && l->udp_way == DNS_AS_IT_IS && l->udp != truncated))
        return false;
    dns_start_reply(m, query, q);
    (over_udp ? l->udp : l->tcp)(m, q);
    *way = over_udp ? l->udp_way : l->tcp_way;
    return true;
}

static void send_from_other_port(const struct sockaddr_storage *to, socklen_t to_len,
                                 const struct dns_msg *m)
{
    static int fd = -1;
    if (fd < 0)
        fd = loop_listen("127.0.0.1", 0, SOCK_DGRAM, 0);
    sendto(fd, m->bytes, m->len, 0, (const struct sockaddr *)to, to_len);
}

static void send_flood(int fd, const struct sockaddr_storage *to, socklen_t to_len,
                       struct dns_msg *m)
{
    uint8_t id[2] = {m->bytes[0], m->bytes[1]};
    m->bytes[3] |= NXDOMAIN;
    for (unsigned i = 1; i <= FLOOD; i++) {
        m->bytes[0] = (uint8_t)(id[0] ^ i >> 8);
        m->bytes[1] = (uint8_t)(id[1] ^ i);
        sendto(fd, m->bytes, m->len, 0, (const struct sockaddr *)to, to_len);
    }
    m->bytes[3] &= 0xf0;
    memcpy(m->bytes, id, 2);
    sendto(fd, m->bytes, m->len, 0, (const struct sockaddr *)to, to_len);
}

void dns_lies_send(int fd, const struct sockaddr_storage *to, socklen_t to_len, struct dns_msg *m,
                   enum dns_way way)
{
    switch (way) {
    case DNS_EMPTY:
        sendto(fd, "", 0, 0, (const struct sockaddr *)to, to_len);
        break;
    case DNS_FROM_OTHER_PORT:
        send_from_other_port(to, to_len, m);
        break;
    case DNS_AFTER_FLOOD:
        send_flood(fd, to, to_len, m);
        break;
    case DNS_AS_IT_IS:
        sendto(fd, m->bytes, m->len, 0, (const struct sockaddr *)to, to_len);
        break;
    default:
        break;
    }
}
