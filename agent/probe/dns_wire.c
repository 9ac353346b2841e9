/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_wire.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/probe/dns_text.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "proto/target.h"

#define FLAG_QR     0x8000
#define FLAG_AA     0x0400
#define FLAG_TC     0x0200
#define FLAG_RD     0x0100
#define FLAG_RA     0x0080
#define FLAG_AD     0x0020
#define FLAG_CD     0x0010
#define OPCODE_MASK 0x7800
#define RCODE_MASK  0x000f
#define EDNS_DO     0x8000
#define OPTION_EDE  15
#define CLASS_IN    1
#define TYPE_OPT    41
#define TYPE_ANY    255

static uint8_t *put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* RFC 6891 §6.1.2: root name, type, our UDP size as class, flags as TTL, no options. */
static uint8_t *put_opt(uint8_t *p, uint16_t udp_size, bool dnssec)
{
    *p++ = 0;
    p = put16(p, TYPE_OPT);
    p = put16(p, udp_size);
    p = put16(p, 0);
    p = put16(p, dnssec ? EDNS_DO : 0);
    return put16(p, 0);
}

enum err dns_query_build(const struct dns_query *q, uint8_t *buf, size_t cap, size_t *len)
{
    REQUIRE(cap >= DNS_QUERY_MAX);
    bool edns = q->edns_size > 0;
    REQUIRE(edns || !q->dnssec);
    uint8_t *p = put16(buf, q->id);
    p = put16(p, q->recursion ? FLAG_RD : 0);
    p = put16(p, 1);
    p = put16(p, 0);
    p = put16(p, 0);
    p = put16(p, edns ? 1 : 0);
    size_t n = dns_text_to_wire(q->name, p, DNS_NAME_WIRE_MAX);
    if (n == 0)
        return ERR_INVALID;
    p = put16(p + n, q->type);
    p = put16(p, CLASS_IN);
    if (edns)
        p = put_opt(p, q->edns_size, q->dnssec);
    *len = (size_t)(p - buf);
    REQUIRE(*len <= cap);
    return ERR_NONE;
}

bool dns_reply_truncated(const uint8_t *msg)
{
    return (get16(msg + 2) & FLAG_TC) != 0;
}

/* Octet for octet but for the case of letters: length octets are below 'A' and stay what they are.
 */
static bool wire_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t x = a[i], y = b[i];
        x = x >= 'A' && x <= 'Z' ? x | 0x20 : x;
        y = y >= 'A' && y <= 'Z' ? y | 0x20 : y;
        if (x != y)
            return false;
    }
    return true;
}

static bool question_matches(const struct dns_query *q, const uint8_t *msg, size_t len)
{
    uint8_t want[DNS_NAME_WIRE_MAX + 4];
    size_t n = dns_text_to_wire(q->name, want, DNS_NAME_WIRE_MAX);
    REQUIRE(n > 0); /* dns_query_build accepted it */
    put16(put16(want + n, q->type), CLASS_IN);
    if (len < DNS_HEADER_BYTES + n + 4)
        return false;
    const uint8_t *got = msg + DNS_HEADER_BYTES;
    return wire_equal(got, want, n) && memcmp(got + n, want + n, 4) == 0;
}

bool dns_reply_matches(const struct dns_query *q, const uint8_t *msg, size_t len)
{
    if (len < DNS_HEADER_BYTES || get16(msg) != q->id)
        return false;
    uint16_t flags = get16(msg + 2), questions = get16(msg + 4);
    if ((flags & FLAG_QR) == 0 || (flags & OPCODE_MASK) != 0)
        return false;
    if (questions == 0)
        return (flags & RCODE_MASK) != 0;
    return questions == 1 && question_matches(q, msg, len);
}

/* ---- the reply */

struct walk {
    struct dns_cur c;
    struct dns_message *m;
    uint16_t type;      /* asked for */
    uint16_t counts[3]; /* as the header states them */
    unsigned read, kept;
    size_t kept_text;
    struct strbuf name, data;
};

static void read_flags(struct dns_message *m, uint16_t flags)
{
    m->qr = flags & FLAG_QR;
    m->aa = flags & FLAG_AA;
    m->tc = flags & FLAG_TC;
    m->rd = flags & FLAG_RD;
    m->ra = flags & FLAG_RA;
    m->ad = flags & FLAG_AD;
    m->cd = flags & FLAG_CD;
    m->rcode = flags & RCODE_MASK;
}

static void skip_questions(struct walk *w, unsigned n)
{
    for (unsigned i = 0; i < n && w->c.why == NULL; i++) {
        strbuf_reset(&w->name);
        dns_cur_name(&w->c, &w->name);
        (void)dns_cur_bytes(&w->c, 4);
    }
}

static void keep_record(struct walk *w, unsigned section, uint16_t type, uint32_t ttl)
{
    struct dns_message *m = w->m;
    size_t text = w->name.len + w->data.len;
    if (w->name.overflow || w->data.overflow || w->kept >= DNS_RR_KEEP_MAX ||
        text > DNS_TEXT_KEEP_MAX - w->kept_text)
        return;
    char type_text[RRTYPE_TEXT_MAX];
    struct result_rr **list = &m->sections[section];
    unsigned *n = &m->n_sections[section];
    if (*list == NULL) /* no bigger than the section says it is: most have one record */
        *list =
            mem_array(w->counts[section] < DNS_RR_KEEP_MAX ? w->counts[section] : DNS_RR_KEEP_MAX,
                      sizeof(**list));
    (*list)[(*n)++] = (struct result_rr){
        .name = mem_strdup(w->name.data),
        .type = mem_strdup(rrtype_format(type, type_text)),
        .data = mem_strdup(w->data.data),
        .ttl = ttl,
    };
    w->kept++;
    w->kept_text += text;
}

static void count_record(struct walk *w, unsigned section, uint16_t type)
{
    w->m->n_records++;
    if (section != 0)
        return;
    w->m->n_answers++;
    w->m->n_matching += type == w->type || w->type == TYPE_ANY;
}

static void keep_ede(struct result_edns *e, const uint8_t *p, size_t n)
{
    struct result_ede *ede = &e->ede[e->n_ede++];
    ede->code = get16(p);
    if (n == 2)
        return;
    struct strbuf text;
    strbuf_init(&text, DNS_EDE_TEXT_MAX + 1);
    utf8_sanitize(&text, (const char *)p + 2, n - 2, DNS_EDE_TEXT_MAX);
    ede->text = mem_strndup(text.data, text.len);
    strbuf_fini(&text);
}

static void read_options(struct dns_cur *c, struct result_edns *e)
{
    while (c->pos < c->end && c->why == NULL) {
        unsigned code = dns_cur_uint(c, 2);
        size_t n = dns_cur_uint(c, 2);
        const uint8_t *p = dns_cur_bytes(c, n);
        if (p == NULL || code != OPTION_EDE)
            continue;
        if (n < 2)
            dns_cur_fail(c, "an extended error is too short");
        else if (e->n_ede < RESULT_EDE_MAX)
            keep_ede(e, p, n);
    }
}

/* RFC 6891 §6.1.3: the class is the sender's UDP size; the TTL is the rcode's upper bits, the
 * version and flags. */
static void read_opt(struct walk *w, uint16_t udp_size, uint32_t ttl, struct dns_cur *rdata)
{
    struct dns_message *m = w->m;
    if (m->edns != NULL) {
        dns_cur_fail(rdata, "it is a second OPT");
        return;
    }
    m->rcode |= (int)(ttl >> 24) << 4;
    m->edns = mem_zalloc(sizeof(*m->edns));
    *m->edns = (struct result_edns){
        .udp_size = udp_size, .version = (uint8_t)(ttl >> 16), .dnssec_ok = (ttl & EDNS_DO) != 0};
    read_options(rdata, m->edns);
}

static void read_record(struct walk *w, unsigned section)
{
    struct dns_cur *c = &w->c;
    strbuf_reset(&w->name);
    strbuf_reset(&w->data);
    dns_cur_name(c, &w->name);
    uint16_t type = (uint16_t)dns_cur_uint(c, 2), rr_class = (uint16_t)dns_cur_uint(c, 2);
    uint32_t ttl = dns_cur_uint(c, 4);
    size_t len = dns_cur_uint(c, 2), start = c->pos;
    if (dns_cur_bytes(c, len) == NULL)
        return;
    struct dns_cur rdata = {.msg = c->msg, .pos = start, .end = start + len};
    bool opt = type == TYPE_OPT && section == 2;
    if (opt)
        read_opt(w, rr_class, ttl, &rdata);
    else
        dns_text_rdata(&rdata, type, rr_class != CLASS_IN, &w->data);
    if (rdata.why != NULL) {
        dns_cur_fail(c, rdata.why);
        return;
    }
    if (opt)
        return;
    count_record(w, section, type);
    keep_record(w, section, type, ttl);
}

static void walk_sections(struct walk *w, char *why, size_t why_max)
{
    static const char *const names[3] = {"answer", "authority", "additional"};
    for (unsigned s = 0; s < 3; s++) {
        for (unsigned i = 0; i < w->counts[s] && w->read < DNS_RR_READ_MAX; i++) {
            read_record(w, s);
            w->read++;
            if (w->c.why == NULL)
                continue;
            snprintf(why, why_max, "%s record %u: %s", names[s], i + 1, w->c.why);
            return;
        }
    }
}

enum err dns_message_parse(const uint8_t *msg, size_t len, uint16_t type, struct dns_message *out,
                           char *why, size_t why_max)
{
    REQUIRE(why_max > 0);
    struct walk w = {.m = out, .type = type};
    *out = (struct dns_message){0};
    dns_cur_init(&w.c, msg, len);
    strbuf_init(&w.name, DNS_NAME_TEXT_MAX + 1);
    strbuf_init(&w.data, DNS_TEXT_KEEP_MAX + 1);
    why[0] = '\0';

    (void)dns_cur_uint(&w.c, 2);
    read_flags(out, (uint16_t)dns_cur_uint(&w.c, 2));
    unsigned questions = dns_cur_uint(&w.c, 2);
    for (unsigned s = 0; s < 3; s++)
        w.counts[s] = (uint16_t)dns_cur_uint(&w.c, 2);
    skip_questions(&w, questions);
    bool envelope_bad = w.c.why != NULL;
    if (envelope_bad)
        snprintf(why, why_max, "header or question: %s", w.c.why);
    else
        walk_sections(&w, why, why_max);
    strbuf_fini(&w.name);
    strbuf_fini(&w.data);
    if (w.c.why == NULL || (out->tc && !envelope_bad))
        return ERR_NONE;
    dns_message_fini(out);
    return ERR_CORRUPT;
}

void dns_message_fini(struct dns_message *m)
{
    for (unsigned s = 0; s < 3; s++) {
        for (unsigned i = 0; i < m->n_sections[s]; i++) {
            free(m->sections[s][i].name);
            free(m->sections[s][i].type);
            free(m->sections[s][i].data);
        }
        free(m->sections[s]);
    }
    result_edns_destroy(&m->edns);
    *m = (struct dns_message){0};
}
