/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "proto/limits.h"

/*
 * byte_window - how many bytes a receiver lets its peer have on the way: what came in the last
 * BYTE_WINDOW_MS, within BYTE_WINDOW_MIN and BYTE_WINDOW_MAX.
 *
 * Pure; of agents for tasks and of masters for results, one for each session. A path that carries
 * little thus never holds more than about two seconds of it, and a heartbeat waits no longer behind
 * it; one that carries much doubles its window with each round trip. It is a sum and no mean of
 * rates: what a path held back and gives in one moment (after a lost packet) counts as what it is.
 * A zeroed one is ready for use.
 */
#define BYTE_WINDOW_PARTS                                                                          \
    8 /* the oldest eighth is forgotten at once, so the sum is never too long */

struct byte_window {
    uint64_t part[BYTE_WINDOW_PARTS];
    unsigned at;        /* the newest part … */
    struct mono opened; /* … and since when it is that */
};

void byte_window_add(struct byte_window *w, uint64_t bytes, struct mono now);
uint64_t byte_window_size(struct byte_window *w, struct mono now);
