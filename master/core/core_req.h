/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mailbox.h"
#include "master/core/ages.h"
#include "master/core/core.h"
#include "master/core/event_log.h"

/*
 * core_req - what other threads ask of the core, by mailbox to the hub thread.
 *
 * Caller-owned; in the hub's hands between the post and done(), which runs exactly once on the hub
 * thread, must be quick, and owns the request again. Everything in `out` parts belongs to the
 * request and is freed by its owner.
 */
#define CORE_REQS_MAX 16384 /* letters in the hub's request mailbox */

enum core_req_op {
    REQ_BATCH_OPENED, /* opened: a committed upload enters the core */
    REQ_BATCH_COUNTS, /* batch → counts, found */
    REQ_CANCEL,       /* batch → found: done when committed */
    REQ_PAUSE,   /* batch, pause: done when committed; found = false: counts say whether marked */
    REQ_WAIT,    /* batch, wait_ms: done when it ended, or timed out (found = ended) */
    REQ_WATCH,   /* batch, wait_ms: done then, or when it ended → counts, found = still open */
    REQ_TASK,    /* task → state, history; found = it is in memory */
    REQ_AGENTS,  /* agent name or NULL → views */
    REQ_EVENTS,  /* agent, events → events.page; done when there is one, or after wait_ms */
    REQ_DIAGNOSE /* → views of all, stuck, pile, box */
};
struct core_req {
    struct letter letter;
    enum core_req_op op;
    void (*done)(struct core_req *r);
    void *arg;
    uint32_t batch;
    int64_t wait_ms;
    bool pause; /* false: resume */
    char *agent;
    void *opened; /* struct batch_info of the store, borrowed; the hub turns it into a core_batch */
    bool found;
    struct core_counts counts;
    uint64_t task;
    const char *state; /* static */
    char *history;     /* JSON: {lost, left_out, attempts} */
    struct agent_view *views;
    unsigned n_views;
    struct {
        char *kind; /* NULL = any */
        bool newest;
        bool served;            /* out: the log was looked at, which an ending hub does not */
        struct event_key after; /* epoch 0: of this start; out: where to go on */
        unsigned limit;
        struct event_page page;
    } events;
    struct core_stuck *stuck;
    unsigned n_stuck, more_stuck;
    struct ages_pile pile;    /* of the ages at which sessions ended; n 0: they do not pile up */
    struct mailbox_stats box; /* of these requests */
    /* private to the hub */
    struct list_node wait_node;
    struct mono wait_until;
};
