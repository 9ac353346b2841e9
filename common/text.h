/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"

/*
 * text - what peers wrote, made fit for a terminal: columns are counted as it shows them, and
 * nothing that it would obey reaches it.
 *
 * One thread. text_init() first: the widths come from libc's table of characters.
 */
#define TEXT_CELL_MAX 8192 /* bytes of one piece of foreign text; the rest is left out */

void text_init(void);

/* Columns that clean text takes: wide characters count two, combining ones none. */
size_t text_width(const char *s);

/* s as valid UTF-8 without control characters (nor those that turn the direction of writing). */
void text_clean(struct strbuf *out, const char *s);

/* Clean text in at most `width` columns: what is too long loses its middle to a "…". */
void text_cut_middle(struct strbuf *out, const char *s, size_t width);

/* The same, but the end is lost. */
void text_cut_end(struct strbuf *out, const char *s, size_t width);

/*
 * The whole of a clean text that begins in column `at`: what does not fit `width` goes on in column
 * `under` of the next lines, which break at blanks where they can. Width 0: one line.
 */
void text_wrap(struct strbuf *out, const char *s, size_t width, size_t at, size_t under);

/* n blanks. */
void text_pad(struct strbuf *out, size_t n);
