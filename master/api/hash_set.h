/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* hash_set - a set of 64-bit hashes with a bound: once full it only knows what it has. Pure; owned
 * by one thread. */
struct hash_set {
    uint64_t *slots; /* 0 = free */
    size_t cap, count, max;
    bool full;
};
enum hash_set_answer { HASH_SET_NEW, HASH_SET_KNOWN, HASH_SET_FULL };
void hash_set_init(struct hash_set *s, size_t max);
void hash_set_fini(struct hash_set *s);
enum hash_set_answer hash_set_add(struct hash_set *s, uint64_t hash);
