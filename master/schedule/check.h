/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "master/schedule/verdict.h"

/*
 * check - the state of one check over time: what is known of a target, since when, and whether it
 * flaps.
 *
 *                  verdict: up, degraded, down                 (each to each)
 *      unknown ───────────────────────────────► up ◄──► degraded ◄──► down
 *         ▲                                     │          │            │
 *         └──── no verdict for CHECK_STALE intervals, or paused ────────┘
 *
 * The slots' verdicts come in as they are made, several for one slot while a failure is being
 * confirmed; of slots that are older than the last one nothing is taken. A verdict that nobody has
 * measured (unknown) is no news: it neither changes the state nor keeps it alive, and nor does a
 * failure that is not confirmed and that nobody contradicts. So a target of which nothing is known
 * is unknown two intervals after the last news, and never up.
 *
 * Flapping: CHECK_FLAP_BEGIN changes among up, degraded and down in the last CHECK_FLAP_SLOTS slots
 * that said something; it ends when no more than CHECK_FLAP_END of them are left. The state goes on
 * to be the truth meanwhile; it is for who sends alerts to send one for all. Unknown in between is
 * not a change: silence says nothing of the target.
 *
 * Pure; owned by one thread; a value without anything to free. Deadlines are monotonic; the wall's
 * time is for people.
 */
#define CHECK_STALE      2  /* intervals; one alone would take every late result for silence */
#define CHECK_FLAP_SLOTS 20 /* at 30 s, ten minutes: as long as people look at one outage */
#define CHECK_FLAP_BEGIN 6  /* three outages in that time are no three outages any more */
#define CHECK_FLAP_END   2  /* one more outage may come and go while it calms down */

struct check {
    enum verdict_state state;
    struct wall since;
    bool confirmed;   /* false: there is a failure that waits for witnesses */
    enum cause cause; /* of down and degraded, or of what is not confirmed */
    bool flapping;
    struct wall flapping_since;
    /* Its own. */
    uint64_t slot;              /* the last one that said something */
    enum verdict_state seen;    /* in that slot: never unknown once there is one */
    enum verdict_state earlier; /* in the one before */
    uint32_t changes;           /* bit n: the slot n before the last one changed what was seen */
    struct mono stale_at;       /* 0: never */
};

struct check_now {
    struct mono mono;
    struct wall wall;
};
/* What a call changed; from = to: the state stayed. */
struct check_change {
    enum verdict_state from, to;
    bool flapping_began, flapping_ended;
};

/* Unknown since now. */
void check_init(struct check *c, struct check_now now);

/* A check as another process left it: what was seen is believed for CHECK_STALE intervals more. */
void check_restore(struct check *c, enum verdict_state state, struct wall since, uint64_t slot,
                   struct check_now now, int64_t interval_ms);

/* A verdict on a slot (plan.h numbers them); interval_ms: how long until the next slot. True: *out
 * says what changed. */
bool check_verdict(struct check *c, uint64_t slot, const struct verdict *v, struct check_now now,
                   int64_t interval_ms, struct check_change *out);

/* Looks whether the news is too old; to be called at check_due(). */
bool check_tick(struct check *c, struct check_now now, struct check_change *out);
struct mono check_due(const struct check *c); /* 0: never */

/* No more slots until further notice: unknown, and what flapped is forgotten. */
bool check_pause(struct check *c, struct check_now now, struct check_change *out);
