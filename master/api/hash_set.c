/* SPDX-License-Identifier: MIT */
#include "master/api/hash_set.h"
#include "common/mem.h"
#include "common/require.h"
#include <stdlib.h>

#define FIRST_CAP 64

void hash_set_init(struct hash_set *s, size_t max)
{
    *s = (struct hash_set){.max = max};
}

void hash_set_fini(struct hash_set *s)
{
    free(s->slots);
    s->slots = NULL;
}

static size_t place(const uint64_t *slots, size_t cap, uint64_t hash)
{
    size_t i = (hash ^ hash >> 32) & (cap - 1);
    while (slots[i] != 0 && slots[i] != hash)
        i = (i + 1) & (cap - 1);
    return i;
}

/* At most half full, so that a search is short and ends. */
static void grow(struct hash_set *s)
{
    size_t cap = s->cap ? 2 * s->cap : FIRST_CAP;
    uint64_t *slots = mem_array(cap, sizeof(*slots));
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i] != 0)
            slots[place(slots, cap, s->slots[i])] = s->slots[i];
    free(s->slots);
    s->slots = slots;
    s->cap = cap;
}

enum hash_set_answer hash_set_add(struct hash_set *s, uint64_t hash)
{
    hash = hash ? hash : 1;
    if (2 * (s->count + 1) > s->cap && !s->full)
        grow(s);
    REQUIRE(s->count < s->cap);
    size_t i = place(s->slots, s->cap, hash);
    if (s->slots[i] == hash)
        return HASH_SET_KNOWN;
    if (s->count == s->max) {
        s->full = true;
        return HASH_SET_FULL;
    }
    s->slots[i] = hash;
    s->count++;
    return HASH_SET_NEW;
}
