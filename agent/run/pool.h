/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/run/probe_kind.h"
#include "agent/run/watchdog.h"
#include "common/ids.h"
#include "common/mailbox.h"
#include "proto/message.h"
#include "proto/result.h"
#include "proto/target.h"

/*
 * pool - the bounded thread pool of event loops: N workers with S slots each behind one bounded
 * admission queue.
 *
 * All calls belong to one thread, the pool's owner (the link thread); workers are reached through
 * mailboxes only. The admission queue (at most slots/4, at least 8) lives on the owner's side, per
 * class, served by the weights 8:4:1; 1/16 of the slots (at least 1) is never given to bulk. Every
 * job submitted comes back exactly once through pool_take_done().
 */
enum job_end {
    JOB_DONE,      /* result is filled */
    JOB_RELEASED,  /* never started, or cut short by deadline_at: hand it back (only the master says
                      "expired") */
    JOB_CANCELLED, /* by pool_cancel: no result to report */
};
struct job_order { /* private to worker */
    struct letter letter;
    enum { ORDER_RUN, ORDER_CANCEL, ORDER_STOP } kind;
    struct job *job;
    uint64_t task;
};
/* Made by job_create, freed by job_destroy; in the pool's hands between submit and take_done. */
struct job {
    struct letter letter;
    uint64_t task;
    enum task_class cls;
    struct target *target;                /* owned */
    struct result *result;                /* owned; created by job_create with the ticket */
    struct mono admitted_at, deadline_at; /* deadline_at caps the target's own timeout */
    enum job_end end;
    char trace[TRACE_TEXT_MAX]; /* "" by job_create: for logs */
    /* private to pool and worker */
    struct list_node queue_node;
    struct job_order start;
    void *worker, *slot;
    struct mono started_at, due_at; /* due_at: it should have ended */
    bool cancel_sent;
};
struct job *job_create(uint64_t task, const char *ticket, enum task_class cls, struct target *t,
                       struct mono now, struct mono deadline_at); /* takes t */
void job_destroy(struct job **jp);

struct pool_config {
    unsigned workers, slots;           /* slots per worker */
    struct policy *policy;             /* outlives the pool */
    const char *ca_file, *resolver;    /* borrowed for the pool's life */
    const struct probe_kind *kinds[2]; /* by enum target_kind */
    mailbox_wake_f *on_done;           /* any worker's thread: results wait in pool_take_done() */
    void *on_done_arg;
};
struct pool;
/* ERR_SYSTEM: no threads or descriptors (logged). */
MUST_USE enum err pool_create(const struct pool_config *c, struct pool **out);

/* Releases what has not started and cancels what runs, joins the workers. All jobs must have been
 * taken back or are freed here. */
void pool_destroy(struct pool **pp);

/* Takes j. ERR_FULL when no place is free: j stays with the caller. */
MUST_USE enum err pool_submit(struct pool *p, struct job *j, struct mono now);

/* Appends finished jobs (job.letter.node) to *out, and gives freed slots to waiting jobs. */
size_t pool_take_done(struct pool *p, struct list *out, struct mono now);

/* A waiting job comes back at once, a running one soon, as JOB_CANCELLED (or JOB_DONE if it was
 * quicker). False: not here. */
bool pool_cancel(struct pool *p, uint64_t task);
/* All waiting jobs come back as JOB_RELEASED; running ones go on. */
void pool_release_waiting(struct pool *p);

struct pool_stats {
    unsigned slots, queue_max; /* totals */
    unsigned running, queued;
    uint64_t ended;
    int64_t oldest_ms;            /* age of the oldest started probe, −1 = none */
    double lag_ms;                /* the worst worker's */
    int64_t silent_ms;            /* since the loop of the most silent worker last turned */
    int64_t overdue_ms, still_ms; /* see watch_figures; −1 = none */
};
void pool_stats(struct pool *p, struct mono now, struct pool_stats *out);

/* Does the work go on? To be called ten times a second: waiting jobs get what became free, and a
 * worker that stands gets none. */
struct pool_fault {
    enum watch_fault kind;
    int64_t ms;      /* how long the loop stands, the probe is overdue, or the queue still */
    unsigned worker; /* of a loop or a probe */
    unsigned jobs;   /* that worker has in hand */
    const char *phase;
    uint64_t task;     /* 0: not known */
    const char *trace; /* "" = none; lives as the job does */
};
enum watch_verdict pool_watch(struct pool *p, struct mono now, struct pool_fault *out);
/* Places free for new jobs, in slots and queue together. */
unsigned pool_free_places(const struct pool *p);
/* What the workers have heard, and the ports that they left behind; the pool's own. */
const struct vitals *pool_vitals(const struct pool *p);
struct ports *pool_ports(struct pool *p);
