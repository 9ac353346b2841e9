/* SPDX-License-Identifier: MIT */
#include "master/core/core.h"

#include "master/core/state.h"

/*
 * Batches that are held back. A paused batch gives its share of the window to the others: tasks
 * that were never leased leave memory and are read again on resume; those with a history stay, at
 * most as many as agents held, and so do those of a lane. It takes no turn, and waits for no host:
 * a place there that its task was woken for would be lost to the others.
 */

void pause_pass(struct batch *b, uint64_t id)
{
    if (b->passed == 0 || id < b->passed)
        b->passed = id;
}

/* First out of all queues, by which hosts wake others, then paused: so every count stays true. */
static void hold_back(struct core *c, struct batch *b)
{
    struct list kept;
    list_init(&kept);
    LIST_EACH_SAFE (&b->tasks, n, tmp) {
        struct task *t = CONTAINER_OF(n, struct task, batch_node);
        if (t->state != TASK_READY && t->state != TASK_WAITING)
            continue;
        task_unqueue(c, t);
        if (task_has_history(t) || b->lane) {
            list_push_back(&kept, &t->node);
            continue;
        }
        pause_pass(b, t->id);
        task_free(c, t);
    }
    skip_clear(c, b, true);
    if (b->left_out)
        pause_pass(b, b->left_out);
    b->left_out = 0;
    b->paused = true;
    struct list_node *n;
    while ((n = list_pop_front(&kept)))
        batch_queue(c, CONTAINER_OF(n, struct task, node), false);
}

static void let_go(struct core *c, struct batch *b, struct mono now)
{
    uint64_t passed = b->passed;
    b->paused = false;
    LIST_EACH (&b->tasks, n) {
        c->ready += task_counts_as_ready(CONTAINER_OF(n, struct task, batch_node));
    }
    b->slots_epoch = 0;
    b->passed = 0;
    b->moved_at = now; /* the time that it was held back is nobody's standstill */
    batch_activate(c, b);
    if (passed != 0)
        batch_rewind(c, b, passed, now);
    else
        batch_refill(c, b, now);
    dispatch_wake(c);
}

bool core_pause(struct core *c, uint32_t num, bool paused, void *waiter, struct mono now)
{
    struct batch *b = batch_find(c, num);
    if (!b || b->marked)
        return false;
    if (b->paused != paused) {
        c->ops.event(c->arg, paused ? "batch_paused" : "batch_resumed", NULL, b->uuid);
        if (paused)
            hold_back(c, b);
        else
            let_go(c, b, now);
    }
    c->ops.pause(c->arg, num, paused, waiter);
    return true;
}
