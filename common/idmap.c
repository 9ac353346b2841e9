/* SPDX-License-Identifier: MIT */
#include "common/idmap.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/mem.h"

#define FIRST_BITS 6
#define GROUP_BITS 3
#define GOLDEN     UINT64_C(0x9e3779b97f4a7c15)

void idmap_init(struct idmap *m)
{
    *m = (struct idmap){.bits = FIRST_BITS};
    m->slots = mem_array((size_t)1 << m->bits, sizeof(*m->slots));
}

void idmap_fini(struct idmap *m)
{
    free(m->slots);
    *m = (struct idmap){0};
}

static size_t mask(const struct idmap *m)
{
    return ((size_t)1 << m->bits) - 1;
}

/* Where a key would be if nothing were in its way: its group by hash, in there by its last bits. */
static size_t home(const struct idmap *m, uint64_t key)
{
    uint64_t group = (key >> GROUP_BITS) * GOLDEN >> (64 - m->bits + GROUP_BITS);
    return (size_t)(group << GROUP_BITS | (key & ((1u << GROUP_BITS) - 1)));
}

/* The key's slot, or the free one that ends the search for it. */
static size_t probe(const struct idmap *m, uint64_t key)
{
    size_t i = home(m, key);
    while (m->slots[i].value != NULL && m->slots[i].key != key)
        i = (i + 1) & mask(m);
    return i;
}

void *idmap_find(const struct idmap *m, uint64_t key)
{
    return m->slots[probe(m, key)].value;
}

static void grow(struct idmap *m)
{
    struct idmap_slot *old = m->slots;
    size_t n = (size_t)1 << m->bits;
    m->bits++;
    m->slots = mem_array(2 * n, sizeof(*m->slots));
    for (size_t i = 0; i < n; i++)
        if (old[i].value != NULL)
            m->slots[probe(m, old[i].key)] = old[i];
    free(old);
}

void idmap_add(struct idmap *m, uint64_t key, void *value)
{
    REQUIRE(value != NULL);
    if (m->count >= (size_t)1 << (m->bits - 1))
        grow(m);
    struct idmap_slot *s = &m->slots[probe(m, key)];
    REQUIRE(s->value == NULL);
    *s = (struct idmap_slot){key, value};
    m->count++;
}

/* Whether the entry at `at` would still be found if `hole` were free: its home lies behind it. */
static bool may_stay(const struct idmap *m, size_t hole, size_t at)
{
    size_t from_home = (at - home(m, m->slots[at].key)) & mask(m);
    return from_home < ((at - hole) & mask(m));
}

/* No tombs: what follows in the run moves up. */
void idmap_remove(struct idmap *m, uint64_t key)
{
    size_t hole = probe(m, key);
    REQUIRE(m->slots[hole].value != NULL);
    for (size_t at = (hole + 1) & mask(m); m->slots[at].value != NULL; at = (at + 1) & mask(m)) {
        if (may_stay(m, hole, at))
            continue;
        m->slots[hole] = m->slots[at];
        hole = at;
    }
    m->slots[hole] = (struct idmap_slot){0};
    m->count--;
}

void *idmap_next(const struct idmap *m, size_t *at)
{
    void *value = NULL;
    while (value == NULL && *at <= mask(m))
        value = m->slots[(*at)++].value;
    return value;
}
