/* SPDX-License-Identifier: MIT */
#include "master/api/query.h"
#include "common/ids.h"
#include "common/strbuf.h"
#include "common/utf8.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void query_init(struct query *q)
{
    q->n = 0;
    q->err = ERR_NONE;
    q->problem[0] = '\0';
}

void query_fail(struct query *q, const char *fmt, ...)
{
    char raw[QUERY_PROBLEM_MAX];
    struct strbuf b;
    va_list ap;
    if (q->err != ERR_NONE)
        return;
    va_start(ap, fmt);
    vsnprintf(raw, sizeof(raw), fmt, ap);
    va_end(ap);
    strbuf_init(&b, 4 * sizeof(raw));
    utf8_sanitize(&b, raw, strlen(raw), sizeof(q->problem) - 1);
    snprintf(q->problem, sizeof(q->problem), "%s", b.data);
    strbuf_fini(&b);
    q->err = ERR_INVALID;
}

static bool clean(const char *p, size_t n)
{
    return memchr(p, '\0', n) == NULL && utf8_valid(p, n);
}

void query_add(struct query *q, const char *name, size_t name_len, const char *value,
               size_t value_len)
{
    if (!clean(name, name_len) || (value && !clean(value, value_len))) {
        query_fail(q, "a query parameter holds a NUL or is not UTF-8; percent-encode UTF-8 text");
        return;
    }
    if (q->n == QUERY_MAX) {
        query_fail(q, "more than %d query parameters", QUERY_MAX);
        return;
    }
    q->items[q->n++] = (struct query_item){name, value ? value : "", false};
}

bool query_has(const struct query *q, const char *name)
{
    for (unsigned i = 0; i < q->n; i++)
        if (strcmp(q->items[i].name, name) == 0)
            return true;
    return false;
}

const char *query_next(struct query *q, const char *name, unsigned *at)
{
    while (*at < q->n) {
        struct query_item *i = &q->items[(*at)++];
        if (strcmp(i->name, name) != 0)
            continue;
        i->asked = true;
        return i->value;
    }
    return NULL;
}

const char *query_str(struct query *q, const char *name)
{
    unsigned at = 0;
    const char *v = query_next(q, name, &at);
    if (v && query_next(q, name, &at)) {
        query_fail(q, "query parameter '%s' is given twice; give it once", name);
        return NULL;
    }
    return v;
}

int64_t query_int(struct query *q, const char *name, int64_t min, int64_t max, int64_t dflt)
{
    REQUIRE(min <= max);
    int64_t v;
    const char *text = query_str(q, name);
    if (!text)
        return dflt;
    if (i64_parse(text, strlen(text), &v) == ERR_NONE && v >= min && v <= max)
        return v;
    query_fail(
        q, "query parameter '%s' must be an integer from %" PRId64 " to %" PRId64 ", got \"%.60s\"",
        name, min, max, text);
    return dflt;
}

bool query_bool(struct query *q, const char *name, bool dflt)
{
    const char *text = query_str(q, name);
    if (!text)
        return dflt;
    if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0)
        return true;
    if (strcmp(text, "0") != 0 && strcmp(text, "false") != 0)
        query_fail(q, "query parameter '%s' must be 1 or 0, got \"%.60s\"", name, text);
    return false;
}

int64_t query_ms(struct query *q, const char *name, int64_t max_ms)
{
    uint64_t v;
    const char *text = query_str(q, name);
    if (!text)
        return 0;
    size_t digits = strspn(text, "0123456789");
    uint64_t unit = strcmp(text + digits, "ms") == 0 ? 1 : 1000;
    bool known = unit == 1 || strcmp(text + digits, "s") == 0 || text[digits] == '\0';
    if (known && u64_parse(text, digits, &v) == ERR_NONE && v <= (uint64_t)max_ms / unit)
        return (int64_t)(v * unit);
    query_fail(q,
               "query parameter '%s' must be a time like 30s or 500ms, at most %" PRId64
               "s, got \"%.60s\"",
               name, max_ms / 1000, text);
    return 0;
}

enum err query_end(struct query *q)
{
    for (unsigned i = 0; i < q->n; i++)
        if (!q->items[i].asked)
            query_fail(q, "unknown query parameter '%.80s'", q->items[i].name);
    return q->err;
}
