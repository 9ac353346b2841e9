/* SPDX-License-Identifier: MIT */
#include "common/json_scan.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "common/json.h"
#include "common/utf8.h"

/* cJSON copies a number into 64 bytes and silently cuts the rest. */
#define NUMBER_TEXT_MAX 63

static bool fail(struct json_scan *s, const char *why)
{
    s->why = why;
    return false;
}

static inline int peek(const struct json_scan *s)
{
    return s->p < s->end ? (unsigned char)*s->p : -1;
}

static inline bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u. */
static bool scan_hex4(struct json_scan *s, unsigned *out)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++, s->p++) {
        int digit = hex_value(peek(s));
        if (digit < 0)
            return fail(s, "bad \\u escape");
        v = v << 4 | (unsigned)digit;
    }
    *out = v;
    return true;
}

/* Behind "\u": one code point, which may be a surrogate pair. */
static bool scan_unicode_escape(struct json_scan *s)
{
    unsigned unit, low;
    if (!scan_hex4(s, &unit))
        return false;
    if (unit == 0)
        return fail(s, "\\u0000 in a string");
    if (unit < 0xd800 || unit > 0xdfff)
        return true;
    if (unit > 0xdbff || s->end - s->p < 2 || s->p[0] != '\\' || s->p[1] != 'u')
        return fail(s, "lone surrogate in a string");
    s->p += 2;
    if (!scan_hex4(s, &low))
        return false;
    return low >= 0xdc00 && low <= 0xdfff ? true : fail(s, "lone surrogate in a string");
}

static bool scan_escape(struct json_scan *s)
{
    s->p++;
    int c = peek(s);
    if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL)
        return fail(s, "bad escape in a string");
    s->p++;
    return c == 'u' ? scan_unicode_escape(s) : true;
}

bool json_scan_string(struct json_scan *s)
{
    const char *open = s->p;
    bool ascii = true;
    for (s->p++; s->p < s->end && *s->p != '"';) {
        unsigned char c = (unsigned char)*s->p;
        if (c < 0x20)
            return fail(s, c == 0 ? "NUL byte in a string" : "control character in a string");
        ascii = ascii && c < 0x80;
        if (c != '\\')
            s->p++;
        else if (!scan_escape(s))
            return false;
    }
    if (s->p >= s->end) {
        s->p = open;
        return fail(s, "string without an end");
    }
    s->p++;
    if (ascii || utf8_valid(open, (size_t)(s->p - open)))
        return true;
    s->p = open;
    return fail(s, "bad UTF-8 in a string");
}

static bool scan_digits(struct json_scan *s)
{
    if (!is_digit(peek(s)))
        return fail(s, "bad number");
    while (is_digit(peek(s)))
        s->p++;
    return true;
}

static bool number_is_finite(const char *from, size_t n)
{
    char text[NUMBER_TEXT_MAX + 1];
    REQUIRE(n < sizeof(text));
    memcpy(text, from, n);
    text[n] = '\0';
    return isfinite(strtod(text, NULL));
}

static bool scan_exponent(struct json_scan *s)
{
    s->p++;
    if (peek(s) == '+' || peek(s) == '-')
        s->p++;
    return scan_digits(s);
}

static bool scan_number(struct json_scan *s)
{
    const char *from = s->p;
    bool exponent = false;
    if (peek(s) == '-')
        s->p++;
    if (peek(s) == '0')
        s->p++; /* a digit behind it is then found to be out of place */
    else if (!scan_digits(s))
        return false;
    if (peek(s) == '.') {
        s->p++;
        if (!scan_digits(s))
            return false;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        exponent = true;
        if (!scan_exponent(s))
            return false;
    }
    size_t n = (size_t)(s->p - from);
    if (n > NUMBER_TEXT_MAX)
        return fail(s, "number with too many digits");
    return !exponent || number_is_finite(from, n) ? true : fail(s, "number out of range");
}

static bool scan_word(struct json_scan *s, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
        return fail(s, "unknown word");
    s->p += n;
    return true;
}

static bool scan_array(struct json_scan *s)
{
    s->p++;
    json_scan_space(s);
    if (peek(s) == ']') {
        s->p++;
        return true;
    }
    for (;;) {
        if (!json_scan_value(s))
            return false;
        json_scan_space(s);
        if (peek(s) != ',')
            return json_scan_char(s, ']', "',' or ']' expected");
        s->p++;
        json_scan_space(s);
    }
}

static bool scan_member(struct json_scan *s)
{
    if (peek(s) != '"')
        return fail(s, s->p < s->end ? "member name expected" : "text ends too early");
    if (!json_scan_string(s))
        return false;
    json_scan_space(s);
    if (!json_scan_char(s, ':', "':' expected"))
        return false;
    json_scan_space(s);
    return json_scan_value(s);
}

static bool scan_object(struct json_scan *s)
{
    s->p++;
    json_scan_space(s);
    if (peek(s) == '}') {
        s->p++;
        return true;
    }
    for (;;) {
        if (!scan_member(s))
            return false;
        json_scan_space(s);
        if (peek(s) != ',')
            return json_scan_char(s, '}', "',' or '}' expected");
        s->p++;
        json_scan_space(s);
    }
}

static bool scan_container(struct json_scan *s)
{
    if (s->depth == JSON_DEPTH_MAX)
        return fail(s, "nested too deep");
    s->depth++;
    bool ok = *s->p == '{' ? scan_object(s) : scan_array(s);
    s->depth--;
    return ok;
}

void json_scan_init(struct json_scan *s, const char *text, size_t len)
{
    REQUIRE(text != NULL || len == 0);
    *s = (struct json_scan){.p = text, .start = text, .end = text + len};
}

void json_scan_space(struct json_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

bool json_scan_char(struct json_scan *s, char c, const char *why)
{
    if (peek(s) != (unsigned char)c)
        return fail(s, s->p < s->end ? why : "text ends too early");
    s->p++;
    return true;
}

bool json_scan_value(struct json_scan *s)
{
    switch (peek(s)) {
    case -1:
        return fail(s, "text ends too early");
    case '{':
    case '[':
        return scan_container(s);
    case '"':
        return json_scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        return peek(s) == '-' || is_digit(peek(s)) ? scan_number(s) : fail(s, "value expected");
    }
}

bool json_scan_document(struct json_scan *s)
{
    json_scan_space(s);
    if (!json_scan_value(s))
        return false;
    json_scan_space(s);
    return s->p == s->end ? true : fail(s, "text after the value");
}
