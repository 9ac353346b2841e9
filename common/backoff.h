/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>

/*
 * backoff - full-jitter exponential backoff: delay = random in [0, min(cap, base·2^n)], never under
 * floor.
 *
 * Pure: the caller gives the random number. Owned by one thread.
 */
struct backoff {
    int64_t base_ms, cap_ms, floor_ms;
    unsigned failures;
};

void backoff_init(struct backoff *b, int64_t base_ms, int64_t cap_ms, int64_t floor_ms);
void backoff_reset(struct backoff *b);

/* Counts one more failure and returns the delay before the next try. random: 64 uniform bits. */
int64_t backoff_next_ms(struct backoff *b, uint64_t random);
/* The same for one that shall not wait longer than most_ms: drawn from that window, and not cut to
 * its end, where all who are cut would meet. */
int64_t backoff_next_within_ms(struct backoff *b, int64_t most_ms, uint64_t random);
