/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/cron.h"
#include "master/schedule/window.h"

/*
 * rule - when a schedule's checks are due: every so many seconds, or by cron; and only in windows.
 *
 * A moment at which one check is due is a slot. What sets the slots of one check apart from those
 * of another is its key, a hash of schedule and target that is the same on every machine and after
 * every start:
 *
 *  - every: the slots are those moments of the rule's own line of time that leave the remainder
 *    `key mod every` when divided by it. So checks of one interval are spread evenly over it, never
 *    drift, and a restart changes nothing. At least 1 s: more would measure the queues of the
 *    network, not the target. At most 1 day: beyond that, people mean a time of day, which is
 *    cron's.
 *  - cron: all at their minute, late by `key mod (spread + 1 ms)`, so that a hundred thousand at
 *    `0 * * * *` do not start in one millisecond. Less than a minute, or they would be in the next.
 *
 * Times are milliseconds of a line: the wall clock's since 1970 for cron; for intervals a line that
 * runs with the monotonic clock, and is the wall's less `shift_ms`. Windows are the wall's for
 * both. Owned by one thread, because it remembers the window it has looked at last. The zone is
 * borrowed.
 */
#define RULE_EVERY_MIN_MS      1000
#define RULE_EVERY_MAX_MS      (24 * 3600 * 1000)
#define RULE_SPREAD_MAX_MS     59999
#define RULE_SPREAD_DEFAULT_MS 6000 /* a tenth of the minute, which is cron's unit */
#define RULE_NEVER             INT64_MAX

enum rule_kind { RULE_EVERY, RULE_CRON };
struct rule {
    enum rule_kind kind;
    int64_t every_ms;
    struct cron cron;
    const struct zone *zone; /* of cron */
    int64_t spread_ms;
    struct windows windows;
    struct { /* the rule's own: zeroed */
        bool open;
        int64_t from, until;
    } seen;
};

/* ERR_INVALID: why names the field and the fix. What would never be due from now on is refused. */
#define RULE_WHY_MAX 256
MUST_USE enum err rule_check(struct rule *r, int64_t now_s, char why[RULE_WHY_MAX]);

uint64_t rule_key(const char *schedule, const char *target);

/* How far the slots of a key are from the rule's own, in [0, every) or [0, spread]. */
int64_t rule_offset_ms(const struct rule *r, uint64_t key);

/* The first slot > after_ms, or RULE_NEVER. */
int64_t rule_next(struct rule *r, int64_t offset_ms, int64_t after_ms, int64_t shift_ms);

/* How many slots lie in (after, until], and the last of them; of cron, only a moment between it and
 * the next one. *last is untouched when there are none. */
uint64_t rule_count(struct rule *r, int64_t offset_ms, int64_t after_ms, int64_t until_ms,
                    int64_t shift_ms, int64_t *last);
