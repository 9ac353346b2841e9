/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/hub/lanes.h"
#include "master/hub/outgoing.h"
#include "master/schedule/schedule_req.h"

/*
 * timekeeper - drives the scheduler beside the core: its clock, its runs, its results, what it has
 * to keep, and what other threads ask of it.
 *
 * Hub thread, but for timekeeper_post. After a start the clock stands until every lane is open; a
 * snapshot of all checks is taken every SNAPSHOT_MS and at the end.
 */
#define SNAPSHOT_MS            300000
#define TIMEKEEPER_WAIT_MAX_MS 250 /* a jump of the wall clock is seen so soon */

struct timekeeper {
    struct scheduler *scheduler;
    struct lanes lanes;
    struct outgoing outgoing;
    struct mailbox *box;     /* schedule_req */
    struct idmap known;      /* lanes of the schedules that the scheduler has, by their ids */
    struct list acks;        /* schedule_req: until they are committed */
    struct list wait;        /* schedule_req: of a schedule whose lane is not open yet */
    struct mono snapshot_at; /* the last one */
    bool snapshot_due;
    const _Atomic bool *overloaded; /* the hub's */
    bool stopping;
};
void timekeeper_init(struct timekeeper *t, struct core *core, struct courier *courier,
                     const _Atomic bool *overloaded, mailbox_wake_f *wake, void *wake_arg);
void timekeeper_fini(struct timekeeper *t); /* after the courier */
/* What a start has read; the core has the lanes of before already. */
void timekeeper_load(struct timekeeper *t, const struct store_timetable *table);

MUST_USE enum err timekeeper_post(struct timekeeper *t, struct schedule_req *r); /* any thread */
/* True: something was asked, so that something may be due now. */
bool timekeeper_take(struct timekeeper *t);
/* Of the courier: a result of a lane was committed; what was sent is answered. */
void timekeeper_result(void *timekeeper, const struct store_result *r);
void timekeeper_answer(void *timekeeper, struct store_req *q);
/* What is due now; milliseconds until it is to be called again. */
int timekeeper_run(struct timekeeper *t);
void timekeeper_flush(struct timekeeper *t); /* the end of a turn */
void timekeeper_tick(struct timekeeper *t);  /* every tick of the hub */

void timekeeper_stop(struct timekeeper *t);    /* nothing is due any more; all is kept */
bool timekeeper_stopped(struct timekeeper *t); /* it is */
void timekeeper_close(struct timekeeper *t);   /* answers what is still asked, takes no more */
