/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>
#include <stdint.h>

/*
 * random - randomness at the edge; cores get theirs passed in.
 *
 * Any thread. random_bytes is getrandom(2). rng is a small seeded generator (xoshiro256**) for
 * jitter and simulation, owned by one thread, never for secrets.
 */
void random_bytes(void *p, size_t n);
uint64_t random_u64(void);

struct rng {
    uint64_t s[4];
};
void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* uniform in [0, bound), bound > 0 */
