/* SPDX-License-Identifier: MIT */
#include "master/schedule/rule.h"

#include <stdio.h>
#include <string.h>

#include "common/digest.h"

/* Windows that rule_next() looks into: what is in none of so many, which are more than a year, is
 * in none at all. */
#define WINDOWS_TRIED 1000

static enum err refuse(char *why, const char *what)
{
    snprintf(why, RULE_WHY_MAX, "%s", what);
    return ERR_INVALID;
}

/* In a window as long as its interval every check has a slot; in a shorter one some have none, and
 * these would never run. */
static bool windows_hold_a_slot(const struct rule *r)
{
    for (size_t i = 0; i < r->windows.n; i++)
        if (r->every_ms > window_minutes(&r->windows.w[i]) * INT64_C(60000))
            return false;
    return true;
}

static enum err check_every(const struct rule *r, char *why)
{
    if (r->every_ms < RULE_EVERY_MIN_MS || r->every_ms > RULE_EVERY_MAX_MS)
        return refuse(why, "every: an interval from 1s to 1d is possible (cron for what is rarer)");
    if (!windows_hold_a_slot(r))
        return refuse(why,
                      "every: the interval is longer than a window, in which some checks would "
                      "never run: shorten it, or give the time of day with cron");
    return ERR_NONE;
}

static enum err check_cron(struct rule *r, int64_t now_s, char *why)
{
    if (r->zone == NULL)
        return refuse(why, "cron needs a time zone: give one, such as UTC");
    if (r->spread_ms < 0 || r->spread_ms > RULE_SPREAD_MAX_MS)
        return refuse(why, "spread: less than a minute is possible, from 0s on");
    if (rule_next(r, 0, now_s * 1000, 0) == RULE_NEVER)
        return refuse(why, "cron: it never falls into one of the windows: widen them, or move it");
    return ERR_NONE;
}

enum err rule_check(struct rule *r, int64_t now_s, char why[RULE_WHY_MAX])
{
    enum err e = window_check(&r->windows, why);
    if (e != ERR_NONE)
        return e;
    return r->kind == RULE_EVERY ? check_every(r, why) : check_cron(r, now_s, why);
}

/* FNV's low bits depend on little; the mixer is SplitMix64's. */
uint64_t rule_key(const char *schedule, const char *target)
{
    uint64_t h = hash64(schedule, strlen(schedule)) * 31 + hash64(target, strlen(target));
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

int64_t rule_offset_ms(const struct rule *r, uint64_t key)
{
    uint64_t over = r->kind == RULE_EVERY ? (uint64_t)r->every_ms : (uint64_t)r->spread_ms + 1;
    REQUIRE(over > 0);
    return (int64_t)(key % over);
}

static int64_t plain_next(const struct rule *r, int64_t offset, int64_t after)
{
    if (r->kind == RULE_EVERY)
        return offset + (civil_floor_div(after - offset, r->every_ms) + 1) * r->every_ms;
    int64_t at = cron_next(&r->cron, r->zone, civil_floor_div(after - offset, 1000));
    return at == CRON_NEVER ? RULE_NEVER : at * 1000 + offset;
}

static uint64_t plain_count(const struct rule *r, int64_t offset, int64_t after, int64_t until)
{
    if (r->kind == RULE_EVERY)
        return (uint64_t)(civil_floor_div(until - offset, r->every_ms) -
                          civil_floor_div(after - offset, r->every_ms));
    return cron_count(&r->cron, r->zone, civil_floor_div(after - offset, 1000),
                      civil_floor_div(until - offset, 1000));
}

/* Of an interval it is asked for every slot of every check, and mostly inside the same window. */
static bool is_open(struct rule *r, int64_t at_s, int64_t *until)
{
    if (r->windows.n == 0 || at_s < r->seen.from || at_s >= r->seen.until) {
        r->seen.open = window_open(&r->windows, at_s, &r->seen.until);
        r->seen.from = at_s;
    }
    *until = r->seen.until;
    return r->seen.open;
}

/* The second of the wall that decides whether a slot is in a window: cron's own, not the late one.
 */
static int64_t wall_s(const struct rule *r, int64_t at, int64_t offset, int64_t shift)
{
    return civil_floor_div(r->kind == RULE_EVERY ? at + shift : at - offset, 1000);
}

static int64_t line_ms(const struct rule *r, int64_t wall, int64_t offset, int64_t shift)
{
    return r->kind == RULE_EVERY ? wall * 1000 - shift : wall * 1000 + offset;
}

int64_t rule_next(struct rule *r, int64_t offset_ms, int64_t after_ms, int64_t shift_ms)
{
    int64_t at = plain_next(r, offset_ms, after_ms), until;
    if (r->windows.n == 0)
        return at;
    for (int i = 0; i < WINDOWS_TRIED && at != RULE_NEVER; i++) {
        if (is_open(r, wall_s(r, at, offset_ms, shift_ms), &until))
            return at;
        at = plain_next(r, offset_ms, line_ms(r, until, offset_ms, shift_ms) - 1);
    }
    return RULE_NEVER;
}

/* The last slot of an interval at or before `until`. */
static int64_t last_slot(const struct rule *r, int64_t offset, int64_t until)
{
    if (r->kind == RULE_CRON)
        return until;
    return offset + civil_floor_div(until - offset, r->every_ms) * r->every_ms;
}

uint64_t rule_count(struct rule *r, int64_t offset_ms, int64_t after_ms, int64_t until_ms,
                    int64_t shift_ms, int64_t *last)
{
    uint64_t n = 0;
    int64_t at, end = after_ms, until;
    while ((at = rule_next(r, offset_ms, end, shift_ms)) <= until_ms) {
        end = until_ms;
        if (r->windows.n > 0) {
            REQUIRE(is_open(r, wall_s(r, at, offset_ms, shift_ms), &until));
            int64_t closes = line_ms(r, until, offset_ms, shift_ms) - 1;
            end = closes < until_ms ? closes : until_ms;
        }
        n += plain_count(r, offset_ms, at - 1, end);
        *last = last_slot(r, offset_ms, end);
    }
    return n;
}
