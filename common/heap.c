/* SPDX-License-Identifier: MIT */
#include "common/heap.h"

#include <stdlib.h>

#include "common/mem.h"
#include "common/require.h"

#define FIRST_CAP 16

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_fini(struct heap *h)
{
    free(h->nodes);
    *h = (struct heap){0};
}

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key != b->key ? a->key < b->key : a->seq < b->seq;
}

static void place(struct heap *h, struct heap_node *n, size_t pos)
{
    h->nodes[pos - 1] = n;
    n->pos = pos;
}

/* Both sifts move a hole at pos, and put n where it stops. */
static void sift_up(struct heap *h, struct heap_node *n, size_t pos)
{
    while (pos > 1 && before(n, h->nodes[pos / 2 - 1])) {
        place(h, h->nodes[pos / 2 - 1], pos);
        pos /= 2;
    }
    place(h, n, pos);
}

static void sift_down(struct heap *h, struct heap_node *n, size_t pos)
{
    for (size_t child; (child = pos * 2) <= h->count; pos = child) {
        if (child < h->count && before(h->nodes[child], h->nodes[child - 1]))
            child++;
        if (!before(h->nodes[child - 1], n))
            break;
        place(h, h->nodes[child - 1], pos);
    }
    place(h, n, pos);
}

void heap_insert(struct heap *h, struct heap_node *n, int64_t key)
{
    REQUIRE(n != NULL && !heap_linked(n));
    if (h->count == h->cap) {
        size_t cap = h->cap ? h->cap * 2 : FIRST_CAP;
        REQUIRE(cap <= SIZE_MAX / sizeof(struct heap_node *));
        h->nodes = mem_realloc(h->nodes, cap * sizeof(struct heap_node *));
        h->cap = cap;
    }
    n->key = key;
    n->seq = h->next_seq++;
    sift_up(h, n, ++h->count);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    size_t pos = n->pos;
    REQUIRE(pos > 0 && pos <= h->count && h->nodes[pos - 1] == n);
    struct heap_node *last = h->nodes[--h->count];
    n->pos = 0;
    if (last == n)
        return;
    if (pos > 1 && before(last, h->nodes[pos / 2 - 1]))
        sift_up(h, last, pos);
    else
        sift_down(h, last, pos);
}

struct heap_node *heap_min(const struct heap *h)
{
    return h->count ? h->nodes[0] : NULL;
}
