/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Long enough for any 64-bit integer, its sign and quotes. */
#define INT_TEXT_MAX 24
#define NUM_TEXT_MAX 40
/* Above this a double has no fraction worth printing as milliseconds. */
#define MS_EXACT_MAX 9e12

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

/* The append of a hot path: in place when it plainly fits, else by the buffer's own rules. */
static inline void put(struct strbuf *b, const char *p, size_t n)
{
    size_t end = b->len + n;
    if (b->overflow || end + 1 >= b->cap || end >= b->max) {
        strbuf_append(b, p, n);
        return;
    }
    memcpy(b->data + b->len, p, n);
    b->data[end] = '\0';
    b->len = end;
}

static inline void put_char(struct strbuf *b, char c)
{
    put(b, &c, 1);
}

static inline void before_value(struct json_out *w)
{
    if (w->comma)
        put_char(w->b, ',');
    w->comma = true;
}

/* Writes v so that it ends before `end`; returns where it starts. */
static char *u64_backwards(char *end, uint64_t v)
{
    while (v >= 100) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * (v % 100), 2);
        v /= 100;
    }
    if (v >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * v, 2);
        return end;
    }
    *--end = (char)('0' + v);
    return end;
}

static inline bool needs_escape(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/* Whether any of eight bytes needs an escape (a byte x < n, or equal to one: the classic zero-byte
 * test). */
static inline bool eight_need_escape(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t x;
    memcpy(&x, p, sizeof(x));
    uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\');
    uint64_t low = (x - ones * 0x20) & ~x;
    return ((low | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) & highs) != 0;
}

static size_t plain_run(const char *s, size_t n)
{
    size_t i = 0;
    while (i + 8 <= n && !eight_need_escape(s + i))
        i += 8;
    while (i < n && !needs_escape((unsigned char)s[i]))
        i++;
    return i;
}

static void put_escape(struct strbuf *b, unsigned char c)
{
    static const char named[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    for (size_t i = 0; i + 1 < sizeof(named); i += 2) {
        if ((unsigned char)named[i] == c) {
            put(b, (const char[2]){'\\', named[i + 1]}, 2);
            return;
        }
    }
    static const char hex[] = "0123456789abcdef";
    put(b, (const char[6]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

static void put_quoted(struct strbuf *b, const char *s, size_t n)
{
    put_char(b, '"');
    while (n > 0) {
        size_t run = plain_run(s, n);
        put(b, s, run);
        s += run;
        n -= run;
        if (n > 0) {
            put_escape(b, (unsigned char)*s++);
            n--;
        }
    }
    put_char(b, '"');
}

void json_out_init(struct json_out *w, struct strbuf *b)
{
    REQUIRE(b != NULL);
    *w = (struct json_out){.b = b};
}

void json_obj_begin(struct json_out *w)
{
    before_value(w);
    put_char(w->b, '{');
    w->comma = false;
}

void json_obj_end(struct json_out *w)
{
    put_char(w->b, '}');
    w->comma = true;
}

void json_arr_begin(struct json_out *w)
{
    before_value(w);
    put_char(w->b, '[');
    w->comma = false;
}

void json_arr_end(struct json_out *w)
{
    put_char(w->b, ']');
    w->comma = true;
}

void json_key(struct json_out *w, const char *key)
{
    if (w->comma)
        put(w->b, ",\"", 2);
    else
        put_char(w->b, '"');
    put(w->b, key, strlen(key));
    put(w->b, "\":", 2);
    w->comma = false;
}

void json_key_str(struct json_out *w, const char *key)
{
    if (w->comma)
        put_char(w->b, ',');
    put_quoted(w->b, key, strlen(key));
    put_char(w->b, ':');
    w->comma = false;
}

void json_put_str(struct json_out *w, const char *s)
{
    if (s == NULL)
        json_put_null(w);
    else
        json_put_strn(w, s, strlen(s));
}

void json_put_strn(struct json_out *w, const char *s, size_t n)
{
    REQUIRE(s != NULL || n == 0);
    before_value(w);
    put_quoted(w->b, s, n);
}

void json_put_int(struct json_out *w, int64_t v)
{
    char text[INT_TEXT_MAX], *end = text + sizeof(text);
    char *p = u64_backwards(end, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
    if (v < 0)
        *--p = '-';
    before_value(w);
    put(w->b, p, (size_t)(end - p));
}

void json_put_u64(struct json_out *w, uint64_t v)
{
    char text[INT_TEXT_MAX], *end = text + sizeof(text);
    char *p = u64_backwards(end, v);
    before_value(w);
    put(w->b, p, (size_t)(end - p));
}

void json_put_id(struct json_out *w, uint64_t v)
{
    char text[INT_TEXT_MAX], *end = text + sizeof(text);
    end[-1] = '"';
    char *p = u64_backwards(end - 1, v);
    *--p = '"';
    before_value(w);
    put(w->b, p, (size_t)(end - p));
}

void json_put_ms(struct json_out *w, double v)
{
    if (!(v >= 0) || isinf(v)) {
        json_put_null(w);
        return;
    }
    if (v > MS_EXACT_MAX) {
        json_put_num(w, v);
        return;
    }
    uint64_t us = (uint64_t)(v * 1000 + 0.5);
    char text[INT_TEXT_MAX + 4], *end = text + sizeof(text);
    char *frac = end - 3;
    unsigned rest = (unsigned)(us % 1000);
    frac[0] = (char)('0' + rest / 100);
    frac[1] = (char)('0' + rest / 10 % 10);
    frac[2] = (char)('0' + rest % 10);
    while (end > frac && end[-1] == '0')
        end--;
    frac[-1] = '.';
    if (end == frac)
        end = frac - 1;
    char *p = u64_backwards(frac - 1, us / 1000);
    before_value(w);
    put(w->b, p, (size_t)(end - p));
}

void json_put_num(struct json_out *w, double v)
{
    if (!isfinite(v)) {
        json_put_null(w);
        return;
    }
    if (fabs(v) < 9007199254740992.0 && v == (double)(int64_t)v && !(v == 0 && signbit(v))) {
        json_put_int(w, (int64_t)v);
        return;
    }
    char text[NUM_TEXT_MAX];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    char *point = strchr(text, ','); /* some locales' decimal point */
    if (point != NULL)
        *point = '.';
    before_value(w);
    put(w->b, text, strlen(text));
}

void json_put_bool(struct json_out *w, bool v)
{
    before_value(w);
    put(w->b, v ? "true" : "false", v ? 4 : 5);
}

void json_put_null(struct json_out *w)
{
    before_value(w);
    put(w->b, "null", 4);
}

void json_put_raw(struct json_out *w, const char *json, size_t n)
{
    REQUIRE(json != NULL && n > 0);
    before_value(w);
    put(w->b, json, n);
}

void json_str(struct json_out *w, const char *key, const char *s)
{
    json_key(w, key);
    json_put_str(w, s);
}

void json_int(struct json_out *w, const char *key, int64_t v)
{
    json_key(w, key);
    json_put_int(w, v);
}

void json_u64(struct json_out *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_put_u64(w, v);
}

void json_id(struct json_out *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_put_id(w, v);
}

void json_ms(struct json_out *w, const char *key, double v)
{
    json_key(w, key);
    json_put_ms(w, v);
}

void json_bool(struct json_out *w, const char *key, bool v)
{
    json_key(w, key);
    json_put_bool(w, v);
}

void json_null(struct json_out *w, const char *key)
{
    json_key(w, key);
    json_put_null(w);
}

void json_raw(struct json_out *w, const char *key, const char *json, size_t n)
{
    json_key(w, key);
    json_put_raw(w, json, n);
}
