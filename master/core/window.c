/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"

/*
 * What of a batch is in memory: read on from its cursor, by id, as queued tasks become fewer; what
 * was passed over (skip.c) in turns with it.
 */

size_t batch_queued(const struct batch *b)
{
    return b->ready.count + b->retry.count + b->waiting + b->aside.count;
}

/*
 * What is under way counts as here, or a thousand batches that ask at the same time would bring a
 * million tasks. A full window must not stop the batches that have nothing to send in it: those
 * that fill it may be waiting for an agent that does not come. What waits for a busy host does not
 * count against the batch: polite.c bounds it, but not that of a lane.
 */
static unsigned refill_limit(struct core *c, struct batch *b)
{
    size_t ready = b->lane ? batch_queued(b) : b->ready.count + b->retry.count;
    unsigned rows = c->refill_rows_max, least = rows < CORE_REFILL_LEAST ? rows : CORE_REFILL_LEAST;
    if (ready + rows > c->window_batch_max)
        return 0;
    bool large = c->window_bytes > c->window_bytes_max;
    if (large || c->window_tasks + c->asked + rows > c->window_tasks_max)
        return ready > 0 ? 0 : large ? CORE_REFILL_LARGE : least;
    return batch_queued(b) > 0 && fleet_matching(c, b) == 0 ? 0 : rows;
}

static bool ask_on(struct core *c, struct batch *b, struct core_refill *q)
{
    if (b->exhausted || skip_is_full(c, b))
        return false;
    q->after = b->cursor;
    q->to = b->lane ? b->read_to : 0;
    if (b->unproved == 0) /* what agents reported must be found, busy or not */
        skip_leave_out(c, b, q);
    return true;
}

void batch_refill(struct core *c, struct batch *b, struct mono now)
{
    if (b->marked || b->refilling || c->draining || (b->exhausted && list_empty(&b->wanted)))
        return;
    if (b->paused && b->unproved == 0)
        return;
    struct core_refill q = {.batch = b->num, .limit = refill_limit(c, b)};
    if (q.limit == 0)
        return; /* nor for hosts that were busy: idle ones, and no agent, would fill the window */
    bool any = b->rereading ? ask_on(c, b, &q) || skip_ask(c, b, &q)
                            : skip_ask(c, b, &q) || ask_on(c, b, &q);
    if (!any)
        return;
    b->rereading = q.only;
    b->refilling = true;
    b->asked = q.limit;
    c->asked += q.limit;
    c->ops.refill(c->arg, &q);
}

void batch_refill_over(struct core *c, struct batch *b)
{
    b->refilling = false;
    c->asked -= b->asked;
    b->asked = 0;
}

static void batch_bury(struct core *c, struct batch *b)
{
    struct list_node *n;
    while ((n = list_pop_front(&b->tombs)))
        task_free(c, CONTAINER_OF(n, struct task, node));
}

/* Busy, and enough of it waits in memory. Not while agents report: what is not in memory they would
 * have to drop. */
static struct host *busy_host(struct core *c, struct batch *b, uint64_t hash, struct mono now)
{
    struct host *h = polite_limits(b) && !b->lane ? polite_find(c, hash) : NULL;
    if (!h || !skip_due(c, b, h) || (b->resumed && mono_before(now, c->hold_until)))
        return NULL;
    return h;
}

/* False: it can be neither taken in nor passed over, and those behind it are to wait. */
static bool batch_take_in(struct core *c, struct batch *b, const struct core_task *in,
                          const struct core_refilled *r, struct mono now)
{
    if (in->task >> 32 != b->num)
        return true;
    struct task *t = task_find(c, in->task);
    if (t && (t->spec || t->state != TASK_LEASED))
        return true; /* here, on its way to the store, or ended while this was read */
    if (!t && b->paused) {
        pause_pass(b, in->task);
        return true;
    }
    struct host *busy = t ? NULL : busy_host(c, b, in->host_hash, now);
    if (busy)
        return skip_note(c, b, busy, in->task);
    if (!t)
        t = task_new(c, b, in->task, in->host_hash);
    t->host_hash = in->host_hash;
    t->spec = mem_dup(in->spec, in->spec_len);
    t->spec_len = (uint32_t)in->spec_len;
    c->window_bytes += t->spec_len;
    slots_join(c, t, in->slot);
    slots_know(c, t, r);
    if (in->deadline_in_ms != 0)
        lane_give_deadline(c, t, in->deadline_in_ms, now);
    if (t->state == TASK_LEASED) {
        b->unproved--;
        task_set_running(t, true);
        polite_count(c, t);
    } else if (slots_surplus(c, t)) {
        slots_leave_out(c, t);
    } else if (b->rereading) {
        polite_wait(c, t);
    } else {
        batch_queue(c, t, false);
    }
    return true;
}

/* What an agent reported after a restart and the refill passed without finding it has ended before.
 */
static void batch_disprove(struct core *c, struct batch *b, uint64_t last, bool exhausted)
{
    if (b->unproved == 0)
        return;
    LIST_EACH_SAFE (&b->tasks, n, tmp) {
        struct task *t = CONTAINER_OF(n, struct task, batch_node);
        if (t->state == TASK_LEASED && !t->spec && t->id > b->cursor &&
            (exhausted || t->id <= last))
            lease_ended(c, t);
    }
}

static void go_back(struct core *c, struct batch *b, uint64_t to)
{
    if (b->cursor <= to)
        return;
    b->cursor = to;
    b->exhausted = false;
    skip_cut(c, b);
}

/* What was passed over is settled before anything can be asked anew: `refilling` stays until then.
 */
static void take_all(struct core *c, struct batch *b, const struct core_refilled *r,
                     struct mono now)
{
    uint64_t last = r->last;
    bool exhausted = r->exhausted || (b->lane && last >= b->read_to);
    for (unsigned i = 0; i < r->n; i++) {
        if (batch_take_in(c, b, &r->tasks[i], r, now))
            continue;
        last = r->tasks[i].task - 1;
        exhausted = false;
        break;
    }
    if (!b->rereading) {
        batch_disprove(c, b, last, exhausted);
        b->cursor = last;
        b->exhausted = exhausted;
    }
    skip_answered(c, b, r);
    if (b->rewind_to)
        go_back(c, b, b->rewind_to);
}

void core_refilled(struct core *c, const struct core_refilled *r, struct mono now)
{
    struct batch *b = batch_find(c, r->batch);
    if (!b)
        return;
    REQUIRE(b->refilling);
    if (!b->marked)
        take_all(c, b, r, now);
    batch_refill_over(c, b);
    b->rewind_to = 0;
    batch_bury(c, b);
    batch_refill(c, b, now);
    dispatch_wake(c);
}

/* The task must be read again: it was taken up after a restart without its spec. */
void batch_rewind(struct core *c, struct batch *b, uint64_t id, struct mono now)
{
    if (b->refilling) {
        if (!b->rewind_to || b->rewind_to > id - 1)
            b->rewind_to = id - 1;
        return;
    }
    go_back(c, b, id - 1);
    batch_refill(c, b, now);
}
