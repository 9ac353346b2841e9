/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "common/clock.h"

/*
 * ages - how old sessions were when they ended, and whether the ages pile up at one value: then
 * something between that counts time ends them, which is a proxy's time-out.
 *
 * Pure; owned by one thread. The last AGES_KEPT of the last AGES_WINDOW_MS are looked at: only ends
 * that a proxy could have made belong here. Ends of one moment are one event (a proxy that
 * restarts, a cable that is pulled), so a pile needs AGES_MOMENTS of them.
 */
#define AGES_KEPT       64
#define AGES_WINDOW_MS  (24 * 3600 * 1000ll)
#define AGES_LEAST      5    /* sessions in a pile … */
#define AGES_PERCENT    60   /* … which hold this much of all */
#define AGES_NEAR_MS    1000 /* as near as this … */
#define AGES_NEAR_PART  50   /* … or a 50th, which is 2 % */
#define AGES_YOUNG_MS   2000 /* younger ones failed at their start, whatever did it */
#define AGES_MOMENT_MS  2000
#define AGES_MOMENTS    3
#define AGES_SILENCE_MS (3600 * 1000ll) /* one value is told at most so often */
#define AGES_TOLD       8               /* values that are remembered as told */

struct ages_pile {
    unsigned n, of;
    int64_t age_ms, near_ms;
};
struct ages {
    struct {
        int64_t age_ms;
        struct mono ended;
    } kept[AGES_KEPT];
    unsigned n, next;
    struct {
        int64_t age_ms;
        struct mono at;
    } told[AGES_TOLD];
    unsigned n_told;
};

/* Do they pile up now, told or not; out->of is set in any case. */
bool ages_look(const struct ages *a, struct mono now, struct ages_pile *out);

/* Zeroed is empty. True: the ages pile up, at out->age_ms, and nobody was told within the hour. */
bool ages_add(struct ages *a, int64_t age_ms, struct mono now, struct ages_pile *out);
