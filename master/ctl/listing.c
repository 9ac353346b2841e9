/* SPDX-License-Identifier: MIT */
#include "master/ctl/listing.h"
#include "common/mem.h"
#include "common/human.h"
#include "common/screen.h"
#include <stdio.h>
#include <string.h>

#define OUT_MAX    (256u << 20)
#define NOTE_MAX   8192
#define SHORT_ID   13 /* of a UUIDv7: its time, to the millisecond */
#define SECOND_LEN 19 /* "2026-11-22T04:05:06" */

/* The member's own name, which holds its unit. */
static const char *csv_name(const struct list_column *c)
{
    if (c->kind == CELL_ANSWER)
        return "answer";
    const char *dot = strrchr(c->path, '.');
    return dot ? dot + 1 : c->path;
}

void listing_init(struct listing *l, const struct list_kind *kind, enum form form)
{
    REQUIRE(kind->n_columns <= TABLE_COLUMNS_MAX && form != FORM_JSON);
    *l = (struct listing){.kind = kind, .form = form};
    strbuf_init(&l->out, OUT_MAX);
    for (size_t i = 0; i < kind->n_columns; i++)
        l->heads[i] = kind->columns[i].head;
    if (form == FORM_TABLE)
        l->table = table_create(l->heads, kind->n_columns);
    for (size_t i = 0; form == FORM_CSV && i < kind->n_columns; i++)
        strbuf_printf(&l->out, "%s%s", i > 0 ? "," : "", csv_name(&kind->columns[i]));
    if (form == FORM_CSV)
        strbuf_puts(&l->out, "\r\n");
}

/* ---- a cell */

static const struct json_node *answer_of(const struct json_node *row)
{
    static const char *const paths[] = {"cause", "http.status", "dns.rcode"};
    const struct json_node *n = NULL;
    for (size_t i = 0; !n && i < ARRAY_LEN(paths); i++)
        n = node_at(row, paths[i]);
    return n;
}

static const struct json_node *value_of(const struct json_node *row, const struct list_column *c)
{
    return c->kind == CELL_ANSWER ? answer_of(row) : node_at(row, c->path);
}

static void put_raw(struct strbuf *b, const struct json_node *n)
{
    struct json_out w;
    if (n && json_type(n) == JSON_STRING) {
        strbuf_puts(b, json_node_str(n));
        return;
    }
    if (!n)
        return;
    json_out_init(&w, b);
    json_print(&w, n);
}

static void put_number(struct strbuf *b, double v, enum cell_kind kind)
{
    char buf[HUMAN_MAX];
    if (kind == CELL_MS)
        strbuf_puts(b, human_ms(v, buf));
    else if (kind == CELL_AGE_MS)
        strbuf_puts(b, human_duration((int64_t)(v / 1000), buf));
    else if (kind == CELL_BYTES)
        strbuf_puts(b, human_bytes((uint64_t)v, buf));
    else
        strbuf_puts(b, human_count((uint64_t)v, buf));
}

static void put_text(struct strbuf *b, const char *s, enum cell_kind kind)
{
    size_t n = strlen(s);
    if (kind == CELL_SHORT && n > SHORT_ID)
        n = SHORT_ID;
    if (kind != CELL_WHEN || n < SECOND_LEN) {
        strbuf_append(b, s, n);
        return;
    }
    strbuf_append(b, s, SECOND_LEN);
    b->data[b->len - (SECOND_LEN - 10)] = ' '; /* the T between date and time */
}

static void put_cell(struct strbuf *b, const struct json_node *n, enum cell_kind kind)
{
    bool counted =
        kind == CELL_COUNT || kind == CELL_MS || kind == CELL_AGE_MS || kind == CELL_BYTES;
    if (n && json_type(n) == JSON_STRING)
        put_text(b, json_node_str(n), kind);
    else if (n && json_type(n) == JSON_NUMBER && counted && json_node_num(n) >= 0)
        put_number(b, json_node_num(n), kind);
    else
        put_raw(b, n);
}

/* ---- a row */

static void add_table_row(struct listing *l, const struct json_node *row)
{
    const struct list_kind *k = l->kind;
    struct strbuf cells[TABLE_COLUMNS_MAX], note;
    const char *texts[TABLE_COLUMNS_MAX];
    for (size_t i = 0; i < k->n_columns; i++) {
        strbuf_init(&cells[i], OUT_MAX);
        if (k->columns[i].kind == CELL_OWN)
            k->own(row, k->columns[i].path, &cells[i]);
        else
            put_cell(&cells[i], value_of(row, &k->columns[i]), k->columns[i].kind);
        texts[i] = cells[i].data;
    }
    table_row(l->table, texts, k->toned, k->tone ? k->tone(row) : TONE_PLAIN);
    for (size_t i = 0; i < k->n_columns; i++)
        strbuf_fini(&cells[i]);
    strbuf_init(&note, NOTE_MAX);
    if (k->note)
        k->note(row, &note);
    if (note.len > 0)
        table_note(l->table, note.data);
    strbuf_fini(&note);
}

static void put_csv(struct strbuf *out, const char *s)
{
    bool quote = s[strcspn(s, ",\"\r\n")] != '\0';
    strbuf_puts(out, quote ? "\"" : "");
    for (; *s != '\0'; s++) {
        if (*s == '"')
            strbuf_putc(out, '"');
        strbuf_putc(out, *s);
    }
    strbuf_puts(out, quote ? "\"" : "");
}

static void add_csv_row(struct listing *l, const struct json_node *row)
{
    struct strbuf cell;
    strbuf_init(&cell, OUT_MAX);
    for (size_t i = 0; i < l->kind->n_columns; i++) {
        strbuf_reset(&cell);
        if (l->kind->columns[i].kind == CELL_OWN)
            l->kind->own(row, l->kind->columns[i].path, &cell);
        else
            put_raw(&cell, value_of(row, &l->kind->columns[i]));
        strbuf_puts(&l->out, i > 0 ? "," : "");
        put_csv(&l->out, cell.data);
    }
    strbuf_puts(&l->out, "\r\n");
    strbuf_fini(&cell);
}

static void add_ndjson_row(struct listing *l, const struct json_node *row)
{
    struct json_out w;
    json_out_init(&w, &l->out);
    json_print(&w, row);
    strbuf_putc(&l->out, '\n');
}

void listing_add(struct listing *l, const struct json_node *row)
{
    REQUIRE(row != NULL);
    l->n_rows++;
    switch (l->form) {
    case FORM_TABLE:
        add_table_row(l, row);
        return;
    case FORM_CSV:
        add_csv_row(l, row);
        return;
    case FORM_NDJSON:
        add_ndjson_row(l, row);
        return;
    case FORM_JSON:
        break;
    }
    UNREACHABLE("JSON is printed as it came");
}

/* A table holds our own colours, and its cells are clean. */
static bool put_out(const struct listing *l)
{
    unsigned char last = 0;
    if (l->form == FORM_TABLE)
        return fwrite(l->out.data, 1, l->out.len, stdout) == l->out.len;
    return screen_put(stdout, l->out.data, l->out.len, &last);
}

enum err listing_finish(struct listing *l)
{
    struct table_style style = screen_style(stdout);
    if (l->table && l->n_rows > 0)
        table_print(l->table, &style, &l->out);
    bool good = !l->out.overflow && put_out(l) && fflush(stdout) == 0;
    table_destroy(&l->table);
    strbuf_fini(&l->out);
    return good ? ERR_NONE : ERR_IO;
}
