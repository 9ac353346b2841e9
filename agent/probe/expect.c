/* SPDX-License-Identifier: MIT */
#include "agent/probe/expect_impl.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <strings.h>

/*
 * A worker's loop waits while a pattern runs, so a pattern has little time. PCRE2's match limit
 * counts per starting point only, which over a long body is no bound at all: an automatic callout
 * before each item looks at the clock.
 */
#define REGEX_MS            50
#define ALL_OF_AN_ANSWER_MS 100 /* patterns, and paths into JSON */
#define CALLOUTS_PER_LOOK   16
#define REGEX_MATCH_LIMIT   1000000
#define REGEX_DEPTH_LIMIT   5000
#define REGEX_HEAP_LIMIT_KB 4096

struct budget {
    struct mono until;
    unsigned callouts;
};

static int on_callout(pcre2_callout_block *block, void *arg)
{
    struct budget *b = arg;
    if (++b->callouts % CALLOUTS_PER_LOOK != 0 || mono_before(mono_now(), b->until))
        return 0;
    return PCRE2_ERROR_MATCHLIMIT;
}

static enum expect_match match(const pcre2_code *code, const char *text, size_t len,
                               struct mono until)
{
    struct budget budget = {.until = mono_add_ms(mono_now(), REGEX_MS)};
    if (mono_before(until, budget.until))
        budget.until = until;
    pcre2_match_context *ctx = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    int rc = PCRE2_ERROR_NOMEMORY;
    if (ctx && data) {
        pcre2_set_match_limit(ctx, REGEX_MATCH_LIMIT);
        pcre2_set_depth_limit(ctx, REGEX_DEPTH_LIMIT);
        pcre2_set_heap_limit(ctx, REGEX_HEAP_LIMIT_KB);
        pcre2_set_callout(ctx, on_callout, &budget);
        rc = pcre2_match(code, (PCRE2_SPTR)text, len, 0, 0, data, ctx);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(ctx);
    if (rc == PCRE2_ERROR_NOMATCH)
        return EXPECT_NO_MATCH;
    return rc >= 0 ? EXPECT_MATCH : EXPECT_GAVE_UP;
}

enum expect_match expect_regex_until(const char *pattern, const char *text, size_t len,
                                     struct mono until)
{
    int error;
    PCRE2_SIZE at;
    const uint32_t options =
        PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
    if (!code)
        return EXPECT_GAVE_UP; /* compiled once already when it was accepted: too big now */
    enum expect_match m = match(code, text, len, until);
    pcre2_code_free(code);
    return m;
}

enum expect_match expect_regex(const char *pattern, const char *text, size_t len)
{
    return expect_regex_until(pattern, text, len, mono_add_ms(mono_now(), REGEX_MS));
}

void expect_add(struct expecting *x, const char *check, bool ok, enum cause c, const char *detail)
{
    result_check_add(x->r, check, ok, detail ? "%s" : NULL, detail);
    if (!ok && x->r->cause == CAUSE_NONE)
        result_end(x->r, c, "%s", detail);
}

static enum cause status_cause(const struct target_http *h, int status)
{
    if (h->expect_status_set)
        return status_set_has(&h->expect_status, status) ? CAUSE_NONE : CAUSE_status_mismatch;
    if (status >= 500)
        return CAUSE_http_5xx;
    return status >= 400 ? CAUSE_http_4xx : CAUSE_NONE;
}

static void check_status(struct expecting *x)
{
    char detail[64];
    enum cause c = status_cause(&x->target->http, x->facts->status);
    snprintf(detail, sizeof(detail), "the status is %d", x->facts->status);
    expect_add(x, "status", c == CAUSE_NONE, c, c ? detail : NULL);
}

static void check_regex(struct expecting *x, const char *pattern, const char *name,
                        enum expect_match want)
{
    if (!pattern)
        return;
    const char *body = x->facts->body ? x->facts->body : "";
    enum expect_match m = expect_regex_until(pattern, body, x->facts->body_len, x->until);
    const char *detail = m == EXPECT_GAVE_UP
                             ? "the pattern took too long on this body and was given up"
                         : m == EXPECT_MATCH ? "the body matches body_not_regex"
                                             : "the body does not match body_regex";
    expect_add(x, name, m == want, CAUSE_body_mismatch, m == want ? NULL : detail);
}

/* What a value holds may be a secret (a cookie): it is not told. */
static const char *header_fault(struct expecting *x, const struct expect_header *e)
{
    const struct expect_facts *f = x->facts;
    const char *fault = f->headers_cut ? ": not among the headers that were kept" : " is not there";
    for (unsigned i = 0; i < f->n_headers; i++) {
        if (strcasecmp(f->headers[i].name, e->name) != 0)
            continue;
        const char *value = f->headers[i].value;
        switch (expect_regex_until(e->regex, value, strlen(value), x->until)) {
        case EXPECT_MATCH:
            return NULL;
        case EXPECT_NO_MATCH:
            fault = " does not match";
            break;
        case EXPECT_GAVE_UP:
            return ": the pattern took too long and was given up";
        }
    }
    return fault;
}

static void check_headers(struct expecting *x)
{
    const struct target_expect *e = &x->target->http.expect;
    char detail[HEADER_NAME_MAX + 80];
    for (unsigned i = 0; i < e->n_headers; i++) {
        const char *fault = header_fault(x, &e->headers[i]);
        snprintf(detail, sizeof(detail), "%s%s", e->headers[i].name, fault ? fault : "");
        expect_add(x, "header", fault == NULL, CAUSE_header_mismatch, detail);
    }
}

static void check_total(struct expecting *x)
{
    char detail[96];
    int64_t most = x->target->max_total_ms;
    if (most < 0)
        return;
    bool ok = x->facts->total_ms <= (double)most;
    snprintf(detail, sizeof(detail), "it took %.1f ms, at most %lld are allowed",
             x->facts->total_ms, (long long)most);
    expect_add(x, "max_total_ms", ok, CAUSE_too_slow, ok ? NULL : detail);
}

static void check_cert(struct expecting *x)
{
    char detail[96];
    const struct expect_facts *f = x->facts;
    int least = x->target->http.tls_min_days;
    if (least < 0)
        return;
    bool ok = f->has_cert && f->cert_days_left >= least;
    if (f->has_cert)
        snprintf(detail, sizeof(detail),
                 "the certificate expires in %lld days, at least %d are asked",
                 (long long)f->cert_days_left, least);
    else
        snprintf(detail, sizeof(detail),
                 "there is no certificate: the last answer came without TLS");
    expect_add(x, "tls_min_days", ok, CAUSE_cert_expires_soon, ok ? NULL : detail);
}

void expect_http(const struct target *t, const struct expect_facts *f, struct result *r)
{
    REQUIRE(t->kind == TARGET_HTTP);
    struct expecting x = {t, f, r, mono_add_ms(mono_now(), ALL_OF_AN_ANSWER_MS)};
    result_end(r, CAUSE_NONE, NULL);
    check_status(&x);
    check_regex(&x, t->http.expect_body_regex, "body_regex", EXPECT_MATCH);
    check_regex(&x, t->http.expect_body_not_regex, "body_not_regex", EXPECT_NO_MATCH);
    check_headers(&x);
    expect_json(&x);
    check_total(&x);
    check_cert(&x);
}
