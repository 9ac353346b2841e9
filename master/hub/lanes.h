/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/hub/courier.h"
#include "master/schedule/schedule.h"

#define uthash_fatal(msg) UNREACHABLE("uthash: " msg)
#include <uthash.h>

/*
 * lanes - the open-ended batches that runs of schedules are tasks of: one for all schedules that
 * look alike to the fleet (schedule_lane), and a new one every LANE_MS, so that what is old can go
 * as a whole.
 *
 * Hub thread. Bounded by the schedules: one of each text, and those that are being closed.
 */
#define LANE_MS      3600000
#define LANE_IDLE_MS 86400000 /* one that nothing runs in is renewed, too, before it expires */

/*
 * (none) ──expected──► OPENING ──committed──► OPEN ──older than LANE_MS──► its follower is OPENING
 * ──committed──► its number is the follower's; the old one is closed behind what was sent to it
 *
 * One that is expected by no schedule any more is closed when it is older than LANE_MS. While one
 * expects it, it is there: the slot of a check that is due once a day cannot wait for a commit.
 */
struct lane {
    char *text;
    uint32_t batch; /* 0: not open */
    bool opening;   /* it, or its follower */
    struct mono opened_at;
    size_t schedules; /* that expect it, … */
    size_t runs;      /* … and runs that are to be added to it, or are on their way */
    char *agents;     /* of its schedules, as batch_info has it */
    uint32_t slots;
    int64_t per_host;
    double per_host_rate;
    UT_hash_handle hh;
};
struct lanes {
    struct core *core;
    struct courier *courier;
    struct lane *all; /* by text */
    size_t closed;    /* of those that are not open: how many are wanted */
    bool stopping;
};
void lanes_init(struct lanes *l, struct core *core, struct courier *courier);
void lanes_fini(struct lanes *l);
/* A lane of a process before this one: nothing is added to it, for the core gives none of its tasks
 * out before agents have said what they run. */
void lanes_load(struct lanes *l, uint32_t batch);

/* That of a schedule, opened if it is not. */
struct lane *lanes_expect(struct lanes *l, const struct schedule *s, struct mono now);
/* The same, and it stays; lanes_leave() takes that back. */
struct lane *lanes_join(struct lanes *l, const struct schedule *s, struct mono now);
void lanes_leave(struct lane *lane);
/* That of a schedule, which is used now: renewed when it is old. */
struct lane *lanes_use(struct lanes *l, const struct schedule *s, struct mono now);
/* It takes no more, says the store: it is opened anew. */
void lanes_refused(struct lanes *l, struct lane *lane, uint32_t batch);
bool lanes_ready(const struct lanes *l); /* every lane that is expected is open */

/* Of courier.on_answer: LANE_OPEN, LANE_CLOSE. */
void lanes_answer(struct lanes *l, struct store_req *q, struct mono now);
void lanes_tick(struct lanes *l, struct mono now);
void lanes_stop(struct lanes *l); /* none is opened or closed any more */
