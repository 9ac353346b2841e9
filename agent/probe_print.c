/* SPDX-License-Identifier: MIT */
#include "agent/probe_print.h"

#include <stdlib.h>
#include <string.h>

#include "proto/idn.h"

#define BAR_WIDTH   44
#define LABEL_WIDTH 12
#define US_PER_DAY  (86400LL * 1000000LL)

/* C0, DEL and C1 (U+0080 to U+009F) become '?'. */
static void put_text(FILE *to, const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p != '\0'; p++) {
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        fputc(*p < ' ' || *p == 0x7f || c1 ? '?' : *p, to);
        p += c1;
    }
}

/* One line "label   text"; nothing for NULL. */
static void put_line(FILE *to, const char *label, const char *text)
{
    if (text == NULL)
        return;
    fprintf(to, "  %-*s", LABEL_WIDTH, label);
    put_text(to, text);
    fputc('\n', to);
}

static void put_verdict(const struct target *t, const struct result *r, FILE *to)
{
    char when[WALL_TEXT_MAX];
    put_text(to, t->uri);
    fprintf(to, "\n\n  %-*s%s", LABEL_WIDTH, "outcome", outcome_word(r->outcome));
    if (r->cause != CAUSE_NONE)
        fprintf(to, ": %s (at fault: %s)", cause_word(r->cause),
                cause_where_word(cause_where(r->cause)));
    fputc('\n', to);
    put_line(to, "message", r->message);
    if (r->started_at.us != 0)
        put_line(to, "started", wall_format(r->started_at, when));
}

struct phase {
    const char *name;
    double ms;
};

/* Each phase's bar begins where the one before ended; the shortest still shows as one mark. */
static void put_bar(double begin, double ms, double whole, FILE *to)
{
    double scale = whole > 0 ? BAR_WIDTH / whole : 0;
    int from = (int)(begin * scale), to_col = (int)((begin + ms) * scale);
    from = from < BAR_WIDTH ? from : BAR_WIDTH - 1;
    to_col = to_col > from ? to_col : from + 1;
    to_col = to_col <= BAR_WIDTH ? to_col : BAR_WIDTH;
    fprintf(to, "  %*s", from, "");
    for (int i = from; i < to_col; i++)
        fputc('#', to);
}

static void put_waterfall(const struct result_timings *t, FILE *to)
{
    const struct phase phases[] = {{"dns", t->dns_ms},   {"connect", t->connect_ms},
                                   {"tls", t->tls_ms},   {"send", t->send_ms},
                                   {"wait", t->wait_ms}, {"download", t->download_ms}};
    double whole = 0, begin = 0;
    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        whole += phases[i].ms > 0 ? phases[i].ms : 0;
    fputc('\n', to);
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        if (phases[i].ms < 0)
            continue; /* it never happened */
        fprintf(to, "  %-*s%9.1f ms", LABEL_WIDTH, phases[i].name, phases[i].ms);
        put_bar(begin, phases[i].ms, whole, to);
        fputc('\n', to);
        begin += phases[i].ms;
    }
    if (t->total_ms >= 0)
        fprintf(to, "  %-*s%9.1f ms\n", LABEL_WIDTH, "total", t->total_ms);
}

static void put_hops(const struct result_http *h, FILE *to)
{
    for (unsigned i = 0; i < h->n_hops; i++) {
        const struct result_hop *hop = &h->hops[i];
        fprintf(to, "  hop %-*u%d from ", LABEL_WIDTH - 4, i + 1, hop->status);
        put_text(to, hop->url);
        if (hop->t.total_ms >= 0)
            fprintf(to, " in %.1f ms", hop->t.total_ms);
        fputc('\n', to);
    }
}

/* Rounded down: what ended an hour ago is at -1. */
static long long days_between(struct wall from, struct wall to)
{
    int64_t us = to.us - from.us;
    return (long long)(us / US_PER_DAY - (us % US_PER_DAY < 0));
}

static void put_day(FILE *to, const char *label, struct wall t, struct wall now)
{
    char text[WALL_TEXT_MAX];
    if (t.us == 0)
        return;
    long long days = days_between(now, t);
    fprintf(to, "  %-*s%.10s (%lld days %s)\n", LABEL_WIDTH, label, wall_format(t, text),
            days < 0 ? -days : days, days < 0 ? "ago" : "left");
}

static void put_key(const struct result_tls *tls, FILE *to)
{
    if (tls->key_type == NULL)
        return;
    fprintf(to, "  %-*s%s, %d bits", LABEL_WIDTH, "key", tls->key_type, tls->key_bits);
    if (tls->signature != NULL)
        fprintf(to, ", signed with %s", tls->signature);
    fputc('\n', to);
}

/* The leaf has its own lines; those that it leans on, and how long they last. */
static void put_chain(const struct result_tls *tls, struct wall now, FILE *to)
{
    char text[WALL_TEXT_MAX];
    for (unsigned i = 1; i < tls->n_chain; i++) {
        const struct result_cert *cert = &tls->chain[i];
        fprintf(to, "  %-*s", LABEL_WIDTH, i == 1 ? "chain" : "");
        put_text(to, cert->subject != NULL ? cert->subject : "?");
        if (cert->not_after.us != 0)
            fprintf(to, ", until %.10s (%lld days)", wall_format(cert->not_after, text),
                    days_between(now, cert->not_after));
        fputc('\n', to);
    }
    if (tls->sent_chain > tls->n_chain)
        fprintf(to, "  %-*sand %u more\n", LABEL_WIDTH, "", tls->sent_chain - tls->n_chain);
}

static void put_tls(const struct result_tls *tls, struct wall now, FILE *to)
{
    fputs("\n  certificate\n", to);
    put_line(to, "protocol", tls->version);
    put_line(to, "cipher", tls->cipher);
    put_line(to, "alpn", tls->alpn);
    if (tls->staple != STAPLE_UNKNOWN)
        put_line(to, "ocsp", tls->staple == STAPLE_SEEN ? "stapled" : "not stapled");
    put_line(to, "verified", tls->verified ? "yes" : tls->verify_error ? tls->verify_error : "no");
    put_line(to, "subject", tls->subject);
    put_line(to, "issuer", tls->issuer);
    put_day(to, "expires", tls->not_after, now);
    for (unsigned i = 0; i < tls->n_alt_names; i++)
        put_line(to, i == 0 ? "names" : "", tls->alt_names[i]);
    put_key(tls, to);
    put_line(to, "sha256", tls->fingerprint_sha256);
    put_chain(tls, now, to);
}

static void put_http(const struct result_http *h, struct wall now, FILE *to)
{
    fputc('\n', to);
    put_hops(h, to);
    if (h->ip)
        fprintf(to, "  %-*s%s port %u\n", LABEL_WIDTH, "address", h->ip, h->port);
    if (h->status > 0)
        fprintf(to, "  %-*s%d over HTTP/%s\n", LABEL_WIDTH, "status", h->status,
                h->version ? h->version : "?");
    put_line(to, "title", h->title);
    if (h->size_bytes >= 0)
        fprintf(to, "  %-*s%lld bytes\n", LABEL_WIDTH, "body", (long long)h->size_bytes);
    if (h->tls)
        put_tls(h->tls, now, to);
    if (h->n_headers > 0)
        fputs("\n  headers\n", to);
    for (unsigned i = 0; i < h->n_headers; i++) {
        fputs("  ", to);
        put_text(to, h->headers[i].name);
        fputs(": ", to);
        put_text(to, h->headers[i].value);
        fputc('\n', to);
    }
}

static void put_flags(const struct result_dns *d, FILE *to)
{
    const struct {
        const char *name;
        bool on;
    } flags[] = {{"qr", d->qr}, {"aa", d->aa}, {"tc", d->tc}, {"rd", d->rd},
                 {"ra", d->ra}, {"ad", d->ad}, {"cd", d->cd}};
    fprintf(to, "  %-*s", LABEL_WIDTH - 1, "flags");
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (flags[i].on)
            fprintf(to, " %s", flags[i].name);
    fputc('\n', to);
}

static void put_edns(const struct result_edns *e, FILE *to)
{
    fprintf(to, "  %-*sversion %u, %u bytes%s\n", LABEL_WIDTH, "edns", e->version, e->udp_size,
            e->dnssec_ok ? ", do" : "");
    for (unsigned i = 0; i < e->n_ede; i++) {
        const char *name = ede_text(e->ede[i].code);
        fprintf(to, "  %-*s%s (%u)", LABEL_WIDTH, "error", name ? name : "unknown", e->ede[i].code);
        if (e->ede[i].text) {
            fputs(": ", to);
            put_text(to, e->ede[i].text);
        }
        fputc('\n', to);
    }
}

static void put_unicode(FILE *to, const char *name)
{
    char *unicode = idn_unicode(name);
    if (unicode) {
        fputs(" (", to);
        put_text(to, unicode);
        fputc(')', to);
    }
    free(unicode);
}

static void put_records(const struct result_rr *rr, unsigned n, const char *name, FILE *to)
{
    if (n > 0)
        fprintf(to, "\n  %s\n", name);
    for (unsigned i = 0; i < n; i++) {
        fputs("  ", to);
        put_text(to, rr[i].name);
        put_unicode(to, rr[i].name);
        fprintf(to, "  %u  %s  ", rr[i].ttl, rr[i].type);
        put_text(to, rr[i].data);
        fputc('\n', to);
    }
}

static void put_dns(const struct result_dns *d, FILE *to)
{
    static const char *const names[3] = {"answer", "authority", "additional"};
    fprintf(to, "\n  %-*s%s over %s%s\n", LABEL_WIDTH, "server", d->server, d->transport,
            d->truncated ? ", after a truncated answer over udp" : "");
    if (d->rcode >= 0) {
        const char *rcode = rcode_text(d->rcode);
        fprintf(to, "  %-*s%s (%d)\n", LABEL_WIDTH, "rcode", rcode ? rcode : "unknown", d->rcode);
        put_flags(d, to);
        if (d->edns)
            put_edns(d->edns, to);
    }
    if (d->size_bytes >= 0)
        fprintf(to, "  %-*s%lld bytes\n", LABEL_WIDTH, "size", (long long)d->size_bytes);
    for (unsigned s = 0; s < 3; s++)
        put_records(d->sections[s], d->n_sections[s], names[s], to);
}

static void put_tries(const struct result *r, FILE *to)
{
    if (r->n_tries > 0)
        fputs("\n  tries before\n", to);
    for (unsigned i = 0; i < r->n_tries; i++) {
        const struct result_try *try = &r->tries[i];
        fprintf(to, "  %u  %s after %.1f ms: ", i + 1, cause_word(try->cause), try->total_ms);
        put_text(to, try->message);
        fputc('\n', to);
    }
}

static void put_checks(const struct result *r, FILE *to)
{
    if (r->n_checks > 0)
        fputs("\n  checks\n", to);
    for (unsigned i = 0; i < r->n_checks; i++) {
        const struct result_check *c = &r->checks[i];
        fprintf(to, "  %-4s  %s", c->ok ? "ok" : "FAIL", c->check);
        if (c->detail) {
            fputs(": ", to);
            put_text(to, c->detail);
        }
        fputc('\n', to);
    }
}

void probe_print(const struct target *t, const struct result *r, struct wall now, FILE *to)
{
    REQUIRE(t != NULL && r != NULL && to != NULL);
    put_verdict(t, r, to);
    put_waterfall(&r->t, to);
    if (r->http)
        put_http(r->http, now, to);
    if (r->dns)
        put_dns(r->dns, to);
    put_checks(r, to);
    put_tries(r, to);
}
