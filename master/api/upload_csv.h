/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * upload_csv - splits bytes that still come into the records of a CSV text (RFC 4180), each at most
 * CSV_RECORD_MAX. Pure; owned by one thread.
 *
 * A record ends with '\n' or "\r\n", the last one with the body; a quoted field may hold both. A
 * byte order mark at the start is dropped, and so are empty lines. What is wrong with a record is
 * told once, and the next one begins at the next end of a line that no quotes hold.
 */
#define CSV_RECORD_MAX TASK_MAX_BYTES
#define CSV_FIELDS_MAX 64

/* CSV_OPEN, of csv_end() only: the body ended inside quotes, so what was taken for one field may be
 * many records. */
enum csv_event { CSV_MORE, CSV_RECORD, CSV_TOO_LONG, CSV_BAD, CSV_OPEN };
enum csv_state { CSV_BOM, CSV_START, CSV_BARE, CSV_QUOTED, CSV_CLOSED, CSV_RETURN };

struct csv {
    struct strbuf text; /* the fields of a record, each with a NUL behind it */
    struct csv_field {
        size_t off, len;
    } at[CSV_FIELDS_MAX];
    unsigned n_fields;
    size_t field_from; /* where the field under way begins */
    enum csv_state state;
    unsigned bom;        /* bytes of it seen */
    bool bare;           /* the record has nothing but one field that is not quoted, so far */
    bool told;           /* the record was handed out */
    const char *problem; /* of the record under way or told; NULL = none. One sentence. */
    uint64_t lines;      /* that have ended */
    uint64_t line;       /* on which the record begins, from 1 */
};
void csv_init(struct csv *c);
void csv_fini(struct csv *c);
/* *used: bytes of p that were gone through; less than n after a record. */
enum csv_event csv_next(struct csv *c, const char *p, size_t n, size_t *used);
enum csv_event csv_end(struct csv *c); /* the body is over: CSV_MORE when nothing is left */

/* Of the record told last, valid until the next call. Bytes may be anything, NUL too. */
static inline const char *csv_field(const struct csv *c, unsigned i, size_t *len)
{
    REQUIRE(i < c->n_fields);
    *len = c->at[i].len;
    return c->text.data + c->at[i].off;
}
