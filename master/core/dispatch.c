/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"
#include <string.h>

/*
 * Whose turn it is. Agents pull: when a session's socket is writable and its credit is not used up,
 * it gets the next tasks. Between the classes the weights decide (smooth weighted turns), inside a
 * class batches share what is under way. A sixteenth of an agent's window is never given to bulk.
 */
#define QUANTUM_MAX                                                                                \
    64 /* tasks of one frame: agents that are hungry at the same time share what there is */
#define SLOT_SCAN 2048 /* tasks looked at for one of a target that the agent has not had */
#define TURN_SCAN 64   /* batches compared for one turn; who is behind them comes forward */

static const int class_weight[TASK_CLASSES] = {
    [CLASS_INTERACTIVE] = 8, [CLASS_SCHEDULE] = 4, [CLASS_BULK] = 1};

bool dispatch_can_take(const struct core *c, const struct session *s)
{
    return !c->draining && session_able(s) && s->sent.count < s->credit.count &&
           s->sent.bytes < s->credit.bytes;
}

/* ---- which task */

/* After a fault of its own even the only agent gets time to recover, or five attempts are nothing.
 */
static bool may_retry(struct core *c, const struct task *t, const struct agent *a, struct mono now)
{
    if (!lane_allows(c, t, a, now))
        return false;
    if (t->avoid != a || !mono_before(now, t->avoid_until))
        return true;
    return !t->faulted && fleet_matching(c, t->batch) <= 1;
}

/* The tasks of one target follow each other: those of one that the agent may not take are passed
 * over at once. Those whose deadline has passed are gone with the next tick. */
static struct task *first_ready(struct core *c, const struct batch *b, const struct agent *a,
                                struct mono now)
{
    const struct group *no = NULL;
    int looked = 0;
    LIST_EACH (&b->ready, n) {
        struct task *t = CONTAINER_OF(n, struct task, node);
        bool fits = !t->group || (t->group != no && slots_allow(t, a));
        if (fits && lane_allows(c, t, a, now))
            return t;
        no = fits ? no : t->group;
        if (++looked == SLOT_SCAN)
            break;
    }
    return NULL;
}

static struct task *first_for(struct core *c, struct batch *b, const struct agent *a,
                              struct mono now)
{
    int looked = 0;
    LIST_EACH (&b->retry, n) {
        struct task *t = CONTAINER_OF(n, struct task, node);
        if (may_retry(c, t, a, now) && slots_allow(t, a))
            return t;
        if (++looked == RETRY_SCAN)
            break;
    }
    return first_ready(c, b, a, now);
}

static bool batch_open_for(const struct core *c, const struct batch *b, const struct agent *a,
                           struct mono now)
{
    if (b->resumed && mono_before(now, c->hold_until))
        return false; /* agents report what they still run */
    if (b->paused)
        return false; /* only its tasks that run alone come this far */
    return mono_before(now, b->deadline_at) && batch_matches(b, a);
}

static bool class_allowed(const struct session *s, enum task_class cls)
{
    uint64_t left = s->credit.count - s->sent.count;
    return cls != CLASS_BULK || left > (uint64_t)s->agent->window / 16;
}

/*
 * The batch that has least at the agents; in the order of their turns where that is the same. Were
 * each given one task in turn, tarpits would keep every slot they get and good targets none.
 */
static struct task *class_first(struct core *c, struct session *s, enum task_class cls,
                                struct mono now)
{
    struct task *best = NULL;
    int looked = 0;
    if (!class_allowed(s, cls))
        return NULL;
    LIST_EACH (&c->active[cls], n) {
        struct batch *b = CONTAINER_OF(n, struct batch, active);
        struct task *t =
            batch_open_for(c, b, s->agent, now) ? first_for(c, b, s->agent, now) : NULL;
        if (!t)
            continue;
        if (!best || b->leased < best->batch->leased)
            best = t;
        if (b->leased == 0 || ++looked == TURN_SCAN)
            break;
    }
    return best;
}

/* Smooth weighted round robin over the classes that have something for this agent. */
static struct task *next_turn(struct core *c, struct session *s, struct mono now)
{
    struct task *first[TASK_CLASSES];
    int total = 0, best = -1;
    for (int cls = 0; cls < TASK_CLASSES; cls++) {
        first[cls] = class_first(c, s, cls, now);
        if (!first[cls])
            continue;
        total += class_weight[cls];
        c->class_turn[cls] += class_weight[cls];
        if (best < 0 || c->class_turn[cls] > c->class_turn[best])
            best = cls;
    }
    if (best < 0)
        return NULL;
    c->class_turn[best] -= total;
    return first[best];
}

static void refill_after(struct core *c, struct batch *b, struct mono now)
{
    if (b->ready.count < c->window_batch_max / 2)
        batch_refill(c, b, now);
}

/* Takes it out of its queue; its batch goes to the end of the turn. */
static void take_turn(struct core *c, struct task *t)
{
    struct batch *b = t->batch;
    task_unready(c, t);
    if (!list_linked(&b->active))
        return;
    list_remove(&c->active[b->cls], &b->active);
    list_push_back(&c->active[b->cls], &b->active);
}

static struct task *pick(struct core *c, struct session *s, struct mono now)
{
    struct task *t;
    while ((t = next_turn(c, s, now))) { /* each turn shortens a queue: bounded by the window */
        struct batch *b = t->batch;
        take_turn(c, t);
        if (polite_enter(c, t, now))
            return t;
        refill_after(c, b, now);
    }
    return NULL;
}

static struct task *first_alone(struct core *c, const struct session *s, struct mono now)
{
    if (!s || !dispatch_can_take(c, s))
        return NULL;
    LIST_EACH (&c->alone, n) {
        struct task *t = CONTAINER_OF(n, struct task, node);
        if (batch_open_for(c, t->batch, s->agent, now) && polite_could_start(c, t, now) &&
            slots_allow(t, s->agent) && lane_allows(c, t, s->agent, now))
            return t;
    }
    return NULL;
}

/*
 * A task that saw two process deaths runs with no bystanders: one agent is emptied for it, and
 * keeps that place until the task has run there. Were it given up whenever it is empty, busy agents
 * would take it from each other for ever. An agent that cannot run one any more loses the place.
 */
static struct task *pick_alone(struct core *c, struct session *s, struct mono now)
{
    struct agent *a = s->agent;
    if (c->alone_runs)
        return NULL;
    if (c->alone_agent && !first_alone(c, c->alone_agent->session, now))
        c->alone_agent = NULL;
    if (c->alone_agent && c->alone_agent != a)
        return NULL;
    struct task *t = first_alone(c, s, now);
    if (!t)
        return NULL;
    c->alone_agent = a;
    if (!list_empty(&a->leases) || !list_empty(&a->twins))
        return NULL;
    c->alone_runs = true;
    task_unready(c, t);
    polite_started(c, t, now);
    return t; /* its host's budget is not asked: it is the only one here */
}

/* ---- sending */

static void send_task(struct core *c, struct session *s, struct task *t, struct lease_no lease,
                      struct strbuf *frame, struct mono now)
{
    struct batch *b = t->batch;
    char ticket[TICKET_TEXT_MAX];
    ticket_make(c->tickets, b->uuid, t->id, s->agent->name, lease, ticket);
    if (lease.counter == t->lease.counter) {
        memcpy(t->proof, ticket_proof(ticket), TICKET_PROOF_LEN);
        t->proof_of = lease.counter;
    }
    int64_t left = mono_diff_ms(lane_deadline(t), now);
    struct msg_task m = {.task = t->id,
                         .ticket = ticket,
                         .trace = b->trace,
                         .log = b->log_tasks,
                         .cls = b->cls,
                         .deadline_in_ms = left > 1 ? left : 1,
                         .spec_text = t->spec,
                         .spec_len = t->spec_len};
    size_t before = frame->len;
    msg_put_task(frame, &m);
    REQUIRE(!frame->overflow);
    s->sent.count++;
    s->sent.bytes += frame->len - before;
    liveness_sent(s, now);
    s->agent->sent_tasks++;
    counter_add(&c->stats.dispatched, 1);
    if (tells(c, b, t->attempts > 0 || t->twin))
        tell_step(c, b,
                  &(struct core_told){STEP_LEASED, .task = t->id, .agent = s->agent->name,
                                      .attempt = t->attempts + 1u + (t->twin != NULL)});
}

static void set_hungry(struct core *c, struct session *s, bool hungry)
{
    if (hungry == list_linked(&s->hungry_node))
        return;
    if (hungry)
        list_push_back(&c->hungry, &s->hungry_node);
    else
        list_remove(&c->hungry, &s->hungry_node);
}

void dispatch_forget(struct core *c, struct session *s)
{
    set_hungry(c, s, false);
}

static size_t quantum(const struct core *c)
{
    size_t alive = c->session_list.count ? c->session_list.count : 1;
    size_t share = (c->ready + alive - 1) / alive;
    return share < 1 ? 1 : share > QUANTUM_MAX ? QUANTUM_MAX : share;
}

/* True: more could follow at once. */
bool dispatch_fill(struct core *c, struct session *s, struct strbuf *frame, size_t max,
                   struct mono now)
{
    set_hungry(c, s, false);
    if (!dispatch_can_take(c, s))
        return false;
    for (size_t n = quantum(c); n > 0; n--) {
        if (!dispatch_can_take(c, s))
            return false;
        if (frame->len >= max)
            return true;
        struct task *t = pick_alone(c, s, now);
        if (!t && c->alone_agent != s->agent)
            t = pick(c, s, now);
        if (t) {
            lease_take(c, t, s->agent, now);
            send_task(c, s, t, t->lease, frame, now);
            refill_after(c, t->batch, now);
            continue;
        }
        if (c->alone_agent != s->agent)
            t = straggle_pick(c, s->agent, now);
        if (!t) {
            set_hungry(c, s, true);
            return false;
        }
        send_task(c, s, t, straggle_lease(t), frame, now);
    }
    return true;
}

static void wake(struct core *c, struct session *s)
{
    set_hungry(c, s, false);
    fleet_want_write(c, s);
}

static void wake_some(struct core *c, size_t n)
{
    struct list_node *first;
    while (n-- > 0 && (first = list_first(&c->hungry)) != NULL)
        wake(c, CONTAINER_OF(first, struct session, hungry_node));
}

/* Agents that may take a task of it now, as many as there are tasks: were all that match asked each
 * time, a great idle fleet would be kept busy by one schedule that chooses its agents. */
static void wake_for(struct core *c, struct batch *b)
{
    size_t n = b->ready.count + b->retry.count;
    REQUIRE(n > 0);
    if (!b->n_agent_names && !b->n_tags && list_empty(&b->retry)) {
        wake_some(c, n);
        return;
    }
    LIST_EACH_SAFE (&c->hungry, node, tmp) {
        struct session *s = CONTAINER_OF(node, struct session, hungry_node);
        if (!batch_open_for(c, b, s->agent, c->last_tick) ||
            !first_for(c, b, s->agent, c->last_tick))
            continue;
        wake(c, s);
        if (--n == 0)
            return;
    }
}

/* A task that is to run alone may want any of them. */
void dispatch_wake(struct core *c)
{
    if (list_empty(&c->hungry) || c->ready + c->stragglers.count == 0)
        return;
    if (!list_empty(&c->alone)) {
        wake_some(c, c->hungry.count);
        return;
    }
    for (int cls = 0; cls < TASK_CLASSES; cls++) {
        LIST_EACH (&c->active[cls], n) {
            if (list_empty(&c->hungry))
                return;
            wake_for(c, CONTAINER_OF(n, struct batch, active));
        }
    }
    wake_some(c, c->stragglers.count);
}

void dispatch_hungry(struct core *c, struct session *s)
{
    if (!dispatch_can_take(c, s))
        return;
    if (c->ready > 0)
        fleet_want_write(c, s);
    else
        set_hungry(c, s, true);
}
