/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/cidr.h"
#include <stdbool.h>

/*
 * lookup - one name resolved by the system's resolver on a thread of its own, so that the loop
 * never waits for it.
 *
 * Belongs to its owner's thread; `wake` alone runs on the lookup's. Bounded by LOOKUP_MAX addresses
 * and one thread per lookup. The owner may leave at any time: a lookup under way then ends by
 * itself, unseen.
 */
#define LOOKUP_MAX 8
struct lookup;
struct lookup_result {
    struct ip ips[LOOKUP_MAX];
    unsigned n;
    char problem[128]; /* "" when n > 0 */
};

struct lookup *lookup_start(const char *host, void (*wake)(void *arg),
                            void *arg); /* NULL: no thread to be had */
/* False: not yet. True: out is filled, and the lookup is gone (*lp is NULL). */
bool lookup_take(struct lookup **lp, struct lookup_result *out);
void lookup_abandon(struct lookup **lp);
