/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mem.h"
#include "common/utf8.h"

#define TITLE_BYTES_MAX 512
#define ENTITY_MAX      10 /* "&#x10FFFF;" */

static const char *find_tag(const char *p, const char *end, const char *tag)
{
    size_t n = strlen(tag);
    while ((p = memchr(p, '<', (size_t)(end - p))) && (size_t)(end - p) >= n) {
        if (!strncasecmp(p, tag, n))
            return p;
        p++;
    }
    return NULL;
}

/* The raw text between the first <title …> and </title>, or the end of what was read. */
static const char *find_title(const char *html, size_t n, size_t *len)
{
    const char *end = html + n;
    for (const char *p = html; (p = find_tag(p, end, "<title"));) {
        p += strlen("<title");
        if (p == end || !strchr("> \t\r\n", *p))
            continue; /* <titlebar> */
        const char *text = memchr(p, '>', (size_t)(end - p));
        if (!text)
            return NULL;
        text++;
        const char *close = find_tag(text, end, "</title");
        *len = (size_t)((close ? close : end) - text);
        return text;
    }
    return NULL;
}

static void put_code_point(struct strbuf *b, unsigned long c)
{
    char u[4];
    size_t n;
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        c = 0xfffd;
    if (c < 0x80) {
        u[0] = (char)c;
        n = 1;
    } else if (c < 0x800) {
        u[0] = (char)(0xc0 | c >> 6);
        u[1] = (char)(0x80 | (c & 0x3f));
        n = 2;
    } else if (c < 0x10000) {
        u[0] = (char)(0xe0 | c >> 12);
        u[1] = (char)(0x80 | (c >> 6 & 0x3f));
        u[2] = (char)(0x80 | (c & 0x3f));
        n = 3;
    } else {
        u[0] = (char)(0xf0 | c >> 18);
        u[1] = (char)(0x80 | (c >> 12 & 0x3f));
        u[2] = (char)(0x80 | (c >> 6 & 0x3f));
        u[3] = (char)(0x80 | (c & 0x3f));
        n = 4;
    }
    strbuf_append(b, u, n);
}

/* Decodes the entities that titles are full of; others stay as they are. Returns the bytes used, 0
 * = none. */
static size_t put_entity(struct strbuf *b, const char *p, size_t n)
{
    static const struct {
        const char *name, *text;
    } known[] = {{"&amp;", "&"},   {"&lt;", "<"},   {"&gt;", ">"},
                 {"&quot;", "\""}, {"&apos;", "'"}, {"&nbsp;", " "}};
    char digits[ENTITY_MAX + 1];
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (n >= strlen(known[i].name) && !strncasecmp(p, known[i].name, strlen(known[i].name))) {
            strbuf_puts(b, known[i].text);
            return strlen(known[i].name);
        }
    const char *semicolon = memchr(p, ';', n < ENTITY_MAX ? n : ENTITY_MAX);
    if (n < 4 || p[1] != '#' || !semicolon)
        return 0;
    size_t len = (size_t)(semicolon - p);
    bool hex = p[2] == 'x' || p[2] == 'X';
    memcpy(digits, p + 2 + hex, len - 2 - hex);
    digits[len - 2 - hex] = '\0';
    if (!digits[0] ||
        strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789") != strlen(digits))
        return 0;
    put_code_point(b, strtoul(digits, NULL, hex ? 16 : 10));
    return len + 1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

/* Entities decoded, white space folded. Bytes are not yet valid UTF-8. */
static void fold(struct strbuf *b, const char *p, size_t n)
{
    for (size_t i = 0; i < n && !b->overflow;) {
        size_t used = p[i] == '&' ? put_entity(b, p + i, n - i) : 0;
        if (used) {
            i += used;
            continue;
        }
        char c = p[i++];
        if (!is_space(c))
            strbuf_putc(b, c);
        else if (b->len > 0 && b->data[b->len - 1] != ' ')
            strbuf_putc(b, ' ');
    }
    if (b->len > 0 && b->data[b->len - 1] == ' ')
        strbuf_truncate(b, b->len - 1);
}

char *http_title(const char *html, size_t n)
{
    size_t len = 0;
    const char *raw = find_title(html, n < HTTP_TITLE_SCAN_BYTES ? n : HTTP_TITLE_SCAN_BYTES, &len);
    if (!raw)
        return NULL;
    struct strbuf folded, out;
    strbuf_init(&folded, 2 * TITLE_BYTES_MAX);
    strbuf_init(&out, TITLE_BYTES_MAX + 1);
    fold(&folded, raw, len);
    utf8_sanitize(&out, folded.len ? folded.data : "", folded.len, TITLE_BYTES_MAX);
    char *title = out.len ? mem_strndup(out.data, out.len) : NULL;
    strbuf_fini(&folded);
    strbuf_fini(&out);
    return title;
}
