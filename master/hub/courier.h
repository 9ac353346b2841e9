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
    /* Hub thread: a result of a lane was committed as the one of its task; its texts are there
     * during the call. NULL: nobody wants to know. */
    void (*on_result)(void *arg, const struct store_result *r);
    void *result_arg;
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

void courier_flush(struct courier *c);                 /* sends what waits */
void courier_retry(struct courier *c);                 /* at a tick: what failed waits again */
void courier_take(struct courier *c, struct mono now); /* hands the answers to the core */
void courier_on_swept(struct courier *c, uint32_t batch, enum outcome outcome, uint64_t count,
                      bool finished);
