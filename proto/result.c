/* SPDX-License-Identifier: MIT */
#include "proto/result.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/utf8.h"

/* One sentence; what a probe has to tell never needs more. */
#define SENTENCE_MAX 512

void result_timings_init(struct result_timings *t)
{
    *t = (struct result_timings){-1, -1, -1, -1, -1, -1, -1, -1};
}

struct result *result_create(uint64_t task, const char *ticket)
{
    struct result *r = mem_zalloc(sizeof(*r));
    r->task = task;
    r->ticket = mem_strdup(ticket);
    r->queue_ms = -1;
    result_timings_init(&r->t);
    return r;
}

static void free_tls(struct result_tls *tls)
{
    if (tls == NULL)
        return;
    for (unsigned i = 0; i < tls->n_alt_names; i++)
        free(tls->alt_names[i]);
    free(tls->alt_names);
    for (unsigned i = 0; i < tls->n_chain; i++) {
        free(tls->chain[i].subject);
        free(tls->chain[i].issuer);
    }
    free(tls->chain);
    free(tls->alpn);
    free(tls->key_type);
    free(tls->signature);
    free(tls->version);
    free(tls->cipher);
    free(tls->subject);
    free(tls->issuer);
    free(tls->fingerprint_sha256);
    free(tls->verify_error);
    free(tls);
}

static void free_http(struct result_http *h)
{
    if (h == NULL)
        return;
    for (unsigned i = 0; i < h->n_hops; i++) {
        free(h->hops[i].url);
        free(h->hops[i].ip);
    }
    for (unsigned i = 0; i < h->n_headers; i++) {
        free(h->headers[i].name);
        free(h->headers[i].value);
    }
    free(h->hops);
    free(h->headers);
    free(h->version);
    free(h->ip);
    free(h->proxy);
    free(h->url);
    free(h->body_sha256);
    free(h->title);
    free(h->body);
    free_tls(h->tls);
    free(h);
}

static void free_section(struct result_rr *rrs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        free(rrs[i].name);
        free(rrs[i].type);
        free(rrs[i].data);
    }
    free(rrs);
}

void result_edns_destroy(struct result_edns **ep)
{
    struct result_edns *e = *ep;
    if (e == NULL)
        return;
    for (unsigned i = 0; i < e->n_ede; i++)
        free(e->ede[i].text);
    free(e);
    *ep = NULL;
}

static void free_dns(struct result_dns *d)
{
    if (d == NULL)
        return;
    for (unsigned i = 0; i < ARRAY_LEN(d->sections); i++)
        free_section(d->sections[i], d->n_sections[i]);
    free(d->server);
    free(d->transport);
    result_edns_destroy(&d->edns);
    free(d);
}

/* What the probe found, but for its verdict. */
static void free_findings(struct result *r)
{
    for (unsigned i = 0; i < r->n_checks; i++)
        free(r->checks[i].detail);
    r->n_checks = 0;
    free_http(r->http);
    r->http = NULL;
    free_dns(r->dns);
    r->dns = NULL;
}

void result_destroy(struct result **rp)
{
    struct result *r = *rp;
    if (r == NULL)
        return;
    free_findings(r);
    for (unsigned i = 0; i < r->n_tries; i++)
        free(r->tries[i].message);
    free(r->ticket);
    free(r->message);
    free(r);
    *rp = NULL;
}

void result_try_over(struct result *r, struct wall started_at, double total_ms)
{
    REQUIRE(r->n_tries < ARRAY_LEN(r->tries) && r->cause != CAUSE_NONE);
    r->tries[r->n_tries++] = (struct result_try){
        .started_at = started_at, .total_ms = total_ms, .cause = r->cause, .message = r->message};
    r->message = NULL;
    r->cause = CAUSE_NONE;
    r->outcome = OUTCOME_OK;
    free_findings(r);
    result_timings_init(&r->t);
    r->doubt = (struct result_doubt){0};
}

static char *sentence(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));
static char *sentence(const char *fmt, va_list ap)
{
    char text[4 * SENTENCE_MAX];
    vsnprintf(text, sizeof(text), fmt, ap);
    return utf8_sanitized(text, strlen(text), SENTENCE_MAX);
}

void result_end(struct result *r, enum cause c, const char *fmt, ...)
{
    REQUIRE((unsigned)c < CAUSE_COUNT);
    char *message;
    if (fmt == NULL) {
        message = mem_strdup(cause_text(c));
    } else {
        va_list ap;
        va_start(ap, fmt);
        message = sentence(fmt, ap);
        va_end(ap);
    }
    free(r->message); /* only now: it may have been one of the arguments */
    r->message = message;
    r->cause = c;
    r->outcome = cause_outcome(c);
}

void result_check_add(struct result *r, const char *check, bool ok, const char *fmt, ...)
{
    REQUIRE(r->n_checks < RESULT_CHECKS_MAX);
    struct result_check *c = &r->checks[r->n_checks++];
    *c = (struct result_check){.check = check, .ok = ok};
    if (fmt == NULL)
        return;
    va_list ap;
    va_start(ap, fmt);
    c->detail = sentence(fmt, ap);
    va_end(ap);
}

static bool cause_well_formed(const char *word)
{
    size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return n > 0 && n < CAUSE_MAX && word[n] == '\0';
}

/* A known cause has one outcome; an unknown one only must not claim that all went well. */
static void check_cause(struct json_cur *c, const struct result_head *h)
{
    enum cause known;
    if (h->cause[0] == '\0') {
        if (h->outcome != OUTCOME_OK)
            json_cur_fail(c, "outcome '%s' needs a cause", outcome_word(h->outcome));
    } else if (!cause_well_formed(h->cause)) {
        json_cur_fail(c, "'cause' must be lower-case letters, digits and _");
    } else if (h->outcome == OUTCOME_OK) {
        json_cur_fail(c, "outcome 'ok' with the cause '%s'", h->cause);
    } else if (cause_parse(h->cause, &known) == ERR_NONE && cause_outcome(known) != h->outcome) {
        json_cur_fail(c, "outcome '%s' with the cause '%s', which means '%s'",
                      outcome_word(h->outcome), h->cause, outcome_word(cause_outcome(known)));
    }
}

static double total_ms_of(struct json_cur *c)
{
    const struct json_node *timings = json_get_obj(c, "timings");
    if (timings == NULL)
        return -1;
    struct json_cur in;
    json_cur_init(&in, timings);
    double total = json_get_num(&in, "total_ms", 0, (double)JSON_COUNT_MAX, -1);
    if (json_cur_end_lenient(&in) != ERR_NONE)
        json_cur_fail(c, "in 'timings': %s", in.problem);
    return total;
}

enum err result_head_parse(const struct json_node *record, struct result_head *out, char *why,
                           size_t why_max)
{
    struct json_cur c;
    struct result_head h = {0};
    json_cur_init(&c, record);
    const char *outcome = json_need_str(&c, "outcome", CAUSE_MAX);
    if (outcome_parse(outcome, &h.outcome) != ERR_NONE)
        json_cur_fail(&c, "'outcome' is not one of ok, failed, undetermined, refused, expired, "
                          "cancelled");
    snprintf(h.cause, sizeof(h.cause), "%s", json_get_str(&c, "cause", CAUSE_MAX - 1, ""));
    check_cause(&c, &h);
    h.total_ms = total_ms_of(&c);
    enum err e = json_cur_end_lenient(&c);
    if (e == ERR_NONE)
        *out = h;
    else if (why != NULL)
        snprintf(why, why_max, "record: %s", c.problem);
    return e;
}
