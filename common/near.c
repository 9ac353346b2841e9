/* SPDX-License-Identifier: MIT */
#include "common/near.h"
#include <string.h>

/* Of the letters of a word: one in so many may be wrong. */
#define NEAR_FRACTION 3

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein's; both at most NEAR_WORD_MAX long. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned row[NEAR_WORD_MAX + 1];
    size_t n = strlen(b);
    for (size_t j = 0; j <= n; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= n; j++) {
            unsigned above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

void near_init(struct near *x, const char *word)
{
    *x = (struct near){.word = word, .limit = (unsigned)strlen(word) / NEAR_FRACTION};
}

void near_offer(struct near *x, const char *name)
{
    if (strlen(x->word) > NEAR_WORD_MAX || strlen(name) > NEAR_WORD_MAX)
        return;
    unsigned d = edit_distance(x->word, name);
    if (d > x->limit || (d == x->limit && x->best != NULL))
        return;
    x->best = name;
    x->limit = d;
}
