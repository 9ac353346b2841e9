/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "proto/end.h"

/*
 * cuts - how sessions of one agent ended lately, other than by its own leave: how many in an hour
 * and in a day, and of what.
 *
 * Pure; zeroed is empty. The newest CUTS_KEPT are remembered: with more than that in a day the
 * count of the day is a lower bound, and it is no agent that is well.
 */
#define CUTS_KEPT    64
#define CUTS_CAUSES  4 /* told of them, the most frequent */
#define CUTS_HOUR_MS (3600 * 1000ll)
#define CUTS_DAY_MS  (24 * CUTS_HOUR_MS)

struct cuts {
    struct mono at[CUTS_KEPT];
    uint8_t cause[CUTS_KEPT]; /* enum end */
    unsigned n, next;
};
struct cuts_sum {
    unsigned hour, day;
    bool more; /* older ones of this day are not remembered */
    struct {
        enum end cause;
        unsigned n;
    } causes[CUTS_CAUSES]; /* of the day, the most frequent first; END_NONE: no more */
};

void cuts_add(struct cuts *c, enum end cause, struct mono now);
void cuts_sum(const struct cuts *c, struct mono now, struct cuts_sum *out);
