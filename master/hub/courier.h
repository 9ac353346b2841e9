/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mailbox.h"
#include "master/core/core.h"
#include "master/store/store.h"

/*
 * courier - carries what the core asks of the store there, and the answers back.
 *
 * Hub thread, but for courier_on_swept (store threads). Results are gathered into requests of up to
 * STORE_COMMIT_ROWS and sent by courier_flush, once a turn of the loop. What the store refuses for
 * want of room waits here in order, and what failed (a full disk) is sent again at the next tick:
 * a result is never dropped. Bounded by the result windows of the core and one refill a batch.
 */
struct parcel;
struct courier {
    struct core *core;
    struct store *store; /* NULL until courier_start: requests wait */
    struct mailbox *replies, *swept;
    struct parcel *filling;
    struct list unsent; /* by store_req.letter.node, in order */
    struct list failed; /* sent again at the next tick */
    /* Hub thread: what courier_mark or courier_pause sent with a waiter is committed. */
    void (*on_committed)(void *arg, void *waiter);
    void *arg;
    /*
     * Hub thread, NULL = nobody: a result of a lane's task that was committed as the task's one
     * (its strings are borrowed during the call; agent NULL: the master's verdict). The core was
     * told before. What is swept of a lane that is being ended is told to the core alone.
     */
    void (*on_result)(void *arg, const struct store_result *r);
    /* Hub thread: the answer to courier_send(); r is the courier's again afterwards. */
    void (*on_answer)(void *arg, struct store_req *r);
    void *lane_arg; /* of the last two */
};
/* wake: runs on store threads when an answer has come. */
void courier_init(struct courier *c, mailbox_wake_f *wake, void *arg);
void courier_fini(struct courier *c); /* after the store has closed */
void courier_start(struct courier *c, struct store *s);

/* What struct core_ops asks for. */
void courier_store(struct courier *c, const struct core_result *r);
void courier_refill(struct courier *c, const struct core_refill *q);
void courier_mark(struct courier *c, uint32_t batch, bool cancel, enum cause cause, void *waiter);
void courier_pause(struct courier *c, uint32_t batch, bool paused, void *waiter);
void courier_agent_empty(struct courier *c, const char *name);
void courier_agent_seen(struct courier *c, const char *name, const char *tags_json,
                        const char *instance);

/*
 * For whoever lives on this thread beside the core (the scheduler): takes r, made by
 * store_req_create(op, courier_done, c), and gives its answer to on_answer() once it is committed,
 * or the store has said that it cannot be done (r->err: ERR_NOT_FOUND, ERR_EXISTS, ERR_INVALID,
 * ERR_FULL). What fails otherwise, a full disk say, is sent again until one of both holds: nothing
 * is dropped but with the courier itself. Requests and answers keep their order, with each other
 * and with the results of the core; r->arg stays the courier's.
 *
 *   STORE_LANE_OPEN   → desk_open_batch(core, &r->lane.info, false, now)
 *   STORE_RUNS_ADD    → core_batch_add() of each run's n tasks from `first` on, in the order of the
 *                       items, then core_batch_added(); ERR_NOT_FOUND, ERR_FULL: open another
 *                       lane and send the runs anew
 *   STORE_LANE_CLOSE  → core_batch_close(), whatever err says
 *
 * All three from inside on_answer(): the core must not hear of a later answer before.
 */
void courier_send(struct courier *c, struct store_req *r);
void courier_done(struct store_req *r);

void courier_flush(struct courier *c);                 /* sends what waits */
void courier_retry(struct courier *c);                 /* at a tick: what failed waits again */
void courier_take(struct courier *c, struct mono now); /* hands the answers to the core */
void courier_on_swept(struct courier *c, uint32_t batch, enum outcome outcome, uint64_t count,
                      bool finished);
