/* SPDX-License-Identifier: MIT */
#include "common/utf8.h"
#include "common/mem.h"

#define REPLACEMENT       "\xef\xbf\xbd" /* U+FFFD */
#define REPLACEMENT_BYTES 3
#define HIGH_BITS         0x8080808080808080U

/* Length of the well-formed sequence at p (n > 0 bytes are there), or 0. The second byte's range is
 * what excludes overlong forms, surrogates and code points over U+10FFFF (RFC 3629, section 4). */
static size_t sequence(const unsigned char *p, size_t n)
{
    unsigned char lead = p[0], low = 0x80, high = 0xbf;
    size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if ((lead >= 0x80 && lead < 0xc2) || lead > 0xf4 || len > n)
        return 0;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (len > 1 && (p[1] < low || p[1] > high))
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool utf8_valid(const char *p, size_t n)
{
    const unsigned char *at = (const unsigned char *)p;
    while (n > 0) {
        uint64_t word;
        if (n >= sizeof(word) && (memcpy(&word, at, sizeof(word)), (word & HIGH_BITS) == 0)) {
            at += sizeof(word);
            n -= sizeof(word);
            continue;
        }
        size_t len = sequence(at, n);
        if (len == 0)
            return false;
        at += len;
        n -= len;
    }
    return true;
}

size_t utf8_put(char out[UTF8_MAX], uint32_t point)
{
    REQUIRE(point <= 0x10ffff && (point < 0xd800 || point > 0xdfff));
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t n = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)((0xf00 >> n) | point);
    return n;
}

/* C0, DEL, and C1 (U+0080 to U+009F, whose lead byte is C2). */
static bool is_control(const unsigned char *p, size_t len)
{
    return (len == 1 && (p[0] < 0x20 || p[0] == 0x7f)) || (len == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

/* How many bytes from p on are printable ASCII: most of all text, and needs no second look. */
static size_t printable_run(const unsigned char *p, size_t n)
{
    size_t run = 0;
    while (run < n && p[run] >= 0x20 && p[run] < 0x7f)
        run++;
    return run;
}

static bool is_layout(unsigned char c)
{
    return c == '\n' || c == '\t' || c == '\r';
}

static void sanitize(struct strbuf *out, const char *p, size_t n, size_t max_bytes,
                     bool keep_layout)
{
    REQUIRE(out != NULL && (p != NULL || n == 0));
    const unsigned char *at = (const unsigned char *)p;
    while (n > 0) {
        size_t run = printable_run(at, n < max_bytes ? n : max_bytes);
        size_t len = run ? run : sequence(at, n);
        const void *text = at;
        size_t text_len = len;
        if (len == 0) {
            text = REPLACEMENT;
            text_len = REPLACEMENT_BYTES;
            len = 1;
        } else if (run == 0 && is_control(at, len) && !(keep_layout && is_layout(at[0]))) {
            text = " ";
            text_len = 1;
        }
        if (text_len > max_bytes)
            return;
        strbuf_append(out, text, text_len);
        max_bytes -= text_len;
        at += len;
        n -= len;
    }
}

void utf8_sanitize(struct strbuf *out, const char *p, size_t n, size_t max_bytes)
{
    sanitize(out, p, n, max_bytes, false);
}

void utf8_sanitize_text(struct strbuf *out, const char *p, size_t n, size_t max_bytes)
{
    sanitize(out, p, n, max_bytes, true);
}

char *utf8_sanitized(const char *p, size_t n, size_t max_bytes)
{
    struct strbuf b;
    strbuf_init(&b, max_bytes + 1);
    utf8_sanitize(&b, p, n, max_bytes);
    char *out = mem_strndup(b.len ? b.data : "", b.len);
    strbuf_fini(&b);
    return out;
}
