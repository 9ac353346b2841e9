/* SPDX-License-Identifier: MIT */
#include "common/json_tree.h"
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

/* A task or a result has one value in 15 bytes. */
#define TEXT_A_NODE 12
#define NODES_LEAST 4
#define NODES_PIECE 256

struct json_piece {
    struct json_piece *next;
    struct json_node nodes[NODES_PIECE];
};

struct json_doc *json_tree_create(const char *text, size_t len)
{
    REQUIRE(len <= JSON_TEXT_MAX);
    size_t n = NODES_LEAST + (len < NODES_PIECE * TEXT_A_NODE ? len / TEXT_A_NODE : NODES_PIECE);
    size_t nodes = n * sizeof(struct json_node);
    struct json_doc *d = mem_try(sizeof(*d) + nodes + len + 1);
    if (d == NULL)
        return NULL;
    struct json_node *first = (struct json_node *)(d + 1);
    *d = (struct json_doc){.next = first, .end = first + n, .text = (char *)(first + n)};
    if (len > 0)
        memcpy(d->text, text, len);
    d->text[len] = '\0';
    return d;
}

void json_tree_destroy(struct json_doc **dp)
{
    struct json_doc *d = *dp;
    if (d == NULL)
        return;
    *dp = NULL;
    for (struct json_piece *p = d->pieces, *next; p != NULL; p = next) {
        next = p->next;
        free(p);
    }
    free(d);
}

static bool add_piece(struct json_doc *d)
{
    struct json_piece *p = mem_try(sizeof(*p));
    if (p == NULL)
        return false;
    p->next = d->pieces;
    d->pieces = p;
    d->next = p->nodes;
    d->end = p->nodes + NODES_PIECE;
    return true;
}

struct json_node *json_tree_add(struct json_doc *d)
{
    REQUIRE(d->next <= d->end);
    if (d->next == d->end && !add_piece(d))
        return NULL;
    struct json_node *n = d->next++;
    *n = (struct json_node){0};
    return n;
}
