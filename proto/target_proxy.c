/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "proto/target_parts.h"

/* "proxy": SCHEME://[USER:PASSWORD@]HOST[:PORT]. No problem quotes what was given: any of it may be
 * the password. */
#define WANTED                                                                                     \
    "'proxy' must be http://[USER:PASSWORD@]HOST[:PORT] or socks5://[USER:PASSWORD@]HOST[:PORT]"

#define PORT_HTTP_PROXY 3128 /* Squid's; nothing is assigned */
#define PORT_SOCKS      1080 /* RFC 1928 §3 */

#define UNRESERVED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"

struct scheme {
    const char *text;
    enum proxy_kind kind;
    uint16_t port;
};
static const struct scheme schemes[] = {{"http://", PROXY_HTTP, PORT_HTTP_PROXY},
                                        {"socks5://", PROXY_SOCKS5, PORT_SOCKS}};

static const struct scheme *find_scheme(const char *text)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (strncasecmp(text, schemes[i].text, strlen(schemes[i].text)) == 0)
            return &schemes[i];
    return NULL;
}

static const struct scheme *scheme_of(enum proxy_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
        if (schemes[i].kind == kind)
            return &schemes[i];
    UNREACHABLE("a kind of proxy without a scheme");
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The percent-decoded text, of at most PROXY_SECRET_MAX bytes without control characters; NULL:
 * it is not so. */
static char *decode(const char *s, size_t n)
{
    char out[PROXY_SECRET_MAX + 1];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        if (c == '%') {
            int high = i + 2 < n ? hex_value(s[i + 1]) : -1,
                low = i + 2 < n ? hex_value(s[i + 2]) : -1;
            if (high < 0 || low < 0)
                return NULL;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (len == PROXY_SECRET_MAX || (unsigned char)c < ' ' || c == 0x7f)
            return NULL;
        out[len++] = c;
    }
    return mem_strndup(out, len);
}

static void read_credentials(struct json_cur *c, const char *s, size_t n, struct target_proxy *x)
{
    const char *colon = memchr(s, ':', n);
    size_t user_len = colon != NULL ? (size_t)(colon - s) : n;
    x->user = decode(s, user_len);
    x->password = colon != NULL ? decode(colon + 1, n - user_len - 1) : mem_strdup("");
    if (x->user == NULL || x->password == NULL || x->user[0] == '\0')
        json_cur_fail(c,
                      "the user of 'proxy' must have 1 to %d bytes and its password at most as "
                      "many, percent-encoded and without control characters",
                      PROXY_SECRET_MAX);
    else if (x->kind == PROXY_HTTP && strchr(x->user, ':') != NULL) /* RFC 7617 §2 */
        json_cur_fail(c, "the user of an http 'proxy' cannot hold a ':'");
}

/* What stands behind the scheme: the last '@' ends the credentials. */
static void read_authority(struct json_cur *c, const char *s, struct target_proxy *x)
{
    struct target_problem p;
    size_t n = strcspn(s, "/?#");
    const char *tail = s + n, *at = memrchr(s, '@', n);
    if (strchr(tail, '@') != NULL) {
        json_cur_fail(c, "'/', '?' and '#' in the user or the password of 'proxy' must be "
                         "percent-encoded: %%2F, %%3F, %%23");
        return;
    }
    if (tail[0] != '\0' && strcmp(tail, "/") != 0) {
        json_cur_fail(c, "nothing may follow the host and the port of 'proxy'");
        return;
    }
    if (at != NULL)
        read_credentials(c, s, (size_t)(at - s), x);
    const char *host = at != NULL ? at + 1 : s;
    if (target_read_host_port(host, (size_t)(tail - host), &x->host, &x->port, &p) != ERR_NONE)
        json_cur_fail(c, "'proxy' has no usable host, or no port from 1 to 65535: write "
                         "SCHEME://[USER:PASSWORD@]HOST[:PORT], an IPv6 address in brackets");
}

void target_proxy_read(struct json_cur *c, struct target_proxy *x)
{
    const char *text = json_get_str(c, "proxy", URI_MAX, NULL);
    if (text == NULL)
        return;
    struct target_proxy new = {.kind = PROXY_NONE};
    const struct scheme *scheme = find_scheme(text);
    if (scheme != NULL) {
        new.kind = scheme->kind;
        new.port = scheme->port;
        read_authority(c, text + strlen(scheme->text), &new);
    } else if (*text != '\0') {
        json_cur_fail(c, WANTED);
    }
    target_proxy_free(x);
    *x = new;
}

static void encode(struct strbuf *b, const char *s)
{
    for (; *s != '\0'; s++) {
        if (strchr(UNRESERVED, *s) != NULL)
            strbuf_putc(b, *s);
        else
            strbuf_printf(b, "%%%02X", (unsigned char)*s);
    }
}

const char *target_proxy_name(const struct target_proxy *x, char buf[PROXY_NAME_MAX])
{
    REQUIRE(x->kind != PROXY_NONE);
    bool ipv6 = strchr(x->host, ':') != NULL;
    snprintf(buf, PROXY_NAME_MAX, ipv6 ? "[%s]:%u" : "%s:%u", x->host, x->port);
    return buf;
}

void target_proxy_put(struct json_out *w, const struct target_proxy *x)
{
    char name[PROXY_NAME_MAX];
    struct strbuf b;
    if (x->kind == PROXY_NONE)
        return;
    strbuf_init(&b, URI_MAX + 1);
    strbuf_puts(&b, scheme_of(x->kind)->text);
    if (x->user != NULL) {
        encode(&b, x->user);
        strbuf_putc(&b, ':');
        encode(&b, x->password);
        strbuf_putc(&b, '@');
    }
    strbuf_puts(&b, target_proxy_name(x, name));
    REQUIRE(!b.overflow);
    json_str(w, "proxy", b.data);
    explicit_bzero(b.data, b.len);
    strbuf_fini(&b);
}

void target_proxy_copy(struct target_proxy *to, const struct target_proxy *from)
{
    *to = (struct target_proxy){from->kind, mem_strdup(from->host), from->port,
                                mem_strdup(from->user), mem_strdup(from->password)};
}

void target_proxy_free(struct target_proxy *x)
{
    free(x->host);
    free(x->user);
    if (x->password != NULL)
        mem_free_secret(x->password, strlen(x->password));
    *x = (struct target_proxy){.kind = PROXY_NONE};
}
