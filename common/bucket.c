/* SPDX-License-Identifier: MIT */
#include "common/bucket.h"

void bucket_init(struct bucket *b, double rate, double burst, struct mono now)
{
    REQUIRE(rate >= 0 && burst > 0);
    *b = (struct bucket){.rate = rate, .burst = burst, .tokens = burst, .last = now};
}

static void refill(struct bucket *b, struct mono now)
{
    if (!mono_before(b->last, now))
        return;
    double tokens = b->tokens + (double)(now.ns - b->last.ns) / (double)NS_PER_SEC * b->rate;
    b->tokens = tokens < b->burst ? tokens : b->burst;
    b->last = now;
}

double bucket_level(struct bucket *b, struct mono now)
{
    refill(b, now);
    return b->tokens;
}

void bucket_set(struct bucket *b, double rate, double burst, struct mono now)
{
    REQUIRE(rate >= 0 && burst > 0);
    refill(b, now);
    b->rate = rate;
    b->burst = burst;
    b->tokens = b->tokens < burst ? b->tokens : burst;
}

bool bucket_take(struct bucket *b, struct mono now)
{
    REQUIRE(b->burst > 0);
    refill(b, now);
    if (b->tokens < 1)
        return false;
    b->tokens -= 1;
    return true;
}
