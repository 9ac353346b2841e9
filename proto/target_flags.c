/* SPDX-License-Identifier: MIT */
#include "proto/target_flags.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "common/mem.h"
#include "common/utf8.h"
#include "proto/limits.h"
#include "proto/target_flags_parts.h"

/* One line of this table gives a flag to every program: what --help says of it, and the member of
 * the object that it makes. */
struct flag {
    const char *in;     /* the object that the member is of: "" is the target itself */
    const char *member; /* NULL: a heading */
    flag_put_f *put;
    const char *text; /* flag_put_constant: the value */
    struct option option;
};

#define AT(field) OPTION_FIELD(struct target_flags, field)
#define HEADING(about)                                                                             \
    {                                                                                              \
        .option = {.kind = OPT_SECTION, .help = about }                                            \
    }
#define FLAG(name_, short_, field, in_, member_, text_, about)                                     \
    {                                                                                              \
        in_, member_, flag_put_constant, text_,                                                    \
        {                                                                                          \
            .name = name_, .short_name = short_, .kind = OPT_FLAG, .offset = AT(field),            \
            .help = about, .cli_only = true                                                        \
        }                                                                                          \
    }
#define VALUE(kind_, name_, short_, field, in_, member_, put_, value, about)                       \
    {                                                                                              \
        in_, member_, put_, NULL,                                                                  \
        {                                                                                          \
            .name = name_, .short_name = short_, .kind = kind_, .offset = AT(field),               \
            .value_name = value, .help = about, .cli_only = true                                   \
        }                                                                                          \
    }
#define TEXT(...) VALUE(OPT_STRING, __VA_ARGS__)
#define LIST(...) VALUE(OPT_LIST, __VA_ARGS__)

static const struct flag flags[] = {
    HEADING("The probe"),
    TEXT("timeout-ms", 0, timeout_ms, "", "timeout_ms", flag_put_number, "N",
         "time-out of the whole probe, tries included"),
    TEXT("retries", 0, retries, "", "retries", flag_put_number, "N",
         "more tries when one fails at the target or its proxy, within the same time-out"),
    TEXT("dns-server", 0, dns_server, "", "resolver", flag_put_text, "ADDR[:PORT]",
         "the target's resolver: asked instead of the agent's own, if its policy allows"),
    HEADING("The probe of an http or https target"),
    TEXT("method", 'X', method, "", "method", flag_put_text, "METHOD",
         "default GET, with --body POST"),
    LIST("header", 'H', headers, "", "headers", flag_put_pairs, "NAME: VALUE",
         "a header of the request"),
    TEXT("body", 'd', body, "", "body", flag_put_text_or_file, "TEXT|@FILE",
         "the body of the request"),
    TEXT("user", 'u', user, "", "auth", flag_put_user, "NAME:PASSWORD|@FILE",
         "basic authentication; a file keeps it out of the list of processes"),
    TEXT("bearer", 0, bearer, "", "auth", flag_put_bearer, "TOKEN|@FILE", "bearer authentication"),
    TEXT("http-version", 0, http_version, "", "http_version", flag_put_text, "V", "auto, 1.1 or 2"),
    FLAG("ipv4", '4', ipv4, "", "ip_version", "4", "only over IPv4"),
    FLAG("ipv6", '6', ipv6, "", "ip_version", "6", "only over IPv6"),
    FLAG("no-follow", 0, no_follow, "", "follow_redirects", "false",
         "a redirect is the answer, not followed"),
    TEXT("max-redirects", 0, max_redirects, "", "max_redirects", flag_put_number, "N",
         "how many are followed"),
    FLAG("insecure", 'k', insecure, "", "verify_tls", "false",
         "a certificate that cannot be trusted is only reported"),
    TEXT("proxy", 'x', proxy, "", "proxy", flag_put_line, "URI|@FILE",
         "through http:// or socks5://[USER:PASSWORD@]HOST[:PORT]"),
    TEXT("sni", 0, sni, "", "sni", flag_put_text, "NAME",
         "TLS asks for this host, and the certificate must be for it"),
    TEXT("cacert", 0, cacert, "", "ca", flag_put_file, "FILE",
         "PEM of the authorities to trust for this target"),
    TEXT("cert", 0, cert, "client_cert", "cert", flag_put_file, "FILE",
         "PEM of the client's certificate, with --key"),
    TEXT("key", 0, key, "client_cert", "key", flag_put_file, "FILE",
         "PEM of its private key, without a passphrase"),
    FLAG("no-compression", 0, no_compression, "", "compression", "false",
         "does not offer to decode a compressed body"),
    TEXT("body-limit", 0, body_limit, "", "body_limit", flag_put_number, "BYTES",
         "a longer body fails"),
    TEXT("keep-body", 0, keep_body, "", "keep_body", flag_put_number, "BYTES",
         "this much of the body is shown"),
    TEXT("wire-limit", 0, wire_limit, "", "wire_limit", flag_put_number, "BYTES",
         "bytes that one connection may receive"),
    HEADING("The probe of a dns target"),
    TEXT("type", 't', type, "", "type", flag_put_text, "TYPE",
         "asks for this type; TARGET may then be a bare name"),
    FLAG("tcp", 0, tcp, "", "transport", "\"tcp\"", "asks over TCP at once"),
    FLAG("norecurse", 0, norecurse, "", "recursion", "false", "does not ask the server to recurse"),
    FLAG("dnssec", 0, dnssec, "", "dnssec", "true", "asks for signatures (DO)"),
    TEXT("edns", 0, edns, "", "edns_size", flag_put_number, "BYTES",
         "the UDP size that EDNS offers; 0 asks without EDNS"),
    HEADING("What is expected (otherwise the probe fails)"),
    TEXT("max-total-ms", 0, max_total_ms, "expect", "max_total_ms", flag_put_number, "N",
         "it takes at most this long"),
    LIST("expect-status", 0, expect_status, "expect", "status", flag_put_status, "CODE,…",
         "one of these codes or classes, like 200,3xx"),
    LIST("expect-header", 0, expect_headers, "expect", "header", flag_put_pairs, "NAME: REGEX",
         "a header of that name matches"),
    TEXT("expect-body", 0, expect_body, "expect", "body_regex", flag_put_text, "REGEX",
         "the body matches"),
    TEXT("expect-not-body", 0, expect_not_body, "expect", "body_not_regex", flag_put_text, "REGEX",
         "the body does not match"),
    LIST("expect-json", 0, expect_json, "expect", "json", flag_put_json, "PATH[=VALUE|~REGEX]",
         "the body has this in it, like '$.state=up'; '!PATH': it has not"),
    TEXT("tls-min-days", 0, tls_min_days, "expect", "tls_min_days", flag_put_number, "N",
         "the certificate lasts this many days more"),
    TEXT("expect-rcode", 0, expect_rcode, "expect", "rcode", flag_put_text, "RCODE",
         "the DNS answer has this response code, like NXDOMAIN"),
    LIST("expect-answer", 0, expect_answers, "answers", "contains", flag_put_texts, "DATA",
         "this is among the data of the answers"),
    LIST("expect-only-answer", 0, expect_only_answers, "answers", "equals", flag_put_texts, "DATA",
         "the data of the answers are these and no others"),
    TEXT("expect-answer-regex", 0, expect_answer_regex, "answers", "regex", flag_put_text, "REGEX",
         "the data of an answer match"),
    TEXT("min-answers", 0, min_answers, "expect", "min_answers", flag_put_number, "N",
         "so many answers of the type asked for"),
};

/* Objects in objects. */
static const struct {
    const char *name, *in;
} nested[] = {{"client_cert", ""}, {"expect", ""}, {"answers", "expect"}};

void flag_fail(struct flag_writer *w, const char *fmt, ...)
{
    struct strbuf b;
    va_list ap;
    if (w->err != ERR_NONE)
        return;
    w->err = ERR_INVALID;
    strbuf_init(&b, LINE_MAX_BYTES);
    va_start(ap, fmt);
    strbuf_vprintf(&b, fmt, ap);
    va_end(ap);
    snprintf(w->why, w->why_max, "--%s%s", w->flag, b.data);
    strbuf_fini(&b);
}

size_t target_flags_options(struct option *table, size_t room, size_t base)
{
    REQUIRE(ARRAY_LEN(flags) <= room && ARRAY_LEN(flags) <= TARGET_FLAGS_MAX);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        table[i] = flags[i].option;
        table[i].offset += base;
    }
    return ARRAY_LEN(flags);
}

/* ---- what was given */

static const void *field_of(const struct target_flags *f, const struct flag *g)
{
    return (const char *)f + g->option.offset;
}

static bool is_given(const struct target_flags *f, const struct flag *g)
{
    const void *field = field_of(f, g);
    switch (g->option.kind) {
    case OPT_FLAG:
        return *(const bool *)field;
    case OPT_LIST:
        return ((const struct option_list *)field)->count > 0;
    case OPT_STRING:
        return *(char *const *)field != NULL;
    case OPT_INT:
    case OPT_SECTION:
        return false;
    }
    UNREACHABLE("no such kind");
}

static const struct flag *next_given(const struct target_flags *f, const struct flag *g)
{
    for (g = g ? g + 1 : flags; g < flags + ARRAY_LEN(flags); g++)
        if (is_given(f, g))
            return g;
    return NULL;
}

const char *target_flags_given(const struct target_flags *f)
{
    const struct flag *g = next_given(f, NULL);
    return g ? g->option.name : NULL;
}

/* Is a member of the object `in`, or of an object in it, given? */
static bool any_in(const struct target_flags *f, const char *in)
{
    for (const struct flag *g = next_given(f, NULL); g; g = next_given(f, g))
        if (strcmp(g->in, in) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(nested); i++)
        if (strcmp(nested[i].in, in) == 0 && any_in(f, nested[i].name))
            return true;
    return false;
}

/* Do the flags say something of this member of `in`? */
static bool gives(const struct target_flags *f, const char *in, const char *member)
{
    for (const struct flag *g = next_given(f, NULL); g; g = next_given(f, g))
        if (strcmp(g->in, in) == 0 && strcmp(g->member, member) == 0)
            return true;
    for (size_t i = 0; i < ARRAY_LEN(nested); i++)
        if (strcmp(nested[i].in, in) == 0 && strcmp(nested[i].name, member) == 0)
            return any_in(f, nested[i].name);
    return false;
}

static const struct json_node *member_of(const struct json_node *obj, const char *name)
{
    const struct json_node *m = obj ? json_first(obj) : NULL;
    while (m && strcmp(json_node_key(m), name) != 0)
        m = json_next(m);
    return m;
}

/* Two flags that make the same member, and halves of a pair. */
static void check_together(struct flag_writer *w, const struct target_flags *f)
{
    for (const struct flag *a = next_given(f, NULL); a; a = next_given(f, a))
        for (const struct flag *b = next_given(f, a); b; b = next_given(f, b))
            if (strcmp(a->in, b->in) == 0 && strcmp(a->member, b->member) == 0) {
                w->flag = a->option.name;
                flag_fail(w, " and --%s contradict: leave one out", b->option.name);
            }
    if ((f->cert == NULL) == (f->key == NULL))
        return;
    w->flag = f->cert ? "cert" : "key";
    flag_fail(w, " needs --%s beside it", f->cert ? "key" : "cert");
}

/* ---- the object */

static void put_object(struct flag_writer *w, const struct target_flags *f, const char *in,
                       const struct json_node *base);

static void put_members(struct flag_writer *w, const struct target_flags *f, const char *in,
                        const struct json_node *base)
{
    for (const struct json_node *m = base ? json_first(base) : NULL; m; m = json_next(m)) {
        if (gives(f, in, json_node_key(m)))
            continue;
        json_key_str(&w->out, json_node_key(m));
        json_print(&w->out, m);
    }
    for (const struct flag *g = next_given(f, NULL); g; g = next_given(f, g)) {
        if (strcmp(g->in, in) != 0)
            continue;
        w->flag = g->option.name;
        w->base = base;
        json_key(&w->out, g->member);
        g->put(w, g->member, field_of(f, g), g->text);
    }
    for (size_t i = 0; i < ARRAY_LEN(nested); i++) {
        if (strcmp(nested[i].in, in) != 0 || !any_in(f, nested[i].name))
            continue;
        json_key(&w->out, nested[i].name);
        put_object(w, f, nested[i].name, member_of(base, nested[i].name));
    }
}

static void put_object(struct flag_writer *w, const struct target_flags *f, const char *in,
                       const struct json_node *base)
{
    json_obj_begin(&w->out);
    put_members(w, f, in, base && json_type(base) == JSON_OBJECT ? base : NULL);
    json_obj_end(&w->out);
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

/* A body is sent by POST unless something else is said, as curl does. Behind all other members: a
 * dns target is told of --body first. */
static bool posts(const struct target_flags *f, const struct json_node *base)
{
    return f->body != NULL && f->method == NULL && member_of(base, "method") == NULL;
}

/* A name beside --type becomes a URI with the type in it, so that the result shows what was asked.
 */
static void put_bare_name(struct flag_writer *w, const char *name, const char *type)
{
    struct strbuf uri;
    strbuf_init(&uri, LINE_MAX_BYTES);
    strbuf_printf(&uri, "dns:%s?type=%s", name, type);
    json_str(&w->out, "dns", uri.data);
    w->out.b->overflow |= uri.overflow;
    strbuf_fini(&uri);
}

/* text: a URI or a bare name, when there is no object. */
static void put_target(struct flag_writer *w, const struct target_flags *f, const char *text,
                       const struct json_node *base)
{
    struct target_flags rest = *f; /* borrows all */
    bool bare = base == NULL && f->type && *text != '\0' && strpbrk(text, ":?") == NULL;
    json_obj_begin(&w->out);
    if (bare) {
        put_bare_name(w, text, f->type);
        rest.type = NULL;
    } else if (base == NULL) {
        json_str(&w->out, starts_with(text, "dns:") ? "dns" : "url", text);
    }
    put_members(w, &rest, "", base);
    if (posts(f, base))
        json_str(&w->out, "method", "POST");
    json_obj_end(&w->out);
}

static enum err fail(char *why, size_t why_max, const char *text)
{
    snprintf(why, why_max, "%s", text);
    return ERR_INVALID;
}

enum err target_flags_encode(const struct target_flags *f, const char *target, struct strbuf *out,
                             char *why, size_t why_max)
{
    struct flag_writer w = {.why = why, .why_max = why_max};
    struct json_doc *doc = NULL;
    REQUIRE(f != NULL && target != NULL && out->len == 0);
    if (!utf8_valid(target, strlen(target)))
        return fail(why, why_max, "the target is not valid UTF-8");
    target += strspn(target, " \t\r\n");
    if (*target == '{' && json_parse(target, strlen(target), &doc, why, why_max) != ERR_NONE) {
        char *said = mem_strdup(why);
        snprintf(why, why_max, "the target begins like an object, but is not JSON: %s", said);
        free(said);
        return ERR_INVALID;
    }
    json_out_init(&w.out, out);
    check_together(&w, f);
    put_target(&w, f, target, doc ? json_root(doc) : NULL);
    json_free(&doc);
    if (w.err == ERR_NONE && out->overflow)
        snprintf(why, why_max, "the target is longer than %zu bytes", out->max);
    return w.err == ERR_NONE && out->overflow ? ERR_INVALID : w.err;
}

/* ---- what the validator says */

/* The given flag that made the member quoted at s, with "'", or NULL. "expect.status" is one too.
 */
static const struct flag *flag_at(const struct target_flags *f, const char *s, size_t *len)
{
    const char *end = strchr(s + 1, '\'');
    if (end == NULL)
        return NULL;
    *len = (size_t)(end - s) + 1;
    const char *name = s + 1;
    for (const char *p = name; p < end; p++)
        if (*p == '.')
            name = p + 1;
    size_t n = (size_t)(end - name);
    for (const struct flag *g = next_given(f, NULL); g; g = next_given(f, g))
        if (strlen(g->member) == n && strncmp(g->member, name, n) == 0)
            return g;
    return NULL;
}

/* Where the sentence begins without the objects around the member, of which no flag speaks. */
static const char *without_objects(const char *said, const char *member)
{
    for (;;) {
        const char *end = strncmp(said, "in '", 4) == 0 ? strstr(said, "': ") : NULL;
        if (end == NULL || end >= member)
            return said;
        said = end + 3;
    }
}

void target_flags_explain(const struct target_flags *f, const char *said, char *out, size_t max)
{
    size_t len = 0;
    REQUIRE(f != NULL && said != NULL && max > 0);
    for (const char *s = strchr(said, '\''); s; s = strchr(s + 1, '\'')) {
        const struct flag *g = flag_at(f, s, &len);
        if (g == NULL)
            continue;
        const char *begin = without_objects(said, s);
        snprintf(out, max, "%.*s--%s%s", (int)(s - begin), begin, g->option.name, s + len);
        return;
    }
    snprintf(out, max, "%s", said);
}
