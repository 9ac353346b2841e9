/* SPDX-License-Identifier: MIT */
#include "agent/probe/expect.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>

#include "common/clock.h"

/*
 * A worker's loop waits while a pattern runs, so a pattern has little time. PCRE2's match limit
 * counts per starting point only, which over a long body is no bound at all: an automatic callout
 * before each item looks at the clock.
 */
#define REGEX_MS            50
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

static enum expect_match match(const pcre2_code *code, const char *text, size_t len)
{
    struct budget budget = {.until = mono_add_ms(mono_now(), REGEX_MS)};
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

enum expect_match expect_regex(const char *pattern, const char *text, size_t len)
{
    int error;
    PCRE2_SIZE at;
    const uint32_t options =
        PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, options, &error, &at, NULL);
    if (!code)
        return EXPECT_GAVE_UP; /* compiled once already when it was accepted: too big now */
    enum expect_match m = match(code, text, len);
    pcre2_code_free(code);
    return m;
}

/* The first failure is the result's cause; the others stand in the checks. */
static void fail(struct result *r, enum cause c, const char *detail)
{
    if (r->cause == CAUSE_NONE)
        result_end(r, c, "%s", detail);
}

static enum cause status_cause(const struct target_http *h, int status)
{
    if (h->expect_status_set)
        return status_set_has(&h->expect_status, status) ? CAUSE_NONE : CAUSE_status_mismatch;
    if (status >= 500)
        return CAUSE_http_5xx;
    return status >= 400 ? CAUSE_http_4xx : CAUSE_NONE;
}

static void check_status(const struct target *t, const struct expect_facts *f, struct result *r)
{
    char detail[64];
    enum cause c = status_cause(&t->http, f->status);
    snprintf(detail, sizeof(detail), "the status is %d", f->status);
    result_check_add(r, "status", c == CAUSE_NONE, c ? "%s" : NULL, detail);
    if (c)
        fail(r, c, detail);
}

static void check_regex(const char *pattern, const char *name, enum expect_match want,
                        const struct expect_facts *f, struct result *r)
{
    if (!pattern)
        return;
    enum expect_match m = expect_regex(pattern, f->body ? f->body : "", f->body_len);
    const char *detail = m == EXPECT_GAVE_UP
                             ? "the pattern took too long on this body and was given up"
                         : m == EXPECT_MATCH ? "the body matches body_not_regex"
                                             : "the body does not match body_regex";
    result_check_add(r, name, m == want, m == want ? NULL : "%s", detail);
    if (m != want)
        fail(r, CAUSE_body_mismatch, detail);
}

static void check_total(const struct target *t, const struct expect_facts *f, struct result *r)
{
    char detail[96];
    if (t->max_total_ms < 0)
        return;
    bool ok = f->total_ms <= (double)t->max_total_ms;
    snprintf(detail, sizeof(detail), "it took %.1f ms, at most %lld are allowed", f->total_ms,
             (long long)t->max_total_ms);
    result_check_add(r, "max_total_ms", ok, ok ? NULL : "%s", detail);
    if (!ok)
        fail(r, CAUSE_too_slow, detail);
}

static void check_cert(const struct target *t, const struct expect_facts *f, struct result *r)
{
    char detail[96];
    if (t->http.tls_min_days < 0)
        return;
    bool ok = f->has_cert && f->cert_days_left >= t->http.tls_min_days;
    if (f->has_cert)
        snprintf(detail, sizeof(detail),
                 "the certificate expires in %lld days, at least %d are asked",
                 (long long)f->cert_days_left, t->http.tls_min_days);
    else
        snprintf(detail, sizeof(detail),
                 "there is no certificate: the last answer came without TLS");
    result_check_add(r, "tls_min_days", ok, ok ? NULL : "%s", detail);
    if (!ok)
        fail(r, CAUSE_cert_expires_soon, detail);
}

void expect_http(const struct target *t, const struct expect_facts *f, struct result *r)
{
    REQUIRE(t->kind == TARGET_HTTP);
    result_end(r, CAUSE_NONE, NULL);
    check_status(t, f, r);
    check_regex(t->http.expect_body_regex, "body_regex", EXPECT_MATCH, f, r);
    check_regex(t->http.expect_body_not_regex, "body_not_regex", EXPECT_NO_MATCH, f, r);
    check_total(t, f, r);
    check_cert(t, f, r);
}
