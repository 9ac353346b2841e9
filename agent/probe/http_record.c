/* SPDX-License-Identifier: MIT */
#include "agent/probe/expect.h"
#include "agent/probe/http_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/utf8.h"

#define US_PER_DAY (86400LL * 1000000)
/* n bytes of any charset that we read are at most as many in UTF-8, with room for one more. */
#define UTF8_ROOM(n) (3 * (size_t)(n) + 4)

struct result_http *http_result(struct probe *p)
{
    if (!p->r->http) {
        p->r->http = mem_zalloc(sizeof(*p->r->http));
        p->r->http->size_bytes = -1;
    }
    return p->r->http;
}

/* The phase from *at to `until`; one under way at the end lasts until then, so that the phases add
 * up to the total. */
static double phase(struct mono *at, struct mono until, struct mono ended)
{
    if (!mono_is_set(*at))
        return -1;
    bool reached = mono_is_set(until);
    double ms = mono_diff_ms_f(reached ? until : ended, *at);
    *at = until; /* unset when it was not reached: what follows never happened */
    return ms;
}

/* Was there a name to be resolved: the host's or the proxy's? */
static bool has_names(const struct probe *p)
{
    struct ip literal;
    return ip_parse(http_hop(p)->host, &literal) != ERR_NONE ||
           (p->tunnel && ip_parse(p->target->http.proxy.host, &literal) != ERR_NONE);
}

void http_timings(const struct probe *p, struct result_timings *out)
{
    const struct http_stamps *s = &p->at;
    struct mono at = s->started;
    struct mono sent = s->sent;
    result_timings_init(out);
    if (!mono_is_set(at))
        return;
    if (mono_is_set(s->first_byte) && (!mono_is_set(sent) || mono_before(s->first_byte, sent)))
        sent = s->first_byte; /* answered before we saw the end of sending */
    if (has_names(p))
        out->dns_ms = phase(&at, s->resolved, s->ended);
    out->connect_ms = phase(&at, s->connected, s->ended);
    if (p->tunnel)
        out->proxy_ms = phase(&at, s->tunnelled, s->ended);
    if (http_hop(p)->https)
        out->tls_ms = phase(&at, s->secured, s->ended);
    out->send_ms = phase(&at, sent, s->ended);
    out->wait_ms = phase(&at, s->first_byte, s->ended);
    out->download_ms = phase(&at, s->ended, s->ended);
    out->total_ms = mono_diff_ms_f(s->ended, s->started);
}

static char *hop_url(const struct probe *p)
{
    char *url = NULL;
    if (curl_url_get(p->url, CURLUPART_URL, &url, 0) != CURLUE_OK)
        return mem_strdup("");
    char *out = utf8_sanitized(url, strlen(url), URI_MAX);
    curl_free(url);
    return out;
}

static char *hop_ip(const struct probe *p)
{
    char text[IP_TEXT_MAX];
    return p->ip.family ? mem_strdup(ip_format(&p->ip, text)) : NULL;
}

static char *proxy_name(const struct probe *p)
{
    char name[PROXY_NAME_MAX];
    return p->tunnel ? mem_strdup(target_proxy_name(&p->target->http.proxy, name)) : NULL;
}

void http_record_hop(struct probe *p)
{
    struct result_http *h = http_result(p);
    if (!h->hops)
        h->hops = mem_array(REDIRECTS_MAX, sizeof(*h->hops));
    REQUIRE(h->n_hops < REDIRECTS_MAX);
    struct result_hop *hop = &h->hops[h->n_hops++];
    hop->url = hop_url(p);
    hop->status = p->answer.status;
    hop->ip = hop_ip(p);
    hop->port = http_hop(p)->port;
    http_timings(p, &hop->t);
}

static char *body_digest(struct http_answer *a)
{
    uint8_t digest[SHA256_BYTES];
    char hex[SHA256_HEX_MAX];
    if (a->sha)
        sha256_final(&a->sha, digest);
    else
        sha256("", 0, digest);
    hex_encode(digest, sizeof(digest), hex);
    return mem_strdup(hex);
}

static const char *body_bytes(const struct http_answer *a)
{
    return a->body.len ? a->body.data : "";
}

static const struct charset *body_charset(const struct http_answer *a)
{
    return charset_of(a->charset, body_bytes(a), a->body.len, a->html);
}

/* The first n bytes of the body as UTF-8, at most max bytes of that. */
static struct strbuf body_text(const struct http_answer *a, size_t n, size_t max)
{
    struct strbuf b;
    strbuf_init(&b, max + 1);
    n = n < a->body.len ? n : a->body.len;
    charset_decode(body_charset(a), body_bytes(a), n, &b, max);
    return b;
}

static char *kept_body(const struct probe *p)
{
    size_t max = (size_t)p->target->http.keep_body;
    struct strbuf b = body_text(&p->answer, max, max);
    char *out = mem_strndup(b.data, b.len);
    strbuf_fini(&b);
    return out;
}

static char *page_title(const struct http_answer *a)
{
    if (!body_charset(a))
        return http_title(body_bytes(a), a->body.len);
    struct strbuf b = body_text(a, HTTP_TITLE_SCAN_BYTES, UTF8_ROOM(HTTP_TITLE_SCAN_BYTES));
    char *title = http_title(b.data, b.len);
    strbuf_fini(&b);
    return title;
}

static void record_body(struct probe *p, struct result_http *h)
{
    struct http_answer *a = &p->answer;
    if (!a->headers_done || a->redirecting)
        return;
    h->size_bytes = a->body_bytes;
    if (p->target->http.keep_body > 0)
        h->body = kept_body(p);
    if (a->html)
        h->title = page_title(a);
}

/* What was refused was never begun. */
static void drop_refused_phases(const struct probe *p, struct result_timings *t)
{
    if (!mono_is_set(p->at.resolved))
        t->dns_ms = -1;
    t->connect_ms = -1;
}

void http_record_last(struct probe *p)
{
    struct http_answer *a = &p->answer;
    http_timings(p, &p->r->t);
    if (p->r->cause && cause_outcome(p->r->cause) == OUTCOME_REFUSED)
        drop_refused_phases(p, &p->r->t);
    p->r->t.total_ms = mono_diff_ms_f(p->at.ended, p->started);
    if (!p->ip.family && !p->r->http)
        return;
    struct result_http *h = http_result(p);
    h->ip = hop_ip(p);
    h->port = http_hop(p)->port;
    h->proxy = proxy_name(p);
    h->url = h->n_hops > 0 ? hop_url(p) : NULL;
    h->status = a->status;
    h->version = a->version[0] ? mem_strdup(a->version) : NULL;
    h->headers = a->headers;
    h->n_headers = a->n_headers;
    a->headers = NULL;
    a->n_headers = a->headers_room = 0;
    h->tls = tls_facts(&p->tls);
    record_body(p, h);
}

static void cert_days(const struct probe *p, struct expect_facts *f)
{
    struct wall not_after = tls_not_after(&p->tls);
    int64_t left_us = not_after.us - wall_now().us;
    f->has_cert = not_after.us != 0;
    if (f->has_cert) /* rounded down, as in the record */
        f->cert_days_left = left_us / US_PER_DAY - (left_us % US_PER_DAY < 0);
}

static bool reads_body(const struct target *t)
{
    return t->http.expect_body_regex || t->http.expect_body_not_regex || t->http.expect.n_json > 0;
}

void http_expect(struct probe *p)
{
    const struct http_answer *a = &p->answer;
    struct expect_facts f = {
        .status = a->status,
        .body = body_bytes(a),
        .body_len = a->body.len,
        .headers = a->headers,
        .n_headers = a->n_headers,
        .headers_cut = a->headers_cut,
        .total_ms = mono_diff_ms_f(p->at.ended, p->started),
    };
    struct strbuf text = {0};
    if (reads_body(p->target) && body_charset(a)) { /* patterns and JSON are in UTF-8 */
        text = body_text(a, a->body.len, UTF8_ROOM(a->body.len));
        f.body = text.data;
        f.body_len = text.len;
    }
    if (p->target->http.tls_min_days >= 0)
        cert_days(p, &f);
    expect_http(p->target, &f, p->r);
    strbuf_fini(&text);
    if (strcmp(p->method, "HEAD"))
        http_result(p)->body_sha256 = body_digest(&p->answer);
}

/* When the peer of a connection that timed out was last heard. */
static struct mono last_heard(const struct http_stamps *s)
{
    struct mono at = s->connected;
    const struct mono later[] = {s->tunnelled, s->secured, s->first_byte, s->heard};
    for (size_t i = 0; i < ARRAY_LEN(later); i++)
        if (mono_before(at, later[i]))
            at = later[i];
    return at;
}

void http_doubt(struct probe *p)
{
    struct result_doubt *d = &p->r->doubt;
    switch (p->r->cause) {
    case CAUSE_dns_servfail:
    case CAUSE_dns_refused: /* of a server that the target names they are its own */
        if (!p->named)
            *d = (struct result_doubt){VITAL_RESOLVER, p->at.started};
        return;
    case CAUSE_connect_timeout:
    case CAUSE_unreachable:
        *d = (struct result_doubt){p->connector.silent, p->at.resolved};
        return;
    case CAUSE_tls_timeout:
    case CAUSE_response_timeout:
    case CAUSE_body_timeout:
        *d = (struct result_doubt){vital_of(p->tunnel ? &p->tunnel->proxy_ip : &p->ip),
                                   last_heard(&p->at)};
        return;
    case CAUSE_proxy_timeout:
    case CAUSE_proxy_unreachable:
        *d = p->tunnel->doubt;
        return;
    default:
        return;
    }
}

static enum cause timeout_cause(const struct probe *p)
{
    if (http_hop(p)->https && !mono_is_set(p->at.secured))
        return CAUSE_tls_timeout;
    return p->answer.headers_done ? CAUSE_body_timeout : CAUSE_response_timeout;
}

static bool was_reset(struct probe *p)
{
    long errnum = 0;
    curl_easy_getinfo(p->carrier->easy, CURLINFO_OS_ERRNO, &errnum);
    return errnum == ECONNRESET || errnum == EPIPE || errnum == ECONNABORTED;
}

static enum cause handshake_cause(struct probe *p, CURLcode rc)
{
    if (rc == CURLE_PEER_FAILED_VERIFICATION && p->tls.error == X509_V_OK)
        p->tls.name_mismatch = true;
    enum cause c = tls_cause(&p->tls);
    return c == CAUSE_tls_handshake && !p->tls.alert && was_reset(p) ? CAUSE_reset_after_connect
                                                                     : c;
}

static enum cause broken_cause(struct probe *p)
{
    if (p->tls.alert && !mono_is_set(p->at.first_byte))
        return CAUSE_tls_handshake; /* TLS 1.3 refuses our certificate when we think it is done */
    if (was_reset(p))
        return CAUSE_reset_after_connect;
    if (strstr(p->carrier->error, "nghttp2")) /* libcurl has no code for it */
        return CAUSE_protocol_error;
    return mono_is_set(p->at.first_byte) ? CAUSE_protocol_error : CAUSE_empty_reply;
}

static enum cause cause_of_rc(struct probe *p, CURLcode rc)
{
    const struct http_answer *a = &p->answer;
    bool in_handshake = http_hop(p)->https && !mono_is_set(p->at.secured);
    if (a->headers_too_large)
        return CAUSE_header_too_large;
    if (a->body_too_large)
        return CAUSE_body_too_large;
    if (a->refused)
        return CAUSE_protocol_error;
    if (rc == CURLE_OPERATION_TIMEDOUT)
        return timeout_cause(p);
    if (rc == CURLE_OUT_OF_MEMORY)
        /* libcurl's word also for one header line over its 100 KB */
        return mono_is_set(p->at.sent) && !a->headers_done ? CAUSE_header_too_large
                                                           : CAUSE_agent_memory;
    if (in_handshake)
        return handshake_cause(p, rc);
    if (rc == CURLE_GOT_NOTHING)
        return CAUSE_empty_reply;
    if (rc == CURLE_RECV_ERROR || rc == CURLE_SEND_ERROR || rc == CURLE_COULDNT_CONNECT)
        return broken_cause(p);
    return CAUSE_protocol_error;
}

/* libcurl took it for an end, and a body without a length for whole. */
static void note_cut(struct probe *p)
{
    if (p->tls.received_max == target_wire_limit(&p->target->http))
        p->answer.wire_exceeded = p->answer.body_too_large = true;
    else
        p->answer.refused = "over 512 KiB came off the wire, and no answer among them";
}

enum cause http_transfer_cause(struct probe *p, CURLcode rc, char *detail, size_t detail_max)
{
    if ((rc == CURLE_OK && !p->tls.cut) || p->answer.redirecting)
        return CAUSE_NONE;
    if (p->tls.cut)
        note_cut(p);
    enum cause c = cause_of_rc(p, rc);
    char alert[80];
    snprintf(alert, sizeof(alert), "the server's alert was '%s'", p->tls.alert ? p->tls.alert : "");
    const char *words = p->carrier->error[0] ? p->carrier->error : curl_easy_strerror(rc);
    if (p->tls.verify && p->tls.error != X509_V_OK && c == tls_cause(&p->tls))
        words = tls_verify_text(&p->tls);
    else if (p->tls.alert && (c == CAUSE_tls_handshake || c == CAUSE_tls_version))
        words = alert; /* libcurl may have met the reset behind it first */
    else if (p->answer.refused)
        words = p->answer.refused;
    else if (c == CAUSE_header_too_large || c == CAUSE_body_too_large)
        words = "";
    if (p->answer.wire_exceeded)
        snprintf(detail, detail_max, "over %lld bytes came off the wire (wire_limit)",
                 (long long)target_wire_limit(&p->target->http));
    else if (c == CAUSE_body_timeout)
        snprintf(detail, detail_max, "after %.0f ms, with %lld bytes of it",
                 mono_diff_ms_f(p->at.ended, p->try_at), (long long)p->answer.body_bytes);
    else if (rc == CURLE_OPERATION_TIMEDOUT)
        snprintf(detail, detail_max, "after %.0f ms", mono_diff_ms_f(p->at.ended, p->try_at));
    else
        snprintf(detail, detail_max, "%s", words);
    return c;
}
