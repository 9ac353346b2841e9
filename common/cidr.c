/* SPDX-License-Identifier: MIT */
#include "common/cidr.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "common/ids.h"

static size_t ip_len(int family)
{
    REQUIRE(family == AF_INET || family == AF_INET6);
    return family == AF_INET ? 4 : 16;
}

enum err ip_parse(const char *text, struct ip *out)
{
    struct ip ip = {.family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET};
    if (inet_pton(ip.family, text, ip.bytes) != 1)
        return ERR_INVALID;
    *out = ip;
    return ERR_NONE;
}

char *ip_format(const struct ip *ip, char buf[IP_TEXT_MAX])
{
    REQUIRE(ip_len(ip->family) > 0);
    REQUIRE(inet_ntop(ip->family, ip->bytes, buf, IP_TEXT_MAX) != NULL);
    return buf;
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, ip_len(a->family)) == 0;
}

static enum ip_scope scope_v4(const uint8_t *b)
{
    if (b[0] == 127)
        return IP_LOOPBACK;
    bool is_private = b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
                      (b[0] == 192 && b[1] == 168) || (b[0] == 100 && (b[1] & 0xc0) == 64) ||
                      (b[0] == 169 && b[1] == 254);
    return is_private ? IP_PRIVATE : IP_GLOBAL;
}

enum ip_scope ip_scope(const struct ip *ip)
{
    static const uint8_t loopback[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *b = ip->bytes;
    if (ip_len(ip->family) == 4)
        return scope_v4(b);
    if (memcmp(b, mapped, sizeof(mapped)) == 0)
        return scope_v4(b + sizeof(mapped));
    if (memcmp(b, loopback, sizeof(loopback)) == 0)
        return IP_LOOPBACK;
    return (b[0] & 0xfe) == 0xfc || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) ? IP_PRIVATE
                                                                            : IP_GLOBAL;
}

/* Whether the first `bits` bits agree. */
static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xff) == 0;
}

static bool host_bits_clear(const struct cidr *c)
{
    struct cidr base = {.ip = {.family = c->ip.family}, .bits = c->bits};
    size_t len = ip_len(c->ip.family);
    unsigned whole = c->bits / 8, rest = c->bits % 8;
    memcpy(base.ip.bytes, c->ip.bytes, whole);
    if (rest != 0)
        base.ip.bytes[whole] = (uint8_t)(c->ip.bytes[whole] & (0xff00u >> rest));
    return memcmp(base.ip.bytes, c->ip.bytes, len) == 0;
}

enum err cidr_parse(const char *text, struct cidr *out)
{
    char addr[IP_TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof(addr))
        return ERR_INVALID;
    memcpy(addr, text, len);
    addr[len] = '\0';

    struct cidr c;
    if (ip_parse(addr, &c.ip) != ERR_NONE)
        return ERR_INVALID;
    uint64_t bits = ip_len(c.ip.family) * 8;
    uint64_t max = bits;
    if (slash != NULL && u64_parse(slash + 1, strlen(slash + 1), &bits) != ERR_NONE)
        return ERR_INVALID;
    c.bits = (unsigned)bits;
    if (bits > max || !host_bits_clear(&c))
        return ERR_INVALID;
    *out = c;
    return ERR_NONE;
}

bool cidr_contains(const struct cidr *c, const struct ip *ip)
{
    return c->ip.family == ip->family && prefix_equal(c->ip.bytes, ip->bytes, c->bits);
}

void ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *out,
                    socklen_t *len)
{
    memset(out, 0, sizeof(*out));
    if (ip->family == AF_INET) {
        struct sockaddr_in *sin = (struct sockaddr_in *)out;
        sin->sin_family = AF_INET;
        sin->sin_port = htons(port);
        memcpy(&sin->sin_addr, ip->bytes, sizeof(sin->sin_addr));
        *len = sizeof(*sin);
        return;
    }
    REQUIRE(ip->family == AF_INET6);
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;
    sin6->sin6_family = AF_INET6;
    sin6->sin6_port = htons(port);
    memcpy(&sin6->sin6_addr, ip->bytes, sizeof(sin6->sin6_addr));
    *len = sizeof(*sin6);
}

bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ip, uint16_t *port)
{
    if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
        return false;
    *ip = (struct ip){.family = sa->sa_family};
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *)(const void *)sa;
        memcpy(ip->bytes, &sin->sin_addr, sizeof(sin->sin_addr));
        *port = ntohs(sin->sin_port);
    } else {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)(const void *)sa;
        memcpy(ip->bytes, &sin6->sin6_addr, sizeof(sin6->sin6_addr));
        *port = ntohs(sin6->sin6_port);
    }
    return true;
}

/* Splits "[v6]:port", "[v6]", "v4:port" and bare addresses; *port_text is NULL without a port. */
static enum err split_addr(const char *text, char addr[IP_TEXT_MAX], const char **port_text)
{
    bool bracketed = text[0] == '[';
    const char *from = bracketed ? text + 1 : text;
    const char *end = bracketed ? strchr(from, ']') : strchr(from, ':');
    if (bracketed && end == NULL)
        return ERR_INVALID;
    if (!bracketed && (end == NULL || strchr(end + 1, ':') != NULL))
        end = from + strlen(from); /* no colon, or a bare IPv6 address */
    size_t len = (size_t)(end - from);
    if (len >= IP_TEXT_MAX)
        return ERR_INVALID;
    memcpy(addr, from, len);
    addr[len] = '\0';
    if (bracketed && strchr(addr, ':') == NULL)
        return ERR_INVALID;
    const char *rest = bracketed ? end + 1 : end;
    if (*rest != '\0' && *rest != ':')
        return ERR_INVALID;
    *port_text = *rest == ':' ? rest + 1 : NULL;
    return ERR_NONE;
}

enum err addr_parse(const char *text, uint16_t default_port, struct ip *ip, uint16_t *port)
{
    char addr[IP_TEXT_MAX];
    const char *port_text = NULL;
    struct ip parsed;
    uint64_t number = default_port;
    if (split_addr(text, addr, &port_text) != ERR_NONE || ip_parse(addr, &parsed) != ERR_NONE)
        return ERR_INVALID;
    if (port_text != NULL && u64_parse(port_text, strlen(port_text), &number) != ERR_NONE)
        return ERR_INVALID;
    if (number > UINT16_MAX)
        return ERR_INVALID;
    *ip = parsed;
    *port = (uint16_t)number;
    return ERR_NONE;
}

char *addr_format(const struct ip *ip, uint16_t port, char buf[ADDR_TEXT_MAX])
{
    char text[IP_TEXT_MAX];
    ip_format(ip, text);
    snprintf(buf, ADDR_TEXT_MAX, ip->family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
    return buf;
}
