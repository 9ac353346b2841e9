/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mailbox.h"
#include "master/core/core.h"
#include "master/schedule/scheduler.h"
#include "master/store/store.h"

/*
 * runs - brings runs of schedules into the store and then to the core.
 *
 * Hub thread. A run is one or more tasks of an open-ended batch, its lane: one for all schedules
 * that look alike to the fleet (schedule_lane), a new one every LANE_MS, so that what is old can go
 * as a whole. One request of runs is on its way to the store at a time; what it refuses for want of
 * room is sent again, in order. Bounded: by the scheduler, which runs each check once at a time,
 * and has no room beyond RUNS_WAITING_MAX.
 */
#define LANE_MS          3600000
#define LANE_IDLE_MS     600000 /* without a run for so long after that, it is closed */
#define RUNS_WAITING_MAX 20000
#define RUNS_READY_MAX   8192 /* tasks of a lane that no agent has taken: the fleet is behind */

struct lane;
struct pending;
struct runs {
    struct core *core;
    struct store *store; /* NULL until runs_start: they wait */
    struct lane *lanes;  /* by text */
    struct list closing; /* lanes that a younger one has taken the place of */
    struct list waiting; /* pending, whose lane is open */
    size_t n_waiting;    /* with those whose lane is not */
    struct list sent;    /* pending, of the request under way */
    struct store_req *under_way;
    struct mailbox *answers;
    bool held; /* the store refused: until the next tick */
    bool stopping;
    /* Hub thread: the rows of this run are committed and the core has them. */
    void (*on_began)(void *arg, uint64_t check, uint64_t seq, uint64_t first, unsigned n,
                     struct mono now);
    void *arg;
};

void runs_init(struct runs *r, struct core *core, mailbox_wake_f *wake, void *wake_arg);
void runs_fini(struct runs *r); /* after the store has closed */
/* A lane of a process before this one, which the core has already. */
void runs_load(struct runs *r, uint32_t batch, const char *lane, struct wall opened_at,
               struct mono now);
void runs_start(struct runs *r, struct store *s);

/* Opens its lane ahead of its first run. */
void runs_expect(struct runs *r, const struct schedule *s, struct mono now);
/* scheduler_ops.room and .run. */
enum plan_miss runs_room(struct runs *r, const struct schedule *s, unsigned *agents);
void runs_add(struct runs *r, const struct scheduler_run *run, struct mono now);

void runs_flush(struct runs *r); /* the end of a turn */
void runs_take(struct runs *r, struct mono now);
void runs_tick(struct runs *r, struct mono now);
void runs_stop(struct runs *r);       /* nothing is added, and no lane opened, any more */
bool runs_idle(const struct runs *r); /* all that was added is committed */
