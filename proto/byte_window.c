/* SPDX-License-Identifier: MIT */
#include "proto/byte_window.h"
#include "common/require.h"
#include <string.h>

#define PART_MS (BYTE_WINDOW_MS / BYTE_WINDOW_PARTS)

/* The part of this moment is the newest; those that are too old are empty. */
static void advance(struct byte_window *w, struct mono now)
{
    int64_t steps = mono_diff_ms(now, w->opened) / PART_MS;
    REQUIRE(w->at < BYTE_WINDOW_PARTS && steps >= 0);
    if (steps >= BYTE_WINDOW_PARTS) { /* also the first time: it was never opened */
        memset(w->part, 0, sizeof(w->part));
        w->opened = now;
        return;
    }
    w->opened = mono_add_ms(w->opened, steps * PART_MS);
    while (steps-- > 0) {
        w->at = (w->at + 1) % BYTE_WINDOW_PARTS;
        w->part[w->at] = 0;
    }
}

void byte_window_add(struct byte_window *w, uint64_t bytes, struct mono now)
{
    advance(w, now);
    w->part[w->at] += bytes;
}

uint64_t byte_window_size(struct byte_window *w, struct mono now)
{
    uint64_t sum = 0;
    advance(w, now);
    for (unsigned i = 0; i < BYTE_WINDOW_PARTS; i++)
        sum += w->part[i];
    if (sum < BYTE_WINDOW_MIN)
        return BYTE_WINDOW_MIN;
    return sum > BYTE_WINDOW_MAX ? BYTE_WINDOW_MAX : sum;
}
