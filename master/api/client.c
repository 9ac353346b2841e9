/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "common/random.h"
#include "master/api/http.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TRUSTED_MAX      64
#define TRUSTED_LIST_MAX 4096

const char *http_header(struct http_req *r, const char *name)
{
    return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

enum err client_trust(struct api *a, const char *list, char *why, size_t why_max)
{
    char copy[TRUSTED_LIST_MAX], *rest = copy, *word;
    if (!list || !list[0])
        return ERR_NONE;
    snprintf(copy, sizeof(copy), "%s", list);
    a->trusted = mem_array(TRUSTED_MAX, sizeof(*a->trusted));
    while ((word = strsep(&rest, ", ")) != NULL) {
        if (word[0] == '\0')
            continue;
        if (a->n_trusted == TRUSTED_MAX ||
            cidr_parse(word, &a->trusted[a->n_trusted]) != ERR_NONE) {
            snprintf(why, why_max,
                     "trusted_proxies: '%s' is no CIDR like 10.0.0.0/8, or there are more than %d",
                     word, TRUSTED_MAX);
            return ERR_INVALID;
        }
        a->n_trusted++;
    }
    return ERR_NONE;
}

static bool trusted(const struct api *a, const struct ip *ip)
{
    for (unsigned i = 0; i < a->n_trusted; i++)
        if (cidr_contains(&a->trusted[i], ip))
            return true;
    return false;
}

/* The last hop that is not one of our proxies; what stands left of it anybody may have written. */
static void forwarded(struct http_req *r, const char *list, struct ip *ip)
{
    size_t end = strlen(list);
    while (end > 0) {
        char word[IP_TEXT_MAX];
        size_t start = end;
        while (start > 0 && list[start - 1] != ',')
            start--;
        while (start < end && list[start] == ' ')
            start++;
        snprintf(word, sizeof(word), "%.*s", (int)(end - start), list + start);
        word[strcspn(word, " ")] = '\0';
        struct ip hop;
        if (ip_parse(word, &hop) != ERR_NONE)
            return;
        *ip = hop;
        if (!trusted(r->api, ip))
            return;
        while (start > 0 && list[start - 1] != ',')
            start--;
        end = start > 0 ? start - 1 : 0;
    }
}

void client_peer(struct http_req *r)
{
    struct ip ip = {.family = 0};
    uint16_t port;
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    bool known = i && i->client_addr && ip_from_sockaddr(i->client_addr, &ip, &port);
    const char *list = http_header(r, "X-Forwarded-For");
    if (list && r->api->n_trusted && (!known || trusted(r->api, &ip)))
        forwarded(r, list, &ip);
    if (ip.family)
        ip_format(&ip, r->peer);
    else
        snprintf(r->peer, sizeof(r->peer), "unix");
}

/* The caller's W3C trace id when it sends one, else a new one. */
void client_trace(struct http_req *r)
{
    uint8_t random[16];
    const char *given = http_header(r, "traceparent");
    if (given && trace_of_parent(given, r->trace))
        return;
    random_bytes(random, sizeof(random));
    trace_format(random, r->trace);
}

static void poll_tokens(struct api *a, struct mono now)
{
    if (mono_is_set(a->tokens_polled) && mono_diff_ms(now, a->tokens_polled) < TOKENS_POLL_MS)
        return;
    tokens_poll(a->tokens);
    a->tokens_polled = now;
}

bool client_still_may(struct http_req *r)
{
    REQUIRE(r->token_id[0] != '\0');
    poll_tokens(r->api, mono_now());
    return tokens_has(r->api->tokens, r->token_id);
}

/* A suspended connection is not read, so nobody else would see its end before the next write. */
bool client_is_gone(struct http_req *r)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct pollfd p = {.events = POLLRDHUP};
    if (!i)
        return false;
    p.fd = i->connect_fd;
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static bool refuse(struct http_req *r, const char *code, const char *detail)
{
    counter_add(&r->api->stats.unauthorized, 1);
    reply_problem(r, MHD_HTTP_UNAUTHORIZED, code, "%s", detail);
    reply_header(r, "WWW-Authenticate", "Bearer realm=\"sonde\"");
    return false;
}

bool client_may(struct http_req *r, enum token_scope needed)
{
    struct token_grant g;
    poll_tokens(r->api, r->started);
    if (needed == SCOPE_NONE)
        return true;
    const char *h = http_header(r, "Authorization");
    if (!h || strncasecmp(h, "Bearer ", 7) != 0)
        return refuse(r, "no_token",
                      "the request has no token; send 'Authorization: Bearer TOKEN' (the first one "
                      "stands in admin.token of the master's data directory)");
    h += 7 + strspn(h + 7, " ");
    if (!tokens_check(r->api->tokens, h, strlen(h), &g))
        return refuse(r, "bad_token",
                      "the token is not known here, or was revoked; 'sonde-master token add' makes "
                      "a new one");
    r->scope = g.scope;
    snprintf(r->token_id, sizeof(r->token_id), "%s", g.id);
    if (token_grant_allows(&g, needed))
        return true;
    reply_problem(r, MHD_HTTP_FORBIDDEN, "scope",
                  "this needs a token of scope '%s', the one sent has scope '%s'",
                  token_scope_word(needed), token_scope_word(g.scope));
    return false;
}
