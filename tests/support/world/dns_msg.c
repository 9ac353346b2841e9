/* SPDX-License-Identifier: MIT */
#include "tests/support/world/dns_msg.h"

#include <ctype.h>
#include <string.h>

#include "tests/support/world/loop.h"

void dns_put8(struct dns_msg *m, unsigned v)
{
    loop_must(m->len < DNS_MAX, "a DNS reply that is too long");
    m->bytes[m->len++] = (uint8_t)v;
}

void dns_put16(struct dns_msg *m, unsigned v)
{
    dns_put8(m, v >> 8);
    dns_put8(m, v & 0xff);
}

void dns_put32(struct dns_msg *m, uint32_t v)
{
    dns_put16(m, v >> 16);
    dns_put16(m, v & 0xffff);
}

void dns_put_bytes(struct dns_msg *m, const void *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        dns_put8(m, ((const uint8_t *)from)[i]);
}

void dns_put_name(struct dns_msg *m, const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");
        dns_put8(m, (unsigned)n);
        dns_put_bytes(m, name, n);
        name += n + (name[n] == '.');
    }
    dns_put8(m, 0);
}

void dns_put_text(struct dns_msg *m, const char *text)
{
    dns_put8(m, (unsigned)strlen(text));
    dns_put_bytes(m, text, strlen(text));
}

void dns_count_up(struct dns_msg *m, size_t at)
{
    unsigned n = (unsigned)(m->bytes[at] << 8 | m->bytes[at + 1]) + 1;
    m->bytes[at] = (uint8_t)(n >> 8);
    m->bytes[at + 1] = (uint8_t)n;
}

size_t dns_begin_record(struct dns_msg *m, uint16_t type)
{
    dns_put16(m, DNS_NAME);
    dns_put16(m, type);
    dns_put16(m, 1);
    dns_put32(m, DNS_TTL);
    dns_put16(m, 0);
    dns_count_up(m, 6);
    return m->len;
}

void dns_end_record(struct dns_msg *m, size_t start)
{
    size_t len = m->len - start;
    m->bytes[start - 2] = (uint8_t)(len >> 8);
    m->bytes[start - 1] = (uint8_t)len;
}

bool dns_is(const struct dns_question *q, const char *label)
{
    size_t n = strlen(label);
    return strncmp(q->name, label, n) == 0 && q->name[n] == '.';
}

bool dns_parse_question(const uint8_t *query, size_t len, struct dns_question *q)
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

void dns_start_reply(struct dns_msg *m, const uint8_t *query, const struct dns_question *q)
{
    m->len = 0;
    dns_put_bytes(m, query, q->end);
    m->bytes[2] = (uint8_t)(0x84 | (query[2] & 0x01));
    m->bytes[3] = 0x80;
    memset(m->bytes + 6, 0, 6);
}
