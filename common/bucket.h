/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"

/* bucket - a token bucket: `rate` tokens a second, at most `burst` saved. Pure; owned by one
 * thread. */
struct bucket {
    double rate, burst, tokens;
    struct mono last;
};

void bucket_init(struct bucket *b, double rate, double burst, struct mono now);
bool bucket_take(struct bucket *b, struct mono now);    /* false: none left */
double bucket_level(struct bucket *b, struct mono now); /* tokens that are there */
/* From now on; of the tokens that are there no more than `burst` are kept. */
void bucket_set(struct bucket *b, double rate, double burst, struct mono now);
