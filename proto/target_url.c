/* SPDX-License-Identifier: MIT */
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/cidr.h"
#include "common/ids.h"
#include "common/mem.h"
#include "proto/target_parts.h"

#define HOST_MAX   253 /* RFC 1035 §2.3.4, without the trailing dot */
#define LABEL_MAX  63
#define PORT_HTTP  80
#define PORT_HTTPS 443

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum err check_labels(const char *name, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    size_t len = strlen(name);
    if (len > HOST_MAX)
        return target_problem(p, "bad_uri", "the name '%s' has %zu bytes, at most %d are allowed",
                              target_show(name, len, shown), len, HOST_MAX);
    for (const char *label = name;;) {
        size_t n = strcspn(label, ".");
        if (n == 0)
            return target_problem(p, "bad_uri", "the name '%s' has an empty part between dots",
                                  target_show(name, len, shown));
        if (n > LABEL_MAX)
            return target_problem(p, "bad_uri",
                                  "'%s' in a name has %zu bytes, at most %d are allowed",
                                  target_show(label, n, shown), n, LABEL_MAX);
        if (label[n] == '\0')
            return ERR_NONE;
        label += n + 1;
    }
}

static char *idn_to_ascii(const char *s, size_t n, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    char *utf8 = mem_strndup(s, n);
    uint8_t *ascii = NULL;
    int rc = idn2_lookup_u8((const uint8_t *)utf8, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    free(utf8);
    if (rc == IDN2_OK) {
        char *out = mem_strdup((const char *)ascii);
        idn2_free(ascii);
        return out;
    }
    target_problem(p, "bad_uri", "'%s' is not a valid international name: %s",
                   target_show(s, n, shown), idn2_strerror(rc));
    return NULL;
}

static bool is_ascii(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] >= 0x80)
            return false;
    return true;
}

char *target_ascii_name(const char *s, size_t n, struct target_problem *p)
{
    char *name = is_ascii(s, n) ? mem_strndup(s, n) : idn_to_ascii(s, n, p);
    if (name == NULL)
        return NULL;
    size_t len = strlen(name);
    for (size_t i = 0; i < len; i++)
        if (name[i] >= 'A' && name[i] <= 'Z')
            name[i] = (char)(name[i] + ('a' - 'A'));
    if (len > 1 && name[len - 1] == '.')
        name[len - 1] = '\0';
    if (check_labels(name, p) == ERR_NONE)
        return name;
    free(name);
    return NULL;
}

/* One part of an IPv4 address as inet_aton(3) reads it: decimal, 0octal or 0xhex. */
static bool aton_part(const char *s, size_t n, uint64_t *out)
{
    unsigned base = 10;
    if (n >= 2 && s[0] == '0' && s[1] == 'x') {
        base = 16;
        s += 2;
        n -= 2;
    } else if (n > 1 && s[0] == '0') {
        base = 8;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = is_digit(s[i])                 ? (unsigned)(s[i] - '0')
                         : (s[i] >= 'a' && s[i] <= 'f') ? (unsigned)(s[i] - 'a') + 10
                                                        : 16;
        v = v * base + digit;
        if (digit >= base || v > UINT32_MAX)
            return false;
    }
    *out = v;
    return true;
}

/* A host whose last label is a number can only be meant as IPv4 (and would reach one through
 * inet_aton elsewhere). */
static bool ends_in_number(const char *host)
{
    const char *dot = strrchr(host, '.');
    const char *last = dot == NULL ? host : dot + 1;
    if (strspn(last, "0123456789") == strlen(last))
        return true;
    return strncmp(last, "0x", 2) == 0 && strspn(last + 2, "0123456789abcdef") == strlen(last + 2);
}

/* 127.1, 0x7f.1, 2130706433: whole parts first, the last one fills what is left. */
static bool aton(const char *host, uint32_t *out)
{
    uint64_t parts[4], addr = 0;
    unsigned n = 0;
    for (const char *s = host;; s++) {
        size_t len = strcspn(s, ".");
        if (n == ARRAY_LEN(parts) || !aton_part(s, len, &parts[n++]))
            return false;
        s += len;
        if (*s == '\0')
            break;
    }
    for (unsigned i = 0; i + 1 < n; i++) {
        if (parts[i] > 255)
            return false;
        addr |= parts[i] << (24 - 8 * i);
    }
    if (parts[n - 1] >= UINT64_C(1) << (8 * (5 - n)))
        return false;
    *out = (uint32_t)(addr | parts[n - 1]);
    return true;
}

static char *dotted_quad(const char *host, struct target_problem *p)
{
    uint32_t addr;
    char shown[SHOWN_MAX + 4], text[IP_TEXT_MAX];
    if (!aton(host, &addr)) {
        target_problem(p, "bad_uri",
                       "'%s' ends in a number but is not an IPv4 address: four parts of 0 to 255",
                       target_show(host, strlen(host), shown));
        return NULL;
    }
    snprintf(text, sizeof(text), "%u.%u.%u.%u", addr >> 24, addr >> 16 & 255, addr >> 8 & 255,
             addr & 255);
    return mem_strdup(text);
}

static bool host_char(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-' || c == '_' || c == '.';
}

static enum err check_host_chars(const char *host, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    for (const char *c = host; *c != '\0'; c++)
        if (!host_char(*c))
            return target_problem(p, "bad_uri", "'%c' cannot stand in the host '%s'", *c,
                                  target_show(host, strlen(host), shown));
    return ERR_NONE;
}

char *target_host_name(const char *s, size_t n, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    char *host = target_ascii_name(s, n, p);
    if (host == NULL)
        return NULL;
    if (check_host_chars(host, p) == ERR_NONE) {
        if (!ends_in_number(host))
            return host;
        target_problem(p, "bad_uri", "'%s' is an address", target_show(s, n, shown));
    }
    free(host);
    return NULL;
}

static enum err read_name(const char *s, size_t n, char **out, struct target_problem *p)
{
    if (memchr(s, '%', n) != NULL)
        return target_problem(p, "bad_uri", "the host is percent-encoded: write it as plain text");
    char *host = target_ascii_name(s, n, p);
    if (host == NULL)
        return ERR_INVALID;
    if (check_host_chars(host, p) != ERR_NONE) {
        free(host);
        return ERR_INVALID;
    }
    if (ends_in_number(host)) {
        char *quad = dotted_quad(host, p);
        free(host);
        host = quad;
    }
    *out = host;
    return host != NULL ? ERR_NONE : ERR_INVALID;
}

static enum err read_ipv6(const char *s, size_t n, char **out, struct target_problem *p)
{
    char text[IP_TEXT_MAX], shown[SHOWN_MAX + 4];
    struct ip ip;
    if (memchr(s, '%', n) != NULL)
        return target_problem(p, "bad_uri",
                              "an IPv6 address with a zone id (%%) means nothing on another "
                              "machine: leave the zone out");
    snprintf(text, sizeof(text), "%.*s", (int)n, s);
    if (n >= sizeof(text) || ip_parse(text, &ip) != ERR_NONE || ip.family != AF_INET6)
        return target_problem(p, "bad_uri", "'[%s]' is not an IPv6 address",
                              target_show(s, n, shown));
    *out = mem_strdup(ip_format(&ip, text));
    return ERR_NONE;
}

static enum err read_port(const char *s, size_t n, uint16_t *out, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    uint64_t port;
    if (n == 0)
        return ERR_NONE;
    if (u64_parse(s, n, &port) != ERR_NONE || port == 0 || port > UINT16_MAX)
        return target_problem(p, "bad_uri", "the port '%s' is not a number from 1 to 65535",
                              target_show(s, n, shown));
    *out = (uint16_t)port;
    return ERR_NONE;
}

enum err target_read_host_port(const char *s, size_t n, char **host, uint16_t *port,
                               struct target_problem *p)
{
    const char *end = s + n, *host_end;
    bool ipv6 = n > 0 && *s == '[';
    if (ipv6) {
        host_end = memchr(s, ']', n);
        if (host_end == NULL)
            return target_problem(p, "bad_uri", "the '[' of the IPv6 address has no ']'");
    } else {
        host_end = memchr(s, ':', n);
        if (host_end == NULL)
            host_end = end;
    }
    const char *rest = ipv6 ? host_end + 1 : host_end;
    if (rest < end && *rest != ':')
        return target_problem(p, "bad_uri", "only ':' and a port may follow the IPv6 address");
    if (!ipv6 && rest < end && memchr(rest + 1, ':', (size_t)(end - rest) - 1) != NULL)
        return target_problem(p, "bad_uri",
                              "an IPv6 address in a URL needs brackets: write http://[::1]/");
    const char *digits = rest < end ? rest + 1 : end;
    if (read_port(digits, (size_t)(end - digits), port, p) != ERR_NONE)
        return ERR_INVALID;
    return ipv6 ? read_ipv6(s + 1, (size_t)(host_end - s) - 1, host, p)
                : read_name(s, (size_t)(host_end - s), host, p);
}

static enum err read_authority(struct target *t, const char *s, size_t n, struct target_problem *p)
{
    if (memchr(s, '@', n) != NULL)
        return target_problem(p, "bad_uri",
                              "a URL must not hold a user or a password: remove what stands "
                              "before '@' and use an Authorization header");
    if (n == 0 || (*s == ':' && memchr(s + 1, ':', n - 1) == NULL))
        return target_problem(p, "bad_uri", "the URL has no host: write %s://HOST/",
                              t->http.https ? "https" : "http");
    t->http.port = t->http.https ? PORT_HTTPS : PORT_HTTP;
    return target_read_host_port(s, n, &t->http.host, &t->http.port, p);
}

enum err target_read_url(struct target *t, struct target_problem *p)
{
    REQUIRE(t->kind == TARGET_HTTP && t->uri != NULL && t->http.host == NULL);
    const char *colon = strchr(t->uri, ':');
    REQUIRE(colon != NULL);
    t->http.https = colon - t->uri == 5;
    const char *scheme = t->http.https ? "https" : "http";
    if (strncmp(colon + 1, "//", 2) != 0)
        return target_problem(p, "bad_uri", "two slashes must follow '%s:': write %s://HOST/",
                              scheme, scheme);
    const char *authority = colon + 3;
    return read_authority(t, authority, strcspn(authority, "/?#"), p);
}
