/* SPDX-License-Identifier: MIT */
#pragma once
#include "tests/support/core_audit.h"
#include "tests/support/core_world.h"
#include "tests/support/sim_run.h"

/*
 * sim_adversary - what both storms do to a master: users, the store's weather, bounds that small
 * worlds reach, and where it is killed.
 */
#define SIM_WAITERS_MAX 64
#define SIM_RETRIES_MAX 3

struct sim_waiter {
    unsigned told; /* first: the core is given a pointer to it */
    uint64_t epoch;
};
struct sim_users {
    struct world *w;
    struct rng *rng;
    uint32_t batches, opened, retries; /* batches: of the storm; what is tried again lies behind */
    struct sim_waiter waiters[SIM_WAITERS_MAX];
    unsigned n_waiters;
};

/* ---- what must hold */

/* The core's counts add up, and it knows of no result that is not there. */
static void users_check_counts(const struct sim_users *u)
{
    for (uint32_t num = 1; num <= u->w->n_batches; num++) {
        const struct w_batch *b = &u->w->batches[num];
        struct core_counts n;
        if (!core_batch_counts(u->w->core, num, &n))
            continue;
        uint64_t ended = 0, untold = b->swept[OUTCOME_CANCELLED] + b->swept[OUTCOME_EXPIRED];
        for (int i = 0; i < OUTCOME_COUNT; i++) {
            REQUIRE(n.ended[i] <= b->ended[i]);
            ended += n.ended[i];
        }
        REQUIRE(n.queued + n.running + ended == n.total);
        REQUIRE(u->w->n_committed > 0 || ended + untold == b->n_ended);
    }
}

/* One agent, one answer to a target. */
static void users_check_slots(const struct w_batch *b)
{
    for (uint64_t i = 0; b->def.slots > 1 && i < b->total; i++)
        for (uint64_t k = i - w_slot(b, i); k < i && w_slot(b, i) < b->def.slots; k++)
            REQUIRE(!b->tasks[i].agent || b->tasks[i].agent != b->tasks[k].agent);
}

static void users_check_end(const struct sim_users *u)
{
    struct core_counts n;
    for (uint32_t num = 1; num <= u->w->n_batches; num++) {
        SIM_CHECK(world_all_ended(u->w, num), "batch %u did not end", num);
        SIM_CHECK(!core_batch_counts(u->w->core, num, &n), "batch %u is still open", num);
        users_check_slots(&u->w->batches[num]);
    }
    for (unsigned i = 0; i < u->n_waiters; i++) /* those of a dead master: told once, or not */
        REQUIRE(u->waiters[i].told == 1 || u->waiters[i].epoch < u->w->epoch);
    core_audit(u->w->core);
}

/* ---- users */

static uint32_t users_some_batch(struct sim_users *u)
{
    return 1 + (uint32_t)rng_below(u->rng, u->w->n_batches);
}

/* What did not end well is a batch of its own; the old one keeps its truth. */
static void users_retry(struct sim_users *u)
{
    struct world *w = u->w;
    const struct w_batch *old = &w->batches[users_some_batch(u)];
    uint64_t bad = old->n_ended - old->ended[OUTCOME_OK];
    if (old->def.lane || u->opened < u->batches || u->retries == SIM_RETRIES_MAX ||
        old->n_ended < old->total || bad == 0)
        return;
    uint32_t num = u->batches + ++u->retries;
    world_batch(w, num, bad, 4, 0);
    for (uint64_t i = 0, k = 0; i < old->total; i++)
        if (old->tasks[i].outcome != OUTCOME_OK)
            w->batches[num].tasks[k++].host = old->tasks[i].host;
    w_accept(w, num);
    SEEN(retry);
}

static void users_wait(struct sim_users *u)
{
    if (u->n_waiters == SIM_WAITERS_MAX)
        return;
    uint32_t num = users_some_batch(u);
    if (!batch_find(u->w->core, num) && u->w->batches[num].n_ended < u->w->batches[num].total)
        return; /* not open yet */
    struct sim_waiter *wt = &u->waiters[u->n_waiters++];
    wt->epoch = u->w->epoch;
    core_wait(u->w->core, num, &wt->told);
}

static void users_step(struct sim_users *u)
{
    struct world *w = u->w;
    if (w->n_batches == 0)
        return;
    switch (rng_below(u->rng, 8)) {
    case 0:
        if (rng_below(u->rng, 4) == 0)
            core_cancel(w->core, users_some_batch(u), NULL, w->now);
        break;
    case 1:
    case 2:
        core_pause(w->core, users_some_batch(u), rng_below(u->rng, 2), NULL, w->now);
        break;
    case 3:
    case 4:
        users_wait(u);
        break;
    default:
        users_retry(u);
        break;
    }
}

static void users_resume_all(struct sim_users *u)
{
    for (uint32_t num = 1; num <= u->w->n_batches; num++)
        core_pause(u->w->core, num, false, NULL, u->w->now);
}

/* ---- the store */

/* How it behaves from now on. */
static void store_weather(struct world *w)
{
    static const unsigned scans[] = {0, 0, 1, 7, 300};
    unsigned some = scans[rng_below(w->rng, ARRAY_LEN(scans))];
    switch (rng_below(w->rng, 9)) {
    case 0:
        w->store_stalled = !w->store_stalled;
        break;
    case 1:
        w->refill_stalled = !w->refill_stalled;
        break;
    case 2:
        w->refill_early = !w->refill_early;
        break;
    case 3:
        w->refill_scan = some;
        break;
    case 4:
        w->silent = !w->silent;
        break;
    case 5:
        w->sweeps_silent = !w->sweeps_silent;
        break;
    case 6:
        w->commit_rows = some;
        break;
    case 7:
        w->fail_next = (unsigned)rng_below(w->rng, 3);
        w->refills_fail = (unsigned)rng_below(w->rng, 3);
        break;
    default:
        w->sweep_rows = some;
        break;
    }
}

static void store_calm(struct world *w)
{
    w->store_stalled = w->refill_stalled = w->silent = w->sweeps_silent = false;
    w->refill_scan = w->sweep_rows = w->commit_rows = w->fail_next = w->refills_fail = 0;
}

/* ---- the master */

/* It will die at some point, or at none if it does not come there so often. */
static void arm_kill(struct sim_users *u)
{
    struct world *w = u->w;
    unsigned n = SAW_kill_m_grace - SAW_kill_m_accepted + 1;
    w->kill_at = SAW_kill_m_accepted + (unsigned)rng_below(u->rng, n);
    w->kill_after = 1 + (unsigned)rng_below(u->rng, rng_below(u->rng, 2) ? 2 : 30);
    if (w->n_batches == 0)
        return;
    /* Some are so rare that they need help. */
    if (w->kill_at == SAW_kill_m_mark || w->kill_at == SAW_kill_m_sweep) {
        w->kill_after = w->sweep_rows = 1;
        core_cancel(w->core, users_some_batch(u), NULL, w->now);
    } else if (w->kill_at == SAW_kill_m_pause) {
        w->kill_after = 1;
        core_pause(w->core, users_some_batch(u), rng_below(u->rng, 2), NULL, w->now);
    } else if (w->kill_at == SAW_kill_m_accepted || w->kill_at == SAW_kill_m_runs) {
        w->kill_after = 1;
    }
}

/* A new master: its bounds are so low that small worlds reach them. */
static void lower_bounds(struct world *w)
{
    struct core *c = w->core;
    static const unsigned queues[] = {1, 2, 5, 30, CORE_HOST_QUEUE};
    c->host_queue_most = queues[rng_below(w->rng, ARRAY_LEN(queues))];
    c->host_queue_least = 1;
    c->skipped_hosts_max = rng_below(w->rng, 4) ? CORE_SKIPPED_HOSTS : 2;
    if (rng_below(w->rng, 2)) {
        c->refill_rows_max = 2 + (unsigned)rng_below(w->rng, 20);
        c->window_batch_max = c->refill_rows_max * (2 + rng_below(w->rng, 4));
        c->window_tasks_max = c->window_batch_max * (1 + rng_below(w->rng, 4));
        c->window_bytes_max = rng_below(w->rng, 2) ? 30000 : CORE_WINDOW_BYTES;
    }
    if (rng_below(w->rng, 8) == 0) {
        w->kill_at = SAW_kill_m_grace;
        w->kill_after = 1 + (unsigned)rng_below(w->rng, 40);
    }
}

/* Where agents keep to it. */
static void lower_result_window(struct world *w)
{
    if (rng_below(w->rng, 2))
        return;
    w->core->results_max = 1 + rng_below(w->rng, 20);
    w->core->result_bytes_max = 100 + rng_below(w->rng, 5000);
}

/* Where agents wait for their turn to say HELLO. */
static void lower_hello_rate(struct world *w)
{
    if (rng_below(w->rng, 2))
        return;
    bucket_init(&w->core->hellos, 1 + (double)rng_below(w->rng, 3), 1, w->now);
}
