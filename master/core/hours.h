/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>
#include "common/clock.h"

/* hours - how often something happened in the last 24 hours, by whole hours: what is older than 23
 * to 24 hours is forgotten. Pure; zeroed is empty. */
#define HOURS_KEPT 24
struct hours {
    int64_t hour; /* of the last one counted */
    uint32_t n[HOURS_KEPT];
};
void hours_add(struct hours *h, struct mono now);
uint64_t hours_sum(const struct hours *h, struct mono now);
