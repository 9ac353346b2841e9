/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/ctl.h"
#include <stdio.h>

/* args - the verbs and their flags: one table gives parsing, usage and help. */
typedef int verb_run_f(struct ctl *c);

struct verb {
    const char *word;     /* or two, of which the first is its group: "schedule list" */
    const char *operands; /* as in its usage line */
    size_t least, most;   /* how many of them */
    const char *summary;
    const char *about; /* what its help adds; NULL: nothing */
    unsigned bit;
    verb_run_f *run;
};

/*
 * Fills c from argv and the environment; c is zeroed by the caller and freed with args_fini() also
 * after a failure. c->verb is NULL when only --help or --version was given, maybe of c->group.
 */
MUST_USE enum err args_parse(struct ctl *c, int argc, char **argv, char *why, size_t why_max);
void args_fini(struct ctl *c);

const struct verb *args_find(const char *word); /* NULL: there is no such verb */
/* Of a verb, of a group, or of all (NULL); false: there is no such verb. */
bool args_help(const char *word, FILE *to);
MUST_USE enum err args_form(const char *word, enum form *out);
