/* SPDX-License-Identifier: MIT */
#include "agent/run/tunnel_talk.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/require.h"
#include "common/utf8.h"

#define USER_AGENT   "sonde/" SONDE_VERSION
#define HTTP_PREFIX  "HTTP/1."
#define STATUS_AT    (sizeof("HTTP/1.1 ") - 1) /* where the digits stand in a status line */
#define STATUS_CHARS 3
#define QUOTED_MAX   100 /* of the proxy's own words */

#define CREDENTIALS_MAX (2 * PROXY_SECRET_MAX + 1)
#define BASE64_MAX      (4 * ((CREDENTIALS_MAX + 2) / 3) + 1)

enum { SOCKS_VERSION = 5, LOGIN_VERSION = 1, SOCKS_CONNECT = 1, SOCKS_GRANTED = 0 };
enum { METHOD_NONE = 0, METHOD_LOGIN = 2, METHOD_REFUSED = 0xff };
enum { ADDRESS_V4 = 1, ADDRESS_NAME = 3, ADDRESS_V6 = 4 };
enum { PORT_BYTES = 2 };

/* The replies of RFC 1928 §6: which of them speak of the target. */
static const struct socks_reply {
    const char *words;
    enum cause cause;
    bool about_address;
} socks_replies[] = {
    [1] = {"general failure of the SOCKS server", CAUSE_proxy_refused, false},
    [2] = {"not allowed by its rules", CAUSE_proxy_refused, false},
    [3] = {"network unreachable", CAUSE_proxy_failed, true},
    [4] = {"host unreachable", CAUSE_proxy_failed, true},
    [5] = {"connection refused", CAUSE_proxy_failed, true},
    [6] = {"TTL expired", CAUSE_proxy_failed, true},
    [7] = {"command not supported", CAUSE_proxy_refused, false},
    [8] = {"address type not supported", CAUSE_proxy_refused, true},
};

/* ---- verdicts */

static void end(struct tunnel_talk *t, enum cause c, bool about_address, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void end(struct tunnel_talk *t, enum cause c, bool about_address, const char *fmt, ...)
{
    va_list ap;
    REQUIRE(t->state != TALK_STANDS && t->state != TALK_ENDED);
    va_start(ap, fmt);
    vsnprintf(t->words, sizeof(t->words), fmt, ap);
    va_end(ap);
    t->state = TALK_ENDED;
    t->cause = c;
    t->about_address = about_address;
}

static void quote(const char *s, size_t n, char out[QUOTED_MAX + 1])
{
    struct strbuf b;
    strbuf_init(&b, QUOTED_MAX + 1);
    utf8_sanitize(&b, s, n, QUOTED_MAX);
    snprintf(out, QUOTED_MAX + 1, "%s", b.data);
    strbuf_fini(&b);
}

void tunnel_talk_closed(struct tunnel_talk *t, const char *words)
{
    end(t, CAUSE_proxy_protocol, false, "%s", words);
}

/* ---- what is sent */

static void say(struct tunnel_talk *t, const void *p, size_t n)
{
    REQUIRE(t->out_len + n <= sizeof(t->out));
    memcpy(t->out + t->out_len, p, n);
    t->out_len += n;
}

static void say_text(struct tunnel_talk *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void say_text(struct tunnel_talk *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->out + t->out_len, sizeof(t->out) - t->out_len, fmt, ap);
    va_end(ap);
    REQUIRE(n >= 0 && (size_t)n < sizeof(t->out) - t->out_len);
    t->out_len += (size_t)n;
}

static void say_byte(struct tunnel_talk *t, unsigned b)
{
    uint8_t byte = (uint8_t)b;
    say(t, &byte, 1);
}

static void say_credentials(struct tunnel_talk *t)
{
    char plain[CREDENTIALS_MAX + 1], text[BASE64_MAX];
    int n = snprintf(plain, sizeof(plain), "%s:%s", t->proxy->user, t->proxy->password);
    REQUIRE(n > 0 && (size_t)n < sizeof(plain));
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)plain, n);
    say_text(t, "Proxy-Authorization: Basic %s\r\n", text);
    explicit_bzero(plain, sizeof(plain));
    explicit_bzero(text, sizeof(text));
}

static void say_connect(struct tunnel_talk *t)
{
    char to[ADDR_TEXT_MAX];
    addr_format(&t->ip, t->port, to);
    say_text(t, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: " USER_AGENT "\r\n", to, to);
    if (t->proxy->user)
        say_credentials(t);
    say_text(t, "\r\n");
}

static void say_methods(struct tunnel_talk *t)
{
    say_byte(t, SOCKS_VERSION);
    say_byte(t, t->proxy->user ? 2 : 1);
    say_byte(t, METHOD_NONE);
    if (t->proxy->user)
        say_byte(t, METHOD_LOGIN);
}

static void say_login(struct tunnel_talk *t)
{
    const char *user = t->proxy->user, *password = t->proxy->password;
    say_byte(t, LOGIN_VERSION);
    say_byte(t, (unsigned)strlen(user));
    say(t, user, strlen(user));
    say_byte(t, (unsigned)strlen(password));
    say(t, password, strlen(password));
}

static void say_request(struct tunnel_talk *t)
{
    bool v4 = t->ip.family == AF_INET;
    say_byte(t, SOCKS_VERSION);
    say_byte(t, SOCKS_CONNECT);
    say_byte(t, 0);
    say_byte(t, v4 ? ADDRESS_V4 : ADDRESS_V6);
    say(t, t->ip.bytes, v4 ? 4 : 16);
    say_byte(t, t->port >> 8);
    say_byte(t, t->port & 0xff);
}

static void enter(struct tunnel_talk *t, enum talk_state state, size_t want)
{
    t->state = state;
    t->in_len = 0;
    t->in_want = want;
}

void tunnel_talk_begin(struct tunnel_talk *t, const struct target_proxy *proxy, const struct ip *ip,
                       uint16_t port)
{
    REQUIRE(proxy->kind != PROXY_NONE && ip->family != 0 && port != 0);
    *t = (struct tunnel_talk){.proxy = proxy, .ip = *ip, .port = port};
    if (proxy->kind == PROXY_HTTP) {
        say_connect(t);
        enter(t, TALK_STATUS, 0);
    } else {
        say_methods(t);
        enter(t, TALK_METHOD, 2);
    }
}

void tunnel_talk_sent(struct tunnel_talk *t, size_t n)
{
    REQUIRE(n <= t->out_len - t->out_at);
    t->out_at += n;
    if (t->out_at < t->out_len)
        return;
    explicit_bzero(t->out, t->out_len);
    t->out_at = t->out_len = 0;
}

void tunnel_talk_fini(struct tunnel_talk *t)
{
    explicit_bzero(t->out, sizeof(t->out));
}

/* ---- HTTP */

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 …": the status, or 0. */
static int read_status(const char *line, size_t n)
{
    const char *s = line + STATUS_AT;
    if (n < STATUS_AT + STATUS_CHARS || !digit(line[STATUS_AT - 2]) || line[STATUS_AT - 1] != ' ')
        return 0;
    if (s[0] < '1' || s[0] > '5' || !digit(s[1]) || !digit(s[2]))
        return 0;
    if (n > STATUS_AT + STATUS_CHARS && s[STATUS_CHARS] != ' ')
        return 0;
    return (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0');
}

/* 502, 503 and 504 are what proxies say when they could not get through; 503 stands for that in
 * Squid. All else is their own matter. */
static void refused(struct tunnel_talk *t)
{
    bool target = t->status == 502 || t->status == 503 || t->status == 504;
    char quoted[QUOTED_MAX + 1];
    quote(t->line, t->line_len, quoted);
    end(t, target ? CAUSE_proxy_failed : CAUSE_proxy_refused, target, "it said '%s'", quoted);
}

static void no_http(struct tunnel_talk *t, const char *rest, size_t n)
{
    char seen[TALK_LINE_MAX], quoted[QUOTED_MAX + 1];
    size_t len = t->line_len < sizeof(seen) ? t->line_len : sizeof(seen);
    memcpy(seen, t->line, len);
    for (size_t i = 0; i < n && len < sizeof(seen) && rest[i] != '\r' && rest[i] != '\n'; i++)
        seen[len++] = rest[i];
    quote(seen, len, quoted);
    end(t, CAUSE_proxy_protocol, false, "it said '%s', which is no HTTP", quoted);
}

/* An interim reply is none, but for 101, which nobody asked for. */
static void head_over(struct tunnel_talk *t)
{
    if (t->status >= 200 && t->status < 300) {
        t->state = TALK_STANDS;
    } else if (t->status >= 200 || t->status == 101) {
        refused(t);
    } else {
        t->state = TALK_STATUS;
        t->line_len = 0;
    }
}

static void line_over(struct tunnel_talk *t)
{
    bool empty = t->line_bytes == 0;
    t->line_bytes = 0;
    if (t->state == TALK_HEADERS) {
        if (empty)
            head_over(t);
        return;
    }
    t->status = read_status(t->line, t->line_len);
    if (t->status)
        t->state = TALK_HEADERS;
    else
        no_http(t, "", 0);
}

/* rest: what came with it, to be quoted. */
static void take_head_byte(struct tunnel_talk *t, char c, const char *rest, size_t n)
{
    if (++t->head_bytes > TALK_HEAD_MAX) {
        end(t, CAUSE_proxy_protocol, false, "the head of its reply has over %d bytes",
            TALK_HEAD_MAX);
        return;
    }
    if (c == '\n') {
        line_over(t);
        return;
    }
    if (c == '\r')
        return;
    if (t->state == TALK_STATUS) {
        if (t->line_len < sizeof(HTTP_PREFIX) - 1 && c != HTTP_PREFIX[t->line_len]) {
            no_http(t, rest, n);
            return;
        }
        if (t->line_len < TALK_LINE_MAX)
            t->line[t->line_len++] = c;
    }
    t->line_bytes++;
}

/* ---- SOCKS5 */

static void no_socks(struct tunnel_talk *t)
{
    end(t, CAUSE_proxy_protocol, false, "it does not speak SOCKS5");
}

static void on_method(struct tunnel_talk *t)
{
    if (t->in[0] != SOCKS_VERSION) {
        no_socks(t);
    } else if (t->in[1] == METHOD_NONE) {
        say_request(t);
        enter(t, TALK_REPLY, 2);
    } else if (t->in[1] == METHOD_LOGIN && t->proxy->user) {
        say_login(t);
        enter(t, TALK_LOGIN, 2);
    } else if (t->in[1] == METHOD_REFUSED) {
        end(t, CAUSE_proxy_refused, false, "%s",
            t->proxy->user ? "it takes neither a user and a password nor nobody"
                           : "it wants to know who asks: give 'proxy' a user and a password");
    } else {
        end(t, CAUSE_proxy_protocol, false, "it chose a way to log in that was not offered");
    }
}

/* Some servers put the version of SOCKS where that of the login belongs. */
static void on_login(struct tunnel_talk *t)
{
    if (t->in[0] != LOGIN_VERSION && t->in[0] != SOCKS_VERSION) {
        no_socks(t);
    } else if (t->in[1] != 0) {
        end(t, CAUSE_proxy_refused, false, "it takes neither this user nor this password");
    } else {
        say_request(t);
        enter(t, TALK_REPLY, 2);
    }
}

static void refused_by_socks(struct tunnel_talk *t, unsigned code)
{
    if (code >= sizeof(socks_replies) / sizeof(socks_replies[0])) {
        end(t, CAUSE_proxy_refused, false, "it said %u, which SOCKS5 does not know", code);
        return;
    }
    const struct socks_reply *r = &socks_replies[code];
    end(t, r->cause, r->about_address, "it said %u, %s", code, r->words);
}

/* How long the whole reply is, as far as it can be told from in_len bytes; 0: it is none. */
static size_t reply_bytes(const struct tunnel_talk *t)
{
    static const size_t head = 4;
    if (t->in_len < head + 1)
        return head + 1; /* an address has at least one byte */
    switch (t->in[3]) {
    case ADDRESS_V4:
        return head + 4 + PORT_BYTES;
    case ADDRESS_V6:
        return head + 16 + PORT_BYTES;
    case ADDRESS_NAME:
        return head + 1 + t->in[4] + PORT_BYTES;
    default:
        return 0;
    }
}

/* A refusal may be all that comes: it is not waited for whole. */
static void on_reply(struct tunnel_talk *t)
{
    if (t->in[0] != SOCKS_VERSION) {
        no_socks(t);
        return;
    }
    if (t->in[1] != SOCKS_GRANTED) {
        refused_by_socks(t, t->in[1]);
        return;
    }
    t->in_want = reply_bytes(t);
    REQUIRE(t->in_want <= sizeof(t->in));
    if (t->in_want == 0)
        no_socks(t);
    else if (t->in_want == t->in_len)
        t->state = TALK_STANDS;
}

static void take_socks_byte(struct tunnel_talk *t, uint8_t c)
{
    REQUIRE(t->in_len < t->in_want && t->in_want <= sizeof(t->in));
    t->in[t->in_len++] = c;
    if (t->in_len < t->in_want)
        return;
    if (t->state == TALK_METHOD)
        on_method(t);
    else if (t->state == TALK_LOGIN)
        on_login(t);
    else
        on_reply(t);
}

/* ---- */

static bool goes_on(const struct tunnel_talk *t)
{
    return t->state != TALK_STANDS && t->state != TALK_ENDED && t->out_len == 0;
}

size_t tunnel_talk_take(struct tunnel_talk *t, const void *p, size_t n)
{
    const char *bytes = p;
    size_t used = 0;
    while (used < n && goes_on(t)) {
        char c = bytes[used++];
        if (t->proxy->kind == PROXY_HTTP)
            take_head_byte(t, c, bytes + used - 1, n - used + 1);
        else
            take_socks_byte(t, (uint8_t)c);
    }
    return used;
}
