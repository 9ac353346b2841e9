/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * near - which of the known names was probably meant by one that is not known.
 *
 * Pure; a value. A name is near when at most a third of the word's letters would have to change;
 * the first of the nearest ones wins. Words over NEAR_WORD_MAX bytes are near to nothing.
 */
#define NEAR_WORD_MAX 64

struct near {
    const char *word, *best; /* best NULL: none of those offered is near */
    unsigned limit;
};
void near_init(struct near *x, const char *word);
/* Both are borrowed. */
void near_offer(struct near *x, const char *name);
