/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/heap.h"
#include "master/schedule/rule.h"

/*
 * plan - which checks are due now, and which slots were missed and why.
 *
 * Owned by one thread; pure: time comes in with each call. Items (one for each check) are the
 * caller's, and embedded where it likes; rules are borrowed and may be shared by many items. Two
 * heaps, O(log n) for each slot: intervals run on the monotonic clock, cron on the wall's.
 *
 * Slots of a check are numbered 1, 2, 3 … over its whole life. Each number ends in exactly one run
 * or in exactly one gap, so that the books can be proved: seq = runs + the counts of all gaps. A
 * gap is one record however many slots it holds: it is told again with a greater count while it
 * grows, and who stores it replaces the record of the same first_seq. So ten minutes of a dead
 * master at every 1 s are one record of 600 and one run, never a burst.
 *
 * A slot is run if it is the last that is due, and if the plan comes to it in time: a tenth of its
 * interval late at the most, within PLAN_LATE_MIN_MS and PLAN_LATE_MAX_MS; cron PLAN_LATE_MAX_MS.
 * So a short restart costs nobody the night's run, and starts but a small part of the checks at
 * once. All others are missed:
 *
 *   master_down     it lay before this process began
 *   clock_jumped    cron: the wall clock was put forward over it
 *   master_late     the master was there but came to it too late: stopped, or too slow
 *   still_running, no_agent, overloaded
 *                   says the caller, who is offered the slot and cannot run it
 *
 * Not due, and so neither run nor missed: what lies outside the rule's windows, before `since`, or
 * while a check is paused (which means: is out of the plan).
 *
 * The wall clock is put forward or back: intervals do not notice (their windows do). Cron: forward,
 * the slots between are missed; back, what has run does not run again, because the last slot is
 * remembered, until the old time is reached anew. A time more than PLAN_BACK_MAX_MS ahead is not a
 * clock put back but one that was wrong before: it is forgotten.
 */
#define PLAN_LATE_MIN_MS 5000                        /* a quick restart */
#define PLAN_LATE_MAX_MS 60000                       /* cron's minute */
#define PLAN_BACK_MAX_MS (48 * 3600 * INT64_C(1000)) /* a wrong date, a wrong zone: a day or so */
#define PLAN_JUMP_MS     1000 /* less is slewing, or clocks read one after the other */

#define PLAN_MISS_TABLE(X)                                                                         \
    X(master_down, "the master was not running")                                                   \
    X(clock_jumped, "the master's clock was put forward over it")                                  \
    X(master_late, "the master came to it too late: it was stopped, or too slow")                  \
    X(still_running, "the run before had not ended")                                               \
    X(no_agent, "no agent was there that may probe it")                                            \
    X(overloaded, "the agents were at their limit")

enum plan_miss {
    PLAN_MISS_NONE,
#define X(name, text) PLAN_MISS_##name,
    PLAN_MISS_TABLE(X)
#undef X
        PLAN_MISS_COUNT
};
const char *plan_miss_name(enum plan_miss m); /* "master_down" */
const char *plan_miss_text(enum plan_miss m);

struct plan_now {
    struct mono mono;
    struct wall wall;
};

struct plan_slot {
    uint64_t seq; /* 0: none yet */
    struct wall
        at; /* when it was due; of cron without the spread. Of a gap: it ends before the next */
};
struct plan_gap {
    enum plan_miss why;
    uint64_t first_seq, count;
    struct wall first_at;
    struct plan_slot last;
};

struct plan_item {
    struct heap_node node;
    /* Set before plan_add(). last and gap come from the store, where they go with each event. */
    struct rule *rule;     /* checked */
    uint64_t key;          /* rule_key() */
    struct wall since;     /* created, resumed, its rule changed: slots before are not due */
    struct plan_slot last; /* settled */
    struct plan_gap gap;   /* that ends with `last`; zeroed: it was a run */
    /* The plan's own. */
    int64_t offset_ms, next_ms;
    bool offered; /* the slot before next_ms, due at slot_at */
    struct wall slot_at;
};

struct plan {
    struct heap every, cron;
    int64_t line_ms;  /* of the line of intervals, at mono 0 */
    int64_t shift_ms; /* wall - line, at the last look */
    int64_t started_ms;
    int64_t jump_from_ms, jump_to_ms; /* of the wall: the last one forward */
};

enum plan_kind { PLAN_DUE, PLAN_MISSED };
struct plan_event {
    enum plan_kind kind;
    struct plan_item *item;
    struct plan_slot slot; /* DUE */
    int64_t late_ms;       /* DUE */
    struct plan_gap gap;   /* MISSED: as it is now */
};

void plan_init(struct plan *p, struct plan_now now);
void plan_fini(struct plan *p); /* the items stay the caller's */

void plan_add(struct plan *p, struct plan_item *it, struct plan_now now);
/* Also to pause it; to resume, since = now and plan_add(). */
void plan_remove(struct plan *p, struct plan_item *it);

/*
 * The next thing to know at `now`; false: nothing more. A due slot is answered at once, before the
 * next call: plan_ran() or plan_refuse().
 */
bool plan_next(struct plan *p, struct plan_now now, struct plan_event *out);
void plan_ran(struct plan_item *it);
/* The slot just offered is missed; returns the gap that it is in. */
struct plan_gap plan_refuse(struct plan_item *it, enum plan_miss why);

/* When the next slot of an item is due, as people see it; unset: it is not in the plan, or never.
 */
struct wall plan_next_at(const struct plan *p, const struct plan_item *it);
/* From the slot just offered to the next one; `most` where none follows. */
int64_t plan_interval_ms(const struct plan *p, const struct plan_item *it, struct plan_now now,
                         int64_t late_ms, int64_t most);

/* Milliseconds until plan_next() has something, at most max_ms, which bounds how late a jump of the
 * wall clock is seen. */
int plan_wait_ms(const struct plan *p, struct plan_now now, int max_ms);
