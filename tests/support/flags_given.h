/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mem.h"
#include "proto/target_flags.h"
#include "tests/support/check_main.h"
#include <stdlib.h>

/* flags_given - the flags of a target read from words, as a program reads them. */
struct flags_given {
    struct target_flags f;
    struct option *table;
    struct options *owner;
    const char *target; /* NULL: no word was one */
};

/* words end with NULL. */
static inline void flags_give(struct flags_given *g, const char *const *words)
{
    size_t n = 0, n_targets = 0;
    char why[256] = "";
    *g = (struct flags_given){.target = NULL};
    g->table = mem_array(TARGET_FLAGS_MAX, sizeof(*g->table));
    size_t n_options = target_flags_options(g->table, TARGET_FLAGS_MAX, 0);
    g->owner = options_create(g->table, n_options, &g->f);
    while (words[n] != NULL)
        n++;
    char **argv = mem_array(n + 1, sizeof(*argv));
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = (char *)words[i];
    enum err e =
        options_load(g->owner, (int)n + 1, argv, &g->target, 1, &n_targets, why, sizeof(why));
    ck_assert_msg(e == ERR_NONE, "%s", why);
    free(argv);
}

static inline void flags_drop(struct flags_given *g)
{
    options_destroy(&g->owner);
    free(g->table);
}
