/* SPDX-License-Identifier: MIT */
#include "master/ctl/probe_view.h"
#include "master/ctl/human.h"
#include "master/ctl/result_list.h"
#include "master/ctl/text.h"
#include "proto/cause.h"
#include <inttypes.h>
#include <stdio.h>

#define LABEL_WIDTH   12
#define BAR_MAX       50
#define BAR_LEAST     10
#define WIDTH_DEFAULT 80
#define REASON_MAX    (32u << 10)

struct view {
    const struct table_style *style;
    struct strbuf *out;
};

static const struct phase {
    const char *name, *member;
} phases[] = {{"dns", "dns_ms"},   {"connect", "connect_ms"}, {"tls", "tls_ms"},
              {"send", "send_ms"}, {"wait", "wait_ms"},       {"load", "download_ms"}};

/* ---- lines */

static void put_clean(struct view *v, const char *text)
{
    struct strbuf clean, cut;
    strbuf_init(&clean, 4 * TEXT_CELL_MAX);
    strbuf_init(&cut, 4 * TEXT_CELL_MAX);
    text_clean(&clean, text);
    size_t width = v->style->width > LABEL_WIDTH + 3 ? v->style->width - LABEL_WIDTH - 3 : 0;
    if (width > 0)
        text_cut_end(&cut, clean.data, width);
    strbuf_puts(v->out, width > 0 ? cut.data : clean.data);
    strbuf_fini(&clean);
    strbuf_fini(&cut);
}

static void put_toned(struct view *v, const char *text, enum table_tone tone)
{
    const char *begin = v->style->colour ? table_tone_begin(tone) : "";
    strbuf_puts(v->out, begin);
    put_clean(v, text);
    strbuf_puts(v->out, *begin ? TONE_END : "");
}

static void put_line(struct view *v, const char *label, const char *text)
{
    if (!text || !*text)
        return;
    strbuf_printf(v->out, "  %-*s", LABEL_WIDTH, label);
    put_clean(v, text);
    strbuf_putc(v->out, '\n');
}

static void put_linef(struct view *v, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void put_linef(struct view *v, const char *label, const char *fmt, ...)
{
    struct strbuf b;
    va_list ap;
    strbuf_init(&b, REASON_MAX);
    va_start(ap, fmt);
    strbuf_vprintf(&b, fmt, ap);
    va_end(ap);
    put_line(v, label, b.data);
    strbuf_fini(&b);
}

static void put_heading(struct view *v, const char *text)
{
    strbuf_putc(v->out, '\n');
    strbuf_puts(v->out, "  ");
    put_toned(v, text, TONE_DIM);
    strbuf_putc(v->out, '\n');
}

/* ---- the verdict */

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

static void put_verdict(struct view *v, const struct json_node *r)
{
    enum cause c;
    struct strbuf reason;
    const char *word = node_str(r, "cause");
    put_clean(v, or_dash(node_str(r, "target")));
    strbuf_puts(v->out, "\n\n  ");
    put_toned(v, or_dash(node_str(r, "outcome")), result_tone(r));
    if (word) {
        strbuf_puts(v->out, ": ");
        put_clean(v, word);
    }
    if (word && cause_parse(word, &c) == ERR_NONE)
        strbuf_printf(v->out, " (at fault: %s)", cause_where_word(cause_where(c)));
    strbuf_putc(v->out, '\n');
    strbuf_init(&reason, REASON_MAX);
    result_reason(r, &reason);
    if (reason.len > 0) {
        strbuf_puts(v->out, "  ");
        put_clean(v, reason.data);
        strbuf_putc(v->out, '\n');
    }
    strbuf_fini(&reason);
    put_line(v, "agent", node_str(r, "agent"));
    put_line(v, "started", node_str(r, "started_at"));
}

/* ---- the waterfall */

static double whole_of(const struct json_node *timings)
{
    double sum = 0;
    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        sum += node_num(timings, phases[i].member, 0);
    return sum;
}

/* Each bar begins where the one before ended; the shortest still shows. */
static void put_bar(struct view *v, double begin, double ms, double whole)
{
    size_t width = v->style->width ? v->style->width : WIDTH_DEFAULT;
    size_t room = width > LABEL_WIDTH + 20 + BAR_LEAST ? width - LABEL_WIDTH - 20 : BAR_LEAST;
    room = room < BAR_MAX ? room : BAR_MAX;
    double scale = whole > 0 ? (double)room / whole : 0;
    size_t from = (size_t)(begin * scale), to = (size_t)((begin + ms) * scale);
    from = from < room ? from : room - 1;
    to = to > from ? to : from + 1;
    to = to < room ? to : room;
    text_pad(v->out, 2 + from);
    for (size_t i = from; i < to; i++)
        strbuf_puts(v->out, "█");
}

/* A phase that never happened has no line. */
static void put_waterfall(struct view *v, const struct json_node *timings)
{
    char buf[HUMAN_MAX];
    double whole = whole_of(timings), begin = 0, total = node_num(timings, "total_ms", -1);
    if (!timings || (whole <= 0 && total < 0))
        return;
    strbuf_putc(v->out, '\n');
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        double ms = node_num(timings, phases[i].member, -1);
        if (ms < 0)
            continue;
        strbuf_printf(v->out, "  %-*s%8s ms", LABEL_WIDTH, phases[i].name, human_ms(ms, buf));
        put_bar(v, begin, ms, whole);
        strbuf_putc(v->out, '\n');
        begin += ms;
    }
    if (total >= 0)
        strbuf_printf(v->out, "  %-*s%8s ms\n", LABEL_WIDTH, "total", human_ms(total, buf));
}

/* ---- HTTP */

static void put_hops(struct view *v, const struct json_node *http)
{
    char label[24], total[HUMAN_MAX];
    unsigned n = 0;
    for (const struct json_node *h = node_first(http, "redirects"); h; h = json_next(h)) {
        double ms = node_num(h, "timings.total_ms", -1);
        snprintf(label, sizeof(label), "hop %u", ++n);
        put_linef(v, label, "%.0f from %s%s%s%s", node_num(h, "status", 0),
                  or_dash(node_str(h, "url")), ms >= 0 ? " in " : "",
                  ms >= 0 ? human_ms(ms, total) : "", ms >= 0 ? " ms" : "");
    }
}

static void put_names(struct view *v, const struct json_node *tls)
{
    struct strbuf all;
    strbuf_init(&all, REASON_MAX);
    for (const struct json_node *n = node_first(tls, "alt_names"); n; n = json_next(n)) {
        if (json_type(n) != JSON_STRING)
            continue;
        strbuf_puts(&all, all.len > 0 ? ", " : "");
        strbuf_puts(&all, json_node_str(n));
    }
    put_line(v, "names", all.data);
    strbuf_fini(&all);
}

static void put_expiry(struct view *v, const struct json_node *tls)
{
    const char *when = node_str(tls, "not_after");
    double days = node_num(tls, "days_left", 0);
    if (when && days < 0)
        put_linef(v, "expired", "%.10s, %.0f days ago", when, -days);
    else if (when)
        put_linef(v, "expires", "%.10s, %.0f days left", when, days);
}

static void put_key(struct view *v, const struct json_node *tls)
{
    const char *type = node_str(tls, "key_type"), *signature = node_str(tls, "signature");
    if (type)
        put_linef(v, "key", "%s, %.0f bits%s%s", type, node_num(tls, "key_bits", 0),
                  signature ? ", signed with " : "", signature ? signature : "");
}

static void put_staple(struct view *v, const struct json_node *tls)
{
    const struct json_node *staple = node_at(tls, "ocsp_stapled");
    if (staple && json_type(staple) == JSON_BOOL)
        put_line(v, "ocsp", node_true(tls, "ocsp_stapled") ? "stapled" : "not stapled");
}

/* The leaf has its own lines; those that it leans on, and how long they last. */
static void put_chain(struct view *v, const struct json_node *tls)
{
    const struct json_node *first = node_first(tls, "chain");
    unsigned n = first ? 1 : 0;
    double sent = node_num(tls, "chain_length", 0);
    for (const struct json_node *c = first ? json_next(first) : NULL; c; c = json_next(c), n++) {
        const char *until = node_str(c, "not_after"), *label = n == 1 ? "chain" : "";
        if (until)
            put_linef(v, label, "%s, until %.10s (%.0f days)", or_dash(node_str(c, "subject")),
                      until, node_num(c, "days_left", 0));
        else
            put_line(v, label, or_dash(node_str(c, "subject")));
    }
    if (n > 0 && sent > n)
        put_linef(v, "", "and %.0f more", sent - n);
}

static void put_tls(struct view *v, const struct json_node *tls)
{
    const char *problem = node_str(tls, "verify_error");
    if (!tls)
        return;
    put_heading(v, "certificate");
    put_line(v, "subject", node_str(tls, "subject"));
    put_line(v, "issuer", node_str(tls, "issuer"));
    put_names(v, tls);
    put_expiry(v, tls);
    if (node_true(tls, "verified"))
        put_line(v, "trusted", "yes");
    else
        put_linef(v, "trusted", "no%s%s", problem ? ": " : "", problem ? problem : "");
    put_line(v, "protocol", node_str(tls, "version"));
    put_line(v, "cipher", node_str(tls, "cipher"));
    put_line(v, "alpn", node_str(tls, "alpn"));
    put_staple(v, tls);
    put_key(v, tls);
    put_line(v, "sha256", node_str(tls, "fingerprint_sha256"));
    put_chain(v, tls);
}

static void put_headers(struct view *v, const struct json_node *http)
{
    const struct json_node *headers = node_at(http, "headers");
    if (!headers || json_type(headers) != JSON_OBJECT || !json_first(headers))
        return;
    put_heading(v, "headers");
    for (const struct json_node *h = json_first(headers); h; h = json_next(h)) {
        struct strbuf line;
        if (json_type(h) != JSON_STRING)
            continue;
        strbuf_init(&line, REASON_MAX);
        strbuf_printf(&line, "%s: %s", json_node_key(h), json_node_str(h));
        strbuf_puts(v->out, "  ");
        put_clean(v, line.data);
        strbuf_putc(v->out, '\n');
        strbuf_fini(&line);
    }
}

static void put_http(struct view *v, const struct json_node *http)
{
    char size[HUMAN_MAX];
    const char *version = node_str(http, "version");
    if (!http)
        return;
    strbuf_putc(v->out, '\n');
    put_hops(v, http);
    if (node_str(http, "ip"))
        put_linef(v, "address", "%s port %.0f", node_str(http, "ip"), node_num(http, "port", 0));
    if (node_at(http, "status"))
        put_linef(v, "status", "%.0f over HTTP/%s", node_num(http, "status", 0),
                  version ? version : "?");
    put_line(v, "title", node_str(http, "title"));
    if (node_at(http, "size"))
        put_linef(v, "body", "%s", human_bytes(node_count(http, "size"), size));
    put_tls(v, node_at(http, "tls"));
    put_headers(v, http);
}

/* ---- DNS */

static void put_flags(struct view *v, const struct json_node *dns)
{
    struct strbuf all;
    strbuf_init(&all, REASON_MAX);
    for (const struct json_node *f = node_first(dns, "flags"); f; f = json_next(f)) {
        if (json_type(f) != JSON_STRING)
            continue;
        strbuf_puts(&all, all.len > 0 ? " " : "");
        strbuf_puts(&all, json_node_str(f));
    }
    put_line(v, "flags", all.data);
    strbuf_fini(&all);
}

static void put_edns(struct view *v, const struct json_node *edns)
{
    if (!edns || json_type(edns) != JSON_OBJECT)
        return;
    put_linef(v, "edns", "version %.0f, %.0f bytes%s", node_num(edns, "version", 0),
              node_num(edns, "udp_size", 0), node_true(edns, "do") ? ", do" : "");
    for (const struct json_node *e = node_first(edns, "ede"); e; e = json_next(e)) {
        const char *text = node_str(e, "text");
        put_linef(v, "error", "%s (%.0f)%s%s", or_dash(node_str(e, "name")), node_num(e, "code", 0),
                  text ? ": " : "", text ? text : "");
    }
}

/* "xn--bcher-kva.de. (bücher.de.)" */
static void owner_name(const struct json_node *rr, struct strbuf *line)
{
    const char *unicode = node_str(rr, "name_unicode");
    strbuf_puts(line, or_dash(node_str(rr, "name")));
    if (unicode)
        strbuf_printf(line, " (%s)", unicode);
}

static void put_section(struct view *v, const struct json_node *dns, const char *name)
{
    const struct json_node *rr = node_first(dns, name);
    if (rr)
        put_heading(v, name);
    for (; rr; rr = json_next(rr)) {
        struct strbuf line;
        strbuf_init(&line, REASON_MAX);
        owner_name(rr, &line);
        strbuf_printf(&line, "  %.0f  %s  %s", node_num(rr, "ttl", 0),
                      or_dash(node_str(rr, "type")), or_dash(node_str(rr, "data")));
        strbuf_puts(v->out, "  ");
        put_clean(v, line.data);
        strbuf_putc(v->out, '\n');
        strbuf_fini(&line);
    }
}

static void put_dns(struct view *v, const struct json_node *dns)
{
    char size[HUMAN_MAX];
    if (!dns)
        return;
    strbuf_putc(v->out, '\n');
    put_linef(v, "server", "%s over %s%s", or_dash(node_str(dns, "server")),
              or_dash(node_str(dns, "transport")),
              node_true(dns, "truncated") ? ", after a truncated answer over udp" : "");
    put_line(v, "rcode", node_str(dns, "rcode"));
    put_flags(v, dns);
    put_edns(v, node_at(dns, "edns"));
    if (node_at(dns, "size"))
        put_linef(v, "size", "%s", human_bytes(node_count(dns, "size"), size));
    put_section(v, dns, "answer");
    put_section(v, dns, "authority");
    put_section(v, dns, "additional");
}

/* ---- expectations */

static void put_checks(struct view *v, const struct json_node *r)
{
    const struct json_node *c = node_first(r, "checks");
    if (c)
        put_heading(v, "expectations");
    for (; c; c = json_next(c)) {
        bool ok = node_true(c, "ok");
        const char *detail = node_str(c, "detail");
        strbuf_puts(v->out, "  ");
        put_toned(v, ok ? "ok    " : "FAILED", ok ? TONE_GOOD : TONE_BAD);
        strbuf_puts(v->out, "  ");
        put_clean(v, or_dash(node_str(c, "check")));
        if (detail) {
            strbuf_puts(v->out, ": ");
            put_clean(v, detail);
        }
        strbuf_putc(v->out, '\n');
    }
}

static void put_tries(struct view *v, const struct json_node *r)
{
    const struct json_node *t = node_first(r, "tries");
    if (t)
        put_heading(v, "tries before");
    for (; t; t = json_next(t)) {
        strbuf_puts(v->out, "  ");
        put_clean(v, or_dash(node_str(t, "cause")));
        strbuf_printf(v->out, " after %.1f ms: ", node_num(t, "total_ms", 0));
        put_clean(v, or_dash(node_str(t, "message")));
        strbuf_putc(v->out, '\n');
    }
}

void probe_view_put(const struct json_node *result, const struct table_style *style,
                    struct strbuf *out)
{
    struct view v = {.style = style, .out = out};
    REQUIRE(result != NULL && style != NULL && out != NULL);
    put_verdict(&v, result);
    put_waterfall(&v, node_at(result, "timings"));
    put_http(&v, node_at(result, "http"));
    put_dns(&v, node_at(result, "dns"));
    put_checks(&v, result);
    put_tries(&v, result);
}
