/* SPDX-License-Identifier: MIT */
#include "master/api/upload_columns.h"
#include "common/ids.h"
#include "common/mem.h"
#include "common/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define SHOWN_BYTES 60 /* of a name or a cell in a sentence */

/* What a cell becomes. What does not fit is handed on as text: the parser of targets says what is
 * wrong with it. */
enum cell { CELL_TARGET, CELL_TEXT, CELL_WORD, CELL_NUMBER, CELL_BOOL, CELL_JSON };

struct column {
    const char *name;
    enum cell cell;
};
static const struct column known[] = {
    {"url", CELL_TARGET},
    {"target", CELL_TARGET},
    {"user_id", CELL_TEXT},
    {"timeout_ms", CELL_NUMBER},
    {"method", CELL_WORD},
    {"headers", CELL_JSON},
    {"body", CELL_TEXT},
    {"follow_redirects", CELL_BOOL},
    {"max_redirects", CELL_NUMBER},
    {"ip_version", CELL_NUMBER},
    {"http_version", CELL_WORD},
    {"verify_tls", CELL_BOOL},
    {"body_limit", CELL_NUMBER},
    {"keep_body", CELL_NUMBER},
    {"wire_limit", CELL_NUMBER},
    {"compression", CELL_BOOL},
    {"auth", CELL_JSON},
    {"proxy", CELL_WORD},
    {"expect", CELL_JSON},
    {"type", CELL_WORD},
    {"resolver", CELL_WORD},
    {"transport", CELL_WORD},
    {"recursion", CELL_BOOL},
    {"dnssec", CELL_BOOL},
    {"edns_size", CELL_NUMBER},
    {"retries", CELL_NUMBER},
};

struct cell_text { /* borrowed from the record */
    const char *p;
    size_t n;
};

static enum err problem(struct columns_problem *p, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static enum err problem(struct columns_problem *p, const char *code, const char *fmt, ...)
{
    char text[2 * JSON_PROBLEM_MAX];
    struct strbuf b;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    strbuf_init(&b, JSON_PROBLEM_MAX);
    utf8_sanitize(&b, text, strlen(text), JSON_PROBLEM_MAX - 1);
    snprintf(p->detail, sizeof(p->detail), "%s", b.data);
    strbuf_fini(&b);
    p->code = code;
    return ERR_INVALID;
}

static bool is_blank(char b)
{
    return b == ' ' || b == '\t';
}

static struct cell_text raw_cell(const struct csv *record, unsigned i)
{
    struct cell_text t;
    t.p = csv_field(record, i, &t.n);
    return t;
}

static struct cell_text trimmed_cell(const struct csv *record, unsigned i)
{
    struct cell_text t = raw_cell(record, i);
    while (t.n > 0 && is_blank(t.p[0])) {
        t.p++;
        t.n--;
    }
    while (t.n > 0 && is_blank(t.p[t.n - 1]))
        t.n--;
    return t;
}

static bool is_word(struct cell_text t, const char *word)
{
    return t.n == strlen(word) && memcmp(t.p, word, t.n) == 0;
}

/* ---- the header row */

static const struct column *find(struct cell_text name)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (is_word(name, known[i].name))
            return &known[i];
    return NULL;
}

static enum err unknown(struct cell_text name, unsigned i, struct columns_problem *p)
{
    if (name.n == 0)
        return problem(p, "bad_header",
                       "column %u of the header row has no name; give it one, or "
                       "remove the column",
                       i + 1);
    char shown[SHOWN_BYTES + 1];
    snprintf(shown, sizeof(shown), "%.*s", (int)name.n, name.p);
    bool split = memchr(name.p, ';', name.n) || memchr(name.p, '\t', name.n);
    return problem(p, "unknown_column",
                   "unknown column '%s'; columns are 'url' or 'target', and options of a target "
                   "like timeout_ms, method, user_id, type%s",
                   shown, split ? ", separated by commas" : "");
}

static enum err take_column(struct columns *c, struct cell_text name, struct columns_problem *p)
{
    unsigned i = c->n;
    const struct column *k = find(name);
    if (!k)
        return unknown(name, i, p);
    for (unsigned j = 0; j < i; j++)
        if (c->of[j] == k || (c->of[j]->cell == CELL_TARGET && k->cell == CELL_TARGET))
            return problem(p, "bad_header", "the header row has '%s' beside '%s'; keep one of them",
                           c->of[j]->name, k->name);
    if (k->cell == CELL_TARGET)
        c->target = i;
    if (strcmp(k->name, "type") == 0)
        c->type = i;
    c->of[c->n++] = k;
    return ERR_NONE;
}

enum err columns_take(struct columns *c, const struct csv *header, struct columns_problem *p)
{
    struct columns all = {.target = CSV_FIELDS_MAX, .type = CSV_FIELDS_MAX};
    REQUIRE(c->n == 0 && header->told && header->n_fields > 0);
    for (unsigned i = 0; i < header->n_fields; i++)
        if (take_column(&all, trimmed_cell(header, i), p) != ERR_NONE)
            return ERR_INVALID;
    if (all.target == CSV_FIELDS_MAX)
        return problem(p, "bad_header",
                       "the header row has neither 'url' nor 'target'; name the "
                       "column that holds the targets so");
    *c = all;
    return ERR_NONE;
}

/* ---- records */

/* As the forms of a target in JSON: a bare name with a type beside it is a question too. */
static const char *target_key(const struct columns *c, const struct csv *record, struct cell_text t)
{
    if (t.n >= 4 && strncasecmp(t.p, "dns:", 4) == 0)
        return "dns";
    bool typed = c->type < CSV_FIELDS_MAX && trimmed_cell(record, c->type).n > 0;
    return typed && !memchr(t.p, ':', t.n) ? "dns" : "url";
}

static void put_number(struct json_out *w, struct cell_text t)
{
    int64_t v;
    if (i64_parse(t.p, t.n, &v) == ERR_NONE)
        json_put_int(w, v);
    else
        json_put_strn(w, t.p, t.n);
}

static void put_bool(struct json_out *w, struct cell_text t)
{
    bool yes = is_word(t, "true") || is_word(t, "1");
    if (yes || is_word(t, "false") || is_word(t, "0"))
        json_put_bool(w, yes);
    else
        json_put_strn(w, t.p, t.n);
}

static enum err put_json(struct json_out *w, const struct column *k, struct cell_text t,
                         struct columns_problem *p)
{
    struct json_doc *d = NULL;
    char why[JSON_PROBLEM_MAX];
    if (json_parse(t.p, t.n, &d, why, sizeof(why)) != ERR_NONE)
        return problem(p, "bad_value", "'%s' must be JSON as in a target: %s", k->name, why);
    json_print(w, json_root(d));
    json_free(&d);
    return ERR_NONE;
}

static enum err put_cell(struct json_out *w, const struct column *k, struct cell_text t,
                         struct columns_problem *p)
{
    if (!utf8_valid(t.p, t.n))
        return problem(p, "bad_utf8", "'%s' is not valid UTF-8; save the text as UTF-8", k->name);
    if (memchr(t.p, '\0', t.n))
        return problem(p, "bad_value", "'%s' holds a NUL byte; remove it", k->name);
    json_key(w, k->name);
    if (k->cell == CELL_JSON)
        return put_json(w, k, t, p);
    if (k->cell == CELL_NUMBER)
        put_number(w, t);
    else if (k->cell == CELL_BOOL)
        put_bool(w, t);
    else
        json_put_strn(w, t.p, t.n);
    return ERR_NONE;
}

static enum err put_target(struct json_out *w, const struct columns *c, const struct csv *record,
                           struct columns_problem *p)
{
    struct cell_text t = trimmed_cell(record, c->target);
    struct column as = {target_key(c, record, t), CELL_TARGET};
    if (t.n == 0)
        return problem(p, "empty", "'%s' is empty; give a URI, or remove the line",
                       c->of[c->target]->name);
    return put_cell(w, &as, t, p);
}

static enum err put_options(struct json_out *w, const struct columns *c, const struct csv *record,
                            struct columns_problem *p)
{
    for (unsigned i = 0; i < c->n; i++) {
        const struct column *k = c->of[i];
        struct cell_text t = k->cell == CELL_TEXT ? raw_cell(record, i) : trimmed_cell(record, i);
        if (k->cell == CELL_TARGET || t.n == 0)
            continue;
        enum err e = put_cell(w, k, t, p);
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

enum err columns_json(const struct columns *c, const struct csv *record, struct strbuf *out,
                      struct columns_problem *p)
{
    struct json_out w;
    REQUIRE(c->n > 0 && record->told);
    if (record->n_fields != c->n)
        return problem(p, "bad_record",
                       "the record has %u %s, and the header row %u; a field with "
                       "a comma in it must stand in quotes",
                       record->n_fields, record->n_fields == 1 ? "field" : "fields", c->n);
    json_out_init(&w, out);
    json_obj_begin(&w);
    enum err e = put_target(&w, c, record, p);
    if (e == ERR_NONE)
        e = put_options(&w, c, record, p);
    json_obj_end(&w);
    return e;
}
