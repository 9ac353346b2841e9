/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/require.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * list - doubly linked, intrusive: the node lives in its owner's struct and nothing is allocated.
 *
 * A zeroed node is "in no list"; list_remove zeroes it again, so list_linked() answers at any time.
 */
struct list_node {
    struct list_node *prev, *next;
};
struct list {
    struct list_node head;
    size_t count;
};

static inline void list_init(struct list *l)
{
    l->head.prev = l->head.next = &l->head;
    l->count = 0;
}
static inline bool list_empty(const struct list *l)
{
    return l->count == 0;
}
static inline bool list_linked(const struct list_node *n)
{
    return n->next != NULL;
}
static inline void list_insert_after(struct list *l, struct list_node *at, struct list_node *n)
{
    REQUIRE(!list_linked(n));
    n->prev = at;
    n->next = at->next;
    at->next->prev = n;
    at->next = n;
    l->count++;
}
static inline void list_push_back(struct list *l, struct list_node *n)
{
    list_insert_after(l, l->head.prev, n);
}
static inline void list_push_front(struct list *l, struct list_node *n)
{
    list_insert_after(l, &l->head, n);
}
static inline void list_remove(struct list *l, struct list_node *n)
{
    REQUIRE(list_linked(n) && l->count > 0);
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->prev = n->next = NULL;
    l->count--;
}
static inline struct list_node *list_first(const struct list *l)
{
    return l->count ? l->head.next : NULL;
}
static inline struct list_node *list_last(const struct list *l)
{
    return l->count ? l->head.prev : NULL;
}
static inline struct list_node *list_next(const struct list *l, const struct list_node *n)
{
    return n->next == &l->head ? NULL : n->next;
}
static inline struct list_node *list_pop_front(struct list *l)
{
    struct list_node *n = list_first(l);
    if (n)
        list_remove(l, n);
    return n;
}
/* Appends all of `from` to `to` and empties `from`: the "detach all under the lock" move. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (from->count == 0)
        return;
    from->head.next->prev = to->head.prev;
    to->head.prev->next = from->head.next;
    from->head.prev->next = &to->head;
    to->head.prev = from->head.prev;
    to->count += from->count;
    list_init(from);
}

#define LIST_EACH(l, n) for (struct list_node *n = list_first(l); n; n = list_next((l), n))
/* n may be removed (and freed) in the body. */
#define LIST_EACH_SAFE(l, n, tmp)                                                                  \
    for (struct list_node *n = list_first(l), *tmp = n ? list_next((l), n) : NULL; n;              \
         n = tmp, tmp = n ? list_next((l), n) : NULL)
