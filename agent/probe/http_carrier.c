/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"

#define USER_AGENT    "sonde/" SONDE_VERSION
#define HTTPS_PORT    443
#define PORT_TEXT_MAX 6 /* with its colon */
#define HOST_LINE_MAX 300

/*
 * libcurl gets a connected socket and nothing to decide: the URL's host and port lead to a name
 * of the carrier's, that name is pinned for good to an address where nobody is, everything
 * unpinned is denied, and the socket callback hands out our socket once. libcurl then calls
 * connect() on it, which the kernel answers with "done", whatever the address. Without the empty
 * PROXY, the environment's proxy would hide the target; without the NULL CA paths, libcurl would
 * add its own authorities to our store; its CA cache would give one probe's authorities to the
 * next; a DNS cache time-out of 0 would let a pin fall through.
 */
#define PIN_PORT 80
/* libcurl keeps names, and connections by name, in hashes of 71 and 97 chains and walks them
 * several times for each transfer; the connections of one name are a list that it walks too. With
 * thousands in flight a few hundred names keep both short. */
#define PIN_NAMES   256
#define PIN_ADDRESS "192.0.2.1" /* RFC 5737: of no host */

static bool append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (!longer)
        return false;
    *list = longer;
    return true;
}

static bool make_pin(struct http_carrier *c, unsigned number)
{
    char text[64];
    snprintf(text, sizeof(text), "s%u.slot:%d:" PIN_ADDRESS, number, PIN_PORT);
    if (!append(&c->pin, text))
        return false;
    snprintf(text, sizeof(text), "::s%u.slot:%d", number, PIN_PORT);
    return append(&c->connect_to, text);
}

static struct http_carrier *carrier_create(unsigned number)
{
    struct http_carrier *c = mem_zalloc(sizeof(*c));
    c->easy = curl_easy_init();
    if (!c->easy || !make_pin(c, number % PIN_NAMES))
        http_carrier_destroy(&c);
    return c;
}

bool http_carrier_take(struct probe *p)
{
    struct http_state *s = p->http;
    struct list_node *n = list_pop_front(&s->idle);
    REQUIRE(p->carrier == NULL);
    p->carrier = n ? CONTAINER_OF(n, struct http_carrier, node) : carrier_create(s->carriers);
    if (!n && p->carrier)
        s->carriers++;
    return p->carrier != NULL;
}

static void forget_transfer(struct http_carrier *c)
{
    curl_slist_free_all(c->headers);
    curl_url_cleanup(c->named);
    c->headers = NULL;
    c->named = NULL;
}

void http_carrier_give(struct probe *p)
{
    struct http_carrier *c = p->carrier;
    REQUIRE(c != NULL && !p->transfer.added);
    curl_easy_reset(c->easy);
    forget_transfer(c);
    list_push_front(&p->http->idle, &c->node);
    p->carrier = NULL;
    p->wire_fd = -1;
}

void http_carrier_destroy(struct http_carrier **cp)
{
    struct http_carrier *c = *cp;
    curl_easy_cleanup(c->easy);
    forget_transfer(c);
    curl_slist_free_all(c->pin);
    curl_slist_free_all(c->connect_to);
    free(c);
    *cp = NULL;
}

/* libcurl takes the name for TLS from its URL, and the pin leads any host to our address. */
static bool name_for_tls(struct probe *p)
{
    const char *sni = http_sni(p);
    if (!sni)
        return true;
    p->carrier->named = curl_url_dup(p->url);
    return p->carrier->named &&
           curl_url_set(p->carrier->named, CURLUPART_HOST, sni, 0) == CURLUE_OK;
}

static int deny_unpinned(void *resolver_state, void *reserved, void *arg)
{
    return 1;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct probe *p = arg;
    int fd = p->fd;
    if (fd < 0)
        return CURL_SOCKET_BAD;
    p->fd = -1;
    p->wire_fd = fd;
    p->carrier->pinned = true;
    return fd;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    ports_close(arg, fd);
    return 0;
}

static void set_network(struct probe *p)
{
    CURL *e = p->carrier->easy;
    curl_easy_setopt(e, CURLOPT_CURLU, p->carrier->named ? p->carrier->named : p->url);
    curl_easy_setopt(e, CURLOPT_CONNECT_TO, p->carrier->connect_to);
    if (!p->carrier->pinned)
        curl_easy_setopt(e, CURLOPT_RESOLVE, p->carrier->pin);
    curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    curl_easy_setopt(e, CURLOPT_RESOLVER_START_FUNCTION, deny_unpinned);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, p);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, p->env->ports);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    p->carrier->error[0] = '\0';
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, p->carrier->error);
}

static CURLcode on_ssl_ctx(CURL *easy, void *ctx, void *arg)
{
    struct probe *p = arg;
    return tls_watch(&p->tls, ctx) ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

static void set_tls(struct probe *p)
{
    CURL *e = p->carrier->easy;
    bool verify = p->tls.verify;
    if (!http_hop(p)->https)
        return;
    p->tls.received_max = http_wire_max(p);
    p->tls.identity = p->drop_secrets ? NULL : p->identity;
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
    curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
    curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, p);
}

/* Without TLS never 2: libcurl 7.88 reads on as long as frames come, whatever the time, and only at
 * the records of TLS can that be ended (tls.c). */
static long http_version(const struct probe *p)
{
    bool one = p->target->http.http_version == HTTP_1_1 || !http_hop(p)->https;
    return one ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;
}

static bool is_secret(const char *name)
{
    return !strcasecmp(name, "Authorization") || !strcasecmp(name, "Cookie") ||
           !strcasecmp(name, "Proxy-Authorization") || !strcasecmp(name, "Host");
}

static bool is_about_body(const char *name)
{
    return !strncasecmp(name, "Content-", 8) || !strcasecmp(name, "Transfer-Encoding");
}

static bool add_header(struct probe *p, const struct target_header *h)
{
    if ((p->drop_secrets && is_secret(h->name)) || (!p->send_body && is_about_body(h->name)))
        return true;
    struct strbuf line;
    strbuf_init(&line, HEADER_NAME_MAX + HEADER_VALUE_MAX + 4);
    strbuf_puts(&line, h->name);
    /* libcurl's way to write a header without a value is a semicolon. */
    strbuf_puts(&line, h->value[0] ? ": " : ";");
    strbuf_puts(&line, h->value);
    bool ok = !line.overflow && append(&p->carrier->headers, line.data);
    strbuf_fini(&line);
    return ok;
}

/* Where the URL that libcurl has names another host. */
static bool add_host(struct probe *p)
{
    char line[HOST_LINE_MAX];
    const struct target_http *hop = http_hop(p);
    int n =
        snprintf(line, sizeof(line), strchr(hop->host, ':') ? "Host: [%s]" : "Host: %s", hop->host);
    REQUIRE(n > 0 && (size_t)n < sizeof(line) - PORT_TEXT_MAX && hop->https);
    if (hop->port != HTTPS_PORT)
        snprintf(line + n, sizeof(line) - (size_t)n, ":%u", hop->port);
    return append(&p->carrier->headers, line);
}

static bool method_has_body(const char *method)
{
    return !strcmp(method, "POST") || !strcmp(method, "PUT") || !strcmp(method, "PATCH");
}

static bool has_body(const struct probe *p)
{
    return p->send_body && (p->target->http.body || method_has_body(p->method));
}

static bool set_headers(struct probe *p)
{
    const struct target_http *t = &p->target->http;
    bool has_type = false, has_connection = false, has_host = false;
    for (unsigned i = 0; i < t->n_headers; i++) {
        has_type |= !strcasecmp(t->headers[i].name, "Content-Type");
        has_connection |= !strcasecmp(t->headers[i].name, "Connection");
        has_host |= !strcasecmp(t->headers[i].name, "Host");
        if (!add_header(p, &t->headers[i]))
            return false;
    }
    if (p->carrier->named && !has_host && !add_host(p))
        return false;
    /* The server closes first, so that no TIME_WAIT is left here; libcurl drops it on HTTP/2. */
    if (!has_connection && !append(&p->carrier->headers, "Connection: close"))
        return false;
    if (has_body(p) && !has_type && !append(&p->carrier->headers, "Content-Type:"))
        return false;
    curl_easy_setopt(p->carrier->easy, CURLOPT_HTTPHEADER, p->carrier->headers);
    return true;
}

static void set_auth(struct probe *p)
{
    CURL *e = p->carrier->easy;
    const struct target_auth *a = &p->target->http.auth;
    if (a->kind == AUTH_NONE || p->drop_secrets)
        return;
    curl_easy_setopt(e, CURLOPT_HTTPAUTH, a->kind == AUTH_BASIC ? CURLAUTH_BASIC : CURLAUTH_BEARER);
    if (a->kind == AUTH_BASIC) {
        curl_easy_setopt(e, CURLOPT_USERNAME, a->user);
        curl_easy_setopt(e, CURLOPT_PASSWORD, a->secret);
    } else {
        curl_easy_setopt(e, CURLOPT_XOAUTH2_BEARER, a->secret);
    }
}

static void set_request(struct probe *p)
{
    CURL *e = p->carrier->easy;
    const struct target_http *t = &p->target->http;
    bool body = has_body(p);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, http_version(p));
    curl_easy_setopt(e, CURLOPT_USERAGENT, USER_AGENT);
    curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, t->compression ? "" : NULL);
    if (!strcmp(p->method, "HEAD"))
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    if (body) {
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(t->body ? t->body_len : 0));
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, t->body ? t->body : "");
    }
    if (body || (strcmp(p->method, "GET") && strcmp(p->method, "HEAD")))
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, p->method);
}

bool http_carrier_prepare(struct probe *p)
{
    REQUIRE(p->carrier != NULL && p->fd >= 0 && p->url != NULL);
    if (!name_for_tls(p) || !set_headers(p))
        return false;
    set_network(p);
    set_tls(p);
    set_request(p);
    set_auth(p);
    http_answer_watch(p, p->carrier->easy);
    return true;
}
