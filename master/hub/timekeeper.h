/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/hub/chronicle.h"
#include "master/hub/runs.h"
#include "master/schedule/schedule_req.h"

/*
 * timekeeper - drives the scheduler beside the core: its clock, its runs, its results, what it has
 * to keep, and what other threads ask of it.
 *
 * Hub thread, but for timekeeper_post. A snapshot of all checks is taken every SNAPSHOT_MS and at
 * the end, in a moment in which every run and every entry is committed: for that the clock stands
 * still for the time of a commit, SNAPSHOT_WAIT_MS at most.
 */
#define SNAPSHOT_MS            300000
#define SNAPSHOT_WAIT_MS       2000
#define TIMEKEEPER_WAIT_MAX_MS 250 /* a jump of the wall clock is seen so soon */

struct timekeeper {
    struct core *core;
    struct scheduler *scheduler;
    struct runs runs;
    struct chronicle chronicle;
    struct mailbox *box;                /* schedule_req */
    struct mono snapshot_at, wanted_at; /* wanted_at: set while one is waited for */
    const _Atomic bool *overloaded;     /* the hub's */
    bool stopping;
};
void timekeeper_init(struct timekeeper *t, struct core *core, const _Atomic bool *overloaded,
                     mailbox_wake_f *wake, void *wake_arg);
void timekeeper_fini(struct timekeeper *t); /* after the store has closed */
/* What a start has read; the core has the open lanes already. */
void timekeeper_load(struct timekeeper *t, const struct store_timetable *table);
void timekeeper_start(struct timekeeper *t, struct store *s);

MUST_USE enum err timekeeper_post(struct timekeeper *t, struct schedule_req *r); /* any thread */
/* True: something was asked, so that something may be due now. */
bool timekeeper_take(struct timekeeper *t);
/* A result of a lane was committed. */
void timekeeper_result(void *timekeeper, const struct store_result *r);
/* What is due now; milliseconds until it is to be called again. */
int timekeeper_run(struct timekeeper *t);
void timekeeper_flush(struct timekeeper *t); /* the end of a turn */
void timekeeper_tick(struct timekeeper *t);  /* every tick of the hub: what failed is tried again */

void timekeeper_stop(struct timekeeper *t);    /* nothing is due any more; all is kept */
bool timekeeper_stopped(struct timekeeper *t); /* it is */
void timekeeper_close(struct timekeeper *t);   /* answers what is still asked, takes no more */
