/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "master/api/upload_csv.h"

/*
 * upload_columns - what the columns of a CSV upload mean: the header row by its names, and each
 * later record as the JSON of its target. Pure; owned by one thread.
 *
 * A column is `url` or `target` (http, https or dns, one of the two must be there), or an option of
 * a target by its name. An empty cell gives nothing; `headers`, `auth` and `expect` hold JSON.
 */
struct columns {
    const struct column *of[CSV_FIELDS_MAX];
    unsigned n;            /* 0 = no header yet */
    unsigned target, type; /* their places; type CSV_FIELDS_MAX = there is none */
};

struct columns_problem {
    const char *code;
    char detail[JSON_PROBLEM_MAX];
};
/* The record told last is the header. ERR_INVALID: one sentence, and c as it was. */
MUST_USE enum err columns_take(struct columns *c, const struct csv *header,
                               struct columns_problem *p);
/* The record told last as an object for target_from_json(), appended to out. */
MUST_USE enum err columns_json(const struct columns *c, const struct csv *record,
                               struct strbuf *out, struct columns_problem *p);
