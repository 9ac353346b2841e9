/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "master/schedule/zone.h"
#include <stddef.h>

/*
 * window - the hours of the week in which a schedule runs: "monday to friday, 09:00 to 17:30".
 *
 * A window belongs to the day on which it begins; one that ends at or before its beginning goes
 * past midnight. On days on which the clock is changed it goes from the first moment at which the
 * clock shows its beginning (or has jumped over it) to the first at which it shows its end, so that
 * it is an hour longer or shorter and never opens twice. The union counts where windows overlap.
 * Pure values; the zone is borrowed.
 */
#define WINDOWS_MAX     16 /* one for each half of each day, and two to spare */
#define WINDOW_DAYS_ALL 0x7f
#define WINDOW_DAY_MIN  (24 * 60)

struct week_window {
    uint8_t days;              /* bit 0 = Sunday */
    uint16_t from_min, to_min; /* of the day, from < 24:00, to ≤ 24:00 */
};
struct windows {
    const struct zone *zone;
    size_t n; /* 0: always open */
    struct week_window w[WINDOWS_MAX];
};

/* ERR_INVALID: why names the window and the fix. */
#define WINDOW_WHY_MAX 160
MUST_USE enum err window_check(const struct windows *ws, char why[WINDOW_WHY_MAX]);
unsigned window_minutes(const struct week_window *w);

/* Whether one is open, and the first second from which on that may be otherwise (> utc). */
bool window_open(const struct windows *ws, int64_t utc, int64_t *until);
