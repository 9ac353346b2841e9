/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/health/vitals.h"
#include "common/list.h"
#include "proto/cause.h"

/*
 * health - can this agent measure, or is a failure its own? A pure machine: (state, event, now) →
 * verdicts, canaries to start, places for tasks.
 *
 * Link thread, or a test in virtual time. Three illnesses are known:
 *
 * - A failure that mere silence caused casts doubt on a vital sign (vitals.h) and is held until it
 *   is known whose it is:
 *       something else of that kind has answered after it         → the target's
 *       the vital is down already                                 → ours
 *       a canary was asked, and the sign has still not come       → ours, and the vital is down
 *       no canary that ever answered, but SILENT_HOSTS different
 *       hosts are silent and nothing answers                      → ours, and the vital is down
 *       none of this after HOLD_MS                                → the target's
 *   (What answered while the silence lasted proves little: the network may have gone a moment
 * later, before the target's own answer.) A canary is only asked when CANARY_AFTER_MS have brought
 * no sign: while an agent is busy it never is. While the network or the resolver is down nothing
 * new is taken; the canary is asked again until it answers. Without a canary a few tasks go on
 * instead, to see.
 * - Faults that probes met at once (no descriptor, port or memory): when they are half of all ends,
 *   nothing is taken for the rest of the second and half the places after it, so that few tasks
 *   pay for it; a second without any gives half as many again.
 * - Local ports in TIME_WAIT: from PORTS_EASY percent of the range on places shrink, at PORTS_FULL
 *   nothing new is taken until some are free again.
 *
 * Bounds: as many cases are held as the caller has tasks; the rest is of fixed size.
 */
#define HEALTH_SILENT_HOSTS    8
#define HEALTH_HOLD_MS         3000
#define HEALTH_CANARY_EVERY_MS 2000  /* while down */
#define HEALTH_CANARY_AFTER_MS 100   /* of waiting for another sign */
#define HEALTH_CANARY_GAP_MS   200   /* between two that doubts ask for */
#define HEALTH_PROVE_EVERY_MS  60000 /* a canary that has never answered */
#define HEALTH_PORTS_EASY      15    /* percent of the range */
#define HEALTH_PORTS_FULL                                                                          \
    25 /* some stay uncounted (ports.h), and from half of the range on connect() grows dear */

struct health;

/* places: what the pool can hold. canaries: 1 << vital for each that has one. */
struct health *health_create(unsigned places, unsigned canaries);
void health_destroy(struct health **hp); /* no case may be held */

struct health_case { /* embedded in what its owner keeps */
    struct list_node node;
    enum vital vital;
    struct mono since;   /* when the silence began */
    uint64_t host;       /* hash of the target's host */
    bool ours;           /* once it comes back from health_next() */
    struct mono entered; /* private to health */
};
/* It is the machine's until health_next() gives it back. */
void health_enter(struct health *h, struct health_case *c, struct mono now);
/* Looks at the signs and decides what can be decided. */
void health_step(struct health *h, const struct vitals *v, struct mono now);
struct health_case *health_next(struct health *h);    /* one that is decided; NULL = none */
struct health_case *health_abandon(struct health *h); /* any one, decided or not, for the end */
size_t health_waiting(const struct health *h);

/* 1 << vital for each canary that is to be started now; they count as started. None before the
 * first task has ended; then all are asked once, to see that they answer. */
unsigned health_canaries_due(struct health *h, struct mono now);
void health_canary_over(struct health *h, enum vital vital, bool answered, struct mono now);
/* It could not be asked (no slot, no descriptor): that says nothing. */
void health_canary_undone(struct health *h, enum vital vital);

/* A task ended here: CAUSE_NONE, or the own fault that kept it from being measured. (A probe that
 * found the resolver dead asked it for the root too: where a canary can tell when it is back, it
 * is down.) */
void health_ended(struct health *h, enum cause own_fault, struct mono now);
/* Once a second: so many tasks are in hand now. */
void health_tick(struct health *h, unsigned in_hand);
/* Local ports in TIME_WAIT, and the size of their range; −1 = not known. */
void health_ports(struct health *h, int64_t used, int64_t range);

/* How many tasks may be in hand: 0 = none is to start. */
unsigned health_places(const struct health *h);
/* True once after the agent fell ill so that nothing may start: what waits is better handed back.
 */
bool health_take_fall(struct health *h);
/* One sentence while not well, "" otherwise; lives until the next call of any function. */
const char *health_trouble(struct health *h, struct mono now);
