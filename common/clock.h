/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * clock - monotonic time for intervals, wall time for people; two types that cannot be mixed.
 *
 * Any thread. One `now` is read per tick at the edge and passed down; cores never read a clock.
 */
struct mono {
    int64_t ns; /* CLOCK_MONOTONIC; 0 = never */
};
struct wall {
    int64_t us; /* since 1970-01-01T00:00:00Z; 0 = unset */
};

#define NS_PER_US  1000LL
#define NS_PER_MS  1000000LL
#define NS_PER_SEC 1000000000LL

struct mono mono_now(void);
struct wall wall_now(void);

static inline bool mono_is_set(struct mono t)
{
    return t.ns != 0;
}
static inline struct mono mono_add_ms(struct mono t, int64_t ms)
{
    return (struct mono){t.ns + ms * NS_PER_MS};
}
static inline bool mono_before(struct mono a, struct mono b)
{
    return a.ns < b.ns;
}
/* later − earlier, in whole milliseconds (rounded down) or in fractions of one. */
static inline int64_t mono_diff_ms(struct mono later, struct mono earlier)
{
    return (later.ns - earlier.ns) / NS_PER_MS;
}
static inline double mono_diff_ms_f(struct mono later, struct mono earlier)
{
    return (double)(later.ns - earlier.ns) / 1e6;
}

/* Both clocks at one moment, to see later whether the time of day was set. */
struct anchor {
    struct mono mono;
    struct wall wall;
};
struct anchor anchor_now(void);
/* The time of day, or the earlier one that it would be had nobody set it since: what is kept for a
 * time is not thrown away because a clock jumped. */
struct wall anchor_patient(struct anchor a);

#define WALL_TEXT_MAX 32
/* RFC 3339, UTC, six fraction digits: "2026-11-22T04:05:06.123456Z". Returns buf. */
char *wall_format(struct wall t, char buf[WALL_TEXT_MAX]);

/* RFC 3339 in; any offset is folded to UTC. ERR_INVALID otherwise. */
MUST_USE enum err wall_parse(const char *text, struct wall *out);
