/* SPDX-License-Identifier: MIT */
#include "common/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "common/require.h"

void random_bytes(void *p, size_t n)
{
    REQUIRE(p != NULL || n == 0);
    unsigned char *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        REQUIRE(got > 0 || errno == EINTR);
        if (got <= 0)
            continue;
        at += got;
        n -= (size_t)got;
    }
}

uint64_t random_u64(void)
{
    uint64_t v;
    random_bytes(&v, sizeof(v));
    return v;
}

/* splitmix64: spreads a small seed over the whole state, which must not be all zero. */
static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_LEN(r->s); i++)
        r->s[i] = splitmix(&seed);
}

static uint64_t rotl(uint64_t x, unsigned k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    REQUIRE(bound > 0);
    /* The first 2^64 mod bound values would make small results likelier. */
    uint64_t skip = -bound % bound;
    uint64_t v;
    do {
        v = rng_next(r);
    } while (v < skip);
    return v % bound;
}
