/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mailbox.h"
#include "master/core/core_req.h"
#include "master/store/store.h"

/*
 * desk - serves what other threads ask of the core (core_req.h).
 *
 * Hub thread, but for desk_post. Every request that was taken gets its done() once: at once, when
 * its batch ends, when its time is up, or with desk_close.
 */
struct desk {
    struct core *core;
    struct journal *journal;
    /* Fills in what the sockets know; NULL: nothing. */
    void (*look)(void *arg, struct agent_view *views, unsigned n);
    void *look_arg;
    struct mailbox *box;
    struct list waits;   /* by core_req.wait_node … */
    struct list commits; /* … as are those that wait for the store */
};
void desk_init(struct desk *d, mailbox_wake_f *wake, void *arg);
void desk_fini(struct desk *d); /* after desk_close */

MUST_USE enum err desk_post(struct desk *d, struct core_req *r); /* any thread */
void desk_take(struct desk *d, struct mono now);
void desk_tick(struct desk *d, struct mono now);                 /* waits whose time is up */
void desk_on_ended(struct desk *d, struct core_req *waiter);     /* core_ops.ended */
void desk_on_committed(struct desk *d, struct core_req *waiter); /* its cancel, pause or resume */
void desk_close(struct desk *d);                                 /* answers all, takes no more */

/* A batch as the store keeps it, into the core. */
void desk_open_batch(struct core *core, const struct batch_info *info, bool resumed,
                     struct mono now);
