/* SPDX-License-Identifier: MIT */
#include "proto/json_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/require.h"
#include "common/utf8.h"
#include "proto/json_walk.h"

/* RFC 9535 §2.1: indices are integers that every implementation holds exactly. */
#define INDEX_DIGITS_MAX 15

struct segment {
    char *name; /* NULL = by index */
    size_t name_len;
    int64_t index;
};
struct json_path {
    unsigned n;
    struct segment segments[JSON_PATH_SEGMENTS_MAX];
};

struct reader {
    const char *start, *p;
    char *why;
};

static bool fail(struct reader *r, const char *what)
{
    snprintf(r->why, JSON_PATH_WHY_MAX, "%s at byte %zu", what, (size_t)(r->p - r->start) + 1);
    return false;
}

static void blanks(struct reader *r)
{
    while (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r')
        r->p++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool name_first(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c > 127;
}

static bool short_name(struct reader *r, struct segment *s)
{
    if (*r->p == '.' || *r->p == '*')
        return fail(r, "only single places can be named, without '..' and '*',");
    if (!name_first(*r->p))
        return fail(r, "a name must follow '.' (any other name is written ['name'])");
    const char *from = r->p;
    while (name_first(*r->p) || is_digit(*r->p))
        r->p++;
    s->name_len = (size_t)(r->p - from);
    s->name = mem_strndup(from, s->name_len);
    return true;
}

static bool quoted_name(struct reader *r, struct segment *s)
{
    struct strbuf b;
    char quote = *r->p++;
    const char *from = r->p;
    for (; *r->p != quote; r->p++) {
        if (*r->p == '\0' || (unsigned char)*r->p < ' ')
            return fail(r, "the name in quotes has no end");
        if (*r->p == '\\' && r->p[1] != '\0')
            r->p++;
    }
    size_t n = (size_t)(r->p++ - from);
    strbuf_init(&b, JSON_PATH_MAX + 1);
    bool good = json_walk_unescape(from, n, quote, false, &b);
    if (good)
        s->name = strbuf_take(&b, &s->name_len);
    strbuf_fini(&b);
    return good || fail(r, "a bad escape in the name that ends");
}

static bool index_number(struct reader *r, struct segment *s)
{
    bool negative = *r->p == '-';
    const char *from = r->p += negative;
    while (is_digit(*r->p))
        r->p++;
    size_t n = (size_t)(r->p - from);
    if (n == 0)
        return fail(r, "'[' takes a number or a name in quotes, not what stands");
    if (n > INDEX_DIGITS_MAX || (*from == '0' && (n > 1 || negative)))
        return fail(r, "not an index: the number that ends");
    for (size_t i = 0; i < n; i++)
        s->index = s->index * 10 + (from[i] - '0');
    if (negative)
        s->index = -s->index;
    return true;
}

static bool bracket(struct reader *r, struct segment *s)
{
    blanks(r);
    bool quoted = *r->p == '\'' || *r->p == '"';
    if (!(quoted ? quoted_name(r, s) : index_number(r, s)))
        return false;
    blanks(r);
    if (*r->p != ']')
        return fail(r, "']' is missing");
    r->p++;
    return true;
}

static bool segment(struct reader *r, struct json_path *path)
{
    if (*r->p != '.' && *r->p != '[')
        return fail(r, "'.' or '[' must follow, not what stands");
    if (path->n == JSON_PATH_SEGMENTS_MAX)
        return fail(r, "too many steps");
    struct segment *s = &path->segments[path->n++];
    return *r->p++ == '.' ? short_name(r, s) : bracket(r, s);
}

static bool read_path(struct reader *r, struct json_path *path)
{
    size_t len = strlen(r->p);
    if (len > JSON_PATH_MAX || !utf8_valid(r->p, len))
        return fail(r, "longer than a path may be, or not UTF-8,");
    if (*r->p != '$')
        return fail(r, "a path begins with '$', which is missing");
    r->p++;
    while (*r->p != '\0') {
        const char *before = r->p;
        blanks(r);
        if (*r->p == '\0') {
            r->p = before;
            return fail(r, "a blank is the end,");
        }
        if (!segment(r, path))
            return false;
    }
    return true;
}

enum err json_path_parse(const char *text, struct json_path **out, char why[JSON_PATH_WHY_MAX])
{
    REQUIRE(text != NULL && out != NULL);
    struct reader r = {.start = text, .p = text, .why = why};
    struct json_path *path = mem_zalloc(sizeof(*path));
    if (!read_path(&r, path)) {
        json_path_destroy(&path);
        return ERR_INVALID;
    }
    *out = path;
    return ERR_NONE;
}

void json_path_destroy(struct json_path **pp)
{
    if (*pp == NULL)
        return;
    for (unsigned i = 0; i < (*pp)->n; i++)
        free((*pp)->segments[i].name);
    free(*pp);
    *pp = NULL;
}

static bool is_name(const struct segment *s, const char *key, size_t n)
{
    struct strbuf b;
    if (memchr(key, '\\', n) == NULL)
        return n == s->name_len && memcmp(key, s->name, n) == 0;
    if (n < s->name_len || n > 6 * s->name_len + 6) /* an escape has at most 6 bytes a byte */
        return false;
    strbuf_init(&b, n + 1);
    bool same = json_walk_unescape(key, n, '"', true, &b) && b.len == s->name_len &&
                memcmp(b.data, s->name, b.len) == 0;
    strbuf_fini(&b);
    return same;
}

static bool to_member(struct json_walk *w, const struct segment *s)
{
    const char *key;
    size_t n;
    bool more = *w->p == '{' && json_walk_first_member(w, &key, &n);
    while (more && !is_name(s, key, n)) {
        json_walk_skip(w);
        more = json_walk_next_member(w, &key, &n);
    }
    return more;
}

static int64_t count_items(struct json_walk w)
{
    int64_t n = 0;
    for (bool more = json_walk_first_item(&w); more; more = json_walk_next_item(&w)) {
        json_walk_skip(&w);
        n++;
    }
    return n;
}

static bool to_item(struct json_walk *w, int64_t index)
{
    if (*w->p != '[')
        return false;
    if (index < 0)
        index += count_items(*w);
    bool more = index >= 0 && json_walk_first_item(w);
    while (more && index-- > 0) {
        json_walk_skip(w);
        more = json_walk_next_item(w);
    }
    return more;
}

bool json_path_find(const struct json_path *path, const struct json_walk *w, struct json_value *out)
{
    struct json_walk at = *w;
    for (unsigned i = 0; i < path->n; i++) {
        const struct segment *s = &path->segments[i];
        if (!(s->name != NULL ? to_member(&at, s) : to_item(&at, s->index)))
            return false;
    }
    out->p = at.p;
    json_walk_skip(&at);
    out->len = (size_t)(at.p - out->p);
    return true;
}
