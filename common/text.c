/* SPDX-License-Identifier: MIT */
#include "common/text.h"
#include "common/require.h"
#include "common/utf8.h"
#include <locale.h>
#include <string.h>
#include <wchar.h>

#define ELLIPSIS   "\xe2\x80\xa6"
#define WRAP_LEAST 16 /* in fewer columns a text is not to be read anyway */

void text_init(void)
{
    setlocale(LC_CTYPE, "C.UTF-8");
}

/* The code point at s, which is valid UTF-8, and its length in bytes. */
static uint32_t decode(const char *s, size_t *len)
{
    const unsigned char *p = (const unsigned char *)s;
    *len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c = *len == 1 ? p[0] : p[0] & (0xffu >> (*len + 1));
    for (size_t i = 1; i < *len && p[i] != '\0'; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

static size_t columns(uint32_t c)
{
    int n = wcwidth((wchar_t)c);
    return n < 0 ? 1 : (size_t)n;
}

size_t text_width(const char *s)
{
    size_t n = 0, len;
    for (; *s != '\0'; s += len)
        n += columns(decode(s, &len));
    return n;
}

/* Embeddings, overrides, isolates, marks and separators: they reorder or break what stands beside
 * them. */
static bool obeyed(uint32_t c)
{
    return (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
           c == 0x200f || c == 0x061c || c == 0xfeff;
}

void text_clean(struct strbuf *out, const char *s)
{
    struct strbuf valid;
    size_t len;
    strbuf_init(&valid, TEXT_CELL_MAX + 1);
    utf8_sanitize(&valid, s, strlen(s), TEXT_CELL_MAX);
    for (const char *p = valid.data; *p != '\0'; p += len)
        if (obeyed(decode(p, &len)))
            strbuf_putc(out, ' ');
        else
            strbuf_append(out, p, len);
    strbuf_fini(&valid);
}

/* Bytes of the longest beginning of s that takes at most `width` columns. */
static size_t head_bytes(const char *s, size_t width)
{
    size_t at = 0, used = 0, len;
    while (s[at] != '\0') {
        used += columns(decode(s + at, &len));
        if (used > width)
            break;
        at += len;
    }
    return at;
}

/* Where the longest ending of s that takes at most `width` columns begins. */
static const char *tail_of(const char *s, size_t width)
{
    size_t total = text_width(s), len;
    while (total > width) {
        total -= columns(decode(s, &len));
        s += len;
    }
    return s;
}

static void cut(struct strbuf *out, const char *s, size_t width, size_t tail)
{
    REQUIRE(width == 0 || tail < width);
    if (text_width(s) <= width) {
        strbuf_puts(out, s);
        return;
    }
    if (width == 0)
        return;
    strbuf_append(out, s, head_bytes(s, width - 1 - tail));
    strbuf_puts(out, ELLIPSIS);
    strbuf_puts(out, tail_of(s, tail));
}

void text_cut_middle(struct strbuf *out, const char *s, size_t width)
{
    cut(out, s, width, width > 2 ? (width - 1) / 2 : 0);
}

void text_cut_end(struct strbuf *out, const char *s, size_t width)
{
    cut(out, s, width, 0);
}

/* Bytes of the first line of s: up to a blank where there is one, else what fits; at least a
 * character. */
static size_t line_bytes(const char *s, size_t room)
{
    size_t fit = head_bytes(s, room), at = fit, len;
    if (s[fit] == '\0' || s[fit] == ' ')
        return fit;
    while (at > 0 && s[at - 1] != ' ')
        at--;
    if (at > 0 || fit > 0)
        return at > 0 ? at : fit;
    decode(s, &len);
    return len;
}

void text_wrap(struct strbuf *out, const char *s, size_t width, size_t at, size_t under)
{
    bool whole = width < under + WRAP_LEAST || width < at + WRAP_LEAST;
    for (size_t room = width - at; !whole && text_width(s) > room; room = width - under) {
        size_t n = line_bytes(s, room), shown = n;
        while (shown > 0 && s[shown - 1] == ' ')
            shown--;
        strbuf_append(out, s, shown);
        s += n + strspn(s + n, " ");
        if (*s == '\0')
            return;
        strbuf_putc(out, '\n');
        text_pad(out, under);
    }
    strbuf_puts(out, s);
}

void text_pad(struct strbuf *out, size_t n)
{
    while (n-- > 0)
        strbuf_putc(out, ' ');
}
