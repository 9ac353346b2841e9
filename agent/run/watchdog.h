/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/run/loop.h"
#include "proto/limits.h"

/*
 * watchdog - does the work of a pool go on? A pure machine: what the loops are at and how long
 * probes and queue stand still go in, a verdict comes out.
 *
 * Owned by the pool, on its owner's thread. Three things are no work any more: a loop that is in
 * one and the same turn, a started probe far beyond its time-out, and tasks that wait while none
 * starts or ends. Each makes the agent ill first (nothing new is taken, the master gives its tasks
 * to others), and when it stays so the process is not to be saved: it ends and is started anew.
 *
 * A process that was stopped convicts nobody: a step counts for no more than WATCHDOG_STEP_MS, and
 * probes and queue are not older than the last step that came late.
 */
#define WATCHDOG_STEP_MS 1000 /* looked at ten times a second: a later step was asleep itself */
/* A worker in one turn for so long gets no new task; it may only be short of CPU. */
#define WATCHDOG_LATE_MS 1000
#define WATCHDOG_ILL_MS  5000 /* that is no lack of CPU any more */
/* A second before the master hears of it: what waits is back there first, and not blamed. */
#define WATCHDOG_OVERDUE_MS (STALLED_OVERDUE_MS - 1000)
/* As long as the longest time-out: what ran beside it when it fell ill has ended and was sent. */
#define WATCHDOG_END_MS 30000

enum watch_verdict { WATCH_WELL, WATCH_ILL, WATCH_END };
enum watch_fault { FAULT_NONE, FAULT_LOOP, FAULT_PROBE, FAULT_QUEUE };

struct watch_loop {   /* one for each worker, zeroed */
    struct mono turn; /* in which it was last seen */
    int64_t stood_ms;
};
struct watchdog {
    struct mono stepped_at, woke_at; /* woke_at: probes and queue count from here at the earliest */
};

void watchdog_init(struct watchdog *d, struct mono now);
/* With each step, and first: how much of the time since the last one counts. */
int64_t watchdog_step(struct watchdog *d, struct mono now);
/* turn: unset while it waits for something to do. */
void watch_loop_seen(struct watch_loop *l, struct mono turn, int64_t step_ms);
/* What began at `since` has lasted so long, as far as this process was awake. */
int64_t watchdog_age_ms(const struct watchdog *d, struct mono since, struct mono now);

struct watch_figures {  /* negative: none */
    int64_t stood_ms;   /* the loop that stands longest */
    int64_t overdue_ms; /* the started probe that is most over its time-out */
    int64_t still_ms;   /* tasks wait and none starts or ends */
};
/* fault: which of them it is. */
enum watch_verdict watchdog_judge(const struct watch_figures *f, enum watch_fault *fault);
