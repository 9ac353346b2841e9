/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* A space or a byte over 127 in a path is encoded, as browsers do. */
#define URL_FLAGS (CURLU_URLENCODE | CURLU_ALLOW_SPACE)

/* What was checked is what is used: scheme, host and port are written from our own parser's
 * reading. */
static bool set_origin(CURLU *u, const struct target_http *t)
{
    char host[256 + 3], port[8];
    snprintf(host, sizeof(host), strchr(t->host, ':') ? "[%s]" : "%s", t->host);
    snprintf(port, sizeof(port), "%u", t->port);
    bool usual = t->port == (t->https ? 443 : 80);
    return curl_url_set(u, CURLUPART_SCHEME, t->https ? "https" : "http", 0) == CURLUE_OK &&
           curl_url_set(u, CURLUPART_HOST, host, 0) == CURLUE_OK &&
           curl_url_set(u, CURLUPART_PORT, usual ? NULL : port, 0) == CURLUE_OK &&
           curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0) == CURLUE_OK;
}

CURLU *http_first_url(const struct target *t)
{
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, t->uri, URL_FLAGS) == CURLUE_OK &&
        set_origin(u, &t->http))
        return u;
    curl_url_cleanup(u);
    return NULL;
}

/* Control characters and backslashes mean different things to different parsers. */
static bool clean(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == '\\')
            return false;
    return true;
}

/* The absolute URL that the Location means here; NULL = none. Free with curl_free. */
static char *resolve_location(CURLU *base, const char *location)
{
    char *text = NULL;
    CURLU *u = curl_url_dup(base);
    if (!u)
        return NULL;
    if (curl_url_set(u, CURLUPART_URL, location, URL_FLAGS | CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK)
        curl_url_get(u, CURLUPART_URL, &text, 0);
    curl_url_cleanup(u);
    return text;
}

static bool is_http_scheme(const char *url)
{
    return !strncmp(url, "http:", 5) || !strncmp(url, "https:", 6);
}

/* The next hop as a target of its own, by the same parser that read the user's URI. */
static enum cause parse_next(struct probe *p, struct target **out, char *detail, size_t detail_max)
{
    struct target_problem problem;
    const char *location = p->answer.location;
    char *url = clean(location) ? resolve_location(p->url, location) : NULL;
    enum cause c = CAUSE_protocol_error;
    if (!url)
        snprintf(detail, detail_max, "the redirect's Location is not a URL: '%.120s'", location);
    else if (!is_http_scheme(url))
        snprintf(detail, detail_max, "only http and https redirects are followed, not '%.120s'",
                 url);
    else if (target_from_text(url, strlen(url), NULL, out, &problem) != ERR_NONE)
        snprintf(detail, detail_max, "the redirect's Location is not usable: %.160s",
                 problem.detail);
    else
        c = CAUSE_NONE;
    curl_free(url);
    return c;
}

/* 303 always, and 301 and 302 after POST, continue as GET without the body, as browsers do. */
static void change_method(struct probe *p)
{
    int status = p->answer.status;
    bool post = !strcmp(p->method, "POST");
    bool to_get =
        (status == 303 && strcmp(p->method, "HEAD")) || ((status == 301 || status == 302) && post);
    if (!to_get)
        return;
    free(p->method);
    p->method = mem_strdup("GET");
    p->send_body = false;
}

static bool same_origin(const struct target_http *a, const struct target_http *b)
{
    return a->https == b->https && a->port == b->port && !strcmp(a->host, b->host);
}

enum cause http_redirect(struct probe *p, char *detail, size_t detail_max)
{
    struct target *next = NULL;
    REQUIRE(p->answer.redirecting && p->answer.location != NULL);
    enum cause c = parse_next(p, &next, detail, detail_max);
    if (c)
        return c;
    CURLU *url = http_first_url(next);
    if (!url) {
        snprintf(detail, detail_max, "the redirect's Location is not usable");
        target_destroy(&next);
        return CAUSE_protocol_error;
    }
    http_record_hop(p);
    change_method(p);
    p->drop_secrets |= !same_origin(http_hop(p), &next->http);
    curl_url_cleanup(p->url);
    p->url = url;
    target_destroy(&p->hop_target);
    p->hop_target = next;
    return CAUSE_NONE;
}
