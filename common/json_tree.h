/* SPDX-License-Identifier: MIT */
#pragma once
#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>
#include "common/json.h"

/*
 * json_tree - a cJSON document in memory: its nodes, and a copy of its text that their strings
 * point into; only json*.c and their tests use it.
 *
 * json_scan fills it while it checks the text. What is enough for most texts comes as one piece of
 * memory; more follows in pieces when there are more values. A document belongs to one thread.
 * All of cJSON that only reads works on the items. Neither a node nor a string is a piece of
 * memory of its own, so a document is never given to cJSON_Delete, nor changed by cJSON: every
 * string and container is marked as a reference, every name as constant.
 */
struct json_node {
    cJSON item;       /* the first: nodes are found by their items */
    uint32_t at, len; /* of its bytes in the text that was parsed */
    uint32_t key_hash;
};
_Static_assert(offsetof(struct json_node, item) == 0, "an item is where its node is");

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
/* All zero; NULL: no memory. */
struct json_node *json_tree_add(struct json_doc *d);

/* Of an item of a document; NULL of NULL. */
static inline struct json_node *json_tree_node(cJSON *item)
{
    return (struct json_node *)item;
}
