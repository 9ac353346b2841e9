/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "master/schedule/zone.h"

/*
 * cron - a crontab's five fields, and when they come round in a time zone.
 *
 *   minute         0-59
 *   hour           0-23
 *   day of month   1-31
 *   month          1-12 or jan-dec
 *   day of week    0-7 or sun-sat
 *
 * as POSIX crontab and Debian's crontab(5) have them: `*`, numbers, names of three letters or in
 * full, ranges `1-5` and lists `1,3-5` of both, and a step `/15` behind a `*` or a range. Sunday is
 * 0 and 7, so that `fri-sun` and `5-7` go round. @hourly, @daily (@midnight), @weekly, @monthly and
 * @yearly (@annually) stand for all five. No seconds, no years, no @reboot.
 *
 * Day of month and day of week: if both are restricted, a day must match one of the two; if one of
 * them holds a `*`, a day must match both (crontab(5)). So `0 0 13 * fri` is every 13th and every
 * Friday. A `*` with a step is a `*` too: every second day of the month with `mon` is the Mondays
 * of odd date.
 *
 * Where the clock is changed (summer time), as Debian's cron(8) does it:
 *  - The clock jumps forward. What the gap swallows runs once, right after the gap (one run,
 *    however many are swallowed), unless the hour field holds a `*`: there the next hour is as
 *    good. Debian leaves out what has a `*` in its minutes, too; a probe that runs every quarter of
 *    the hour at two would miss a day then, so it runs once here.
 *  - The clock is put back. What runs at set times (no `*` in minute or hour) runs once, in the
 *    first of the two hours; what has a `*` there means an interval, and runs in both, or an hour
 *    would go unwatched.
 *
 * That holds for changes of any size: 30 minutes in Lord Howe, the whole day 2011-12-30 in Apia.
 *
 * Pure; a cron is a value and any thread may read it.
 */
struct cron {
    uint64_t minutes;
    uint32_t hours, days;                                /* bit n = n; days from bit 1 */
    uint16_t months;                                     /* from bit 1 */
    uint8_t weekdays;                                    /* bit 0 = Sunday */
    bool star_minute, star_hour, star_day, star_weekday; /* the field holds a `*` */
};

#define CRON_TEXT_MAX 256 /* a list of all minutes, and a little */
#define CRON_WHY_MAX  256

/* ERR_INVALID: why names the field, what is wrong with it, and the fix. What can never come (the
 * 30th of February) is refused too. */
MUST_USE enum err cron_parse(const char *text, struct cron *out, char why[CRON_WHY_MAX]);

/* The first second > after at which it runs. CRON_NEVER if that would be later than ZONE_LAST. */
#define CRON_NEVER INT64_MAX
int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after);

/* How often it runs in (after, until]. Whole days are counted at once: about 2 µs a day. */
uint64_t cron_count(const struct cron *c, const struct zone *z, int64_t after, int64_t until);
