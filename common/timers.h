/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/heap.h"

/*
 * timers - deadlines of one loop, embedded in their owners.
 *
 * Owned by one thread. Equal deadlines fire in the order of arming. A callback may arm, disarm and
 * free any timer, its own included.
 */
struct timer;
typedef void timer_f(struct timer *t, struct mono now);

struct timer {
    struct heap_node node;
    timer_f *fire;
};
struct timers {
    struct heap heap;
    struct heap later;   /* armed by a callback for a time that is due already */
    struct mono running; /* the `now` of the timers_run() under way */
};

void timers_init(struct timers *ts);
void timers_fini(struct timers *ts);

/* Arms t (again, if it is armed) for `at`. */
void timer_arm(struct timers *ts, struct timer *t, struct mono at, timer_f *fire);
void timer_disarm(struct timers *ts, struct timer *t); /* no effect if it is not armed */
static inline bool timer_armed(const struct timer *t)
{
    return heap_linked(&t->node);
}

/* Fires all that are due at `now` (what is armed for ≤ now meanwhile fires in the next call);
 * returns how many. */
size_t timers_run(struct timers *ts, struct mono now);

/* Milliseconds until the next deadline, rounded up, at most max_ms; max_ms if there is none. For
 * epoll_wait. */
int timers_wait_ms(const struct timers *ts, struct mono now, int max_ms);
