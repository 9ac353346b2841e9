/* SPDX-License-Identifier: MIT */
#include "common/digest.h"
#include "master/core/state.h"
#include <string.h>

/*
 * Targets that ask for several agents. Each of their tasks ("slot") is for another agent: while any
 * of them is in memory, a group knows who has or had which. The store is the judge: it refuses a
 * second result of one agent for one target, and the task is queued again. Slots that no connected
 * agent may take stay in the store, so that they fill no window, until the fleet changes; those of
 * a lane, whose deadlines are watched, stay in memory, but out of the way of the others.
 */

struct group {
    uint64_t target;      /* id of slot 0 */
    unsigned n_tasks;     /* in memory */
    uint32_t slots, used; /* used: no place behind these is known of */
    UT_hash_handle hh;
    uint64_t by[]; /* hash of the agent that has the slot, or had it and answered; 0 = none */
};

uint64_t slots_agent_hash(const char *name)
{
    uint64_t h = hash64(name, strlen(name));
    return h ? h : 1;
}

static struct group *group_find(struct core *c, uint64_t target)
{
    struct group *g = NULL;
    HASH_FIND(hh, c->groups, &target, sizeof(target), g);
    return g;
}

void slots_join(struct core *c, struct task *t, uint32_t slot)
{
    uint32_t n = t->batch->slots;
    if (n < 2 || t->group || slot >= n)
        return;
    struct group *g = group_find(c, t->id - slot);
    if (!g) {
        g = mem_zalloc(sizeof(*g) + n * sizeof(g->by[0]));
        g->target = t->id - slot;
        g->slots = n;
        HASH_ADD(hh, c->groups, target, sizeof(g->target), g);
    }
    g->n_tasks++;
    g->used = slot >= g->used ? slot + 1 : g->used;
    t->group = g;
    if (t->agent)
        g->by[slot] = t->agent->hash;
}

void slots_leave(struct core *c, struct task *t)
{
    struct group *g = t->group;
    if (!g)
        return;
    t->group = NULL;
    if (--g->n_tasks > 0)
        return;
    HASH_DEL(c->groups, g);
    free(g);
}

void slots_set(struct task *t, const struct agent *a)
{
    if (t->group)
        t->group->by[t->id - t->group->target] = a ? a->hash : 0;
}

/* What the store says of the others of its target. */
void slots_know(struct core *c, struct task *t, const struct core_refilled *r)
{
    struct group *g = t->group;
    if (!g)
        return;
    unsigned low = 0, high = r->n_answers;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (r->answers[mid].task < g->target)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < r->n_answers && r->answers[low].task < g->target + g->slots; low++) {
        const struct core_answer *a = &r->answers[low];
        if (a->task - a->slot != g->target)
            break; /* the next one's: this has fewer tasks */
        g->by[a->slot] = a->agent ? a->agent : 1;
        g->used = a->slot >= g->used ? a->slot + 1 : g->used;
    }
}

bool slots_allow(const struct task *t, const struct agent *a)
{
    const struct group *g = t->group;
    if (!g)
        return true;
    if (t->barred == a->hash)
        return false;
    for (uint32_t i = 0; i < g->used; i++)
        if (g->by[i] == a->hash)
            return false;
    return true;
}

/* ---- more slots than agents */

/* Slots in memory that still want an agent, t among them. */
static unsigned wanting(struct core *c, const struct task *t)
{
    const struct group *g = t->group;
    unsigned n = 0;
    for (uint32_t i = 0; i < g->used; i++) {
        const struct task *other = g->by[i] == 0 ? task_find(c, g->target + i) : NULL;
        n += other && other->group == g &&
             (other == t ||
              ((other->state == TASK_READY && !other->aside) || other->state == TASK_WAITING));
    }
    return n;
}

static bool knows(const struct group *g, const struct agent *a)
{
    for (uint32_t i = 0; i < g->used; i++)
        if (g->by[i] == a->hash)
            return true;
    return false;
}

/* Agents that could take one; many is as many as there are places. */
static unsigned takers(struct core *c, struct batch *b, const struct group *g)
{
    unsigned known = 0, n = 0;
    for (uint32_t i = 0; i < g->used; i++)
        known += g->by[i] != 0;
    if (fleet_matching(c, b) >= g->used + known)
        return g->used;
    struct agent *a, *tmp;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        n += a->session && batch_matches(b, a) && !knows(g, a);
    }
    return n;
}

bool slots_surplus(struct core *c, struct task *t)
{
    if (!t->group)
        return false;
    return wanting(c, t) > takers(c, t->batch, t->group);
}

static void put_aside(struct task *t)
{
    REQUIRE(!list_linked(&t->node) && t->spec && !t->agent && !t->running);
    t->state = TASK_READY;
    t->aside = true;
    list_push_back(&t->batch->aside, &t->node);
}

void slots_leave_out(struct core *c, struct task *t)
{
    struct batch *b = t->batch;
    if (b->lane) {
        put_aside(t);
        return;
    }
    if (b->left_out == 0)
        b->left_out_epoch = c->fleet_epoch;
    if (b->left_out == 0 || t->id < b->left_out)
        b->left_out = t->id;
    task_free(c, t);
}

/* An agent has gone: what waited for it makes room for the others. */
static void drop_surplus(struct core *c, struct batch *b)
{
    LIST_EACH_SAFE (&b->tasks, n, tmp) {
        struct task *t = CONTAINER_OF(n, struct task, batch_node);
        if (t->state != TASK_READY || t->aside || task_has_history(t) || !slots_surplus(c, t))
            continue;
        task_unready(c, t);
        slots_leave_out(c, t);
    }
}

static void look_aside(struct core *c, struct batch *b)
{
    LIST_EACH_SAFE (&b->aside, n, tmp) {
        struct task *t = CONTAINER_OF(n, struct task, node);
        if (slots_surplus(c, t))
            continue;
        task_unready(c, t);
        batch_queue(c, t, false);
    }
}

void slots_tick(struct core *c, struct batch *b, struct mono now)
{
    if (b->slots < 2 || b->paused || b->marked || b->slots_epoch == c->fleet_epoch ||
        mono_before(now, b->slots_at))
        return;
    b->slots_epoch = c->fleet_epoch;
    b->slots_at = mono_add_ms(now, SLOTS_RESCAN_MS);
    look_aside(c, b);
    drop_surplus(c, b);
    uint64_t from = b->left_out;
    if (from == 0 || b->left_out_epoch == c->fleet_epoch || fleet_matching(c, b) == 0)
        return;
    b->left_out = 0;
    batch_rewind(c, b, from, now);
}

/* ---- results */

void slots_answered(struct core *c, struct task *t, struct agent *a, struct mono now)
{
    struct group *g = t->group;
    if (!g)
        return;
    slots_set(t, a);
    for (uint32_t i = 0; i < g->used; i++) {
        struct task *other = g->by[i] == a->hash ? task_find(c, g->target + i) : NULL;
        if (!other || other == t || other->state != TASK_LEASED || other->agent != a)
            continue;
        if (a->session)
            fleet_cancel(c, a, other->id);
        lease_lost(c, other, LOSS_RELEASED, CAUSE_agent_lost, now);
    }
}

void core_stored_again(struct core *c, uint64_t id, session_id sid, const char *agent,
                       size_t record_len, struct mono now)
{
    REQUIRE(c->storing > 0);
    c->storing--;
    c->committed_at = now;
    counter_add(&c->stats.results_again, 1);
    if (sid)
        fleet_stored(c, sid, id, ACK_DUPLICATE, record_len);
    struct task *t = task_find(c, id);
    if (t)
        tell_step(c, t->batch, &(struct core_told){STEP_DUPLICATE, .task = id, .agent = agent});
    if (!t || t->ended || t->state != TASK_STORING || t->batch->marked)
        return;
    struct batch *b = t->batch;
    task_set_running(t, false);
    slots_set(t, NULL);
    if (t->spec && (t->group || b->lane)) {
        t->barred = slots_agent_hash(agent);
        batch_queue(c, t, false);
    } else { /* it was never read, and the store knows who answered the others */
        task_free(c, t);
        batch_rewind(c, b, id, now);
    }
    dispatch_wake(c);
}
