/* SPDX-License-Identifier: MIT */
#include "agent/link/master_url.h"
#include "common/cidr.h"
#include "common/ids.h"
#include <stdio.h>
#include <string.h>

#define EXAMPLE "write it like wss://sonde.example.com/ws"

static enum err bad(char *why, size_t why_max, const char *text, const char *what)
{
    snprintf(why, why_max, "the master's address '%s' %s; " EXAMPLE, text, what);
    return ERR_INVALID;
}

static const char *parse_scheme(const char *text, bool *tls)
{
    static const char plain[] = "ws://", secure[] = "wss://";
    *tls = strncmp(text, secure, sizeof(secure) - 1) == 0;
    if (*tls)
        return text + sizeof(secure) - 1;
    return strncmp(text, plain, sizeof(plain) - 1) == 0 ? text + sizeof(plain) - 1 : NULL;
}

static bool host_valid(const char *host)
{
    struct ip ip;
    if (strchr(host, ':'))
        return ip_parse(host, &ip) == ERR_NONE;
    return host[0] != '\0' &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
               strlen(host);
}

/* Splits "host:port" or "[v6]:port"; *port is NULL when there is none. */
static bool split_authority(char *authority, char **host, char **port)
{
    *port = NULL;
    *host = authority;
    if (authority[0] == '[') {
        char *close = strchr(authority, ']');
        if (!close || (close[1] != '\0' && close[1] != ':'))
            return false;
        *host = authority + 1;
        if (close[1] == ':')
            *port = close + 2;
        *close = '\0';
        return strchr(*host, ':') != NULL;
    }
    char *colon = strchr(authority, ':');
    if (colon) {
        *colon = '\0';
        *port = colon + 1;
    }
    return true;
}

static bool port_parse(const char *text, uint16_t *out)
{
    uint64_t v;
    if (u64_parse(text, strlen(text), &v) != ERR_NONE || v == 0 || v > UINT16_MAX)
        return false;
    *out = (uint16_t)v;
    return true;
}

static void format_authority(struct master_url *u)
{
    const char *left = strchr(u->host, ':') ? "[" : "", *right = *left ? "]" : "";
    bool usual = u->port == (u->tls ? 443 : 80);
    if (usual)
        snprintf(u->authority, sizeof(u->authority), "%s%s%s", left, u->host, right);
    else
        snprintf(u->authority, sizeof(u->authority), "%s%s%s:%u", left, u->host, right, u->port);
}

enum err master_url_parse(const char *text, struct master_url *out, char *why, size_t why_max)
{
    struct master_url u = {0};
    char authority[sizeof(u.host) + 10];
    char *host, *port;
    const char *rest = parse_scheme(text, &u.tls);
    if (!rest)
        return bad(why, why_max, text, "does not begin with ws:// or wss://");
    if (strpbrk(rest, "@?# \t\r\n"))
        return bad(
            why, why_max, text,
            "has user info, a query, a fragment or a blank in it (tokens go into --token-file)");
    size_t n = strcspn(rest, "/");
    const char *path = rest[n] && rest[n + 1] ? rest + n : "/ws";
    if (n >= sizeof(authority) || strlen(path) >= sizeof(u.path))
        return bad(why, why_max, text, "is too long");
    snprintf(authority, sizeof(authority), "%.*s", (int)n, rest);
    if (!split_authority(authority, &host, &port) || strlen(host) >= sizeof(u.host) ||
        !host_valid(host))
        return bad(why, why_max, text, "has no valid host name or address");
    u.port = u.tls ? 443 : 80;
    if (port && !port_parse(port, &u.port))
        return bad(why, why_max, text, "has a port that is not a number from 1 to 65535");
    snprintf(u.host, sizeof(u.host), "%s", host);
    snprintf(u.path, sizeof(u.path), "%s", path);
    format_authority(&u);
    *out = u;
    return ERR_NONE;
}
