/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/idmap.h"
#include "master/hub/lanes.h"
#include "master/schedule/scheduler.h"

/*
 * outgoing - what the scheduler wants to have kept, on its way to the store: runs, entries of its
 * journal, snapshots, committed in the order in which they were said.
 *
 * Hub thread. What is said in one turn of the loop goes out together, as a stage: its entries in
 * one request and its runs in the next; where that would put a gap before a run of the same check,
 * a new stage begins. OUTGOING_STAGES_MAX are under way at a time; the rest waits here, and of a
 * gap that grows meanwhile only the newest. Bounded: runs by outgoing_room() and by the scheduler,
 * which runs each check once at a time; entries beyond OUTGOING_NOTES_MAX that are no incidents are
 * counted as lost, which is a line of history: states and gaps are in the next snapshot too. What
 * is told for a snapshot is never lost: a gap of each check at most.
 */
#define OUTGOING_STAGES_MAX 4
#define OUTGOING_RUNS_MAX   20000
#define OUTGOING_NOTES_MAX  20000 /* about 1.5 KiB each */
#define OUTGOING_READY_MAX  8192  /* tasks of a lane that no agent has taken: the fleet is behind */

struct stage {
    struct list_node node;
    struct list notes, runs;
    bool again;                /* of runs that their lanes did not take */
    struct idmap gaps, checks; /* by check: its gap among notes; its run */
};
struct outgoing {
    struct core *core;
    struct courier *courier;
    struct lanes *lanes;
    struct list stages; /* in order; the last one is being filled */
    struct list sent;   /* runs, of requests under way */
    size_t n_runs, n_notes;
    unsigned under_way; /* requests of runs and entries */
    unsigned snapshots; /* requests of them */
    uint64_t lost;
    bool taking; /* a snapshot is being made, and what is told for its sake goes before it */
    /* Hub thread: the rows of this run are committed, and the core has its tasks. */
    void (*on_began)(void *arg, uint64_t check, uint64_t seq, uint64_t first, unsigned n,
                     struct mono now);
    void *arg;
    /* Hub thread: that somebody has this incident is committed, or err says why it cannot be. */
    void (*on_acked)(void *arg, uint64_t incident, enum err err);
    void (*on_alerts)(void *arg); /* hub thread: deliveries were queued; NULL = nobody */
    void *alerts_arg;
};
void outgoing_init(struct outgoing *o, struct core *core, struct courier *courier,
                   struct lanes *lanes);
void outgoing_fini(struct outgoing *o);

/* scheduler_ops. */
enum plan_miss outgoing_room(struct outgoing *o, const struct schedule *s, unsigned *agents,
                             struct mono now);
void outgoing_run(struct outgoing *o, const struct scheduler_run *r, struct mono now);
void outgoing_entry(struct outgoing *o, const struct scheduler_entry *e);

void outgoing_flush(struct outgoing *o); /* the end of a turn */
/* All checks as they are now, behind all that was said, which has been sent by then. False: not
 * now, for too much waits, or the last one. (A run that the store refuses for the end of its lane
 * is sent anew behind the snapshot: should all end in between, its slot is neither run nor missed.)
 */
bool outgoing_snapshot(struct outgoing *o, struct scheduler *x, struct wall at);
/* Of courier.on_answer: RUNS_ADD, JOURNAL, SNAPSHOT. */
void outgoing_answer(struct outgoing *o, struct store_req *q, struct mono now);
bool outgoing_idle(const struct outgoing *o); /* all of it is committed */
