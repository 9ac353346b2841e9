/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdarg.h>
#include "common/options.h"

/* options_impl - what options*.c share; nobody else includes it. */

enum option_source { SOURCE_NONE, SOURCE_DEFAULT, SOURCE_FILE, SOURCE_ENV, SOURCE_ARGV };

struct options {
    const struct option *table;
    size_t n;
    char *values;
    enum option_source *source; /* where each value came from */
};

/* Where an error goes. */
struct options_why {
    char *text;
    size_t max;
};
enum err options_fail(struct options_why *why, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static inline void *options_field(const struct options *o, size_t i)
{
    return o->values + o->table[i].offset;
}

/* Index of the option, or o->n. */
size_t options_find(const struct options *o, const char *name, bool from_argv);
/* The name most like this one, or NULL when none is near. */
const char *options_nearest(const struct options *o, const char *name, bool from_argv);
/*
 * Checks the text and stores it, unless a stronger source has spoken. A list grows by calls from
 * one source and starts anew with a stronger one. subject: how the error names it ("--slots",
 * "SONDE_SLOTS", "FILE:3:8: slots").
 */
enum err options_set(struct options *o, size_t i, enum option_source from, const char *text,
                     const char *subject, struct options_why *why);
