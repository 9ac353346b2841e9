/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * strbuf - a growing byte buffer with a ceiling.
 *
 * Owned by one thread at a time. An append that would pass the ceiling leaves the buffer as it was
 * and sets a sticky `overflow`, so that code appends in a straight line and checks once at the end.
 * `data` is always NUL-terminated (the NUL is not counted in `len`); it may be NULL-free "" before
 * the first append.
 */
struct strbuf {
    char *data;
    size_t len;
    size_t cap;
    size_t max;
    bool overflow;
};

void strbuf_init(struct strbuf *b, size_t max);
void strbuf_fini(struct strbuf *b);

/* Empties, keeps the memory, clears overflow. */
void strbuf_reset(struct strbuf *b);

/* Makes room for n more bytes; false and overflow when that passes the ceiling (or memory is out).
 */
bool strbuf_grow(struct strbuf *b, size_t n);

static inline void strbuf_append(struct strbuf *b, const void *p, size_t n)
{
    bool fits = n < b->cap - b->len && !b->overflow;
    if (n == 0 || (!fits && !strbuf_grow(b, n)))
        return;
    memcpy(b->data + b->len, p, n);
    b->len += n;
    b->data[b->len] = '\0';
}
static inline void strbuf_puts(struct strbuf *b, const char *s)
{
    strbuf_append(b, s, strlen(s));
}
static inline void strbuf_putc(struct strbuf *b, char c)
{
    strbuf_append(b, &c, 1);
}
void strbuf_printf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *b, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
void strbuf_u64(struct strbuf *b, uint64_t v);

/* Drops the first n bytes (n ≤ len). */
void strbuf_consume(struct strbuf *b, size_t n);
void strbuf_truncate(struct strbuf *b, size_t len);

/* Hands over the bytes (caller frees) and empties the buffer; overflow stays. Never NULL. */
char *strbuf_take(struct strbuf *b, size_t *len);
