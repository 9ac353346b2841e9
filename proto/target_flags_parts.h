/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "proto/target_flags.h"

/* target_flags_parts - what the files of target_flags share; only target_flags*.c include it. */
struct flag_writer {
    struct json_out out;
    const struct json_node *base; /* the object being added to; NULL = none */
    const char *flag;             /* whose value is written */
    enum err err;                 /* the first thing wrong, in why */
    char *why;
    size_t why_max;
};

/* "--FLAG …": only the first counts. */
void flag_fail(struct flag_writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Writes the value of a member. value: the field of struct target_flags; text: the constant. */
typedef void flag_put_f(struct flag_writer *w, const char *member, const void *value,
                        const char *text);
flag_put_f flag_put_text;         /* char *: as it is */
flag_put_f flag_put_number;       /* char *: a number if it is one, else text for the validator */
flag_put_f flag_put_constant;     /* bool: the constant, as JSON */
flag_put_f flag_put_file;         /* char *: what is in the file */
flag_put_f flag_put_text_or_file; /* char *: text, or @FILE */
flag_put_f flag_put_line;         /* char *: a line that may hold a secret, or @FILE */
flag_put_f flag_put_user;         /* char *: NAME:PASSWORD, or @FILE that holds it */
flag_put_f flag_put_bearer;       /* char *: the token, or @FILE */
flag_put_f flag_put_texts;        /* list */
flag_put_f flag_put_pairs;        /* list of "Name: value", joined with what base has */
flag_put_f flag_put_status;       /* list of "200,2xx" */
flag_put_f flag_put_json;         /* list of PATH, PATH=VALUE, PATH~REGEX, !PATH */
