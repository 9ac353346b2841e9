/* SPDX-License-Identifier: MIT */
#include "master/core/hours.h"
#include "common/require.h"

#define HOUR_NS (3600 * NS_PER_SEC)

void hours_add(struct hours *h, struct mono now)
{
    int64_t hour = now.ns / HOUR_NS;
    REQUIRE(hour >= h->hour);
    int64_t passed = hour - h->hour;
    for (int64_t i = 0; i < passed && i < HOURS_KEPT; i++)
        h->n[(hour - i) % HOURS_KEPT] = 0;
    h->hour = hour;
    h->n[hour % HOURS_KEPT]++;
}

uint64_t hours_sum(const struct hours *h, struct mono now)
{
    int64_t oldest = now.ns / HOUR_NS - HOURS_KEPT + 1;
    uint64_t sum = 0;
    for (int64_t hour = h->hour; hour >= oldest && hour >= 0 && hour > h->hour - HOURS_KEPT; hour--)
        sum += h->n[hour % HOURS_KEPT];
    return sum;
}
