/* SPDX-License-Identifier: MIT */
#include "common/yaml_json.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>
#include "common/json.h"
#include "common/mem.h"

#define SHOWN_MAX 60 /* of a text in a sentence */

struct mark {
    uint32_t at, line, column;
};
struct yaml_marks {
    struct mark *items;
    size_t n, cap;
};

struct yaml_reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; freed by next() and at the end */
    bool have_event;
    struct json_out w;
    struct yaml_marks *marks;
    char *why;
};

static enum err fail(struct yaml_reader *r, yaml_mark_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static enum err fail(struct yaml_reader *r, yaml_mark_t at, const char *fmt, ...)
{
    va_list ap;
    size_t n = (size_t)snprintf(r->why, YAML_WHY_MAX, "%zu:%zu: ", at.line + 1, at.column + 1);
    va_start(ap, fmt);
    vsnprintf(r->why + n, YAML_WHY_MAX - n, fmt, ap);
    va_end(ap);
    return ERR_INVALID;
}

static enum err fail_here(struct yaml_reader *r, const char *what)
{
    return fail(r, r->event.start_mark, "%s", what);
}

static enum err next(struct yaml_reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = yaml_parser_parse(&r->parser, &r->event) != 0;
    if (r->have_event)
        return ERR_NONE;
    const char *problem = r->parser.problem != NULL ? r->parser.problem : "cannot be read";
    const char *context = r->parser.context != NULL ? r->parser.context : "";
    return fail(r, r->parser.problem_mark, "%s%s%s", problem, *context != '\0' ? " " : "", context);
}

/* The writer puts its comma before the value. */
static void mark(struct yaml_reader *r)
{
    struct yaml_marks *m = r->marks;
    if (m == NULL)
        return;
    if (m->n == m->cap) {
        m->cap = m->cap > 0 ? 2 * m->cap : 256;
        m->items = mem_realloc(m->items, m->cap * sizeof(*m->items));
    }
    m->items[m->n++] =
        (struct mark){(uint32_t)(r->w.b->len + r->w.comma), (uint32_t)r->event.start_mark.line + 1,
                      (uint32_t)r->event.start_mark.column + 1};
}

/* ---- scalars */

static bool one_of(const char *s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(s, words[i]) == 0)
            return true;
    return false;
}
#define ONE_OF(s, ...)                                                                             \
    one_of(s, (const char *const[]){__VA_ARGS__},                                                  \
           sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char *digits(const char *s)
{
    return s + strspn(s, "0123456789");
}

/* The end of what JSON takes as a number; s itself when there is none. */
static const char *json_number(const char *s)
{
    const char *p = s + (*s == '-'), *end = digits(p);
    if (end == p || (*p == '0' && end > p + 1))
        return s;
    if (*end == '.') {
        p = end + 1;
        end = digits(p);
        if (end == p)
            return s;
    }
    if (*end != 'e' && *end != 'E')
        return end;
    p = end + 1 + (end[1] == '+' || end[1] == '-');
    end = digits(p);
    return end == p ? s : end;
}

/* A number to YAML 1.2, or to the older YAML that many people have learned. */
static bool is_yaml_number(const char *s)
{
    const char *p = s + (*s == '-' || *s == '+');
    if (ONE_OF(p, ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"))
        return true;
    if (*p == '0' && p[1] != '\0' && strchr("xXoObB", p[1]) != NULL && p[2] != '\0')
        return p[2 + strspn(p + 2, "0123456789abcdefABCDEF_")] == '\0';
    const char *end = p + strspn(p, "0123456789_");
    if (*end == '.')
        end += 1 + strspn(end + 1, "0123456789_");
    if (end == p || (end == p + 1 && *p == '.') || *p == '_')
        return false;
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1 + (end[1] == '+' || end[1] == '-');
        end = digits(exponent) > exponent ? digits(exponent) : end;
    }
    return *end == '\0';
}

static enum err put_plain(struct yaml_reader *r, const char *s, size_t n)
{
    if (ONE_OF(s, "", "~", "null", "Null", "NULL"))
        json_put_null(&r->w);
    else if (ONE_OF(s, "true", "True", "TRUE"))
        json_put_bool(&r->w, true);
    else if (ONE_OF(s, "false", "False", "FALSE"))
        json_put_bool(&r->w, false);
    else if (json_number(s) == s + n)
        json_put_raw(&r->w, s, n);
    else if (is_yaml_number(s))
        return fail(r, r->event.start_mark,
                    "'%.*s' is a number to some and a text to others: write a plain number, or put "
                    "it in quotes",
                    SHOWN_MAX, s);
    else
        json_put_strn(&r->w, s, n);
    return ERR_NONE;
}

/* The scalar's text, or NULL with the problem: JSON of ours knows no NUL. */
static const char *scalar(struct yaml_reader *r)
{
    const char *s = (const char *)r->event.data.scalar.value;
    if (strlen(s) == r->event.data.scalar.length)
        return s;
    (void)fail_here(r, "a NUL character: remove it");
    return NULL;
}

static enum err put_scalar(struct yaml_reader *r)
{
    const char *s = scalar(r);
    size_t n = r->event.data.scalar.length;
    if (s == NULL)
        return ERR_INVALID;
    if (r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return put_plain(r, s, n);
    json_put_strn(&r->w, s, n);
    return ERR_NONE;
}

/* ---- collections */

static enum err value(struct yaml_reader *r, unsigned depth);

static enum err sequence(struct yaml_reader *r, unsigned depth)
{
    json_arr_begin(&r->w);
    enum err e = next(r);
    while (e == ERR_NONE && r->event.type != YAML_SEQUENCE_END_EVENT) {
        e = value(r, depth);
        if (e == ERR_NONE)
            e = next(r);
    }
    json_arr_end(&r->w);
    return e;
}

struct names {
    char **items;
    size_t n;
};

static bool is_known(const struct names *x, const char *name)
{
    for (size_t i = 0; i < x->n; i++)
        if (strcmp(x->items[i], name) == 0)
            return true;
    return false;
}

static enum err name(struct yaml_reader *r, struct names *x)
{
    if (r->event.type != YAML_SCALAR_EVENT)
        return fail_here(r, "the name of a member is expected here, and that is a text");
    const char *s = scalar(r);
    if (s == NULL)
        return ERR_INVALID;
    if (r->event.data.scalar.anchor != NULL)
        return fail_here(r, "anchors and aliases are not read: write the value out");
    if (strcmp(s, "<<") == 0 && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return fail_here(r,
                         "'<<' merges an alias, and aliases are not read: write its members out");
    if (is_known(x, s))
        return fail(r, r->event.start_mark, "'%.*s' is given twice", SHOWN_MAX, s);
    x->items = mem_realloc(x->items, (x->n + 1) * sizeof(*x->items));
    x->items[x->n++] = mem_strdup(s);
    json_key_str(&r->w, s);
    return ERR_NONE;
}

static enum err mapping(struct yaml_reader *r, unsigned depth)
{
    struct names known = {0};
    json_obj_begin(&r->w);
    enum err e = next(r);
    while (e == ERR_NONE && r->event.type != YAML_MAPPING_END_EVENT) {
        e = name(r, &known);
        if (e == ERR_NONE)
            e = next(r);
        if (e == ERR_NONE)
            e = value(r, depth);
        if (e == ERR_NONE)
            e = next(r);
    }
    json_obj_end(&r->w);
    for (size_t i = 0; i < known.n; i++)
        free(known.items[i]);
    free(known.items);
    return e;
}

/* Those of the current event, by its type; NULL: none. */
static void properties(const yaml_event_t *e, const yaml_char_t **anchor, const yaml_char_t **tag)
{
    *anchor = *tag = NULL;
    if (e->type == YAML_SCALAR_EVENT) {
        *anchor = e->data.scalar.anchor;
        *tag = e->data.scalar.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        *anchor = e->data.sequence_start.anchor;
        *tag = e->data.sequence_start.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        *anchor = e->data.mapping_start.anchor;
        *tag = e->data.mapping_start.tag;
    }
}

static enum err value(struct yaml_reader *r, unsigned depth)
{
    const yaml_char_t *anchor, *tag;
    properties(&r->event, &anchor, &tag);
    if (anchor != NULL || r->event.type == YAML_ALIAS_EVENT)
        return fail_here(r, "anchors and aliases are not read: write the value out");
    if (tag != NULL)
        return fail(r, r->event.start_mark, "the tag '%.*s' is not read: leave it out", SHOWN_MAX,
                    (const char *)tag);
    mark(r);
    if (r->event.type == YAML_SCALAR_EVENT)
        return put_scalar(r);
    if (depth == JSON_DEPTH_MAX)
        return fail_here(r, "this is nested too deeply");
    REQUIRE(r->event.type == YAML_SEQUENCE_START_EVENT ||
            r->event.type == YAML_MAPPING_START_EVENT);
    return r->event.type == YAML_SEQUENCE_START_EVENT ? sequence(r, depth + 1)
                                                      : mapping(r, depth + 1);
}

static enum err document(struct yaml_reader *r)
{
    enum err e = next(r); /* stream start */
    if (e == ERR_NONE)
        e = next(r); /* document start */
    if (e == ERR_NONE && r->event.type == YAML_STREAM_END_EVENT)
        return fail_here(r, "there is nothing in it");
    if (e == ERR_NONE)
        e = next(r);
    if (e == ERR_NONE)
        e = value(r, 0);
    if (e == ERR_NONE)
        e = next(r); /* document end */
    if (e == ERR_NONE)
        e = next(r);
    if (e == ERR_NONE && r->event.type != YAML_STREAM_END_EVENT)
        return fail_here(r, "a second document begins here: only one is read");
    return e;
}

enum err yaml_to_json(const char *text, size_t len, struct strbuf *out, struct yaml_marks **marks,
                      char why[YAML_WHY_MAX])
{
    struct yaml_reader r = {.why = why};
    json_out_init(&r.w, out);
    if (marks != NULL)
        r.marks = mem_zalloc(sizeof(*r.marks));
    REQUIRE(yaml_parser_initialize(&r.parser) != 0);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    enum err e = document(&r);
    if (r.have_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (e == ERR_NONE && out->overflow) {
        snprintf(why, YAML_WHY_MAX, "1:1: it is too large");
        e = ERR_TOO_BIG;
    }
    if (e != ERR_NONE)
        yaml_marks_free(&r.marks);
    else if (marks != NULL)
        *marks = r.marks;
    return e;
}

bool yaml_marks_find(const struct yaml_marks *m, size_t at, size_t *line, size_t *column)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->items[mid].at < at)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == m->n || m->items[low].at != at)
        return false;
    *line = m->items[low].line;
    *column = m->items[low].column;
    return true;
}

void yaml_marks_free(struct yaml_marks **mp)
{
    if (*mp == NULL)
        return;
    free((*mp)->items);
    free(*mp);
    *mp = NULL;
}
