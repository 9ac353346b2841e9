/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_svcb.h"
#include <arpa/inet.h>

#define BAD_VALUE "a service parameter has a bad value"

/* Every reader takes all of v, which ends where the value does. */
typedef void param_f(struct dns_cur *v, struct strbuf *b);

static param_f put_keys, put_alpn, put_nothing, put_port, put_ipv4, put_ipv6, put_base64,
    put_string;

static const struct {
    const char *name;
    param_f *put;
} params[] = {
    /* by key */
    {"mandatory", put_keys}, {"alpn", put_alpn},      {"no-default-alpn", put_nothing},
    {"port", put_port},      {"ipv4hint", put_ipv4},  {"ech", put_base64},
    {"ipv6hint", put_ipv6},  {"dohpath", put_string}, {"ohttp", put_nothing},
};

static void put_key(unsigned key, struct strbuf *b)
{
    if (key < ARRAY_LEN(params))
        strbuf_puts(b, params[key].name);
    else
        strbuf_printf(b, "key%u", key);
}

/* mandatory: at least one key, ascending, itself not among them (RFC 9460 §8). */
static void put_keys(struct dns_cur *v, struct strbuf *b)
{
    unsigned last = 0;
    do {
        unsigned key = dns_cur_uint(v, 2);
        if (key <= last)
            dns_cur_fail(v, BAD_VALUE);
        if (last > 0)
            strbuf_putc(b, ',');
        put_key(key, b);
        last = key;
    } while (v->pos < v->end && v->why == NULL);
}

/* An item of a list: commas and backslashes are escaped for the list (RFC 9460 appendix A.1), then
 * again for the string it stands in. */
static void put_item(const uint8_t *p, size_t n, struct strbuf *b)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\')
            strbuf_puts(b, "\\\\\\\\");
        else if (p[i] == ',')
            strbuf_puts(b, "\\\\,");
        else
            dns_text_octet(b, p[i], "\"");
    }
}

static void put_alpn(struct dns_cur *v, struct strbuf *b)
{
    strbuf_putc(b, '"');
    for (bool first = true; first || (v->pos < v->end && v->why == NULL); first = false) {
        size_t n = dns_cur_uint(v, 1);
        const uint8_t *p = dns_cur_bytes(v, n);
        if (n == 0)
            dns_cur_fail(v, BAD_VALUE);
        if (p == NULL)
            return;
        if (!first)
            strbuf_putc(b, ',');
        put_item(p, n, b);
    }
    strbuf_putc(b, '"');
}

static void put_nothing(struct dns_cur *v, struct strbuf *b)
{
}

static void put_port(struct dns_cur *v, struct strbuf *b)
{
    strbuf_u64(b, dns_cur_uint(v, 2));
}

static void put_addresses(struct dns_cur *v, int family, size_t size, struct strbuf *b)
{
    for (bool first = true; first || (v->pos < v->end && v->why == NULL); first = false) {
        char text[INET6_ADDRSTRLEN];
        const uint8_t *p = dns_cur_bytes(v, size);
        if (p == NULL || inet_ntop(family, p, text, sizeof(text)) == NULL)
            return;
        if (!first)
            strbuf_putc(b, ',');
        strbuf_puts(b, text);
    }
}

static void put_ipv4(struct dns_cur *v, struct strbuf *b)
{
    put_addresses(v, AF_INET, 4, b);
}

static void put_ipv6(struct dns_cur *v, struct strbuf *b)
{
    put_addresses(v, AF_INET6, 16, b);
}

static void put_base64(struct dns_cur *v, struct strbuf *b)
{
    if (v->pos == v->end)
        dns_cur_fail(v, BAD_VALUE);
    dns_text_base64(v, b);
}

static void put_string(struct dns_cur *v, struct strbuf *b)
{
    dns_text_quoted(v, v->end - v->pos, b);
}

static void put_param(unsigned key, struct dns_cur *v, struct strbuf *b)
{
    param_f *put = key < ARRAY_LEN(params) ? params[key].put : put_string;
    put_key(key, b);
    if (put != put_nothing && (put != put_string || v->pos < v->end)) {
        strbuf_putc(b, '=');
        put(v, b);
    }
    if (v->pos != v->end)
        dns_cur_fail(v, BAD_VALUE);
}

void dns_svcb_params(struct dns_cur *c, struct strbuf *b)
{
    for (int last = -1; c->pos < c->end && c->why == NULL;) {
        int key = (int)dns_cur_uint(c, 2);
        size_t n = dns_cur_uint(c, 2);
        struct dns_cur value = {.msg = c->msg, .pos = c->pos, .end = c->pos + n};
        if (dns_cur_bytes(c, n) == NULL)
            return;
        if (key <= last)
            dns_cur_fail(c, "the keys of service parameters do not ascend");
        if (last >= 0)
            strbuf_putc(b, ' ');
        put_param((unsigned)key, &value, b);
        if (value.why != NULL)
            dns_cur_fail(c, value.why);
        last = key;
    }
}
