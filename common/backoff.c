/* SPDX-License-Identifier: MIT */
#include "common/backoff.h"

#include <stdbool.h>

#include "common/require.h"

void backoff_init(struct backoff *b, int64_t base_ms, int64_t cap_ms, int64_t floor_ms)
{
    REQUIRE(base_ms > 0 && cap_ms >= base_ms && floor_ms >= 0 && floor_ms <= cap_ms);
    REQUIRE(cap_ms < INT64_MAX);
    *b = (struct backoff){.base_ms = base_ms, .cap_ms = cap_ms, .floor_ms = floor_ms};
}

void backoff_reset(struct backoff *b)
{
    b->failures = 0;
}

static int64_t ceiling_ms(const struct backoff *b)
{
    bool past_cap = b->failures >= 63 || b->base_ms > b->cap_ms >> b->failures;
    return past_cap ? b->cap_ms : b->base_ms << b->failures;
}

int64_t backoff_next_ms(struct backoff *b, uint64_t random)
{
    return backoff_next_within_ms(b, b->cap_ms, random);
}

int64_t backoff_next_within_ms(struct backoff *b, int64_t most_ms, uint64_t random)
{
    int64_t ceiling = ceiling_ms(b);
    REQUIRE(b->base_ms > 0 && most_ms > 0);
    /* The high word of the product spreads the random bits evenly over 0..window. */
    uint64_t span = (uint64_t)(ceiling < most_ms ? ceiling : most_ms) + 1;
    int64_t delay = (int64_t)(((unsigned __int128)random * span) >> 64);
    if (b->failures < UINT32_MAX)
        b->failures++;
    return delay < b->floor_ms ? b->floor_ms : delay;
}
