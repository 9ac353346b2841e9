/* SPDX-License-Identifier: MIT */
#include "master/schedule/scheduler.h"

#include <stdlib.h>

#include "common/mem.h"
#include "master/schedule/scheduler_impl.h"

struct scheduler *scheduler_create(const struct scheduler_ops *ops, void *arg,
                                   uint64_t last_incident, struct check_now now)
{
    REQUIRE(ops->run && ops->room && ops->journal && mono_is_set(now.mono));
    struct scheduler *x = mem_zalloc(sizeof(*x));
    x->ops = ops;
    x->arg = arg;
    x->now = now;
    plan_init(&x->plan, sched_plan_now(x));
    census_init(&x->census, INCIDENT_SETTLE_MS);
    x->incidents = incidents_create(last_incident);
    heap_init(&x->stale);
    idmap_init(&x->schedules);
    idmap_init(&x->tasks);
    idmap_init(&x->audiences);
    x->looked_at = now.mono;
    return x;
}

/* What is in memory goes without a word: nothing of it ends. */
static void drop_check(struct scheduler *x, struct sched_check *c)
{
    free(c->untold);
    c->untold = NULL;
    sched_doom_check(x, c);
}

void scheduler_destroy(struct scheduler **xp)
{
    struct scheduler *x = *xp;
    if (x == NULL)
        return;
    for (size_t i = 0; i < x->n_checks; i++)
        drop_check(x, x->checks[i]);
    sched_bury(x);
    struct sched_schedule *s;
    for (size_t at = 0; (s = idmap_next(&x->schedules, &at)) != NULL;)
        sched_schedule_free(s);
    struct sched_audience *a;
    for (size_t at = 0; (a = idmap_next(&x->audiences, &at)) != NULL;)
        sched_audience_free(a);
    incidents_destroy(&x->incidents);
    census_fini(&x->census);
    plan_fini(&x->plan);
    heap_fini(&x->stale);
    idmap_fini(&x->schedules);
    idmap_fini(&x->tasks);
    idmap_fini(&x->audiences);
    free(x->checks);
    free(x);
    *xp = NULL;
}

/* ---- what is due */

/* Its tasks have ended long ago, and nobody said so: what is known counts. */
static void give_up_lost(struct scheduler *x, struct sched_check *c)
{
    struct sched_run *run = c->run;
    if (!mono_is_set(run->lost_at) || mono_before(x->now.mono, run->lost_at))
        return;
    counter_add(&x->stats.lost, 1);
    for (unsigned i = 0; i < run->votes.n; i++) {
        struct scheduler_result r = {
            .task = run->votes.tries[i].task, .cause = CAUSE_deadline, .total_ms = -1};
        if (!run->votes.tries[i].done)
            sched_note_result(x, c, &r);
    }
    run->confirms = VERDICT_CONFIRM_MAX;
    sched_settle(x, c);
}

static void due(struct scheduler *x, const struct plan_event *e)
{
    struct sched_check *c = CONTAINER_OF(e->item, struct sched_check, item);
    enum plan_miss why = PLAN_MISS_still_running;
    unsigned agents = 0;
    if (c->run != NULL)
        give_up_lost(x, c);
    if (c->run == NULL)
        why = x->ops->room(x->arg, c->of->def, &agents);
    if (why == PLAN_MISS_NONE) {
        sched_start_run(x, c, e, agents);
        return;
    }
    plan_refuse(&c->item, why);
    sched_tell_missed(x, c);
}

static void look_at_plan(struct scheduler *x)
{
    struct plan_event e;
    while (plan_next(&x->plan, sched_plan_now(x), &e)) {
        if (e.kind == PLAN_DUE)
            due(x, &e);
        else
            sched_tell_missed(x, CONTAINER_OF(e.item, struct sched_check, item));
    }
}

static void look_at_ages(struct scheduler *x)
{
    for (struct heap_node *n; (n = heap_min(&x->stale)) != NULL && n->key <= x->now.mono.ns;) {
        struct sched_check *c = CONTAINER_OF(n, struct sched_check, stale);
        heap_remove(&x->stale, n);
        sched_judge_age(x, c);
    }
}

static void look_at_incidents(struct scheduler *x)
{
    if (mono_diff_ms(x->now.mono, x->looked_at) < INCIDENT_LOOK)
        return;
    x->looked_at = x->now.mono;
    incidents_tick(x->incidents, x->now);
    sched_tell_incidents(x);
}

void scheduler_tick(struct scheduler *x, struct check_now now)
{
    x->now = now;
    look_at_plan(x);
    look_at_ages(x);
    look_at_incidents(x);
    sched_publish(x);
}

static int64_t sooner(int64_t wait_ms, int64_t in_ns)
{
    int64_t in_ms = (in_ns + NS_PER_MS - 1) / NS_PER_MS;
    in_ms = in_ms > 0 ? in_ms : 0;
    return in_ms < wait_ms ? in_ms : wait_ms;
}

int scheduler_wait_ms(const struct scheduler *x, struct check_now now, int max_ms)
{
    int64_t wait = plan_wait_ms(&x->plan, (struct plan_now){now.mono, now.wall}, max_ms);
    const struct heap_node *n = heap_min(&x->stale);
    if (n != NULL)
        wait = sooner(wait, n->key - now.mono.ns);
    if (incidents_count(x->incidents) > 0)
        wait = sooner(wait, mono_add_ms(x->looked_at, INCIDENT_LOOK).ns - now.mono.ns);
    return (int)wait;
}

struct scheduler_stats *scheduler_stats(struct scheduler *x)
{
    return &x->stats;
}
