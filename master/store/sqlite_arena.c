/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "common/json.h"
#include "common/utf8.h"
#include "master/store/sqlite_db.h"

static const char *put_bytes(struct strbuf *arena, const void *p, size_t n)
{
    uintptr_t at = arena->len + 1;
    strbuf_append(arena, p, n);
    strbuf_append(arena, "", 1);
    return (const char *)at;
}

const char *sqlite_put_text(struct sqlite_db *d, struct strbuf *arena, sqlite3_stmt *st, int i)
{
    const char *s = (const char *)sqlite3_column_text(st, i);
    size_t n = (size_t)sqlite3_column_bytes(st, i);
    if (s == NULL)
        return NULL;
    if (utf8_valid(s, n))
        return put_bytes(arena, s, n);
    d->damaged++;
    return NULL;
}

const char *sqlite_put_object(struct sqlite_db *d, struct strbuf *arena, sqlite3_stmt *st, int i,
                              const char *instead, uint32_t *len)
{
    const char *s = (const char *)sqlite3_column_text(st, i);
    size_t n = (size_t)sqlite3_column_bytes(st, i);
    if (s == NULL || !json_is_object(s, n)) {
        d->damaged++;
        s = instead;
        n = strlen(instead);
    }
    *len = (uint32_t)n;
    return put_bytes(arena, s, n);
}

void sqlite_rebase(const struct strbuf *arena, const char **p)
{
    uintptr_t at = (uintptr_t)*p;
    REQUIRE(at <= arena->len);
    *p = at ? arena->data + (at - 1) : NULL;
}

unsigned sqlite_take_damaged(struct sqlite_db *d)
{
    unsigned n = d->damaged;
    d->damaged = 0;
    return n;
}
