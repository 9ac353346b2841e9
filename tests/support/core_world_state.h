/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/digest.h"
#include "common/mem.h"
#include "master/core/core.h"
#include "proto/result.h"
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
    bool exists, has_result;
    enum outcome outcome;
    char cause[CAUSE_MAX];
    int stored;     /* how many results were tried to be stored */
    uint64_t agent; /* hash of who answered; 0 = the master */
    uint64_t host;
};
struct w_batch {
    bool open, marked, paused, held_back; /* held_back: paused in the core */
    int pausing; /* on its way to the store: 1 pause, −1 resume, 0 nothing */
    enum cause mark_cause;
    uint64_t total;
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
    bool closed, wants;
    int close_code;
    struct w_held held[W_HELD];
    unsigned n_held;
    uint64_t received, received_bytes, acks_stored, acks_duplicate, acks_rejected, cancels;
    struct window granted; /* credit: the core must not pass it */
    unsigned verdict_keep, verdict_drop;
    bool welcomed, goaway;
};
struct w_pending {
    uint64_t task;
    session_id session;
    enum outcome outcome;
    char cause[CAUSE_MAX], agent[AGENT_NAME_MAX + 1];
    size_t len;
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
    struct w_pending *pending;
    size_t n_pending, cap_pending;
    struct w_refill refills[2 * W_BATCHES]; /* those being answered, and those asked meanwhile */
    unsigned n_refills;
    bool store_stalled, refill_stalled;
    bool refill_early;    /* read when asked: what is committed before the answer is not seen */
    uint64_t refill_rows; /* asked for, all together */
    unsigned refill_scan, sweep_rows; /* at most so many at once; 0 = all */
    unsigned events, ended_calls;
    struct core_history told; /* of the last result */
    char last_event[64];
};
