/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "common/strbuf.h"

/*
 * apply_file - a file of schedules and alert channels: YAML or JSON, read and looked over.
 *
 * One thread. What a definition may hold is for the master to say; here is checked what the file
 * adds: its own members, that each schedule has a name, once, and one owner. Everything that is
 * wrong is said with file, line and column.
 */
struct yaml_marks;

struct apply_file {
    const char *name;         /* borrowed; as given, for messages */
    struct strbuf text, json; /* json is empty when text is JSON itself */
    struct yaml_marks *marks; /* of YAML */
    struct json_doc *doc;
    const char *owner;                          /* NULL: not given */
    const struct json_node *schedules, *alerts; /* NULL: not given */
};

/* "-" is standard input. An exit code; what is wrong has been said. The struct is freed with
 * apply_file_fini() in any case. */
int apply_file_read(struct apply_file *f, const char *name);
/* Its two halves: parse what is in f->text; why: "LINE:COLUMN: sentence". */
#define APPLY_WHY_MAX 512
void apply_file_init(struct apply_file *f, const char *name);
MUST_USE enum err apply_file_parse(struct apply_file *f, char why[APPLY_WHY_MAX]);
void apply_file_fini(struct apply_file *f);

/* "LINE:COLUMN" of the part of n that field names ("targets[17].expect"), as far as it is there.
 * Returns buf. */
#define APPLY_WHERE_MAX 48
const char *apply_file_where(const struct apply_file *f, const struct json_node *n,
                             const char *field, char buf[APPLY_WHERE_MAX]);

/* A file of one object, such as an alert channel, as JSON text; no longer than out's ceiling. An
 * exit code; what is wrong has been said. */
int apply_file_object(const char *name, struct strbuf *out);
