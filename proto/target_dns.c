/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "common/cidr.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "proto/target_parts.h"

/* DNS URIs (RFC 4501): dns:[//authority/]name[?class=IN;type=T] */

#define PORT_DNS 53
#define TYPE_OPT 41
/* TKEY, TSIG, IXFR, AXFR, MAILB, MAILA: questions about the transport or for a transfer. ANY (255)
 * is a fair question. */
#define META_FIRST 249
#define META_LAST  254

/* A percent-encoded name is at most three times as long as the name. */
#define NAME_TEXT_MAX 1024

bool rrtype_probeable(uint16_t type)
{
    return type != TYPE_OPT && !(type >= META_FIRST && type <= META_LAST);
}

char *target_resolver(const char *text)
{
    struct ip ip;
    uint16_t port = PORT_DNS;
    char buf[ADDR_TEXT_MAX];
    if (ip_parse(text, &ip) != ERR_NONE && addr_parse(text, PORT_DNS, &ip, &port) != ERR_NONE)
        return NULL;
    return port == 0 ? NULL : mem_strdup(addr_format(&ip, port, buf));
}

/* Underscores, the star and the slash of RFC 2317 are all in use. */
static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.*/+=", c) != NULL);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A dot that is percent-encoded would be part of a label; that and control characters we refuse. */
static enum err percent_decode(const char *s, size_t n, struct strbuf *out,
                               struct target_problem *p)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '%') {
            strbuf_putc(out, s[i]);
            continue;
        }
        int high = i + 2 < n ? hex_value(s[i + 1]) : -1;
        int low = i + 2 < n ? hex_value(s[i + 2]) : -1;
        if (high < 0 || low < 0)
            return target_problem(p, "bad_uri",
                                  "two hexadecimal digits must follow '%%' in a name");
        char c = (char)(high * 16 + low);
        if ((unsigned char)c <= ' ' || c == 0x7f || c == '.')
            return target_problem(p, "bad_uri", "'%%%c%c' cannot stand in a name", s[i + 1],
                                  s[i + 2]);
        strbuf_putc(out, c);
        i += 2;
    }
    return ERR_NONE;
}

static enum err set_name(struct target *t, const char *s, size_t n, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    if (!utf8_valid(s, n))
        return target_problem(p, "bad_utf8", "the name is not valid UTF-8");
    char *name = target_ascii_name(s, n, p);
    if (name == NULL)
        return ERR_INVALID;
    for (const char *c = name; *c != '\0'; c++) {
        if (name_char(*c))
            continue;
        target_problem(p, "bad_uri", "'%c' cannot stand in the name '%s'", *c,
                       target_show(name, strlen(name), shown));
        free(name);
        return ERR_INVALID;
    }
    t->dns.name = name;
    return ERR_NONE;
}

enum err target_read_dns_name(struct target *t, const char *text, size_t len,
                              struct target_problem *p)
{
    REQUIRE(t->kind == TARGET_DNS && t->dns.name == NULL);
    if (len == 0)
        return target_problem(p, "bad_uri",
                              "the DNS URI has no name: write dns:NAME?type=A, or dns:.?type=NS "
                              "for the root");
    if (*text == '/')
        return target_problem(p, "bad_uri",
                              "a name cannot begin with '/': write dns:NAME or dns://ADDR/NAME");
    if (len == 1 && *text == '.') {
        t->dns.name = mem_strdup("");
        return ERR_NONE;
    }
    struct strbuf b;
    strbuf_init(&b, NAME_TEXT_MAX);
    enum err e = percent_decode(text, len, &b, p);
    if (e == ERR_NONE && b.overflow)
        e = target_problem(p, "bad_uri", "the name is far longer than the 253 bytes allowed");
    if (e == ERR_NONE)
        e = set_name(t, b.data, b.len, p);
    strbuf_fini(&b);
    return e;
}

static enum err read_type(struct target *t, const char *value, struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    if (rrtype_parse(value, &t->dns.type) != ERR_NONE)
        return target_problem(p, "bad_value",
                              "'%s' is not a DNS type: write a name like AAAA or a number like "
                              "TYPE65",
                              target_show(value, strlen(value), shown));
    if (!rrtype_probeable(t->dns.type))
        return target_problem(p, "bad_value", "the DNS type '%s' cannot be asked by a probe",
                              target_show(value, strlen(value), shown));
    return ERR_NONE;
}

static enum err read_element(struct target *t, struct dns_given *given, const char *s, size_t n,
                             struct target_problem *p)
{
    char item[SHOWN_MAX + 4];
    target_show(s, n, item);
    char *value = strchr(item, '=');
    if (value == NULL)
        return target_problem(p, "bad_uri", "'%s' after '?' is not type=T", item);
    *value++ = '\0';
    if (strcasecmp(item, "class") == 0) {
        if (strcasecmp(value, "IN") == 0 || strcmp(value, "1") == 0)
            return ERR_NONE;
        return target_problem(p, "bad_value", "the DNS class '%s' is not supported: only IN is",
                              value);
    }
    if (strcasecmp(item, "type") != 0)
        return target_problem(p, "unknown_field",
                              "'%s' after '?' is not known: a DNS URI has only type and class",
                              item);
    if (given->type)
        return target_problem(p, "bad_uri", "the type is given twice");
    given->type = true;
    return read_type(t, value, p);
}

static enum err read_query(struct target *t, struct dns_given *given, const char *s,
                           struct target_problem *p)
{
    for (;;) {
        size_t n = strcspn(s, ";&");
        if (read_element(t, given, s, n, p) != ERR_NONE)
            return ERR_INVALID;
        if (s[n] == '\0')
            return ERR_NONE;
        s += n + 1;
    }
}

static enum err read_server(struct target *t, struct dns_given *given, const char *s, size_t n,
                            struct target_problem *p)
{
    char shown[SHOWN_MAX + 4];
    if (n == 0)
        return ERR_NONE;
    char *text = mem_strndup(s, n);
    char *resolver = target_resolver(text);
    free(text);
    if (resolver == NULL)
        return target_problem(p, "bad_uri",
                              "the resolver '%s' is not an IP address: write "
                              "dns://1.1.1.1/NAME or dns://[2606:4700::1111]:53/NAME",
                              target_show(s, n, shown));
    free(t->dns.resolver);
    t->dns.resolver = resolver;
    given->resolver = true;
    return ERR_NONE;
}

enum err target_read_dns_uri(struct target *t, struct dns_given *given, struct target_problem *p)
{
    REQUIRE(t->kind == TARGET_DNS && t->uri != NULL);
    const char *s = t->uri + strlen("dns:");
    if (strchr(s, '#') != NULL)
        return target_problem(p, "bad_uri", "'#' has no meaning in a DNS URI: remove it");
    if (strncmp(s, "//", 2) == 0) {
        s += 2;
        size_t n = strcspn(s, "/?");
        if (s[n] != '/')
            return target_problem(p, "bad_uri",
                                  "no name follows the resolver: write dns://ADDR/NAME?type=T, or "
                                  "dns:NAME?type=T for the agent's own resolver");
        if (read_server(t, given, s, n, p) != ERR_NONE)
            return ERR_INVALID;
        s += n + 1;
    }
    size_t n = strcspn(s, "?");
    if (target_read_dns_name(t, s, n, p) != ERR_NONE)
        return ERR_INVALID;
    return s[n] == '?' ? read_query(t, given, s + n + 1, p) : ERR_NONE;
}
