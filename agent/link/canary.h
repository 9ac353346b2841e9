/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/health/vitals.h"
#include "agent/run/pool.h"

/*
 * canary - what an agent asks when it doubts itself: targets that always answer.
 *
 * Link thread. A canary is a probe like any other, run by the same pool; that it answers at all is
 * what counts, an error of HTTP or DNS is an answer too. It names an address, so that it does not
 * depend on the resolver, or is a DNS question without a server: then it is the resolver's. At most
 * CANARIES_MAX; each is under way at most once.
 */
#define CANARIES_MAX 8

struct canary {
    char *text;
    enum vital vital;
};
struct canaries {
    struct canary list[CANARIES_MAX];
    unsigned n;
    unsigned pending[VITALS];             /* under way */
    bool answered[VITALS], asked[VITALS]; /* one of those of the round did; was asked */
};

/* What is wrong with it goes to why, as one sentence. */
MUST_USE enum err canary_check(const char *text, enum vital *vital, char *why, size_t why_max);

/* texts were checked. Without one for the resolver, the NS of the root are asked of it. */
void canaries_init(struct canaries *c, const char *const *texts, unsigned n);
void canaries_fini(struct canaries *c);
unsigned canaries_covered(const struct canaries *c); /* 1 << vital for each that has one */

/* Gives those of a vital to the pool, which must have places for them all. */
void canaries_start(struct canaries *c, struct pool *p, enum vital vital, struct mono now);

/* Is this ended job a canary's? Then *vital is whose; over: it was the last of its round, and
 * c->asked and c->answered tell what came of it. The job stays the caller's. */
bool canaries_take(struct canaries *c, const struct job *j, enum vital *vital, bool *over);
