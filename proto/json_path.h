/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * json_path - names one place in a JSON text: a subset of RFC 9535 whose queries are singular.
 *
 *   $                 the root
 *   .name             a member: letters, digits, _ and what is not ASCII, no digit first
 *   ['name'] ["name"] a member of any name, with the escapes of RFC 9535
 *   [0] [-1]          an item from the front, or from the end
 *
 * No wildcard, slice, union, filter or descendant. Blanks may stand where RFC 9535 allows them.
 * Pure; a path is read-only once made. Bounds: limits.h.
 */
struct json_path;

/* ERR_INVALID: why says what is wrong and where. */
#define JSON_PATH_WHY_MAX 120
MUST_USE enum err json_path_parse(const char *text, struct json_path **out,
                                  char why[JSON_PATH_WHY_MAX]);
void json_path_destroy(struct json_path **pp);

/* A value as it stands in the text: `p` at its first byte. */
struct json_value {
    const char *p;
    size_t len;
};
/* The place in a text that json_walk_check() found good (w stands at its value). Of members with
 * the same name the first counts. False: there is none. */
struct json_walk;
bool json_path_find(const struct json_path *path, const struct json_walk *w,
                    struct json_value *out);
