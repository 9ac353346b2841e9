/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include <stdbool.h>

/*
 * table - rows of text laid out to fit a terminal.
 *
 * One thread. Cells are cleaned and copied. When the width does not suffice, flexible columns
 * shrink to their least width first, then the columns with the highest `drop` are left out.
 */
#define TABLE_COLUMNS_MAX 16

struct table_column {
    const char *title;
    bool right;     /* numbers */
    unsigned least; /* > 0: flexible, may shrink to this; its cells lose their middle */
    unsigned drop;  /* 0: never left out */
};

/* Colours of a cell; used only when the table is printed with colours. */
enum table_tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_WARN, TONE_DIM };

struct table_style {
    size_t width; /* 0: as wide as it gets */
    bool colour;
};

struct table;
/* The columns are borrowed and outlive the table. */
struct table *table_create(const struct table_column *columns, size_t n);
void table_destroy(struct table **tp);

/* cells: one each column, NULL or "" shows "-". tone colours the column `toned`. */
void table_row(struct table *t, const char *const *cells, size_t toned, enum table_tone tone);

/* A line under the last row, over the whole width. */
void table_note(struct table *t, const char *text);

void table_print(const struct table *t, const struct table_style *style, struct strbuf *out);

/* The escape that begins a tone, "" for plain; TONE_END ends each. */
const char *table_tone_begin(enum table_tone tone);
#define TONE_END "\x1b[0m"
