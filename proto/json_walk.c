/* SPDX-License-Identifier: MIT */
#include "proto/json_walk.h"

#include "common/require.h"
#include "common/utf8.h"

#define REPLACEMENT 0xfffd

/* Which containers are open: a bit each, set for an object. */
struct nest {
    unsigned depth;
    uint8_t object[JSON_WALK_DEPTH_MAX / 8];
};
enum step { STEP_BAD, STEP_VALUE, STEP_ENDED }; /* a value must follow; one has ended */

static bool at(const struct json_walk *w, char c)
{
    return w->p < w->end && *w->p == c;
}

static bool take(struct json_walk *w, char c)
{
    if (!at(w, c))
        return false;
    w->p++;
    return true;
}

static void space(struct json_walk *w)
{
    while (at(w, ' ') || at(w, '\n') || at(w, '\r') || at(w, '\t'))
        w->p++;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool hex4(const char *s, size_t n, uint32_t *out)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4; i++) {
        int digit = i < n ? hex_value(s[i]) : -1;
        if (digit < 0)
            return false;
        v = v * 16 + (uint32_t)digit;
    }
    *out = v;
    return true;
}

static bool escape(struct json_walk *w)
{
    uint32_t unit;
    char c = w->p < w->end ? *w->p++ : '\0';
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    if (!hex4(w->p, (size_t)(w->end - w->p), &unit))
        return false;
    w->p += 4;
    return true;
}

static bool string(struct json_walk *w)
{
    if (!take(w, '"'))
        return false;
    while (w->p < w->end && (unsigned char)*w->p >= ' ') {
        char c = *w->p++;
        if (c == '"')
            return true;
        if (c == '\\' && !escape(w))
            return false;
    }
    return false;
}

static bool digits(struct json_walk *w)
{
    const char *from = w->p;
    while (w->p < w->end && *w->p >= '0' && *w->p <= '9')
        w->p++;
    return w->p > from;
}

static bool number(struct json_walk *w)
{
    take(w, '-');
    if (!take(w, '0') && !digits(w))
        return false;
    if (take(w, '.') && !digits(w))
        return false;
    if (!take(w, 'e') && !take(w, 'E'))
        return true;
    if (!take(w, '+'))
        take(w, '-');
    return digits(w);
}

static bool word(struct json_walk *w, const char *text)
{
    size_t n = strlen(text);
    if ((size_t)(w->end - w->p) < n || memcmp(w->p, text, n) != 0)
        return false;
    w->p += n;
    return true;
}

static bool scalar(struct json_walk *w)
{
    switch (w->p < w->end ? *w->p : '\0') {
    case '"':
        return string(w);
    case 't':
        return word(w, "true");
    case 'f':
        return word(w, "false");
    case 'n':
        return word(w, "null");
    default:
        return number(w);
    }
}

static bool name(struct json_walk *w)
{
    space(w);
    if (!string(w))
        return false;
    space(w);
    return take(w, ':');
}

static bool in_object(const struct nest *n)
{
    REQUIRE(n->depth > 0);
    unsigned i = n->depth - 1;
    return (n->object[i / 8] >> (i % 8) & 1) != 0;
}

static enum step open_container(struct json_walk *w, struct nest *n, bool object)
{
    if (n->depth == JSON_WALK_DEPTH_MAX)
        return STEP_BAD;
    unsigned i = n->depth++;
    uint8_t bit = (uint8_t)(1u << (i % 8));
    n->object[i / 8] = (uint8_t)(object ? n->object[i / 8] | bit : n->object[i / 8] & ~bit);
    w->p++;
    space(w);
    if (take(w, object ? '}' : ']')) {
        n->depth--;
        return STEP_ENDED;
    }
    return !object || name(w) ? STEP_VALUE : STEP_BAD;
}

static enum step begin_value(struct json_walk *w, struct nest *n)
{
    space(w);
    if (at(w, '{') || at(w, '['))
        return open_container(w, n, *w->p == '{');
    return scalar(w) ? STEP_ENDED : STEP_BAD;
}

static enum step after_value(struct json_walk *w, struct nest *n)
{
    bool object = in_object(n);
    space(w);
    if (take(w, ','))
        return !object || name(w) ? STEP_VALUE : STEP_BAD;
    if (!take(w, object ? '}' : ']'))
        return STEP_BAD;
    n->depth--;
    return STEP_ENDED;
}

static bool value(struct json_walk *w)
{
    struct nest n;
    n.depth = 0;
    enum step step = STEP_VALUE;
    while (step != STEP_BAD && (step == STEP_VALUE || n.depth > 0))
        step = step == STEP_VALUE ? begin_value(w, &n) : after_value(w, &n);
    return step == STEP_ENDED;
}

bool json_walk_check(struct json_walk *w, const char *text, size_t len)
{
    *w = (struct json_walk){text, text + len};
    word(w, "\xef\xbb\xbf");
    space(w);
    struct json_walk all = *w;
    if (!value(&all))
        return false;
    space(&all);
    return all.p == all.end;
}

void json_walk_skip(struct json_walk *w)
{
    bool container = at(w, '{') || at(w, '[');
    bool good = container ? value(w) : scalar(w);
    REQUIRE(good);
}

static void read_name(struct json_walk *w, const char **key, size_t *key_len)
{
    space(w);
    *key = w->p + 1;
    bool good = string(w);
    REQUIRE(good);
    *key_len = (size_t)(w->p - 1 - *key);
    space(w);
    good = take(w, ':');
    REQUIRE(good);
    space(w);
}

bool json_walk_first_item(struct json_walk *w)
{
    bool array = take(w, '[');
    REQUIRE(array);
    space(w);
    return !at(w, ']');
}

bool json_walk_next_item(struct json_walk *w)
{
    space(w);
    bool more = take(w, ',');
    REQUIRE(more || at(w, ']') || at(w, '}'));
    space(w);
    return more;
}

bool json_walk_first_member(struct json_walk *w, const char **key, size_t *key_len)
{
    bool object = take(w, '{');
    REQUIRE(object);
    space(w);
    if (at(w, '}'))
        return false;
    read_name(w, key, key_len);
    return true;
}

bool json_walk_next_member(struct json_walk *w, const char **key, size_t *key_len)
{
    if (!json_walk_next_item(w))
        return false;
    read_name(w, key, key_len);
    return true;
}

static void put_utf8(struct strbuf *b, uint32_t point)
{
    char text[UTF8_MAX];
    strbuf_append(b, text, utf8_put(text, point));
}

/* s stands behind "\u"; how many bytes were used, 0 = none. */
static size_t unicode_escape(const char *s, size_t n, bool halves_ok, struct strbuf *b)
{
    uint32_t unit, low;
    if (!hex4(s, n, &unit))
        return 0;
    bool high = unit >= 0xd800 && unit < 0xdc00;
    if (high && n >= 10 && s[4] == '\\' && s[5] == 'u' && hex4(s + 6, n - 6, &low) &&
        low >= 0xdc00 && low < 0xe000) {
        put_utf8(b, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        return 10;
    }
    bool half = unit >= 0xd800 && unit < 0xe000;
    if (half && !halves_ok)
        return 0;
    put_utf8(b, half ? REPLACEMENT : unit);
    return 4;
}

bool json_walk_unescape(const char *s, size_t n, char quote, bool halves_ok, struct strbuf *b)
{
    static const char letters[] = "bfnrt\\/", means[] = "\b\f\n\r\t\\/";
    for (size_t i = 0; i < n; i++) {
        if (s[i] != '\\') {
            strbuf_putc(b, s[i]);
            continue;
        }
        char c = ++i < n ? s[i] : '\0';
        const char *letter = c != '\0' ? strchr(letters, c) : NULL;
        if (c == 'u') {
            size_t used = unicode_escape(s + i + 1, n - i - 1, halves_ok, b);
            if (used == 0)
                return false;
            i += used;
        } else if (letter != NULL) {
            strbuf_putc(b, means[letter - letters]);
        } else if (c == quote) {
            strbuf_putc(b, c);
        } else {
            return false;
        }
    }
    return true;
}
