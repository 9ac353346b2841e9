/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/digest.h"
#include "common/mem.h"
#include "master/core/state.h"
#include "proto/result.h"
#include "tests/support/sim_seen.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* core_world_state - what core_world.h is made of. */
/* Not every test program uses all of the world. */
#pragma GCC diagnostic ignored "-Wunused-function"

#define W_BATCHES  128
#define W_SESSIONS 64
#define W_HELD     4096
#define W_ANSWERS  4096
#define W_RATED    64 /* hosts of batches with a rate: numbers below it */

struct w_task {
    bool has_result; /* committed */
    bool told;       /* and the core knows */
    enum outcome outcome;
    char cause[CAUSE_MAX];
    int stored;     /* how many results were tried to be stored */
    uint64_t agent; /* hash of who answered; 0 = the master */
    uint64_t host;
    uint32_t slot;           /* of a run: its place among those of its target … */
    struct mono deadline_at; /* … and its own; unset: no run */
};
struct w_batch {
    bool open, marked, paused, held_back; /* held_back: paused in the core */
    int pausing;  /* on its way to the store: 1 pause, −1 resume, 0 nothing */
    bool marking; /* a mark is */
    struct mono deadline_at;
    uint64_t ended[OUTCOME_COUNT], n_ended; /* results, as rows are counted when they come */
    uint64_t swept[OUTCOME_COUNT];          /* of them, those that the core is not told of */
    bool swept_over;                        /* nor that these were the last */
    enum cause mark_cause;
    bool growing, closed; /* in the store; closed: nobody adds any more */
    bool closed_untold;   /* the core does not know that it does not … */
    uint64_t runs_untold; /* … nor of so many of its last tasks */
    uint64_t total, cap;
    unsigned pad; /* bytes by which each spec is longer than it need be */
    int64_t per_host;
    const char *more; /* members of each spec; NULL = none */
    struct w_task *tasks;
    struct core_batch def;
};
struct w_held {
    uint64_t task;
    char ticket[TICKET_TEXT_MAX];
    enum task_class cls;
    bool done; /* its result waits for an ack */
};
struct w_agent { /* one connection, as the test plays it */
    session_id id;
    char name[AGENT_NAME_MAX];
    int64_t unread;               /* bytes that its socket at the master holds */
    int64_t overdue_ms, still_ms; /* what its heartbeats say of its work … */
    double lag_ms;                /* … its loop … */
    int64_t outbox_results;       /* … and what waits */
    bool closed, wants, borne;
    int close_code;
    struct w_held held[W_HELD];
    unsigned n_held;
    uint64_t received, received_bytes, acks_stored, acks_duplicate, acks_rejected, cancels;
    struct window granted;       /* credit: the core must not pass it */
    struct window results, sent; /* results: what it may send, as it was told */
    bool heedless;               /* it sends without regard to that */
    unsigned empty_acks;         /* that told the window and nothing else */
    unsigned verdict_keep, verdict_drop;
    bool welcomed, goaway;
};
struct w_pending {
    uint64_t task;
    session_id session;
    enum outcome outcome;
    char cause[CAUSE_MAX], agent[AGENT_NAME_MAX + 1];
    size_t len;
    enum ack_verdict verdict; /* once it is committed … */
    bool again;               /* … or that it is to be asked of another agent */
};
struct w_refill { /* what the store's reader is asked, and what it saw when it looked */
    struct core_refill q;
    uint64_t last, found[CORE_REFILL_ROWS], passed[CORE_REFILL_HOSTS];
    struct core_answer answers[W_ANSWERS];
    unsigned n_answers;
    unsigned n;
    bool read;
};
struct w_rate {
    uint64_t epoch;
    double tokens;
    struct mono at;
    unsigned starts;
};
struct world {
    struct w_rate rated[W_RATED];
    uint64_t asked_to_write; /* sessions, in all */
    struct core *core;
    struct core_ops ops;
    struct mono now;
    uint64_t epoch;
    struct ticket_key key;
    struct w_batch batches[W_BATCHES];
    struct w_agent agents[W_SESSIONS];
    unsigned n_agents;
    char holders[W_SESSIONS][AGENT_NAME_MAX]; /* as the store remembers them */
    unsigned n_holders;
    struct w_pending *pending; /* in the order of commit; the first n_committed wait to be told */
    size_t n_pending, n_committed, cap_pending;
    struct w_refill refills[2 * W_BATCHES]; /* those being answered, and those asked meanwhile */
    unsigned n_refills, n_batches;          /* n_batches: the highest number */
    bool store_stalled, refill_stalled;
    bool silent, sweeps_silent;       /* nobody is told of what was committed, and swept */
    unsigned fail_next, refills_fail; /* so many commits fail, and refills */
    bool refill_early;    /* read when asked: what is committed before the answer is not seen */
    uint64_t refill_rows; /* asked for, all together */
    unsigned refill_scan, sweep_rows, commit_rows; /* at most so many at once; 0 = all */
    struct rng *rng;           /* NULL: what a master leaves half done when it dies is lost */
    enum sim_kind kill_at;     /* a SAW_kill_m_…, 0 = none: there it dies … */
    unsigned kill_after;       /* … when it comes by for the so manyeth time */
    uint64_t shun[W_SESSIONS]; /* of what is added to lanes */
    unsigned n_shun;
    bool killed, acked;              /* acked: the last frame held acks */
    void (*booted)(struct world *w); /* NULL = nobody is told of a new core */
    bool one_line; /* a frame holds one line: between any two of them anything can happen */
    unsigned events, ended_calls, ends;
    enum end last_end;
    int64_t last_end_age_ms;
    char last_end_detail[END_DETAIL_MAX];
    struct core_history told; /* of the last result */
    bool tell_steps;
    char steps[256]; /* the newest steps that were told, "leased(a) result(a:ok) …" */
    char last_event[64], last_detail[384], bulk_loss[320];
};

static struct wall w_wall(void *arg)
{
    return (struct wall){0};
}
/* How busy the loop of the master is, is not known here. */
static double w_cpu(void *arg)
{
    return -1;
}
