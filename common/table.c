/* SPDX-License-Identifier: MIT */
#include "common/table.h"
#include "common/mem.h"
#include "common/require.h"
#include "common/text.h"
#include <stdint.h>
#include <stdlib.h>

#define GAP       2
#define NOTE_LEAD "    "
#define NOTHING   "-"
/* Without a width nothing is cut; a flexible column is then padded to this, and longer cells push
 * the rest. */
#define UNCUT_MAX 60

struct row {
    char *cells[TABLE_COLUMNS_MAX];
    char *note;
    size_t toned;
    enum table_tone tone;
};

struct table {
    const struct table_column *columns;
    size_t n_columns;
    struct row *rows;
    size_t n_rows, room;
};

/* What is shown of each column: 0 = left out. */
struct layout {
    size_t width[TABLE_COLUMNS_MAX];
};

struct table *table_create(const struct table_column *columns, size_t n)
{
    REQUIRE(columns != NULL && n > 0 && n <= TABLE_COLUMNS_MAX);
    struct table *t = mem_zalloc(sizeof(*t));
    t->columns = columns;
    t->n_columns = n;
    return t;
}

void table_destroy(struct table **tp)
{
    struct table *t = *tp;
    if (!t)
        return;
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++)
            free(t->rows[r].cells[c]);
        free(t->rows[r].note);
    }
    free(t->rows);
    free(t);
    *tp = NULL;
}

static char *clean_copy(const char *s)
{
    struct strbuf b;
    size_t len;
    strbuf_init(&b, 4 * TEXT_CELL_MAX);
    text_clean(&b, s);
    return strbuf_take(&b, &len);
}

void table_row(struct table *t, const char *const *cells, size_t toned, enum table_tone tone)
{
    REQUIRE(toned < t->n_columns);
    if (t->n_rows == t->room) {
        t->room = t->room ? 2 * t->room : 32;
        t->rows = mem_realloc(t->rows, t->room * sizeof(*t->rows));
    }
    struct row *r = &t->rows[t->n_rows++];
    *r = (struct row){.toned = toned, .tone = tone};
    for (size_t c = 0; c < t->n_columns; c++)
        r->cells[c] = clean_copy(cells[c] && cells[c][0] ? cells[c] : NOTHING);
}

void table_note(struct table *t, const char *text)
{
    REQUIRE(t->n_rows > 0 && t->rows[t->n_rows - 1].note == NULL);
    t->rows[t->n_rows - 1].note = clean_copy(text);
}

/* ---- layout */

static void measure(const struct table *t, struct layout *l)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        l->width[c] = text_width(t->columns[c].title);
        for (size_t r = 0; r < t->n_rows; r++) {
            size_t w = text_width(t->rows[r].cells[c]);
            l->width[c] = w > l->width[c] ? w : l->width[c];
        }
    }
}

static size_t whole_width(const struct table *t, const struct layout *l)
{
    size_t sum = 0;
    for (size_t c = 0; c < t->n_columns; c++)
        if (l->width[c] > 0)
            sum += l->width[c] + (sum > 0 ? GAP : 0);
    return sum;
}

/* The widest flexible column that can still give; SIZE_MAX when none can. */
static size_t widest_flexible(const struct table *t, const struct layout *l)
{
    size_t best = SIZE_MAX;
    for (size_t c = 0; c < t->n_columns; c++) {
        unsigned least = t->columns[c].least;
        if (least > 0 && l->width[c] > least && (best == SIZE_MAX || l->width[c] > l->width[best]))
            best = c;
    }
    return best;
}

static size_t first_to_drop(const struct table *t, const struct layout *l)
{
    size_t best = SIZE_MAX;
    for (size_t c = 0; c < t->n_columns; c++)
        if (l->width[c] > 0 && t->columns[c].drop > 0 &&
            (best == SIZE_MAX || t->columns[c].drop > t->columns[best].drop))
            best = c;
    return best;
}

/* What the table takes when every flexible column is at its least. */
static size_t least_width(const struct table *t, const struct layout *l)
{
    struct layout tight = *l;
    for (size_t c = 0; c < t->n_columns; c++) {
        unsigned least = t->columns[c].least;
        if (least > 0 && tight.width[c] > least)
            tight.width[c] = least;
    }
    return whole_width(t, &tight);
}

static void fit(const struct table *t, struct layout *l, size_t width)
{
    size_t c;
    while (least_width(t, l) > width && (c = first_to_drop(t, l)) != SIZE_MAX)
        l->width[c] = 0;
    while (whole_width(t, l) > width && (c = widest_flexible(t, l)) != SIZE_MAX)
        l->width[c]--;
}

static void relax(const struct table *t, struct layout *l)
{
    for (size_t c = 0; c < t->n_columns; c++)
        if (t->columns[c].least > 0 && l->width[c] > UNCUT_MAX)
            l->width[c] = UNCUT_MAX;
}

/* ---- printing */

const char *table_tone_begin(enum table_tone tone)
{
    static const char *const escapes[] = {[TONE_PLAIN] = "",
                                          [TONE_GOOD] = "\x1b[32m",
                                          [TONE_BAD] = "\x1b[31m",
                                          [TONE_WARN] = "\x1b[33m",
                                          [TONE_DIM] = "\x1b[2m"};
    return escapes[tone];
}

static void put_toned(struct strbuf *out, const char *text, enum table_tone tone)
{
    const char *begin = table_tone_begin(tone);
    strbuf_puts(out, begin);
    strbuf_puts(out, text);
    strbuf_puts(out, *begin ? TONE_END : "");
}

static void put_cell(struct strbuf *out, const struct table_column *col, const char *text,
                     size_t width, bool uncut, enum table_tone tone)
{
    struct strbuf shown;
    strbuf_init(&shown, 4 * TEXT_CELL_MAX);
    if (uncut)
        strbuf_puts(&shown, text);
    else
        text_cut_middle(&shown, text, width);
    size_t used = text_width(shown.data), blanks = used < width ? width - used : 0;
    if (col->right)
        text_pad(out, blanks);
    put_toned(out, shown.data, tone);
    if (!col->right)
        text_pad(out, blanks);
    strbuf_fini(&shown);
}

static void trim(struct strbuf *out)
{
    size_t n = out->len;
    while (n > 0 && out->data[n - 1] == ' ')
        n--;
    strbuf_truncate(out, n);
    strbuf_putc(out, '\n');
}

/* r NULL: the titles. */
static void put_row(const struct table *t, const struct layout *l, const struct row *r,
                    const struct table_style *style, struct strbuf *out)
{
    bool first = true;
    for (size_t c = 0; c < t->n_columns; c++) {
        if (l->width[c] == 0)
            continue;
        enum table_tone tone = !r ? TONE_DIM : c == r->toned ? r->tone : TONE_PLAIN;
        text_pad(out, first ? 0 : GAP);
        put_cell(out, &t->columns[c], r ? r->cells[c] : t->columns[c].title, l->width[c],
                 style->width == 0, style->colour ? tone : TONE_PLAIN);
        first = false;
    }
    trim(out);
}

static void put_note(const struct row *r, const struct table_style *style, struct strbuf *out)
{
    struct strbuf shown;
    size_t lead = strlen(NOTE_LEAD);
    strbuf_init(&shown, 4 * TEXT_CELL_MAX);
    if (style->width > lead)
        text_cut_end(&shown, r->note, style->width - lead);
    else
        strbuf_puts(&shown, r->note);
    strbuf_puts(out, NOTE_LEAD);
    put_toned(out, shown.data, style->colour ? TONE_DIM : TONE_PLAIN);
    strbuf_putc(out, '\n');
    strbuf_fini(&shown);
}

void table_print(const struct table *t, const struct table_style *style, struct strbuf *out)
{
    struct layout l;
    measure(t, &l);
    if (style->width > 0)
        fit(t, &l, style->width);
    else
        relax(t, &l);
    put_row(t, &l, NULL, style, out);
    for (size_t r = 0; r < t->n_rows; r++) {
        put_row(t, &l, &t->rows[r], style, out);
        if (t->rows[r].note)
            put_note(&t->rows[r], style, out);
    }
}
