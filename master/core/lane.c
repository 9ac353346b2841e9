/* SPDX-License-Identifier: MIT */
#include "master/core/core.h"
#include <string.h>
#include "master/core/state.h"

/*
 * Lanes: batches that grow. What is added is committed, and stays in memory until it ends; only
 * after a restart is the store read, up to where the batch ended then. Each task may have a
 * deadline of its own, and agents that should not be asked first, for they have spoken before.
 *
 *   added ──► READY ──deadline──► verdict: expired (no_agent, or deadline)
 *               │ ▲
 *               ▼ │ lost
 *             LEASED ──deadline──► it may still end ──DEADLINE_GRACE_MS──► cancelled, verdict
 */
#define DUE_ONCE 4096 /* verdicts of one tick: the loop must not stand still for them */

/* ---- deadlines */

static struct run *run_create(struct core *c, struct task *t, unsigned n_shun, int64_t in_ms,
                              struct mono now)
{
    REQUIRE(!t->run && n_shun <= CORE_SHUN_MAX);
    struct run *r = mem_zalloc(sizeof(*r) + n_shun * sizeof(r->shun[0]));
    r->task = t;
    r->deadline_at = mono_add_ms(now, in_ms);
    t->run = r;
    heap_insert(&c->due, &r->due, r->deadline_at.ns);
    return r;
}

void lane_give_deadline(struct core *c, struct task *t, int64_t in_ms, struct mono now)
{
    run_create(c, t, 0, in_ms, now);
}

struct mono lane_deadline(const struct task *t)
{
    struct mono at = t->batch->deadline_at;
    return t->run && mono_before(t->run->deadline_at, at) ? t->run->deadline_at : at;
}

void lane_requeued(struct core *c, struct task *t)
{
    struct run *r = t->run;
    if (!r || (heap_linked(&r->due) && r->due.key == r->deadline_at.ns))
        return;
    if (heap_linked(&r->due))
        heap_remove(&c->due, &r->due);
    heap_insert(&c->due, &r->due, r->deadline_at.ns);
}

void lane_forget(struct core *c, struct task *t)
{
    if (!t->run)
        return;
    if (heap_linked(&t->run->due))
        heap_remove(&c->due, &t->run->due);
    free(t->run);
    t->run = NULL;
}

/* What it waits for at its end. */
static enum cause due_cause(struct core *c, struct task *t)
{
    bool nobody = fleet_matching(c, t->batch) == 0 || t->aside || slots_surplus(c, t);
    return nobody && !t->batch->paused ? CAUSE_no_agent : CAUSE_deadline;
}

static void end_at_agent(struct core *c, struct task *t, struct mono now)
{
    struct mono until = mono_add_ms(t->run->deadline_at, DEADLINE_GRACE_MS);
    if (mono_before(now, until)) {
        heap_insert(&c->due, &t->run->due, until.ns);
        return;
    }
    fleet_cancel(c, t->agent, t->id);
    straggle_settle(c, t, NULL);
    lease_drop(c, t);
    lease_verdict(c, t, CAUSE_deadline, NULL);
}

static void on_due(struct core *c, struct task *t, struct mono now)
{
    switch (t->state) {
    case TASK_READY:
    case TASK_WAITING: {
        enum cause cause = due_cause(c, t);
        task_unqueue(c, t);
        lease_verdict(c, t, cause, NULL);
        break;
    }
    case TASK_LEASED:
        end_at_agent(c, t, now);
        break;
    case TASK_STORING: /* its result is on its way; should it come back, it is queued anew */
        break;
    }
}

/* The first are the earliest, so that nobody is looked at for nothing. */
void lane_tick(struct core *c, struct mono now)
{
    struct heap_node *n;
    for (int i = 0; i < DUE_ONCE && (n = heap_min(&c->due)) && n->key <= now.ns; i++) {
        heap_remove(&c->due, n);
        on_due(c, CONTAINER_OF(n, struct run, due)->task, now);
    }
}

/* ---- whom to ask */

static bool shuns(const struct run *r, const struct agent *a)
{
    for (unsigned i = 0; i < r->n_shun; i++)
        if (r->shun[i] == a->hash)
            return true;
    return false;
}

/* An agent that is not shunned and could take it. */
static bool any_other(struct core *c, const struct task *t)
{
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        if (agent_able(a) && !shuns(t->run, a) && slots_allow(t, a) && batch_matches(t->batch, a))
            return true;
    }
    return false;
}

static bool has_others(struct core *c, const struct task *t)
{
    struct run *r = t->run;
    if (r->looked_epoch != c->fleet_epoch || r->looked_at.ns != c->last_tick.ns)
        r->others = any_other(c, t);
    r->looked_epoch = c->fleet_epoch;
    r->looked_at = c->last_tick;
    return r->others;
}

bool lane_allows(struct core *c, const struct task *t, const struct agent *a, struct mono now)
{
    const struct run *r = t->run;
    if (!r)
        return true;
    if (!mono_before(now, r->deadline_at))
        return false;
    return !mono_before(now, r->shun_until) || !shuns(r, a) || !has_others(c, t);
}

/* ---- growing */

/* With agents to shun it goes by the list of those that come back: only few are looked at there, so
 * that they hold up no other. */
static void add_task(struct core *c, struct batch *b, const struct core_added *in, struct mono now)
{
    struct task *t = task_new(c, b, in->task, in->host_hash);
    t->spec = mem_dup(in->spec, in->spec_len);
    t->spec_len = (uint32_t)in->spec_len;
    c->window_bytes += t->spec_len;
    slots_join(c, t, in->slot);
    struct run *r = run_create(c, t, in->n_shun, in->deadline_in_ms, now);
    r->n_shun = in->n_shun;
    if (in->n_shun > 0)
        memcpy(r->shun, in->shun, in->n_shun * sizeof(in->shun[0]));
    r->shun_until = in->n_shun > 0 ? mono_add_ms(now, CORE_SHUN_MS) : (struct mono){0};
    t->retry = in->n_shun > 0;
    if (slots_surplus(c, t))
        slots_leave_out(c, t);
    else
        batch_queue(c, t, false);
}

void core_batch_add(struct core *c, uint32_t num, const struct core_added *tasks, unsigned n,
                    struct mono now)
{
    struct batch *b = batch_find(c, num);
    REQUIRE(b && b->growing);
    if (batch_ended(b) == b->total)
        b->moved_at = now; /* that there was nothing to do is nobody's standstill */
    for (unsigned i = 0; i < n; i++) {
        REQUIRE(tasks[i].task == ((uint64_t)num << 32) + b->total);
        batch_grow(c, b);
        if (!b->marked)
            add_task(c, b, &tasks[i], now);
    }
}

void core_batch_added(struct core *c)
{
    dispatch_wake(c);
}

void core_batch_close(struct core *c, uint32_t num, struct mono now)
{
    struct batch *b = batch_find(c, num);
    if (!b)
        return; /* it was ended otherwise */
    REQUIRE(b->lane);
    b->growing = false;
    batch_end_if_done(c, b);
}

bool core_batch_room(struct core *c, uint32_t num, struct core_room *out)
{
    struct batch *b = batch_find(c, num);
    if (!b || b->marked)
        return false;
    *out = (struct core_room){.matching = fleet_matching(c, b),
                              .able = c->draining ? 0 : fleet_able(c, b),
                              .ready = batch_queued(b) - b->aside.count};
    return true;
}
