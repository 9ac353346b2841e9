/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"

/*
 * pace - how long the last commits took. Pure; owned by one thread. Only what lies PACE_MS back at
 * most counts: a store that is asked for nothing is not slow.
 */
#define PACE_COMMITS 256
#define PACE_MS      10000

struct pace {
    struct {
        struct mono at;
        double ms;
    } last[PACE_COMMITS]; /* a ring */
    unsigned n, next;
};

void pace_add(struct pace *p, double ms, struct mono now);
/* 99 of 100 took no longer; of fewer than 100, none. 0 without commits. */
double pace_p99_ms(const struct pace *p, struct mono now);

/* The same for another thread, from what the owner last said: the percentile, when it was so, and
 * since when a commit is under way (unset: none is). One that has not ended yet took no less. */
int64_t pace_told_ms(int64_t p99_ms, struct mono at, struct mono since, struct mono now);
