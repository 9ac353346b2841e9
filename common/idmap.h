/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>
#include <stdint.h>

/*
 * idmap - from 64-bit numbers to pointers: a table with linear probing, at most half full.
 *
 * One thread. Eight numbers that follow one another share two lines of the cache, so that tasks,
 * which are numbered densely and handled in turn, find their neighbours' entries warm. Grows by
 * doubling and never shrinks: it is bounded by what its owner lets in. Numbers of the owner's own,
 * or hashes: whoever chooses them freely can make one long run of them.
 */
struct idmap_slot {
    uint64_t key;
    void *value; /* NULL: free */
};
struct idmap {
    struct idmap_slot *slots;
    unsigned bits; /* 2^bits slots */
    size_t count;
};

void idmap_init(struct idmap *m);
void idmap_fini(struct idmap *m); /* whatever is in it stays its owner's */

void *idmap_find(const struct idmap *m, uint64_t key);      /* NULL: not there */
void idmap_add(struct idmap *m, uint64_t key, void *value); /* the key is not there yet */
void idmap_remove(struct idmap *m, uint64_t key);           /* the key is there */
/* All of them in no order, from *at = 0 on; NULL: that was the last. Nothing comes or goes between.
 */
void *idmap_next(const struct idmap *m, size_t *at);
