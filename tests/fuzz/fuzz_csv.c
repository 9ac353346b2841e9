/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <string.h>
#include "common/json.h"
#include "common/require.h"
#include "master/api/upload_columns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was told, in order; and the good records written anew, all quoted. */
struct seen {
    uint64_t records, told, hash;
    struct strbuf again;
};

static void mix(struct seen *s, const void *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s->hash = s->hash * 31 + ((const unsigned char *)p)[i];
}

static void write_field(struct strbuf *out, const char *p, size_t n)
{
    strbuf_putc(out, '"');
    for (size_t i = 0; i < n; i++)
        strbuf_append(out, p[i] == '"' ? "\"\"" : &p[i], p[i] == '"' ? 2 : 1);
    strbuf_putc(out, '"');
}

static void take(struct seen *s, const struct csv *c)
{
    s->records++;
    for (unsigned i = 0; i < c->n_fields; i++) {
        size_t n;
        const char *p = csv_field(c, i, &n);
        mix(s, p, n);
        mix(s, ",", 1);
        write_field(&s->again, p, n);
        strbuf_putc(&s->again, i + 1 < c->n_fields ? ',' : '\n');
    }
    mix(s, "\n", 1);
}

/* The first record as a header row, the others as its targets: what comes out is JSON. */
static void as_target(struct columns *cols, const struct csv *c)
{
    struct columns_problem p;
    struct json_doc *d = NULL;
    struct strbuf out;
    if (cols->n == 0) {
        REQUIRE(columns_take(cols, c, &p) == ERR_NONE || (p.code && p.detail[0]));
        return;
    }
    strbuf_init(&out, 8 * CSV_RECORD_MAX);
    if (columns_json(cols, c, &out, &p) == ERR_NONE && !out.overflow) {
        enum err e = json_parse(out.data, out.len, &d, NULL, 0);
        REQUIRE(e != ERR_NONE || json_type(json_root(d)) == JSON_OBJECT);
        json_free(&d);
    }
    strbuf_fini(&out);
}

static void note(struct seen *s, struct columns *cols, const struct csv *c, enum csv_event e)
{
    if (e == CSV_MORE)
        return;
    s->told++;
    REQUIRE(c->line > 0 && c->n_fields <= CSV_FIELDS_MAX);
    REQUIRE(e != CSV_BAD || c->problem);
    mix(s, &e, sizeof(e));
    mix(s, &c->line, sizeof(c->line));
    if (e != CSV_RECORD)
        return;
    take(s, c);
    as_target(cols, c);
}

static struct seen split_all(const char *p, size_t n, size_t step)
{
    struct csv c;
    struct columns cols = {.n = 0};
    struct seen seen = {.hash = 0};
    csv_init(&c);
    strbuf_init(&seen.again, 64u << 20);
    for (size_t at = 0, used; at < n; at += used) {
        size_t piece = n - at < step ? n - at : step;
        enum csv_event e = csv_next(&c, p + at, piece, &used);
        REQUIRE(used > 0 && used <= piece);
        note(&seen, &cols, &c, e);
    }
    note(&seen, &cols, &c, csv_end(&c));
    REQUIRE(csv_end(&c) == CSV_MORE);
    csv_fini(&c);
    return seen;
}

/* However the bytes are cut the same comes out; and what came out reads back. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    struct seen all = split_all(p, size, size + 1), one = split_all(p, size, 1);
    REQUIRE(all.hash == one.hash && all.told == one.told && all.records == one.records);
    struct seen again = split_all(all.again.data, all.again.len, 7);
    REQUIRE(again.records == all.records && again.told == all.records);
    REQUIRE(again.again.len == all.again.len &&
            memcmp(again.again.data, all.again.data, all.again.len) == 0);
    strbuf_fini(&all.again);
    strbuf_fini(&one.again);
    strbuf_fini(&again.again);
    return 0;
}
