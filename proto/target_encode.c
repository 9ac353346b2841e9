/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "proto/target_parts.h"

/* The canonical spec: what the target says beyond the built-in values, in a fixed order. */

#define TYPE_A 1

/* "expect" is opened by the first member that has something to say. */
struct expect_out {
    struct json_out *w;
    bool open;
};

static struct json_out *expect(struct expect_out *e)
{
    if (!e->open) {
        json_key(e->w, "expect");
        json_obj_begin(e->w);
        e->open = true;
    }
    return e->w;
}

static void put_status(struct json_out *w, const struct status_set *s)
{
    char word[] = "1xx";
    json_key(w, "status");
    json_arr_begin(w);
    for (int c = 1; c <= 5; c++) {
        word[0] = (char)('0' + c);
        if ((s->classes & (1u << c)) != 0)
            json_put_str(w, word);
    }
    for (unsigned i = 0; i < s->n_codes; i++)
        json_put_int(w, s->codes[i]);
    json_arr_end(w);
}

static void put_headers(struct json_out *w, const struct target_http *h)
{
    if (h->n_headers == 0)
        return;
    json_key(w, "headers");
    json_obj_begin(w);
    for (unsigned i = 0; i < h->n_headers; i++) {
        json_key_str(w, h->headers[i].name);
        json_put_str(w, h->headers[i].value);
    }
    json_obj_end(w);
}

static void put_http(struct json_out *w, const struct target_http *h)
{
    if (strcmp(h->method, "GET") != 0)
        json_str(w, "method", h->method);
    put_headers(w, h);
    if (h->body != NULL) {
        json_key(w, "body");
        json_put_strn(w, h->body, h->body_len);
    }
    target_auth_put(w, &h->auth);
    target_tls_put(w, &h->tls);
    if (!h->follow_redirects)
        json_bool(w, "follow_redirects", false);
    if (h->max_redirects != REDIRECTS_MAX)
        json_int(w, "max_redirects", h->max_redirects);
    target_proxy_put(w, &h->proxy);
    if (h->resolver != NULL)
        json_str(w, "resolver", h->resolver);
    if (h->ip_version != IP_ANY)
        json_int(w, "ip_version", h->ip_version == IP_V4 ? 4 : 6);
    if (h->http_version == HTTP_1_1 || (h->http_version == HTTP_2 && h->https))
        json_str(w, "http_version", h->http_version == HTTP_2 ? "2" : "1.1");
    if (!h->verify_tls)
        json_bool(w, "verify_tls", false);
    if (h->body_limit != BODY_LIMIT_BYTES)
        json_int(w, "body_limit", h->body_limit);
    if (h->wire_limit >= 0)
        json_int(w, "wire_limit", h->wire_limit);
    if (!h->compression)
        json_bool(w, "compression", false);
    if (h->keep_body != 0)
        json_int(w, "keep_body", h->keep_body);
}

static void put_dns(struct json_out *w, const struct target_dns *d)
{
    char type[RRTYPE_TEXT_MAX];
    if (d->type != TYPE_A)
        json_str(w, "type", rrtype_format(d->type, type));
    if (d->resolver != NULL)
        json_str(w, "resolver", d->resolver);
    if (d->tcp)
        json_str(w, "transport", "tcp");
    if (!d->recursion)
        json_bool(w, "recursion", false);
    if (d->dnssec)
        json_bool(w, "dnssec", true);
    if (d->edns_size != EDNS_SIZE)
        json_int(w, "edns_size", d->edns_size);
}

static void put_expect_http(struct expect_out *e, const struct target_http *h)
{
    if (h->expect_status_set)
        put_status(expect(e), &h->expect_status);
    if (h->expect_body_regex != NULL)
        json_str(expect(e), "body_regex", h->expect_body_regex);
    if (h->expect_body_not_regex != NULL)
        json_str(expect(e), "body_not_regex", h->expect_body_not_regex);
    if (h->expect.n_headers > 0)
        target_expect_put_headers(expect(e), &h->expect);
    if (h->expect.n_json > 0)
        target_expect_put_json(expect(e), &h->expect);
    if (h->tls_min_days >= 0)
        json_int(expect(e), "tls_min_days", h->tls_min_days);
}

static void put_expect_dns(struct expect_out *e, const struct target_dns *d)
{
    if (d->expect_rcode >= 0) {
        const char *name = rcode_text(d->expect_rcode);
        if (name != NULL)
            json_str(expect(e), "rcode", name);
        else
            json_int(expect(e), "rcode", d->expect_rcode);
    }
    if (d->expect_min_answers >= 0)
        json_int(expect(e), "min_answers", d->expect_min_answers);
    if (target_answers_given(&d->expect_answers))
        target_answers_put(expect(e), &d->expect_answers);
}

static void put_expect(struct json_out *w, const struct target *t)
{
    struct expect_out e = {.w = w};
    if (t->kind == TARGET_HTTP)
        put_expect_http(&e, &t->http);
    else
        put_expect_dns(&e, &t->dns);
    if (t->max_total_ms >= 0)
        json_int(expect(&e), "max_total_ms", t->max_total_ms);
    if (e.open)
        json_obj_end(w);
}

enum err target_encode(const struct target *t, struct strbuf *b)
{
    struct json_out w;
    size_t before = b->len;
    bool http = t->kind == TARGET_HTTP;
    REQUIRE(t->uri != NULL && (http ? t->http.host : t->dns.name) != NULL);
    json_out_init(&w, b);
    json_obj_begin(&w);
    json_str(&w, http ? "url" : "dns", t->uri);
    if (t->timeout_ms != (http ? HTTP_TIMEOUT_MS : DNS_TIMEOUT_MS))
        json_int(&w, "timeout_ms", t->timeout_ms);
    if (t->retries != 0)
        json_int(&w, "retries", t->retries);
    if (http)
        put_http(&w, &t->http);
    else
        put_dns(&w, &t->dns);
    put_expect(&w, t);
    json_obj_end(&w);
    return b->overflow || b->len - before > SPEC_MAX_BYTES ? ERR_TOO_BIG : ERR_NONE;
}
