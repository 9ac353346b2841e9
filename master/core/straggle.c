/* SPDX-License-Identifier: MIT */
#include "common/json.h"
#include "master/core/state.h"
#include "proto/target.h"

/*
 * Stragglers. Near the end of a batch, when nothing of it is queued any more, a task that is at an
 * agent for far longer than its fellows gets a second lease, a "twin", at another agent. The first
 * result wins; the other agent is told CANCEL, and what it sends all the same is a duplicate. Only
 * what can be asked twice (GET, HEAD, OPTIONS, DNS), and only so much of a batch. Never of a lane:
 * it has no end to be near to, and its tasks have deadlines.
 *
 * The task's own lease stays what it is. A twin lives while its agent has this session; when the
 * task loses its own lease the twin becomes that.
 *
 *   LEASED ──old, found by the tick──► in core->stragglers ──an idle agent──► LEASED + twin
 *   twin ──its result, the other's, given back, its agent goes──► none
 *   twin ──the task's own lease is lost──► the task's own lease
 */
#define STRAGGLER_MS     5000 /* no task is one before … */
#define STRAGGLER_FACTOR 4    /* … and before so many times what nine of ten tasks took */
#define STRAGGLER_SHARE  20 /* one of so many tasks of a batch gets a second lease, at least one */
#define STRAGGLER_SCAN   64 /* looked at for one agent */

/* ---- how long tasks take */

static unsigned slot_of(int64_t ms)
{
    unsigned i = 0;
    while (i + 1 < RUN_SLOTS && ms >> i > 1)
        i++;
    return i;
}

void straggle_note(struct task *t, struct mono now)
{
    t->batch->run_slots[slot_of(mono_diff_ms(now, t->held_since))]++;
}

/* An upper bound of what nine of ten took. */
static int64_t usual_ms(const struct batch *b)
{
    uint64_t all = 0, sum = 0;
    for (unsigned i = 0; i < RUN_SLOTS; i++)
        all += b->run_slots[i];
    unsigned i = 0;
    while (i + 1 < RUN_SLOTS && (sum += b->run_slots[i]) * 10 < all * 9)
        i++;
    return (int64_t)2 << i;
}

static int64_t old_ms(const struct batch *b)
{
    int64_t ms = STRAGGLER_FACTOR * usual_ms(b);
    return ms > STRAGGLER_MS ? ms : STRAGGLER_MS;
}

/* ---- which */

static bool can_be_asked_twice(const struct task *t)
{
    struct json_doc *d = NULL;
    struct target *target = NULL;
    struct target_problem p;
    bool safe = json_parse(t->spec, t->spec_len, &d, NULL, 0) == ERR_NONE &&
                target_from_json(json_root(d), NULL, &target, &p) == ERR_NONE &&
                target_safe(target);
    if (target)
        target_destroy(&target);
    json_free(&d);
    return safe;
}

static uint64_t share(const struct batch *b)
{
    return b->total / STRAGGLER_SHARE > 1 ? b->total / STRAGGLER_SHARE : 1;
}

static bool near_its_end(const struct core *c, const struct batch *b, struct mono now)
{
    return !b->lane && b->exhausted && !b->marked && !b->paused && !c->draining && b->leased > 0 &&
           batch_queued(b) == 0 && !b->skips && b->left_out == 0 &&
           mono_before(now, b->deadline_at);
}

/* Since the task was leased, or its agent came back: a lost connection has the grace, and what its
 * agent brings along was no slower for it. */
static int64_t age_ms(const struct task *t, struct mono now)
{
    struct mono from = t->held_since, back = t->agent->connected_at;
    if (!t->agent->session)
        return 0;
    return mono_diff_ms(now, mono_before(from, back) ? back : from);
}

void straggle_tick(struct core *c, struct batch *b, struct mono now)
{
    if (!near_its_end(c, b, now) || b->twins_made >= share(b) || batch_ended(b) < b->leased)
        return; /* while most of it runs there are no fellows to be slower than */
    int64_t old = old_ms(b);
    LIST_EACH (&b->tasks, n) {
        struct task *t = CONTAINER_OF(n, struct task, batch_node);
        if (t->state != TASK_LEASED || !t->spec || t->twin || t->deaths >= DEATHS_ALONE ||
            list_linked(&t->straggler) || age_ms(t, now) < old)
            continue;
        if (!t->judged)
            t->safe = can_be_asked_twice(t);
        t->judged = true;
        if (t->safe)
            list_push_back(&c->stragglers, &t->straggler);
    }
}

static bool fits(struct core *c, const struct task *t, const struct agent *a, struct mono now)
{
    const struct batch *b = t->batch;
    return t->agent != a && t->agent->session && batch_matches(b, a) && b->twins_made < share(b) &&
           near_its_end(c, b, now) && slots_allow(t, a) && (t->avoid != a || !t->faulted);
}

struct task *straggle_pick(struct core *c, struct agent *a, struct mono now)
{
    int looked = 0;
    LIST_EACH (&c->stragglers, n) {
        struct task *t = CONTAINER_OF(n, struct task, straggler);
        struct host *h = NULL;
        if (fits(c, t, a, now) && polite_second(c, t, &h, now)) {
            struct twin *w = mem_zalloc(sizeof(*w));
            *w = (struct twin){.task = t, .agent = a, .host = h};
            w->lease = (struct lease_no){c->epoch, ++c->lease_counter};
            t->twin = w;
            t->batch->twins_made++;
            list_push_back(&a->twins, &w->node);
            list_remove(&c->stragglers, &t->straggler);
            counter_add(&c->stats.stragglers, 1);
            return t;
        }
        if (++looked == STRAGGLER_SCAN)
            break;
    }
    return NULL;
}

struct lease_no straggle_lease(const struct task *t)
{
    REQUIRE(t->twin);
    return t->twin->lease;
}

/* ---- its end */

static void twin_free(struct core *c, struct twin *w)
{
    struct agent *a = w->agent;
    list_remove(&a->twins, &w->node);
    w->task->twin = NULL;
    polite_second_over(c, w->host);
    free(w);
    lease_emptied(c, a);
}

void straggle_settle(struct core *c, struct task *t, const struct agent *from)
{
    if (list_linked(&t->straggler))
        list_remove(&c->stragglers, &t->straggler);
    if (!t->twin)
        return;
    if (t->twin->agent != from)
        fleet_cancel(c, t->twin->agent, t->id);
    twin_free(c, t->twin);
}

bool straggle_given_back(struct core *c, struct task *t, const struct agent *a, struct lease_no no)
{
    const struct twin *w = t->twin;
    if (!w || w->agent != a || w->lease.epoch != no.epoch || w->lease.counter != no.counter)
        return false;
    twin_free(c, t->twin);
    return true;
}

void straggle_agent_gone(struct core *c, struct agent *a)
{
    LIST_EACH_SAFE (&a->twins, n, tmp) {
        twin_free(c, CONTAINER_OF(n, struct twin, node));
    }
}

bool straggle_take_over(struct core *c, struct task *t)
{
    struct twin *w = t->twin;
    if (!w)
        return false;
    struct agent *a = w->agent;
    struct lease_no no = w->lease;
    t->host = w->host; /* its place goes with it */
    list_remove(&a->twins, &w->node);
    t->twin = NULL;
    free(w);
    lease_continue(c, t, a, no);
    return true;
}
