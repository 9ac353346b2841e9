/* SPDX-License-Identifier: MIT */
#include "master/api/upload_csv.h"

/*
 *            '"'            '"'
 *   START ────────► QUOTED ─────► CLOSED ──'\r'──► RETURN        ',' : the next field, START
 *     │ other          ▲            │ '"' (a doubled one)         '\n': the end of the record
 *     ▼                └────────────┘
 *   BARE
 */
static const char BOM[] = "\xef\xbb\xbf";
#define BOM_BYTES (sizeof(BOM) - 1)

static const char stray_quote[] = "a field holds '\"' but does not begin with it; put the whole "
                                  "field in quotes and double each quote inside";
static const char behind_quote[] = "there is text behind the closing '\"' of a field; double each "
                                   "quote inside of a quoted field";

static void record_begin(struct csv *c)
{
    strbuf_reset(&c->text);
    c->n_fields = 0;
    c->field_from = 0;
    c->bare = true;
    c->told = false;
    c->problem = NULL;
    c->line = c->lines + 1;
}

void csv_init(struct csv *c)
{
    *c = (struct csv){.state = CSV_BOM};
    /* A NUL behind each field does not count as the record's. */
    strbuf_init(&c->text, CSV_RECORD_MAX + CSV_FIELDS_MAX);
    record_begin(c);
}

void csv_fini(struct csv *c)
{
    strbuf_fini(&c->text);
}

static void keep(struct csv *c, const char *p, size_t n)
{
    strbuf_append(&c->text, p, n);
}

static void field_end(struct csv *c)
{
    if (c->n_fields == CSV_FIELDS_MAX) {
        c->problem = "the record has more than 64 fields";
    } else {
        c->at[c->n_fields++] = (struct csv_field){c->field_from, c->text.len - c->field_from};
        keep(c, "", 1);
    }
    c->field_from = c->text.len;
}

static bool is_empty(const struct csv *c)
{
    return c->bare && c->n_fields == 0 && c->text.len == 0 && !c->text.overflow && !c->problem;
}

static enum csv_event record_tell(struct csv *c)
{
    field_end(c);
    c->told = true;
    c->state = CSV_START;
    if (c->text.overflow)
        return CSV_TOO_LONG;
    return c->problem ? CSV_BAD : CSV_RECORD;
}

/* At a '\n' outside of quotes. The '\r' before it is no part of a field. */
static enum csv_event record_end(struct csv *c)
{
    size_t len = c->text.len;
    if (c->state == CSV_BARE && len > c->field_from && c->text.data[len - 1] == '\r')
        strbuf_truncate(&c->text, len - 1);
    c->lines++;
    if (!is_empty(c))
        return record_tell(c);
    record_begin(c);
    c->state = CSV_START;
    return CSV_MORE;
}

/* ---- runs: each uses at least one byte */

static size_t bare_run(struct csv *c, const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && p[i] != ',' && p[i] != '\n' && p[i] != '"')
        i++;
    keep(c, p, i);
    return i;
}

static size_t quoted_run(struct csv *c, const char *p, size_t n)
{
    const char *end = memchr(p, '"', n);
    size_t len = end ? (size_t)(end - p) : n;
    for (const char *at = p; (at = memchr(at, '\n', len - (size_t)(at - p))) != NULL; at++)
        c->lines++;
    keep(c, p, len);
    if (!end)
        return len;
    c->state = CSV_CLOSED;
    return len + 1;
}

/* The mark is dropped when it is whole; what only begins like it is text. */
static size_t bom_run(struct csv *c, const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && c->bom < BOM_BYTES && p[i] == BOM[c->bom]) {
        c->bom++;
        i++;
    }
    if (c->bom == BOM_BYTES) {
        c->state = CSV_START;
    } else if (i < n) {
        keep(c, BOM, c->bom);
        c->state = c->bom ? CSV_BARE : CSV_START;
    }
    return i;
}

/* ---- single bytes, where a field may begin or end */

static enum csv_event at_mark(struct csv *c, char mark)
{
    if (mark == '\n')
        return record_end(c);
    field_end(c);
    c->state = CSV_START;
    c->bare = false;
    return CSV_MORE;
}

/* A ',' or '\n' ends the field; in a bad one all else is passed over. */
static enum csv_event at_byte(struct csv *c, char b)
{
    if (b == ',' || b == '\n')
        return at_mark(c, b);
    if (c->state == CSV_START && b == '"') {
        c->state = CSV_QUOTED;
        c->bare = false;
    } else if (c->state == CSV_CLOSED && b == '"') {
        keep(c, "\"", 1);
        c->state = CSV_QUOTED;
    } else if (c->state == CSV_CLOSED && b == '\r') {
        c->state = CSV_RETURN;
    } else if (c->state == CSV_CLOSED || c->state == CSV_RETURN) {
        c->problem = behind_quote;
        c->state = CSV_BARE;
    } else if (b == '"') {
        c->problem = stray_quote;
    } else {
        keep(c, &b, 1);
        c->state = CSV_BARE;
    }
    return CSV_MORE;
}

enum csv_event csv_next(struct csv *c, const char *p, size_t n, size_t *used)
{
    enum csv_event e = CSV_MORE;
    size_t i = 0;
    if (c->told)
        record_begin(c);
    while (i < n && e == CSV_MORE) {
        size_t run = 0;
        if (c->state == CSV_BOM)
            run = bom_run(c, p + i, n - i);
        else if (c->state == CSV_QUOTED)
            run = quoted_run(c, p + i, n - i);
        else if (c->state == CSV_BARE)
            run = bare_run(c, p + i, n - i);
        i += run;
        if (run == 0)
            e = at_byte(c, p[i++]);
    }
    *used = i;
    return e;
}

enum csv_event csv_end(struct csv *c)
{
    if (c->told)
        record_begin(c);
    bool open = c->state == CSV_QUOTED;
    if (c->state == CSV_BOM) {
        keep(c, BOM, c->bom);
        c->state = CSV_START;
    }
    if (is_empty(c))
        return CSV_MORE;
    enum csv_event e = record_end(c);
    return open ? CSV_OPEN : e;
}
