/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/strbuf.h"
#include "proto/idn.h"
#include "proto/result.h"
#include "proto/target.h"

#define RECORD_MAX (RESULT_MAX_BYTES - RESULT_ENVELOPE_MAX)
#define US_PER_DAY (86400 * INT64_C(1000000))

/* What is left out, one thing more at each step, until the record fits. */
enum cut { CUT_NOTHING, CUT_HEADERS, CUT_BODY, CUT_LISTS, CUT_PROTOCOL, CUT_STEPS };

static void put_timings(struct json_out *w, const struct result_timings *t)
{
    json_key(w, "timings");
    json_obj_begin(w);
    json_ms(w, "dns_ms", t->dns_ms);
    json_ms(w, "connect_ms", t->connect_ms);
    json_ms(w, "proxy_ms", t->proxy_ms);
    json_ms(w, "tls_ms", t->tls_ms);
    json_ms(w, "send_ms", t->send_ms);
    json_ms(w, "wait_ms", t->wait_ms);
    json_ms(w, "download_ms", t->download_ms);
    json_ms(w, "total_ms", t->total_ms);
    json_obj_end(w);
}

static void put_time(struct json_out *w, const char *key, struct wall t)
{
    char text[WALL_TEXT_MAX];
    json_str(w, key, t.us == 0 ? NULL : wall_format(t, text));
}

/* none is the value that stands for "not there". */
static void put_int_or_null(struct json_out *w, const char *key, int64_t v, int64_t none)
{
    if (v == none)
        json_null(w, key);
    else
        json_int(w, key, v);
}

static void put_hops(struct json_out *w, const struct result_http *h, enum cut cut)
{
    json_key(w, "redirects");
    json_arr_begin(w);
    for (unsigned i = 0; i < h->n_hops && cut < CUT_LISTS; i++) {
        const struct result_hop *hop = &h->hops[i];
        json_obj_begin(w);
        json_str(w, "url", hop->url);
        put_int_or_null(w, "status", hop->status, 0);
        json_str(w, "ip", hop->ip);
        put_int_or_null(w, "port", hop->port, 0);
        put_timings(w, &hop->t);
        json_obj_end(w);
    }
    json_arr_end(w);
}

/* Names are compared as HTTP does; a name was given before when an earlier header has it. */
static bool header_seen(const struct result_http *h, unsigned i)
{
    for (unsigned k = 0; k < i; k++)
        if (strcasecmp(h->headers[k].name, h->headers[i].name) == 0)
            return true;
    return false;
}

/* Cookies are secrets: only their number is told. */
static void join_values(struct strbuf *b, const struct result_http *h, unsigned first)
{
    const char *name = h->headers[first].name;
    bool secret = strcasecmp(name, "set-cookie") == 0;
    unsigned n = 0;
    strbuf_reset(b);
    for (unsigned i = first; i < h->n_headers; i++) {
        if (strcasecmp(h->headers[i].name, name) != 0)
            continue;
        if (!secret && n > 0)
            strbuf_puts(b, ", ");
        if (!secret)
            strbuf_puts(b, h->headers[i].value);
        n++;
    }
    if (secret)
        strbuf_printf(b, "(%u cookie%s)", n, n == 1 ? "" : "s");
}

static void put_headers(struct json_out *w, const struct result_http *h)
{
    struct strbuf name, value;
    strbuf_init(&name, RECORD_MAX);
    strbuf_init(&value, RECORD_MAX);
    json_key(w, "headers");
    json_obj_begin(w);
    for (unsigned i = 0; i < h->n_headers; i++) {
        if (header_seen(h, i))
            continue;
        strbuf_reset(&name);
        for (const char *p = h->headers[i].name; *p != '\0'; p++)
            strbuf_putc(&name, (char)tolower((unsigned char)*p));
        join_values(&value, h, i);
        json_key_str(w, name.data);
        json_put_strn(w, value.data, value.len);
    }
    json_obj_end(w);
    if (name.overflow || value.overflow)
        w->b->overflow = true;
    strbuf_fini(&name);
    strbuf_fini(&value);
}

static int64_t whole_days(struct wall from, struct wall to)
{
    int64_t us = to.us - from.us, days = us / US_PER_DAY;
    return us % US_PER_DAY < 0 ? days - 1 : days;
}

static void put_days_left(struct json_out *w, const char *key, struct wall now, struct wall end)
{
    if (end.us == 0)
        json_null(w, key);
    else
        json_int(w, key, whole_days(now, end));
}

/* The first end of any certificate that was sent; the leaf's is known without a chain too. */
static struct wall earliest_end(const struct result_tls *tls)
{
    struct wall first = tls->not_after;
    for (unsigned i = 0; i < tls->n_chain; i++) {
        struct wall end = tls->chain[i].not_after;
        if (end.us != 0 && (first.us == 0 || end.us < first.us))
            first = end;
    }
    return first;
}

static void put_chain(struct json_out *w, const struct result_tls *tls, struct wall now,
                      enum cut cut)
{
    json_int(w, "chain_length", tls->sent_chain);
    json_key(w, "chain");
    json_arr_begin(w);
    for (unsigned i = 0; i < tls->n_chain && cut < CUT_LISTS; i++) {
        const struct result_cert *cert = &tls->chain[i];
        json_obj_begin(w);
        json_str(w, "subject", cert->subject);
        json_str(w, "issuer", cert->issuer);
        put_time(w, "not_before", cert->not_before);
        put_time(w, "not_after", cert->not_after);
        put_days_left(w, "days_left", now, cert->not_after);
        json_obj_end(w);
    }
    json_arr_end(w);
}

static void put_alt_names(struct json_out *w, const struct result_tls *tls, enum cut cut)
{
    json_key(w, "alt_names");
    json_arr_begin(w);
    for (unsigned i = 0; i < tls->n_alt_names && cut < CUT_LISTS; i++)
        json_put_str(w, tls->alt_names[i]);
    json_arr_end(w);
}

static void put_tls(struct json_out *w, const struct result_tls *tls, struct wall now, enum cut cut)
{
    json_key(w, "tls");
    if (tls == NULL) {
        json_put_null(w);
        return;
    }
    json_obj_begin(w);
    json_str(w, "version", tls->version);
    json_str(w, "cipher", tls->cipher);
    json_bool(w, "verified", tls->verified);
    json_str(w, "verify_error", tls->verify_error);
    put_time(w, "not_before", tls->not_before);
    put_time(w, "not_after", tls->not_after);
    put_days_left(w, "days_left", now, tls->not_after);
    put_days_left(w, "days_left_min", now, earliest_end(tls));
    json_str(w, "subject", tls->subject);
    json_str(w, "issuer", tls->issuer);
    put_alt_names(w, tls, cut);
    json_str(w, "key_type", tls->key_type);
    put_int_or_null(w, "key_bits", tls->key_bits, 0);
    json_str(w, "signature", tls->signature);
    json_str(w, "alpn", tls->alpn);
    if (tls->staple == STAPLE_UNKNOWN)
        json_null(w, "ocsp_stapled");
    else
        json_bool(w, "ocsp_stapled", tls->staple == STAPLE_SEEN);
    put_chain(w, tls, now, cut);
    json_str(w, "fingerprint_sha256", tls->fingerprint_sha256);
    json_obj_end(w);
}

static void put_http(struct json_out *w, const struct result_http *h, struct wall now, enum cut cut)
{
    json_obj_begin(w);
    put_int_or_null(w, "status", h->status, 0);
    json_str(w, "version", h->version);
    json_str(w, "ip", h->ip);
    put_int_or_null(w, "port", h->port, 0);
    if (h->proxy != NULL)
        json_str(w, "proxy", h->proxy);
    put_int_or_null(w, "size", h->size_bytes, -1);
    put_hops(w, h, cut);
    if (h->url != NULL)
        json_str(w, "url", h->url);
    if (cut < CUT_HEADERS) {
        put_headers(w, h);
    } else {
        json_key(w, "headers");
        json_put_raw(w, "{}", 2);
    }
    json_str(w, "body_sha256", h->body_sha256);
    json_str(w, "title", h->title);
    if (h->body != NULL && cut < CUT_BODY)
        json_str(w, "body", h->body);
    put_tls(w, h->tls, now, cut);
    json_obj_end(w);
}

static void put_rcode(struct json_out *w, int rcode)
{
    char number[24];
    const char *text = rcode < 0 ? NULL : rcode_text(rcode);
    if (rcode >= 0 && text == NULL) {
        snprintf(number, sizeof(number), "RCODE%d", rcode);
        text = number;
    }
    json_str(w, "rcode", text);
}

static void put_flags(struct json_out *w, const struct result_dns *d)
{
    const struct {
        const char *word;
        bool set;
    } flags[] = {{"qr", d->qr}, {"aa", d->aa}, {"tc", d->tc}, {"rd", d->rd},
                 {"ra", d->ra}, {"ad", d->ad}, {"cd", d->cd}};
    json_key(w, "flags");
    json_arr_begin(w);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        if (flags[i].set)
            json_put_str(w, flags[i].word);
    json_arr_end(w);
}

static void put_unicode(struct json_out *w, const char *name)
{
    char *unicode = idn_unicode(name);
    if (unicode != NULL)
        json_str(w, "name_unicode", unicode);
    free(unicode);
}

static void put_section(struct json_out *w, const char *key, const struct result_rr *rrs,
                        unsigned n, enum cut cut)
{
    json_key(w, key);
    json_arr_begin(w);
    for (unsigned i = 0; i < n; i++) {
        json_obj_begin(w);
        json_str(w, "name", rrs[i].name);
        if (cut == CUT_NOTHING)
            put_unicode(w, rrs[i].name);
        json_str(w, "type", rrs[i].type);
        json_u64(w, "ttl", rrs[i].ttl);
        json_str(w, "data", rrs[i].data);
        json_obj_end(w);
    }
    json_arr_end(w);
}

static void put_edns(struct json_out *w, const struct result_edns *e)
{
    json_key(w, "edns");
    if (e == NULL) {
        json_put_null(w);
        return;
    }
    json_obj_begin(w);
    json_int(w, "version", e->version);
    json_int(w, "udp_size", e->udp_size);
    json_bool(w, "do", e->dnssec_ok);
    json_key(w, "ede");
    json_arr_begin(w);
    for (unsigned i = 0; i < e->n_ede; i++) {
        json_obj_begin(w);
        json_int(w, "code", e->ede[i].code);
        json_str(w, "name", ede_text(e->ede[i].code));
        json_str(w, "text", e->ede[i].text);
        json_obj_end(w);
    }
    json_arr_end(w);
    json_obj_end(w);
}

static void put_dns(struct json_out *w, const struct result_dns *d, enum cut cut)
{
    static const char *const keys[] = {"answer", "authority", "additional"};
    json_obj_begin(w);
    json_str(w, "server", d->server);
    json_str(w, "transport", d->transport);
    json_bool(w, "truncated", d->truncated);
    put_rcode(w, d->rcode);
    put_flags(w, d);
    put_edns(w, d->edns);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        put_section(w, keys[i], d->sections[i], cut < CUT_LISTS ? d->n_sections[i] : 0, cut);
    put_int_or_null(w, "size", d->size_bytes, -1);
    json_obj_end(w);
}

static void put_checks(struct json_out *w, const struct result *r)
{
    json_key(w, "checks");
    json_arr_begin(w);
    for (unsigned i = 0; i < r->n_checks; i++) {
        json_obj_begin(w);
        json_str(w, "check", r->checks[i].check);
        json_bool(w, "ok", r->checks[i].ok);
        if (r->checks[i].detail != NULL)
            json_str(w, "detail", r->checks[i].detail);
        json_obj_end(w);
    }
    json_arr_end(w);
}

static void put_tries(struct json_out *w, const struct result *r)
{
    json_key(w, "tries");
    json_arr_begin(w);
    for (unsigned i = 0; i < r->n_tries; i++) {
        json_obj_begin(w);
        put_time(w, "started_at", r->tries[i].started_at);
        json_ms(w, "total_ms", r->tries[i].total_ms);
        json_str(w, "cause", cause_word(r->tries[i].cause));
        json_str(w, "message", r->tries[i].message);
        json_obj_end(w);
    }
    json_arr_end(w);
}

static void put_record(const struct result *r, struct wall now, struct strbuf *b, enum cut cut)
{
    struct json_out w;
    json_out_init(&w, b);
    json_obj_begin(&w);
    json_str(&w, "outcome", outcome_word(r->outcome));
    json_str(&w, "cause", cause_word(r->cause));
    json_str(&w, "message", r->message);
    put_time(&w, "started_at", r->started_at);
    if (r->clock_skew_ms != 0)
        json_int(&w, "clock_skew_ms", r->clock_skew_ms);
    json_ms(&w, "queue_ms", r->queue_ms);
    put_timings(&w, &r->t);
    json_key(&w, "http");
    if (r->http != NULL && cut < CUT_PROTOCOL)
        put_http(&w, r->http, now, cut);
    else
        json_put_null(&w);
    json_key(&w, "dns");
    if (r->dns != NULL && cut < CUT_PROTOCOL)
        put_dns(&w, r->dns, cut);
    else
        json_put_null(&w);
    put_checks(&w, r);
    if (r->n_tries > 0)
        put_tries(&w, r);
    if (cut != CUT_NOTHING)
        json_bool(&w, "cut", true);
    json_obj_end(&w);
}

void result_encode(const struct result *r, struct wall now, struct strbuf *b)
{
    REQUIRE(r->http == NULL || r->dns == NULL);
    REQUIRE(r->outcome == cause_outcome(r->cause));
    struct strbuf text;
    strbuf_init(&text, RECORD_MAX);
    for (enum cut cut = CUT_NOTHING; cut < CUT_STEPS; cut++) {
        strbuf_reset(&text);
        put_record(r, now, &text, cut);
        if (!text.overflow)
            break;
    }
    REQUIRE(!text.overflow);
    strbuf_append(b, text.data, text.len);
    strbuf_fini(&text);
}

void result_encode_verdict(enum cause c, const char *message, struct strbuf *b)
{
    REQUIRE(c != CAUSE_NONE);
    struct result *r = result_create(0, NULL);
    result_end(r, c, message == NULL ? NULL : "%s", message);
    result_encode(r, (struct wall){0}, b);
    result_destroy(&r);
}
