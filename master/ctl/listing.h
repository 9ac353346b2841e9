/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/ctl.h"
#include "common/node.h"
#include "common/table.h"

/*
 * listing - objects of the master as rows: a table for people, CSV or NDJSON for programs, from one
 * description of the columns.
 *
 * One thread. An absent figure is "-" in a table and empty in CSV, never 0.
 */
enum cell_kind {
    CELL_TEXT,
    CELL_COUNT,
    CELL_MS,     /* milliseconds, as such */
    CELL_AGE_MS, /* milliseconds, as a duration */
    CELL_BYTES,
    CELL_WHEN,   /* RFC 3339: shown to the second */
    CELL_SHORT,  /* the beginning of an id */
    CELL_ANSWER, /* of a result: its cause, or the status or rcode that it got */
    CELL_OWN     /* what `own` writes, in a table and in CSV */
};

struct list_column {
    struct table_column head;
    const char *path; /* its last member is the name in CSV */
    enum cell_kind kind;
};

struct list_kind {
    const struct list_column *columns;
    size_t n_columns, toned;
    enum table_tone (*tone)(const struct json_node *row);
    void (*own)(const struct json_node *row, const char *path, struct strbuf *out);
    void (*note)(const struct json_node *row, struct strbuf *out); /* NULL, or leaves out empty */
};

struct listing {
    const struct list_kind *kind;
    enum form form;
    struct table_column heads[TABLE_COLUMNS_MAX];
    struct table *table;
    struct strbuf out;
    size_t n_rows;
};
void listing_init(struct listing *l, const struct list_kind *kind, enum form form);
void listing_add(struct listing *l, const struct json_node *row);
/* Prints to standard output and frees. ERR_IO: it could not be written. */
MUST_USE enum err listing_finish(struct listing *l);
