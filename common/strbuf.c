/* SPDX-License-Identifier: MIT */
#include "common/strbuf.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"

#define FIRST_CAP  64
#define U64_DIGITS 20

/* What data points to before the first append; shared, so it is never written. */
static char nothing[1];

void strbuf_init(struct strbuf *b, size_t max)
{
    REQUIRE(max > 0 && max < SIZE_MAX / 2);
    *b = (struct strbuf){.data = nothing, .max = max};
}

void strbuf_fini(struct strbuf *b)
{
    if (b->cap > 0)
        free(b->data);
    *b = (struct strbuf){.data = nothing, .max = b->max};
}

void strbuf_reset(struct strbuf *b)
{
    b->overflow = false;
    strbuf_truncate(b, 0);
}

/* cap counts the NUL. Doubling keeps many small appends linear; the ceiling is met exactly. */
bool strbuf_grow(struct strbuf *b, size_t n)
{
    REQUIRE(b->data != NULL && b->len <= b->max);
    if (b->overflow || n > b->max - b->len) {
        b->overflow = true;
        return false;
    }
    size_t need = b->len + n + 1;
    if (need <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap * 2 : FIRST_CAP;
    cap = cap < need ? need : cap;
    cap = cap > b->max + 1 ? b->max + 1 : cap;
    char *data = realloc(b->cap ? b->data : NULL, cap);
    if (!data) { /* the content may be a peer's: to have no memory for it is a ceiling too */
        b->overflow = true;
        return false;
    }
    data[b->len] = '\0';
    b->data = data;
    b->cap = cap;
    return true;
}

void strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    strbuf_vprintf(b, fmt, ap);
    va_end(ap);
}

void strbuf_vprintf(struct strbuf *b, const char *fmt, va_list ap)
{
    if (b->overflow)
        return;
    size_t room = b->cap - b->len;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(room ? b->data + b->len : NULL, room, fmt, ap);
    REQUIRE(n >= 0);
    if ((size_t)n < room) {
        b->len += (size_t)n;
    } else {
        if (room)
            b->data[b->len] = '\0';
        if (strbuf_grow(b, (size_t)n)) {
            vsnprintf(b->data + b->len, b->cap - b->len, fmt, again);
            b->len += (size_t)n;
        }
    }
    va_end(again);
}

void strbuf_u64(struct strbuf *b, uint64_t v)
{
    char text[U64_DIGITS];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    strbuf_append(b, text + at, sizeof(text) - at);
}

void strbuf_consume(struct strbuf *b, size_t n)
{
    REQUIRE(n <= b->len);
    if (n == 0)
        return;
    b->len -= n;
    memmove(b->data, b->data + n, b->len + 1);
}

void strbuf_truncate(struct strbuf *b, size_t len)
{
    REQUIRE(len <= b->len);
    b->len = len;
    if (b->cap > 0)
        b->data[len] = '\0';
}

char *strbuf_take(struct strbuf *b, size_t *len)
{
    char *data = b->cap > 0 ? b->data : mem_strdup("");
    if (len)
        *len = b->len;
    *b = (struct strbuf){.data = nothing, .max = b->max, .overflow = b->overflow};
    return data;
}
