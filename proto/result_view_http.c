/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "common/human.h"
#include "common/text.h"
#include "proto/result_view_parts.h"

static void put_names(struct view *v, const struct json_node *tls)
{
    struct strbuf all;
    strbuf_init(&all, VIEW_TEXT_MAX);
    view_join(tls, "alt_names", ", ", &all);
    view_line(v, "names", all.data);
    strbuf_fini(&all);
}

/* "2027-02-24, 89 days left": of a certificate, or of the leaf. */
static void end_of(const struct json_node *cert, struct strbuf *out)
{
    const char *when = node_str(cert, "not_after");
    double days = node_num(cert, "days_left", 0);
    if (when)
        strbuf_printf(out, "%.10s, %.0f day%s %s", when, days < 0 ? -days : days,
                      days == 1 || days == -1 ? "" : "s", days < 0 ? "ago" : "left");
}

static void put_validity(struct view *v, const struct json_node *tls)
{
    struct strbuf end;
    const char *begin = node_str(tls, "not_before");
    if (begin)
        view_linef(v, "valid from", "%.10s", begin);
    strbuf_init(&end, VIEW_TEXT_MAX);
    end_of(tls, &end);
    view_line(v, node_num(tls, "days_left", 0) < 0 ? "expired" : "expires", end.data);
    strbuf_fini(&end);
}

static void put_key(struct view *v, const struct json_node *tls)
{
    const char *type = node_str(tls, "key_type"), *signature = node_str(tls, "signature");
    if (type)
        view_linef(v, "key", "%s, %.0f bits%s%s", type, node_num(tls, "key_bits", 0),
                   signature ? ", signed with " : "", signature ? signature : "");
}

static void put_staple(struct view *v, const struct json_node *tls)
{
    const struct json_node *staple = node_at(tls, "ocsp_stapled");
    if (staple && json_type(staple) == JSON_BOOL)
        view_line(v, "ocsp", node_true(tls, "ocsp_stapled") ? "stapled" : "not stapled");
}

static void end_and_name(const struct json_node *cert, struct strbuf *out)
{
    end_of(cert, out);
    strbuf_puts(out, out->len > 0 ? ": " : "");
    strbuf_puts(out, view_or_dash(node_str(cert, "subject")));
}

/* Every certificate as it was sent, the leaf first, with its days. */
static unsigned put_chain(struct view *v, const struct json_node *tls)
{
    unsigned n = 0;
    for (const struct json_node *c = node_first(tls, "chain"); c; c = json_next(c)) {
        struct strbuf line;
        strbuf_init(&line, VIEW_TEXT_MAX);
        end_and_name(c, &line);
        view_line(v, n++ == 0 ? "chain" : "", line.data);
        strbuf_fini(&line);
    }
    if (n > 0 && node_num(tls, "chain_length", 0) > n)
        view_linef(v, "", "and %.0f more", node_num(tls, "chain_length", 0) - n);
    return n;
}

/* A chain is as good as the first of it to end. */
static void put_earliest(struct view *v, const struct json_node *tls)
{
    const struct json_node *first = NULL;
    for (const struct json_node *c = node_first(tls, "chain"); c; c = json_next(c))
        if (node_str(c, "not_after") &&
            (!first || strcmp(node_str(c, "not_after"), node_str(first, "not_after")) < 0))
            first = c;
    if (!first)
        return;
    struct strbuf line;
    strbuf_init(&line, VIEW_TEXT_MAX);
    end_and_name(first, &line);
    view_line(v, "first end", line.data);
    strbuf_fini(&line);
}

static void put_trust(struct view *v, const struct json_node *tls)
{
    const char *problem = node_str(tls, "verify_error");
    if (node_true(tls, "verified"))
        view_line(v, "trusted", "yes");
    else
        view_linef(v, "trusted", "no%s%s", problem ? ": " : "", problem ? problem : "");
}

static void put_tls(struct view *v, const struct json_node *tls)
{
    if (!tls)
        return;
    view_heading(v, "certificate");
    put_trust(v, tls);
    view_line(v, "subject", node_str(tls, "subject"));
    view_line(v, "issuer", node_str(tls, "issuer"));
    put_names(v, tls);
    put_validity(v, tls);
    put_key(v, tls);
    view_line(v, "sha256", node_str(tls, "fingerprint_sha256"));
    if (put_chain(v, tls) > 1)
        put_earliest(v, tls);
    put_staple(v, tls);
    view_line(v, "protocol", node_str(tls, "version"));
    view_line(v, "cipher", node_str(tls, "cipher"));
    view_line(v, "alpn", node_str(tls, "alpn"));
}

static void put_headers(struct view *v, const struct json_node *http)
{
    const struct json_node *headers = node_at(http, "headers");
    if (!headers || json_type(headers) != JSON_OBJECT || !json_first(headers))
        return;
    view_heading(v, "headers");
    for (const struct json_node *h = json_first(headers); h; h = json_next(h)) {
        struct strbuf line;
        if (json_type(h) != JSON_STRING)
            continue;
        strbuf_init(&line, VIEW_TEXT_MAX);
        strbuf_printf(&line, "%s: %s", json_node_key(h), json_node_str(h));
        view_item(v, line.data);
        strbuf_fini(&line);
    }
}

/* What was kept of it, line by line, each in pieces that text_clean() takes whole. */
static void put_body(struct view *v, const char *body)
{
    char piece[TEXT_CELL_MAX / 4];
    if (!body || !*body)
        return;
    view_heading(v, "body");
    while (*body) {
        size_t line = strcspn(body, "\n"), n = line;
        if (n >= sizeof(piece)) /* not within a character */
            for (n = sizeof(piece) - 1; ((unsigned char)body[n] & 0xc0) == 0x80; n--)
                ;
        memcpy(piece, body, n);
        piece[n] = '\0';
        view_item(v, piece);
        body += n;
        body += *body == '\n';
    }
}

static void put_answer(struct view *v, const struct json_node *http)
{
    char size[HUMAN_MAX];
    const char *version = node_str(http, "version"), *digest = node_str(http, "body_sha256");
    strbuf_putc(v->out, '\n');
    if (node_str(http, "ip"))
        view_linef(v, "address", "%s port %.0f", node_str(http, "ip"), node_num(http, "port", 0));
    view_line(v, "proxy", node_str(http, "proxy"));
    if (node_at(http, "status"))
        view_linef(v, "status", "%.0f over HTTP/%s", node_num(http, "status", 0),
                   version ? version : "?");
    view_line(v, "title", node_str(http, "title"));
    if (node_at(http, "size"))
        view_linef(v, "body", "%s%s%s", human_bytes(node_count(http, "size"), size),
                   digest ? ", sha256 " : "", digest ? digest : "");
}

void view_http(struct view *v, const struct json_node *http)
{
    if (!http || json_type(http) != JSON_OBJECT)
        return;
    put_answer(v, http);
    put_tls(v, node_at(http, "tls"));
    put_headers(v, http);
    put_body(v, node_str(http, "body"));
}
