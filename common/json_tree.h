/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/json.h"

/*
 * json_tree - a document in memory: its nodes, and a copy of its text that they point into; only
 * json*.c use it.
 *
 * json_scan fills it while it checks the text. What is enough for most texts comes as one piece of
 * memory; more follows in pieces when there are more values. A document belongs to one thread.
 */
struct json_node {
    struct json_node *next;
    const char *key; /* NULL: no member */
    union {
        const char *text; /* of a string, decoded and terminated; of a number: its first byte */
        struct json_node *child;
        bool truth;
    };
    uint32_t at, len; /* of its bytes in the text that was parsed */
    uint32_t key_hash;
    enum json_type type;
};

struct json_piece;
struct json_doc {
    struct json_node *root;
    struct json_node *next, *end; /* nodes that are free */
    struct json_piece *pieces;
    char *text; /* terminated, for numbers are read from it */
};

#define JSON_TEXT_MAX UINT32_MAX /* at and len hold no more */

/* NULL: no memory. */
struct json_doc *json_tree_create(const char *text, size_t len);
void json_tree_destroy(struct json_doc **dp);
/* Uninitialised; NULL: no memory. */
struct json_node *json_tree_add(struct json_doc *d);
