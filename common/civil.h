/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/*
 * civil - dates and times of day as people write them, in the proleptic Gregorian calendar.
 *
 * Pure arithmetic; any thread. No time zone: a civil time is turned into seconds as if it stood in
 * UTC. (libc's conversions take the lock of its time zone, and know only one.)
 */
#define SEC_PER_DAY 86400LL

struct civil {
    int year, month, day;     /* month from 1, day from 1 */
    int hour, minute, second; /* 0 to 59: no leap seconds */
};

/* Since 1970-01-01, as if in UTC. */
int64_t civil_seconds(const struct civil *c);
struct civil civil_from_seconds(int64_t seconds);

/* The day's number since 1970-01-01, of its date alone. */
int64_t civil_days(int year, int month, int day);
int civil_days_in_month(int year, int month);
/* 0 = Sunday. */
int civil_weekday(int64_t days);

/* a / b rounded down, b > 0. */
static inline int64_t civil_floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}
