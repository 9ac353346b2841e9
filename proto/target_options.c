/* SPDX-License-Identifier: MIT */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/near.h"
#include "proto/target_parts.h"

#define METHOD_MAX      16
#define RESOLVER_MAX    64
#define TLS_DAYS_MAX    3650
#define MIN_ANSWERS_MAX 1000
#define RCODE_MAX       23
#define WORD_MAX        32

/* Every field of a target or of defaults, and who knows it. */
struct field {
    const char *name;
    unsigned scope;
};
static const struct field fields[] = {
    {"url", FIELDS_TARGET},
    {"dns", FIELDS_TARGET},
    {"user_id", FIELDS_TARGET},
    {"timeout_ms", FIELDS_HTTP | FIELDS_DNS},
    {"method", FIELDS_HTTP},
    {"expect", FIELDS_HTTP | FIELDS_DNS},
    {"headers", FIELDS_HTTP},
    {"body", FIELDS_HTTP},
    {"follow_redirects", FIELDS_HTTP},
    {"max_redirects", FIELDS_HTTP},
    {"ip_version", FIELDS_HTTP},
    {"http_version", FIELDS_HTTP},
    {"verify_tls", FIELDS_HTTP},
    {"body_limit", FIELDS_HTTP},
    {"keep_body", FIELDS_HTTP},
    {"wire_limit", FIELDS_HTTP},
    {"compression", FIELDS_HTTP},
    {"auth", FIELDS_HTTP},
    {"sni", FIELDS_HTTP},
    {"ca", FIELDS_HTTP},
    {"client_cert", FIELDS_HTTP},
    {"proxy", FIELDS_HTTP},
    {"type", FIELDS_DNS},
    {"resolver", FIELDS_HTTP | FIELDS_DNS},
    {"transport", FIELDS_DNS},
    {"recursion", FIELDS_DNS},
    {"dnssec", FIELDS_DNS},
    {"edns_size", FIELDS_DNS},
    {"retries", FIELDS_HTTP | FIELDS_DNS},
};
static const struct field expect_fields[] = {
    {"max_total_ms", FIELDS_HTTP | FIELDS_DNS},
    {"status", FIELDS_HTTP},
    {"body_regex", FIELDS_HTTP},
    {"body_not_regex", FIELDS_HTTP},
    {"tls_min_days", FIELDS_HTTP},
    {"header", FIELDS_HTTP},
    {"json", FIELDS_HTTP},
    {"rcode", FIELDS_DNS},
    {"min_answers", FIELDS_DNS},
    {"answers", FIELDS_DNS},
};

/* Headers that frame the message or the connection: the probe makes them itself. */
static const char *const forbidden_headers[] = {
    "content-length",   "transfer-encoding", "connection", "keep-alive",
    "proxy-connection", "upgrade",           "te",         "trailer"};

static enum err unknown_field(const struct field *table, size_t n, unsigned scope,
                              const char *where, const char *key, struct target_problem *p)
{
    struct near x;
    char shown[SHOWN_MAX + 4];
    target_show(key, strlen(key), shown);
    near_init(&x, key);
    for (size_t i = 0; i < n; i++)
        if ((table[i].scope & scope) != 0)
            near_offer(&x, table[i].name);
    if (x.best == NULL)
        return target_problem(p, "unknown_field", "unknown field '%s%s'", where, shown);
    return target_problem(p, "unknown_field", "unknown field '%s%s'; did you mean '%s'?", where,
                          shown, x.best);
}

static enum err check_object(const struct json_node *obj, const struct field *table, size_t n,
                             unsigned scope, const char *where, struct target_problem *p)
{
    for (const struct json_node *m = json_first(obj); m != NULL; m = json_next(m)) {
        const char *key = json_node_key(m);
        size_t i = 0;
        while (i < n && strcmp(table[i].name, key) != 0)
            i++;
        if (i < n && (table[i].scope & scope) != 0)
            continue;
        if (i < n && table[i].scope != FIELDS_TARGET)
            return target_problem(p, "unknown_field",
                                  "'%s%s' is an option of %s targets, and this is %s target", where,
                                  key, table[i].scope == FIELDS_DNS ? "dns" : "http",
                                  (scope & FIELDS_DNS) != 0 ? "a dns" : "an http");
        return unknown_field(table, n, scope, where, key, p);
    }
    return ERR_NONE;
}

enum err target_check_fields(const struct json_node *obj, unsigned scope, struct target_problem *p)
{
    REQUIRE(json_type(obj) == JSON_OBJECT);
    if (check_object(obj, fields, ARRAY_LEN(fields), scope, "", p) != ERR_NONE)
        return ERR_INVALID;
    for (const struct json_node *m = json_first(obj); m != NULL; m = json_next(m))
        if (strcmp(json_node_key(m), "expect") == 0 && json_type(m) == JSON_OBJECT)
            return check_object(m, expect_fields, ARRAY_LEN(expect_fields), scope, "expect.", p);
    return ERR_NONE;
}

static void replace(char **slot, const char *s)
{
    free(*slot);
    *slot = mem_strdup(s);
}

static bool token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_token(const char *s)
{
    const char *p = s;
    while (token_char(*p))
        p++;
    return p > s && *p == '\0';
}

bool target_header_name_ok(const char *name)
{
    return strlen(name) <= HEADER_NAME_MAX && is_token(name);
}

static bool is_forbidden(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(forbidden_headers); i++)
        if (strcasecmp(name, forbidden_headers[i]) == 0)
            return true;
    return false;
}

/* HTAB is the only control character that a field value may hold (RFC 9110 §5.5). */
static bool value_ok(const char *s)
{
    for (; *s != '\0'; s++)
        if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
            return false;
    return true;
}

static bool check_header(struct json_cur *c, const char *name, const struct json_node *value)
{
    char shown[SHOWN_MAX + 4];
    target_show(name, strlen(name), shown);
    if (!target_header_name_ok(name))
        json_cur_fail(c, "'%s' cannot be the name of a header", shown);
    else if (is_forbidden(name))
        json_cur_fail(c, "the header '%s' is made by the probe itself: remove it", shown);
    else if (json_type(value) != JSON_STRING)
        json_cur_fail(c, "the header '%s' must be a string, not %s", shown,
                      json_type_name(json_type(value)));
    else if (strlen(json_node_str(value)) > HEADER_VALUE_MAX)
        json_cur_fail(c, "the header '%s' must be at most %d bytes long", shown, HEADER_VALUE_MAX);
    else if (!value_ok(json_node_str(value)))
        json_cur_fail(c, "the header '%s' holds a line break or another control character", shown);
    return c->err == ERR_NONE;
}

static struct target_header *find_header(struct target_http *h, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcasecmp(h->headers[i].name, name) == 0)
            return &h->headers[i];
    return NULL;
}

/* A header of the target replaces the one of the same name that came from the defaults. */
static void set_header(struct json_cur *c, struct target_http *h, const char *name,
                       const char *value)
{
    struct target_header *old = find_header(h, h->n_headers, name);
    if (old != NULL) {
        replace(&old->name, name);
        replace(&old->value, value);
        return;
    }
    if (h->n_headers == HEADERS_MAX) {
        json_cur_fail(c, "more than %d headers, with those of the defaults", HEADERS_MAX);
        return;
    }
    h->headers = mem_realloc(h->headers, (h->n_headers + 1) * sizeof(*h->headers));
    h->headers[h->n_headers++] = (struct target_header){mem_strdup(name), mem_strdup(value)};
}

static void drop_header(struct target_http *h, const char *name)
{
    struct target_header *old = find_header(h, h->n_headers, name);
    if (old == NULL)
        return;
    free(old->name);
    free(old->value);
    *old = h->headers[--h->n_headers];
}

static bool named_twice(const struct json_node *list, const struct json_node *m)
{
    for (const struct json_node *n = json_first(list); n != m; n = json_next(n))
        if (strcasecmp(json_node_key(n), json_node_key(m)) == 0)
            return true;
    return false;
}

static void read_headers(struct json_cur *c, struct target_http *h)
{
    const struct json_node *list = json_get_obj(c, "headers");
    if (list == NULL)
        return;
    if (json_count(list) > HEADERS_MAX) {
        json_cur_fail(c, "'headers' must have at most %d members", HEADERS_MAX);
        return;
    }
    for (const struct json_node *m = json_first(list); m != NULL; m = json_next(m)) {
        if (!check_header(c, json_node_key(m), m))
            return;
        if (named_twice(list, m))
            json_cur_fail(c, "the header '%.64s' is given twice", json_node_key(m));
        set_header(c, h, json_node_key(m), json_node_str(m));
    }
}

/* `auth` and a header of its own say the same thing: given together they contradict, else the newer
 * word counts. */
static void read_auth(struct json_cur *c, struct target_http *h)
{
    const struct json_node *headers = json_get_obj(c, "headers");
    bool header = false, auth = target_auth_read(c, &h->auth);
    const struct json_node *m = headers != NULL ? json_first(headers) : NULL;
    for (; m != NULL; m = json_next(m))
        header |= strcasecmp(json_node_key(m), "Authorization") == 0;
    if (auth && header)
        json_cur_fail(c, "'auth' and the header 'Authorization' contradict: leave one out");
    else if (auth)
        drop_header(h, "Authorization");
    else if (header)
        target_auth_free(&h->auth);
}

static void read_method(struct json_cur *c, struct target_http *h)
{
    const char *method = json_get_str(c, "method", WORD_MAX, NULL);
    if (method == NULL)
        return;
    size_t n = strlen(method);
    if (n == 0 || n > METHOD_MAX || strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != n)
        json_cur_fail(c, "'method' must be 1 to %d capital letters, like GET or POST", METHOD_MAX);
    else if (strcmp(method, "CONNECT") == 0)
        json_cur_fail(c, "'method' cannot be CONNECT: a probe asks a server, not a proxy");
    else
        replace(&h->method, method);
}

static void read_body(struct json_cur *c, struct target_http *h)
{
    const char *body = json_get_str(c, "body", REQUEST_BODY_MAX, NULL);
    if (body == NULL)
        return;
    replace(&h->body, body);
    h->body_len = strlen(body);
}

/* A string member that is one of words; its index, or dflt when it is absent. */
static int get_word(struct json_cur *c, const char *name, const char *const *words, size_t n,
                    int dflt, const char *wanted)
{
    const struct json_node *m = json_get(c, name);
    if (m == NULL || json_type(m) == JSON_NULL)
        return dflt;
    for (size_t i = 0; i < n && json_type(m) == JSON_STRING; i++)
        if (strcmp(json_node_str(m), words[i]) == 0)
            return (int)i;
    json_cur_fail(c, "'%s' must be %s", name, wanted);
    return dflt;
}

static void read_versions(struct json_cur *c, struct target_http *h)
{
    static const char *const ips[] = {[IP_ANY] = "any", [IP_V4] = "4", [IP_V6] = "6"};
    static const char *const https[] = {[HTTP_AUTO] = "auto", [HTTP_1_1] = "1.1", [HTTP_2] = "2"};
    const struct json_node *ip = json_get(c, "ip_version");
    if (ip != NULL && json_type(ip) == JSON_NUMBER && json_node_num(ip) == 4)
        h->ip_version = IP_V4;
    else if (ip != NULL && json_type(ip) == JSON_NUMBER && json_node_num(ip) == 6)
        h->ip_version = IP_V6;
    else
        h->ip_version = (enum ip_version)get_word(c, "ip_version", ips, ARRAY_LEN(ips),
                                                  (int)h->ip_version, "4, 6 or \"any\"");
    h->http_version =
        (enum http_version)get_word(c, "http_version", https, ARRAY_LEN(https),
                                    (int)h->http_version, "\"auto\", \"1.1\" or \"2\"");
}

void target_check_regex(struct json_cur *c, const char *name, const char *text)
{
    if (strlen(text) > REGEX_MAX) {
        json_cur_fail(c, "'%s' must be at most %d bytes long", name, REGEX_MAX);
        return;
    }
    int code;
    PCRE2_SIZE offset;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                                   PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (re == NULL) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(code, why, sizeof(why));
        json_cur_fail(c, "'%s' is not a regular expression: %s at byte %zu", name,
                      (const char *)why, (size_t)offset);
    }
    pcre2_code_free(re);
}

static void read_regex(struct json_cur *c, const char *name, char **slot)
{
    const char *text = json_get_str(c, name, REGEX_MAX, NULL);
    if (text == NULL)
        return;
    target_check_regex(c, name, text);
    if (c->err == ERR_NONE)
        replace(slot, text);
}

static bool add_status(struct status_set *s, const struct json_node *n)
{
    if (json_type(n) == JSON_NUMBER) {
        double v = json_node_num(n);
        if (!(v >= 100 && v <= 599) || v != (int)v || s->n_codes == ARRAY_LEN(s->codes))
            return false;
        s->codes[s->n_codes++] = (uint16_t)v;
        return true;
    }
    const char *text = json_type(n) == JSON_STRING ? json_node_str(n) : "";
    if (text[0] < '1' || text[0] > '5' || strcmp(text + 1, "xx") != 0)
        return false;
    s->classes |= (uint8_t)(1u << (text[0] - '0'));
    return true;
}

static void read_status(struct json_cur *c, struct target_http *h)
{
    const struct json_node *list = json_get_arr(c, "status", ARRAY_LEN(h->expect_status.codes));
    if (list == NULL)
        return;
    struct status_set set = {0};
    for (const struct json_node *n = json_first(list); n != NULL; n = json_next(n))
        if (!add_status(&set, n))
            json_cur_fail(c, "'status' must hold codes from 100 to 599 and classes like \"2xx\"");
    if (json_first(list) == NULL)
        json_cur_fail(c, "'status' is empty: nothing could ever be expected");
    h->expect_status = set;
    h->expect_status_set = true;
}

static void read_expect_http(struct json_cur *c, struct target *t)
{
    read_status(c, &t->http);
    read_regex(c, "body_regex", &t->http.expect_body_regex);
    read_regex(c, "body_not_regex", &t->http.expect_body_not_regex);
    target_expect_read(c, &t->http.expect);
    t->http.tls_min_days =
        (int)json_get_int(c, "tls_min_days", 0, TLS_DAYS_MAX, t->http.tls_min_days);
}

static void read_rcode(struct json_cur *c, struct target_dns *d)
{
    const struct json_node *n = json_get(c, "rcode");
    if (n == NULL || json_type(n) == JSON_NULL)
        return;
    if (json_type(n) == JSON_NUMBER)
        d->expect_rcode = (int)json_get_int(c, "rcode", 0, RCODE_MAX, 0);
    else if (json_type(n) != JSON_STRING || rcode_parse(json_node_str(n), &d->expect_rcode) < 0)
        json_cur_fail(c, "'rcode' must be a DNS response code like \"NXDOMAIN\"");
}

static void read_answers(struct json_cur *c, struct dns_answers *a)
{
    const struct json_node *obj = json_get_obj(c, "answers");
    if (obj == NULL)
        return;
    struct json_cur in;
    json_cur_init(&in, obj);
    target_answers_read(&in, "contains", &a->contains);
    target_answers_read(&in, "equals", &a->equals);
    read_regex(&in, "regex", &a->regex);
    if (a->contains.set && a->contains.n == 0)
        json_cur_fail(&in, "'contains' is empty: it would always hold");
    if (!target_answers_given(a))
        json_cur_fail(&in, "one of 'contains', 'equals' and 'regex' is needed");
    if (json_cur_end(&in) != ERR_NONE)
        json_cur_fail(c, "in 'answers': %s", in.problem);
}

static void read_expect_dns(struct json_cur *c, struct target *t)
{
    read_rcode(c, &t->dns);
    t->dns.expect_min_answers =
        (int)json_get_int(c, "min_answers", 0, MIN_ANSWERS_MAX, t->dns.expect_min_answers);
    read_answers(c, &t->dns.expect_answers);
}

static void read_common(struct json_cur *c, struct target *t)
{
    t->timeout_ms = (int)json_get_int(c, "timeout_ms", 1, TIMEOUT_MS_MAX, t->timeout_ms);
    t->retries = (int)json_get_int(c, "retries", 0, RETRIES_MAX, t->retries);
    const struct json_node *expect = json_get_obj(c, "expect");
    if (expect == NULL)
        return;
    struct json_cur in;
    json_cur_init(&in, expect);
    t->max_total_ms = json_get_int(&in, "max_total_ms", 1, TIMEOUT_MS_MAX, t->max_total_ms);
    if (t->kind == TARGET_HTTP)
        read_expect_http(&in, t);
    else
        read_expect_dns(&in, t);
    if (json_cur_end_lenient(&in) != ERR_NONE)
        json_cur_fail(c, "in 'expect': %s", in.problem);
}

static void read_resolver(struct json_cur *c, char **slot, bool given)
{
    const char *text = json_get_str(c, "resolver", RESOLVER_MAX, NULL);
    if (text == NULL)
        return;
    char *resolver = target_resolver(text);
    if (resolver == NULL)
        json_cur_fail(c, "'resolver' must be an IP address, with a port or without, like "
                         "\"1.1.1.1:53\"");
    else if (given && strcmp(resolver, *slot) != 0)
        json_cur_fail(c, "'resolver' contradicts the server in the URI: leave one out");
    else
        replace(slot, resolver);
    free(resolver);
}

void target_read_http_options(struct json_cur *c, struct target *t)
{
    REQUIRE(t->kind == TARGET_HTTP);
    struct target_http *h = &t->http;
    read_common(c, t);
    read_method(c, h);
    read_auth(c, h);
    read_headers(c, h);
    read_body(c, h);
    h->follow_redirects = json_get_bool(c, "follow_redirects", h->follow_redirects);
    h->max_redirects = (int)json_get_int(c, "max_redirects", 0, REDIRECTS_MAX, h->max_redirects);
    read_versions(c, h);
    read_resolver(c, &h->resolver, false);
    target_tls_read(c, &h->tls);
    target_proxy_read(c, &h->proxy);
    h->verify_tls = json_get_bool(c, "verify_tls", h->verify_tls);
    h->body_limit = json_get_int(c, "body_limit", 0, BODY_LIMIT_MAX, h->body_limit);
    h->wire_limit = json_get_int(c, "wire_limit", 1, WIRE_LIMIT_MAX, h->wire_limit);
    h->compression = json_get_bool(c, "compression", h->compression);
    h->keep_body = json_get_int(c, "keep_body", 0, KEEP_BODY_MAX, h->keep_body);
}

static void read_type(struct json_cur *c, struct target_dns *d, const struct dns_given *given)
{
    const struct json_node *n = json_get(c, "type");
    uint16_t type = 0;
    if (n == NULL || json_type(n) == JSON_NULL)
        return;
    if (json_type(n) == JSON_NUMBER)
        type = (uint16_t)json_get_int(c, "type", 1, UINT16_MAX, 0);
    else if (json_type(n) != JSON_STRING || rrtype_parse(json_node_str(n), &type) != ERR_NONE)
        json_cur_fail(c, "'type' must be a DNS type: a name like \"AAAA\" or a number like 65");
    if (c->err != ERR_NONE)
        return;
    if (!rrtype_probeable(type))
        json_cur_fail(c, "'type' %u cannot be asked by a probe", type);
    else if (given->type && type != d->type)
        json_cur_fail(c, "'type' contradicts the type in the URI: leave one out");
    else
        d->type = type;
}

static void read_edns_size(struct json_cur *c, struct target_dns *d)
{
    d->edns_size = (int)json_get_int(c, "edns_size", 0, EDNS_SIZE_MAX, d->edns_size);
    if (d->edns_size > 0 && d->edns_size < EDNS_SIZE_MIN)
        json_cur_fail(c, "'edns_size' must be 0 (no EDNS) or from %d to %d", EDNS_SIZE_MIN,
                      EDNS_SIZE_MAX);
    else if (d->edns_size == 0 && d->dnssec)
        json_cur_fail(c, "'dnssec' needs EDNS: leave 'edns_size' out");
}

void target_read_dns_options(struct json_cur *c, struct target *t, const struct dns_given *given)
{
    REQUIRE(t->kind == TARGET_DNS);
    static const char *const transports[] = {"udp", "tcp"};
    struct target_dns *d = &t->dns;
    read_common(c, t);
    read_type(c, d, given);
    read_resolver(c, &d->resolver, given->resolver);
    d->tcp = get_word(c, "transport", transports, ARRAY_LEN(transports), d->tcp,
                      "\"udp\" or \"tcp\"") == 1;
    d->recursion = json_get_bool(c, "recursion", d->recursion);
    d->dnssec = json_get_bool(c, "dnssec", d->dnssec);
    read_edns_size(c, d);
}
