/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * heap - a binary min-heap of caller-owned nodes, keyed by (key, order of insertion).
 *
 * Owned by one thread. Insert and remove are O(log n); a zeroed node is "in no heap". Equal keys
 * leave in the order in which they entered.
 */
struct heap_node {
    int64_t key;
    uint64_t seq;
    size_t pos; /* 1-based; 0 = not in a heap */
};
struct heap {
    struct heap_node **nodes;
    size_t count, cap;
    uint64_t next_seq;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h); /* forgets the nodes, which belong to the caller */
void heap_insert(struct heap *h, struct heap_node *n, int64_t key);
void heap_remove(struct heap *h, struct heap_node *n);
static inline bool heap_linked(const struct heap_node *n)
{
    return n->pos != 0;
}
/* The node with the smallest key, or NULL. */
struct heap_node *heap_min(const struct heap *h);
