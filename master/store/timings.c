/* SPDX-License-Identifier: MIT */
#include "master/store/timings.h"

#include <string.h>

#include "common/json.h"

struct scan {
    const char *p, *end;
};

static void space(struct scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

static bool take(struct scan *s, char c)
{
    space(s);
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static bool is_digit(const struct scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

/* Milliseconds as they are written: digits, and at most some after a point. null, a sign, an
 * exponent are passed over: −1. False: it is no such thing at all. */
static bool number(struct scan *s, double *out)
{
    double v = 0, unit = 1;
    const char *begin = s->p;
    if (s->p == s->end || *s->p == '{' || *s->p == '[' || *s->p == '"')
        return false;
    for (; is_digit(s); s->p++)
        v = v * 10 + (*s->p - '0');
    bool whole = s->p > begin;
    if (s->p < s->end && *s->p == '.') {
        for (s->p++; is_digit(s); s->p++)
            v += (*s->p - '0') * (unit /= 10);
    }
    bool over = s->p < s->end && (*s->p == ',' || *s->p == '}' || *s->p == ' ');
    while (s->p < s->end && *s->p != ',' && *s->p != '}')
        s->p++;
    *out = whole && over ? v : -1;
    return true;
}

static double *member(struct result_timings *t, const char *key, size_t n)
{
    static const struct {
        const char *name;
        size_t at;
    } members[] = {
#define M(name) {#name, offsetof(struct result_timings, name)}
        M(dns_ms),  M(connect_ms), M(proxy_ms),    M(tls_ms),
        M(send_ms), M(wait_ms),    M(download_ms), M(total_ms),
#undef M
    };
    for (unsigned i = 0; i < ARRAY_LEN(members); i++)
        if (strlen(members[i].name) == n && memcmp(members[i].name, key, n) == 0)
            return (double *)((char *)t + members[i].at);
    return NULL;
}

void timings_read(const char *record, size_t len, struct result_timings *out)
{
    struct scan s = {NULL, NULL};
    size_t n = 0;
    result_timings_init(out);
    if (!json_member_span(record, len, "timings", &s.p, &n))
        return;
    s.end = s.p + n;
    if (!take(&s, '{'))
        return;
    while (take(&s, '"')) {
        const char *key = s.p;
        while (s.p < s.end && *s.p != '"')
            s.p++;
        double *to = member(out, key, (size_t)(s.p - key)), ms;
        if (!take(&s, '"') || !take(&s, ':'))
            return;
        space(&s);
        if (!number(&s, &ms))
            return;
        if (to)
            *to = ms;
        if (!take(&s, ','))
            return;
    }
}
