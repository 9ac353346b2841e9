/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * options - one table per program gives: YAML file, SONDE_* environment, argv, --help,
 * --print-config.
 *
 * Main thread, at start. Precedence: argv, then environment, then file, then the table's default.
 * The name in the file is the flag's without "--"; the environment name is SONDE_ + upper case with
 * '-' as '_'. An unknown key is an error with file, line and column; an unknown flag names the
 * nearest known one. Values are checked here, once. A stronger source replaces the whole list of a
 * weaker one; in the environment a list is separated by commas. An empty variable counts as unset.
 */
enum option_kind {
    OPT_FLAG,   /* bool */
    OPT_STRING, /* char *  (owned by options, NULL when unset and no default) */
    OPT_INT,    /* int64_t, min..max */
    OPT_LIST,   /* struct option_list: repeatable, or a YAML sequence */
    OPT_SECTION /* heading in --help; no value */
};
struct option_list {
    char **items;
    size_t count;
};
struct option {
    const char *name; /* "agents-listen" */
    char short_name;  /* 0 = none */
    enum option_kind kind;
    size_t offset;          /* of the field in the caller's struct */
    const char *value_name; /* "ADDR:PORT" in --help */
    const char *dflt;       /* as text, NULL = none */
    int64_t min, max;       /* OPT_INT */
    const char *help;
    bool secret;   /* --print-config shows "(set)" */
    bool cli_only; /* not in file and environment */
};
#define OPTION_FIELD(type, field) offsetof(type, field)

/* Fills *values (zeroed by the caller) with the table's defaults. */
struct options; /* owns the strings; lives as long as the values are used */
struct options *options_create(const struct option *table, size_t n, void *values);
void options_destroy(struct options **op);

/* The config file comes from --config in argv or SONDE_CONFIG. On error: one clear sentence in why.
 * positional (may be NULL when none are allowed) gets the other words, borrowed from argv, and its
 * count; "--" ends the flags. */
MUST_USE enum err options_load(struct options *o, int argc, char **argv, const char **positional,
                               size_t max_positional, size_t *n_positional, char *why,
                               size_t why_max);
/* Reads one YAML file only (for --check-config and tests). */
MUST_USE enum err options_load_file(struct options *o, const char *path, char *why, size_t why_max);

/* usage: the first line ("sonde-agent --master URL --name N [options]"). Width 80. */
void options_help(const struct options *o, const char *usage, FILE *to);
/* As YAML that options_load_file reads back. */
void options_print(const struct options *o, FILE *to);
