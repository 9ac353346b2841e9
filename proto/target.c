/* SPDX-License-Identifier: MIT */
#include "proto/target.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/digest.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "proto/target_parts.h"

#define TYPE_A 1
/* A sentence that quotes a text three times keeps within JSON_PROBLEM_MAX up to here. */
#define BARE_QUOTED_MAX 40
/* So that a URL host and a resolver of the same text are two budgets. */
#define DNS_HASH_SALT 0x9e3779b97f4a7c15u

/* One template of each kind; a target begins as a copy of its own. */
struct target_defaults {
    struct target http, dns;
};

static const struct target builtin_http = {
    .kind = TARGET_HTTP,
    .timeout_ms = HTTP_TIMEOUT_MS,
    .max_total_ms = -1,
    .http = {.follow_redirects = true,
             .verify_tls = true,
             .compression = true,
             .wire_limit = -1,
             .max_redirects = REDIRECTS_MAX,
             .body_limit = BODY_LIMIT_BYTES,
             .tls_min_days = -1},
};
static const struct target builtin_dns = {
    .kind = TARGET_DNS,
    .timeout_ms = DNS_TIMEOUT_MS,
    .max_total_ms = -1,
    .dns = {.type = TYPE_A,
            .recursion = true,
            .edns_size = EDNS_SIZE,
            .expect_rcode = -1,
            .expect_min_answers = -1},
};

enum err target_problem(struct target_problem *p, const char *code, const char *fmt, ...)
{
    char text[2 * JSON_PROBLEM_MAX];
    struct strbuf b;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    strbuf_init(&b, JSON_PROBLEM_MAX);
    utf8_sanitize(&b, text, strlen(text),
                  JSON_PROBLEM_MAX - 1); /* a cut never splits a character */
    snprintf(p->detail, sizeof(p->detail), "%s", b.data);
    strbuf_fini(&b);
    p->code = code;
    return ERR_INVALID;
}

const char *target_show(const char *s, size_t n, char buf[SHOWN_MAX + 4])
{
    struct strbuf b;
    strbuf_init(&b, SHOWN_MAX + 1);
    utf8_sanitize(&b, s, n, SHOWN_MAX);
    snprintf(buf, SHOWN_MAX + 4, "%s%s", b.data, n > SHOWN_MAX ? "…" : "");
    strbuf_fini(&b);
    return buf;
}

static void copy_options(struct target *t, const struct target *from)
{
    *t = *from;
    if (t->kind == TARGET_DNS) {
        t->dns.resolver = mem_strdup(from->dns.resolver);
        target_answers_copy(&t->dns.expect_answers, &from->dns.expect_answers);
        return;
    }
    struct target_http *h = &t->http;
    const struct target_http *f = &from->http;
    h->method = mem_strdup(f->method != NULL ? f->method : "GET");
    h->body = mem_strdup(f->body);
    h->expect_body_regex = mem_strdup(f->expect_body_regex);
    h->expect_body_not_regex = mem_strdup(f->expect_body_not_regex);
    h->resolver = mem_strdup(f->resolver);
    target_auth_copy(&h->auth, &f->auth);
    target_tls_copy(&h->tls, &f->tls);
    target_proxy_copy(&h->proxy, &f->proxy);
    target_expect_copy(&h->expect, &f->expect);
    if (f->n_headers == 0)
        return;
    h->headers = mem_array(f->n_headers, sizeof(*h->headers));
    for (unsigned i = 0; i < f->n_headers; i++)
        h->headers[i] =
            (struct target_header){mem_strdup(f->headers[i].name), mem_strdup(f->headers[i].value)};
}

struct target *target_new(enum target_kind kind, const struct target_defaults *d)
{
    struct target *t = mem_alloc(sizeof(*t));
    if (kind == TARGET_HTTP)
        copy_options(t, d != NULL ? &d->http : &builtin_http);
    else
        copy_options(t, d != NULL ? &d->dns : &builtin_dns);
    return t;
}

static void free_parts(struct target *t)
{
    free(t->uri);
    free(t->user_id);
    if (t->kind == TARGET_DNS) {
        free(t->dns.name);
        free(t->dns.resolver);
        target_answers_free(&t->dns.expect_answers);
        return;
    }
    for (unsigned i = 0; i < t->http.n_headers; i++) {
        free(t->http.headers[i].name);
        free(t->http.headers[i].value);
    }
    free(t->http.headers);
    free(t->http.host);
    free(t->http.method);
    free(t->http.body);
    free(t->http.expect_body_regex);
    free(t->http.expect_body_not_regex);
    free(t->http.resolver);
    target_auth_free(&t->http.auth);
    target_tls_free(&t->http.tls);
    target_proxy_free(&t->http.proxy);
    target_expect_free(&t->http.expect);
}

void target_destroy(struct target **tp)
{
    if (*tp == NULL)
        return;
    free_parts(*tp);
    free(*tp);
    *tp = NULL;
}

void target_defaults_destroy(struct target_defaults **dp)
{
    if (*dp == NULL)
        return;
    free_parts(&(*dp)->http);
    free_parts(&(*dp)->dns);
    free(*dp);
    *dp = NULL;
}

enum err target_defaults_parse(const struct json_node *obj, struct target_defaults **out,
                               struct target_problem *p)
{
    struct json_cur c;
    struct dns_given none = {0};
    json_cur_init(&c, obj);
    if (c.err != ERR_NONE)
        return target_problem(p, "bad_value", "'defaults' %s", c.problem);
    if (target_check_fields(obj, FIELDS_HTTP | FIELDS_DNS, p) != ERR_NONE)
        return ERR_INVALID;
    struct target_defaults *d = mem_alloc(sizeof(*d));
    copy_options(&d->http, &builtin_http);
    copy_options(&d->dns, &builtin_dns);
    target_read_http_options(&c, &d->http);
    target_read_dns_options(&c, &d->dns, &none);
    if (json_cur_end_lenient(&c) != ERR_NONE) {
        target_defaults_destroy(&d);
        return target_problem(p, "bad_value", "%s", c.problem);
    }
    *out = d;
    return ERR_NONE;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

#define EVERY_BYTE UINT64_C(0x0101010101010101)
#define HIGH_BITS  (EVERY_BYTE * 0x80)

/* Eight bytes of visible ASCII without a backslash. */
static bool is_clean_word(const char *s)
{
    uint64_t w, slash;
    memcpy(&w, s, sizeof(w));
    slash = w ^ (EVERY_BYTE * '\\');
    uint64_t bad = (w - EVERY_BYTE * 0x21) | (w + EVERY_BYTE) | w | (slash - EVERY_BYTE);
    return (bad & HIGH_BITS) == 0;
}

/* A byte that may stand in no URI, or the end: control characters (C1 too), space, DEL, backslash.
 */
static size_t clean_run(const char *s, size_t n)
{
    size_t i = 0;
    while (n - i >= sizeof(uint64_t) && is_clean_word(s + i))
        i += sizeof(uint64_t);
    for (; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c <= ' ' || c == 0x7f || c == '\\')
            return i;
        if (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0)
            return i;
    }
    return n;
}

static enum err check_text(const char *s, size_t n, struct target_problem *p)
{
    if (n == 0)
        return target_problem(p, "empty", "the target is empty: write an http, https or dns URI");
    if (n > URI_MAX)
        return target_problem(p, "too_long", "the URI has %zu bytes, at most %d are allowed", n,
                              URI_MAX);
    if (!utf8_valid(s, n))
        return target_problem(p, "bad_utf8", "the URI is not valid UTF-8: save the text as UTF-8");
    size_t bad = clean_run(s, n);
    if (bad == n)
        return ERR_NONE;
    if (s[bad] == ' ')
        return target_problem(p, "bad_uri", "a space at byte %zu of the URI: write %%20", bad + 1);
    if (s[bad] == '\\')
        return target_problem(p, "bad_uri", "a backslash at byte %zu of the URI: write / or %%5C",
                              bad + 1);
    return target_problem(p, "bad_uri", "a control character at byte %zu of the URI: remove it",
                          bad + 1);
}

/* What looks like host, host:port or host/path gets both ways to write it; what may hold a password
 * is not quoted. */
static enum err explain_no_scheme(const char *s, size_t n, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    if (*s == '/' || *s == '?' || *s == '#' || *s == ':' || memchr(s, '@', n) != NULL)
        return target_problem(p, "bad_uri",
                              "not a URI: it must begin with http://, https:// or dns:");
    size_t host = 0;
    while (host < n && strchr(":/?#", s[host]) == NULL)
        host++;
    if (n > BARE_QUOTED_MAX)
        return target_problem(p, "bare_name",
                              "'%s' is not a URI: begin it with https:// to probe a site or with "
                              "dns: to resolve a name",
                              target_show(s, n, shown));
    return target_problem(p, "bare_name",
                          "'%.*s' is not a URI: write https://%.*s%s to probe the site or "
                          "dns:%.*s?type=A to resolve the name",
                          (int)n, s, (int)n, s, memchr(s, '/', n) != NULL ? "" : "/", (int)host, s);
}

static bool scheme_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '-' || c == '.';
}

/* "example.com:8080" has the form of a scheme too, but nobody means that. */
static bool is_host_port(const char *s, size_t colon, size_t n)
{
    bool digits = colon + 1 < n && s[colon + 1] >= '0' && s[colon + 1] <= '9';
    return digits || memchr(s, '.', colon) != NULL;
}

static enum err classify(const char *s, size_t n, enum target_kind *kind, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    size_t colon = 0;
    while (colon < n && scheme_char(s[colon]))
        colon++;
    if (colon == n || s[colon] != ':' || colon == 0)
        return explain_no_scheme(s, n, p);
    if ((colon == 4 && strncasecmp(s, "http", 4) == 0) ||
        (colon == 5 && strncasecmp(s, "https", 5) == 0))
        *kind = TARGET_HTTP;
    else if (colon == 3 && strncasecmp(s, "dns", 3) == 0)
        *kind = TARGET_DNS;
    else if (!(n - colon > 2 && s[colon + 1] == '/' && s[colon + 2] == '/') &&
             is_host_port(s, colon, n))
        return explain_no_scheme(s, n, p);
    else
        return target_problem(p, "unknown_scheme",
                              "the scheme '%s' is not known: http, https and dns are",
                              target_show(s, colon, shown));
    return ERR_NONE;
}

static void trim(const char **s, size_t *n)
{
    if (*n >= 3 && memcmp(*s, "\xef\xbb\xbf", 3) == 0) { /* an editor's byte order mark */
        *s += 3;
        *n -= 3;
    }
    while (*n > 0 && is_blank((*s)[0])) {
        (*s)++;
        (*n)--;
    }
    while (*n > 0 && is_blank((*s)[*n - 1]))
        (*n)--;
}

/* A target with its URI read and the defaults' options. */
static enum err from_uri(const char *s, size_t n, const struct target_defaults *d,
                         struct dns_given *given, struct target **out, struct target_problem *p)
{
    enum target_kind kind = TARGET_HTTP;
    trim(&s, &n);
    if (check_text(s, n, p) != ERR_NONE || classify(s, n, &kind, p) != ERR_NONE)
        return ERR_INVALID;
    struct target *t = target_new(kind, d);
    t->uri = mem_strndup(s, n);
    enum err e = kind == TARGET_HTTP ? target_read_url(t, p) : target_read_dns_uri(t, given, p);
    if (e != ERR_NONE)
        target_destroy(&t);
    else
        *out = t;
    return e;
}

enum err target_from_text(const char *line, size_t len, const struct target_defaults *d,
                          struct target **out, struct target_problem *p)
{
    struct dns_given given = {0};
    REQUIRE(out != NULL && p != NULL);
    return from_uri(line, len, d, &given, out, p);
}

/* {"dns": "example.com", "type": "MX"}: the name without a scheme, because the type stands beside
 * it. */
static enum err from_bare_name(const char *name, const struct target_defaults *d,
                               struct target **out, struct target_problem *p)
{
    size_t n = strlen(name);
    if (check_text(name, n, p) != ERR_NONE)
        return ERR_INVALID;
    struct target *t = target_new(TARGET_DNS, d);
    if (target_read_dns_name(t, name, n, p) != ERR_NONE) {
        target_destroy(&t);
        return ERR_INVALID;
    }
    t->uri = mem_alloc(n + sizeof("dns:"));
    memcpy(t->uri, "dns:", 4);
    memcpy(t->uri + 4, name, n + 1);
    *out = t;
    return ERR_NONE;
}

static bool is_bare_name(const char *s)
{
    return *s != '\0' && strchr(s, ':') == NULL && strchr(s, '?') == NULL;
}

static enum err explain_no_type(const char *name, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    return target_problem(p, "bare_name",
                          "'%s' is not a DNS URI: write dns:NAME?type=A, or give 'type' beside it",
                          target_show(name, strlen(name), shown));
}

/* The member that names what to probe. */
static enum err from_member(const struct json_node *obj, const struct target_defaults *d,
                            struct dns_given *given, struct target **out, struct target_problem *p)
{
    struct json_cur c;
    json_cur_init(&c, obj);
    const char *url = json_get_str(&c, "url", LINE_MAX_BYTES, NULL);
    const char *dns = json_get_str(&c, "dns", LINE_MAX_BYTES, NULL);
    const struct json_node *type = json_get(&c, "type");
    if (json_cur_end_lenient(&c) != ERR_NONE)
        return target_problem(p, "bad_value", "%s", c.problem);
    if ((url == NULL) == (dns == NULL))
        return target_problem(p, "bad_value", "a target has exactly one of 'url' and 'dns'%s",
                              url == NULL ? ", and here is none" : ", and here are both");
    if (dns != NULL && is_bare_name(dns))
        return type != NULL ? from_bare_name(dns, d, out, p) : explain_no_type(dns, p);
    struct target *t = NULL;
    if (from_uri(url != NULL ? url : dns, strlen(url != NULL ? url : dns), d, given, &t, p) < 0)
        return ERR_INVALID;
    if ((t->kind == TARGET_HTTP) == (url != NULL)) {
        *out = t;
        return ERR_NONE;
    }
    target_destroy(&t);
    return target_problem(p, "bad_value",
                          url != NULL
                              ? "'url' takes http and https: write a dns URI in 'dns'"
                              : "'dns' takes a dns URI: write an http or https URI in 'url'");
}

/* As a default of the batch it means: where it can be had. */
static bool asks_for_plain_http2(struct json_cur *c, const struct target *t)
{
    return t->kind == TARGET_HTTP && !t->http.https && t->http.http_version == HTTP_2 &&
           json_get(c, "http_version") != NULL;
}

static enum err read_options(const struct json_node *obj, struct target *t,
                             const struct dns_given *given, struct target_problem *p)
{
    struct json_cur c;
    unsigned kind = t->kind == TARGET_HTTP ? FIELDS_HTTP : FIELDS_DNS;
    if (target_check_fields(obj, FIELDS_TARGET | kind, p) != ERR_NONE)
        return ERR_INVALID;
    json_cur_init(&c, obj);
    t->user_id = mem_strdup(json_get_str(&c, "user_id", USER_ID_MAX, NULL));
    if (t->kind == TARGET_HTTP)
        target_read_http_options(&c, t);
    else
        target_read_dns_options(&c, t, given);
    if (asks_for_plain_http2(&c, t))
        json_cur_fail(&c, "'http_version' 2 is for https: HTTP/2 is spoken over TLS only");
    if (json_cur_end_lenient(&c) != ERR_NONE)
        return target_problem(p, "bad_value", "%s", c.problem);
    return ERR_NONE;
}

enum err target_from_json(const struct json_node *n, const struct target_defaults *d,
                          struct target **out, struct target_problem *p)
{
    struct dns_given given = {0};
    struct target *t = NULL;
    REQUIRE(out != NULL && p != NULL);
    if (json_type(n) == JSON_STRING)
        return from_uri(json_node_str(n), strlen(json_node_str(n)), d, &given, out, p);
    if (json_type(n) != JSON_OBJECT)
        return target_problem(p, "bad_value", "a target is a URI or an object, not %s",
                              json_type_name(json_type(n)));
    if (from_member(n, d, &given, &t, p) != ERR_NONE)
        return ERR_INVALID;
    if (read_options(n, t, &given, p) != ERR_NONE) {
        target_destroy(&t);
        return ERR_INVALID;
    }
    *out = t;
    return ERR_NONE;
}

const char *target_host(const struct target *t)
{
    if (t->kind == TARGET_HTTP)
        return t->http.host;
    return t->dns.resolver != NULL ? t->dns.resolver : t->dns.name;
}

uint64_t target_host_hash(const struct target *t)
{
    if (t->kind == TARGET_HTTP)
        return hash64(t->http.host, strlen(t->http.host));
    const char *key = target_host(t);
    return hash64(key, strlen(key)) ^ DNS_HASH_SALT;
}

uint64_t target_peer_hash(const struct target *t)
{
    char name[PROXY_NAME_MAX];
    if (t->kind != TARGET_HTTP || t->http.proxy.kind == PROXY_NONE)
        return target_host_hash(t);
    target_proxy_name(&t->http.proxy, name);
    return hash64(name, strlen(name));
}

bool target_safe(const struct target *t)
{
    if (t->kind == TARGET_DNS)
        return true;
    const char *m = t->http.method;
    return strcmp(m, "GET") == 0 || strcmp(m, "HEAD") == 0 || strcmp(m, "OPTIONS") == 0;
}

int64_t target_wire_limit(const struct target_http *h)
{
    if (h->wire_limit >= 0)
        return h->wire_limit;
    return h->body_limit + h->body_limit / 8 + WIRE_SPARE_BYTES;
}

bool status_set_has(const struct status_set *s, int status)
{
    if (status >= 100 && status <= 599 && (s->classes & (1u << (status / 100))) != 0)
        return true;
    for (unsigned i = 0; i < s->n_codes; i++)
        if (s->codes[i] == status)
            return true;
    return false;
}
