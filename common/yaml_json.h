/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "common/strbuf.h"
#include <stdbool.h>

/*
 * yaml_json - a YAML document as the JSON that it means, so that what reads JSON reads YAML, too.
 *
 * Pure; one thread. It is the part of YAML 1.2 that JSON can hold, and stricter where people are
 * caught: yes, no, on and off are texts; what looks like a number but is none to JSON (007, +1,
 * 0x1F, .inf) is refused, not guessed; so are names given twice, anchors and aliases, tags, and
 * several documents. Depth is at most JSON_DEPTH_MAX. JSON itself passes, but for surrogate pairs
 * in its escapes.
 */
#define YAML_WHY_MAX 256

/* Where each value of the JSON stands in the YAML. */
struct yaml_marks;

/* ERR_INVALID: why is "LINE:COLUMN: sentence", and out holds a part. ERR_TOO_BIG: over out's
 * ceiling. marks may be NULL. */
MUST_USE enum err yaml_to_json(const char *text, size_t len, struct strbuf *out,
                               struct yaml_marks **marks, char why[YAML_WHY_MAX]);

/* The value that begins at this byte of the JSON; from 1 on. False: none does. */
bool yaml_marks_find(const struct yaml_marks *m, size_t at, size_t *line, size_t *column);
void yaml_marks_free(struct yaml_marks **mp);
