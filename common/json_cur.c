/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "common/ids.h"
#include "common/json_tree.h"
#include "common/near.h"
#include "common/utf8.h"

#define SHOWN_MAX 60
/* Beyond it a double does not hold every integer. */
#define EXACT_INT_MAX 9007199254740992.0

/* A value as a person sees it in a problem: short, and without anything that could break a line. */
static char *show(const struct json_node *n, char out[SHOWN_MAX + 8])
{
    struct strbuf b;
    strbuf_init(&b, SHOWN_MAX + 4);
    enum json_type t = json_type(n);
    if (t == JSON_STRING) {
        const char *s = json_node_str(n);
        size_t len = strlen(s);
        strbuf_putc(&b, '"');
        utf8_sanitize(&b, s, len, SHOWN_MAX - 5);
        strbuf_puts(&b, len > SHOWN_MAX - 5 ? "…\"" : "\"");
    } else if (t == JSON_ARRAY || t == JSON_OBJECT) {
        strbuf_puts(&b, json_type_name(t));
    } else {
        struct json_out w;
        json_out_init(&w, &b);
        json_print(&w, n);
    }
    snprintf(out, SHOWN_MAX + 8, "%s", b.data);
    strbuf_fini(&b);
    return out;
}

static void fail_value(struct json_cur *c, const char *name, const char *wanted,
                       const struct json_node *got)
{
    char shown[SHOWN_MAX + 8];
    json_cur_fail(c, "'%s' must be %s, got %s", name, wanted, show(got, shown));
}

/* The member, with null counted as absent. */
static const struct json_node *find(struct json_cur *c, const char *name)
{
    const struct json_node *n = json_get(c, name);
    return n != NULL && json_type(n) != JSON_NULL ? n : NULL;
}

static const struct json_node *need(struct json_cur *c, const char *name)
{
    const struct json_node *n = find(c, name);
    if (n == NULL)
        json_cur_fail(c, "'%s' is missing", name);
    return n;
}

static const char *check_str(struct json_cur *c, const char *name, size_t max_len,
                             const struct json_node *n, const char *dflt)
{
    if (json_type(n) != JSON_STRING) {
        fail_value(c, name, "a string", n);
        return dflt;
    }
    const char *s = json_node_str(n);
    size_t len = strlen(s);
    if (len > max_len) {
        json_cur_fail(c, "'%s' must be at most %zu bytes long, got %zu", name, max_len, len);
        return dflt;
    }
    return s;
}

static int64_t check_int(struct json_cur *c, const char *name, int64_t min, int64_t max,
                         const struct json_node *n, int64_t dflt)
{
    double v = json_type(n) == JSON_NUMBER ? json_node_num(n) : NAN;
    if (fabs(v) <= EXACT_INT_MAX && v == floor(v) && (int64_t)v >= min && (int64_t)v <= max)
        return (int64_t)v;
    char wanted[96];
    snprintf(wanted, sizeof(wanted), "an integer from %" PRId64 " to %" PRId64, min, max);
    fail_value(c, name, wanted, n);
    return dflt;
}

static uint64_t check_id(struct json_cur *c, const char *name, const struct json_node *n,
                         uint64_t dflt)
{
    uint64_t v = dflt;
    if (json_type(n) == JSON_STRING) {
        const char *s = json_node_str(n);
        if (u64_parse(s, strlen(s), &v) == ERR_NONE)
            return v;
    }
    fail_value(c, name, "a decimal number in quotes", n);
    return dflt;
}

void json_cur_init(struct json_cur *c, const struct json_node *n)
{
    c->obj = c->next = NULL;
    c->n_asked = 0;
    c->err = ERR_NONE;
    c->problem[0] = '\0';
    if (n == NULL)
        json_cur_fail(c, "an object is missing");
    else if (json_type(n) != JSON_OBJECT)
        json_cur_fail(c, "must be an object, got %s", json_type_name(json_type(n)));
    else
        c->obj = n;
}

/* From a member on, up to one that is not looked at. */
static const struct json_node *search(const struct json_node *from, const struct json_node *end,
                                      const char *name)
{
    for (const struct json_node *n = from; n != end; n = json_next(n))
        if (n->item.string[0] == name[0] && strcmp(n->item.string, name) == 0)
            return n;
    return NULL;
}

/* Members are mostly asked for in the order in which they stand: the next one is tried first. */
const struct json_node *json_get(struct json_cur *c, const char *name)
{
    if (c->err != ERR_NONE)
        return NULL;
    REQUIRE(c->n_asked < JSON_CUR_FIELDS);
    c->asked[c->n_asked++] = name;
    const struct json_node *n = search(c->next, NULL, name);
    if (n == NULL)
        n = search(json_first(c->obj), c->next, name);
    if (n != NULL)
        c->next = json_next(n);
    return n;
}

const char *json_get_str(struct json_cur *c, const char *name, size_t max_len, const char *dflt)
{
    const struct json_node *n = find(c, name);
    return n == NULL ? dflt : check_str(c, name, max_len, n, dflt);
}

const char *json_need_str(struct json_cur *c, const char *name, size_t max_len)
{
    const struct json_node *n = need(c, name);
    return n == NULL ? "" : check_str(c, name, max_len, n, "");
}

int64_t json_get_int(struct json_cur *c, const char *name, int64_t min, int64_t max, int64_t dflt)
{
    const struct json_node *n = find(c, name);
    return n == NULL ? dflt : check_int(c, name, min, max, n, dflt);
}

int64_t json_need_int(struct json_cur *c, const char *name, int64_t min, int64_t max)
{
    const struct json_node *n = need(c, name);
    return n == NULL ? min : check_int(c, name, min, max, n, min);
}

double json_get_num(struct json_cur *c, const char *name, double min, double max, double dflt)
{
    const struct json_node *n = find(c, name);
    if (n == NULL)
        return dflt;
    double v = json_type(n) == JSON_NUMBER ? json_node_num(n) : NAN;
    if (v >= min && v <= max)
        return v;
    char wanted[96];
    snprintf(wanted, sizeof(wanted), "a number from %g to %g", min, max);
    fail_value(c, name, wanted, n);
    return dflt;
}

bool json_get_bool(struct json_cur *c, const char *name, bool dflt)
{
    const struct json_node *n = find(c, name);
    if (n == NULL)
        return dflt;
    if (json_type(n) == JSON_BOOL)
        return json_node_bool(n);
    fail_value(c, name, "true or false", n);
    return dflt;
}

uint64_t json_need_id(struct json_cur *c, const char *name)
{
    const struct json_node *n = need(c, name);
    return n == NULL ? 0 : check_id(c, name, n, 0);
}

uint64_t json_get_id(struct json_cur *c, const char *name, uint64_t dflt)
{
    const struct json_node *n = find(c, name);
    return n == NULL ? dflt : check_id(c, name, n, dflt);
}

const struct json_node *json_get_obj(struct json_cur *c, const char *name)
{
    const struct json_node *n = find(c, name);
    if (n == NULL || json_type(n) == JSON_OBJECT)
        return n;
    fail_value(c, name, "an object", n);
    return NULL;
}

const struct json_node *json_get_arr(struct json_cur *c, const char *name, size_t max_items)
{
    const struct json_node *n = find(c, name);
    if (n == NULL)
        return NULL;
    if (json_type(n) != JSON_ARRAY) {
        fail_value(c, name, "an array", n);
        return NULL;
    }
    size_t count = json_count(n);
    if (count > max_items) {
        json_cur_fail(c, "'%s' must have at most %zu items, got %zu", name, max_items, count);
        return NULL;
    }
    return n;
}

/* Drops a character that the end of the buffer cut in two. */
static void trim_cut_char(char *text)
{
    size_t n = strlen(text), from = n;
    while (from > 0 && n - from < 4 && ((unsigned char)text[from - 1] & 0xc0) == 0x80)
        from--;
    if (from > 0 && ((unsigned char)text[from - 1] & 0xc0) == 0xc0)
        from--;
    if (!utf8_valid(text + from, n - from))
        text[from] = '\0';
}

void json_cur_fail(struct json_cur *c, const char *fmt, ...)
{
    if (c->err != ERR_NONE)
        return;
    c->err = ERR_INVALID;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(c->problem, sizeof(c->problem), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(c->problem))
        trim_cut_char(c->problem);
}

static bool was_asked(const struct json_cur *c, const char *name)
{
    for (unsigned i = 0; i < c->n_asked; i++)
        if (strcmp(c->asked[i], name) == 0)
            return true;
    return false;
}

static void fail_unknown(struct json_cur *c, const char *name)
{
    struct strbuf b;
    struct near x;
    near_init(&x, name);
    for (unsigned i = 0; i < c->n_asked; i++)
        near_offer(&x, c->asked[i]);
    strbuf_init(&b, SHOWN_MAX + 1);
    utf8_sanitize(&b, name, strlen(name), SHOWN_MAX);
    if (x.best != NULL)
        json_cur_fail(c, "unknown field '%s'; did you mean '%s'?", b.data, x.best);
    else
        json_cur_fail(c, "unknown field '%s'", b.data);
    strbuf_fini(&b);
}

enum err json_cur_end(struct json_cur *c)
{
    if (c->err != ERR_NONE)
        return c->err;
    for (const struct json_node *n = json_first(c->obj); n != NULL; n = json_next(n)) {
        if (was_asked(c, json_node_key(n)))
            continue;
        fail_unknown(c, json_node_key(n));
        break;
    }
    return c->err;
}

enum err json_cur_end_lenient(struct json_cur *c)
{
    return c->err;
}
