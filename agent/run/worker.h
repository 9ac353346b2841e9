/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/run/pool.h"

/*
 * worker - one thread with one loop and the slots for the probes that run on it.
 *
 * The functions belong to the pool's owner; the worker meets it in two mailboxes: its inbox, and
 * the pool's box of ended jobs, into which it puts those of a turn together. The owner never gives
 * more jobs than there are slots, so neither can be full.
 */
struct worker;
struct worker_config {
    unsigned index, slots;
    const struct pool_config *pool; /* outlives the worker */
    struct mailbox *ended;          /* jobs come back here: a reply, never refused */
    struct vitals *vitals;          /* the pool's, as is the next */
    struct ports *ports;
};
struct worker *
worker_create(const struct worker_config *c); /* NULL: no descriptors, memory or thread (logged) */
/* Ends what runs as JOB_CANCELLED and joins the thread; once, before destroy. */
void worker_stop(struct worker *w);
void worker_destroy(struct worker **wp);

void worker_run_job(struct worker *w, struct job *j); /* takes j until it comes back */
void worker_cancel(struct worker *w, uint64_t task);
unsigned worker_index(const struct worker *w);
double worker_lag_ms(const struct worker *w);
int64_t worker_silent_ms(const struct worker *w, struct mono now);
void worker_doing(const struct worker *w, struct loop_doing *out);
