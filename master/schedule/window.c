/* SPDX-License-Identifier: MIT */
#include "master/schedule/window.h"

#include <stdio.h>

/* A window begins at the latest a week from today, whatever the clock does meanwhile. */
#define DAYS_AHEAD 8

static bool good(const struct week_window *w)
{
    return w->days != 0 && w->days <= WINDOW_DAYS_ALL && w->from_min < WINDOW_DAY_MIN &&
           w->to_min <= WINDOW_DAY_MIN && w->from_min != w->to_min;
}

enum err window_check(const struct windows *ws, char why[WINDOW_WHY_MAX])
{
    if (ws->n > WINDOWS_MAX) {
        snprintf(why, WINDOW_WHY_MAX, "%zu windows: at most %d are possible; join some", ws->n,
                 WINDOWS_MAX);
        return ERR_TOO_BIG;
    }
    if (ws->n > 0 && ws->zone == NULL) {
        snprintf(why, WINDOW_WHY_MAX, "windows need a time zone: give one, such as UTC");
        return ERR_INVALID;
    }
    for (size_t i = 0; i < ws->n; i++)
        if (!good(&ws->w[i])) {
            snprintf(why, WINDOW_WHY_MAX,
                     "window %zu: it needs days, a beginning from 00:00 to 23:59 and an end up to "
                     "24:00 that differs (00:00 to 24:00 is the whole day)",
                     i + 1);
            return ERR_INVALID;
        }
    return ERR_NONE;
}

unsigned window_minutes(const struct week_window *w)
{
    REQUIRE(good(w));
    return w->to_min > w->from_min ? (unsigned)w->to_min - w->from_min
                                   : (unsigned)WINDOW_DAY_MIN - w->from_min + w->to_min;
}

/* The window of this day, if there is one: [from, to). */
static bool on_day(const struct windows *ws, const struct week_window *w, int64_t day,
                   int64_t *from, int64_t *to)
{
    if (!(w->days >> civil_weekday(day) & 1))
        return false;
    int64_t begins = day * SEC_PER_DAY + w->from_min * 60;
    *from = zone_moment(ws->zone, begins).first;
    *to = zone_moment(ws->zone, begins + window_minutes(w) * 60).first;
    return *from < *to;
}

bool window_open(const struct windows *ws, int64_t utc, int64_t *until)
{
    *until = ZONE_LAST + 1 > utc ? ZONE_LAST + 1 : INT64_MAX;
    if (ws->n == 0)
        return true;
    REQUIRE(ws->zone != NULL);
    int64_t today = civil_floor_div(zone_local(ws->zone, utc), SEC_PER_DAY), from, to;
    bool open = false;
    for (int64_t day = today - 1; day <= today + DAYS_AHEAD; day++) {
        for (size_t i = 0; i < ws->n; i++) {
            if (!on_day(ws, &ws->w[i], day, &from, &to))
                continue;
            open = open || (from <= utc && utc < to);
            if (from > utc && from < *until)
                *until = from;
            if (to > utc && to < *until)
                *until = to;
        }
    }
    return open;
}
