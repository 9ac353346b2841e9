/* SPDX-License-Identifier: MIT */
#include "master/schedule/cron.h"

#include "common/require.h"

/*
 * How far ahead a date can be: 29 February comes every fourth year, on a given weekday every 28th,
 * and around 2100, which has none, after 40 years.
 */
#define YEARS_AHEAD 41

/* A change of the clock repeats or leaves out only times as near as this. */
#define NEAR_S (2 * ZONE_OFFSET_MAX_S)

/* Steps of cron_next(): it moves over one change of the clock each, or skips one run that an hour
 * which exists twice has had already. More than a day of such runs cannot follow one another. */
#define STEPS_MAX (2 * 24 * 60)

static int lowest(uint64_t set)
{
    return __builtin_ctzll(set);
}

/* The first member ≥ from, or -1. */
static int member_from(uint64_t set, int from)
{
    set = from < 64 ? set >> from << from : 0;
    return set != 0 ? lowest(set) : -1;
}

static bool runs_on(const struct cron *c, int64_t day_number, int day)
{
    bool by_day = c->days >> day & 1;
    bool by_weekday = c->weekdays >> civil_weekday(day_number) & 1;
    bool both = c->star_day || c->star_weekday;
    return both ? by_day && by_weekday : by_day || by_weekday;
}

/* The first day of this month, from `day` on, on which it runs, or 0. */
static int day_from(const struct cron *c, int year, int month, int day)
{
    int64_t first = civil_days(year, month, 1);
    int last = civil_days_in_month(year, month);
    for (; day <= last; day++)
        if (runs_on(c, first + day - 1, day))
            return day;
    return 0;
}

/* Moves to midnight of the first day, from t's on, on which it runs. */
static bool to_day(const struct cron *c, struct civil *t)
{
    int last_year = t->year + YEARS_AHEAD;
    int month = t->month, day = t->day;
    for (int year = t->year; year <= last_year; year++, month = 1, day = 1) {
        while ((month = member_from(c->months, month)) > 0) {
            int found = day_from(c, year, month, month == t->month && year == t->year ? day : 1);
            if (found > 0) {
                bool moved = found != t->day || month != t->month || year != t->year;
                *t = (struct civil){.year = year,
                                    .month = month,
                                    .day = found,
                                    .hour = moved ? 0 : t->hour,
                                    .minute = moved ? 0 : t->minute};
                return true;
            }
            month++;
        }
    }
    return false;
}

/* Moves to the first minute of t's day, from t on, at which it runs. */
static bool to_minute(const struct cron *c, struct civil *t)
{
    int hour = member_from(c->hours, t->hour);
    if (hour < 0)
        return false;
    int minute = member_from(c->minutes, hour == t->hour ? t->minute : 0);
    if (minute < 0) {
        minute = lowest(c->minutes);
        hour = member_from(c->hours, hour + 1);
    }
    t->hour = hour;
    t->minute = minute;
    return hour >= 0;
}

/* The first local time ≥ from at which it runs, by the calendar alone. */
static int64_t next_local(const struct cron *c, int64_t from)
{
    struct civil t = civil_from_seconds(civil_floor_div(from + 59, 60) * 60);
    if (!to_day(c, &t))
        return CRON_NEVER;
    if (to_minute(c, &t))
        return civil_seconds(&t);
    t.hour = t.minute = 0;
    t = civil_from_seconds(civil_seconds(&t) + SEC_PER_DAY);
    if (!to_day(c, &t))
        return CRON_NEVER;
    REQUIRE(to_minute(c, &t));
    return civil_seconds(&t);
}

/* Whether the clock showed this once before, and then it ran. */
static bool had_its_run(const struct cron *c, const struct zone *z, int64_t local, int64_t utc)
{
    return !c->star_minute && !c->star_hour && zone_moment(z, local).first < utc;
}

/* Whether the clock jumps at `change`, and over something that is to be made good. */
static bool swallowed(const struct cron *c, const struct zone *z, int64_t change)
{
    if (c->star_hour)
        return false;
    return next_local(c, zone_local(z, change - 1) + 1) < zone_local(z, change);
}

/*
 * The clock is followed span by span. In a span it shows each time once; at the change to the next
 * one it may jump over what was to run, or show again what it has shown. Where no change is near,
 * it is safe to go close to the run at once: what lies between touches neither.
 */
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after)
{
    REQUIRE(c->minutes != 0 && c->hours != 0 && c->months != 0);
    int64_t t = after < ZONE_FIRST ? ZONE_FIRST : after >= ZONE_LAST ? INT64_MAX : after + 1;
    int64_t change = t;
    for (int step = 0; t <= ZONE_LAST && step < STEPS_MAX; step++) {
        struct zone_span span = zone_span(z, t);
        if (t == change && zone_span(z, t - 1).number != span.number && swallowed(c, z, t))
            return t;
        int64_t local = next_local(c, t + span.offset_s);
        if (local > ZONE_LAST + ZONE_OFFSET_MAX_S)
            return CRON_NEVER;
        int64_t utc = local - span.offset_s;
        bool far = utc - t > NEAR_S;
        if (zone_change(z, t, far ? t + NEAR_S : utc, &change))
            t = change;
        else if (far)
            t = utc - NEAR_S;
        else if (had_its_run(c, z, local, utc))
            t = utc + 1;
        else
            return utc <= ZONE_LAST ? utc : CRON_NEVER;
    }
    return CRON_NEVER;
}

/* Whether all runs of the day that begins with this one lie in one span; then its end. */
static bool is_plain_day(const struct cron *c, const struct zone *z, int64_t utc, int64_t *end)
{
    struct zone_span span = zone_span(z, utc);
    int64_t local = utc + span.offset_s;
    int64_t of_day = local - civil_floor_div(local, SEC_PER_DAY) * SEC_PER_DAY;
    if (of_day != lowest(c->hours) * 3600 + lowest(c->minutes) * 60)
        return false;
    *end = utc - of_day + SEC_PER_DAY - 1;
    return zone_span(z, *end).number == span.number;
}

uint64_t cron_count(const struct cron *c, const struct zone *z, int64_t after, int64_t until)
{
    uint64_t a_day = (uint64_t)(__builtin_popcountll(c->minutes) * __builtin_popcount(c->hours));
    uint64_t n = 0;
    for (int64_t t = cron_next(c, z, after), end; t <= until && t != CRON_NEVER;) {
        bool whole = is_plain_day(c, z, t, &end) && end <= until;
        n += whole ? a_day : 1;
        t = cron_next(c, z, whole ? end : t);
    }
    return n;
}
