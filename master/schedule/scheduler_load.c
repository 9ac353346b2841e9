/* SPDX-License-Identifier: MIT */
#include "master/schedule/scheduler_impl.h"

#include <stdlib.h>

#include "common/mem.h"

/*
 * A start. What the store had is taken up: checks as they were, incidents under their numbers, and
 * of each check its newest run, since there is never another beside it. A run of which all is known
 * is judged once more: that is nothing new where its verdict was kept, and where it was not, this
 * is it. Checks that are down and in no incident had not been told of: they are now.
 */

void scheduler_load_schedule(struct scheduler *x, uint64_t id, struct schedule *s,
                             struct wall since)
{
    REQUIRE(sched_find_schedule(x, id) == NULL);
    sched_hold_schedule(x, id, s, since);
}

/* News of a cron is believed for twice as long as its slots are apart, and until the next. */
static int64_t interval_ms(struct scheduler *x, const struct sched_check *c)
{
    struct rule *r = &c->of->def->rule;
    if (r->kind == RULE_EVERY)
        return r->every_ms;
    int64_t now = civil_floor_div(x->now.wall.us, 1000), offset = rule_offset_ms(r, c->item.key);
    int64_t next = rule_next(r, offset, now, 0);
    if (next == RULE_NEVER)
        return CRON_FAR_MS;
    int64_t then = rule_next(r, offset, next, 0);
    int64_t ms = then == RULE_NEVER || then - next < next - now ? next - now : then - next;
    return ms < 1 ? 1 : ms > CRON_FAR_MS ? CRON_FAR_MS : ms;
}

static void take_up(struct scheduler *x, struct sched_check *c, const struct scheduler_saved *s)
{
    c->item.last = s->last;
    c->item.gap = s->gap;
    if (s->since.us > c->item.since.us)
        c->item.since = s->since;
    c->settled = s->last.seq;
    c->gap_told = s->gap.count > 0 ? s->gap.first_seq : 0;
    c->incident = s->incident;
    c->cert_warned = s->cert_warned;
    c->cert_not_after = s->cert_not_after;
    sched_uncount(x, c);
    check_restore(&c->state, s->state, s->state_since, s->slot, x->now, interval_ms(x, c));
    c->state.cause = s->cause;
    sched_count(x, c);
    sched_watch_age(x, c);
}

void scheduler_load_check(struct scheduler *x, uint64_t schedule, const struct scheduler_check *as,
                          const struct scheduler_saved *saved)
{
    struct sched_schedule *s = sched_find_schedule(x, schedule);
    struct sched_check *c = sched_hold_check(x, s, as);
    sched_begin_at(c, s->since);
    if (saved != NULL)
        take_up(x, c, saved);
}

void scheduler_load_incident(struct scheduler *x, const struct incident *i)
{
    incidents_restore(x->incidents, i, x->now);
}

/* The slot was a run, and so it is settled. */
static void settle_slot(struct sched_check *c, uint64_t seq, struct wall at)
{
    if (seq <= c->item.last.seq)
        return;
    c->item.last = (struct plan_slot){seq, at};
    c->item.gap = (struct plan_gap){0};
    c->settled = seq;
}

void scheduler_load_task(struct scheduler *x, uint64_t check, uint64_t seq, struct wall at,
                         uint64_t task, const char *agent, int outcome, enum cause cause)
{
    struct sched_check *c = sched_find_check(x, check);
    if (c == NULL || (c->run != NULL && c->run->seq > seq))
        return;
    if (c->run != NULL && c->run->seq < seq)
        sched_drop_run(x, c);
    settle_slot(c, seq, at);
    struct sched_run *run = c->run != NULL ? c->run : sched_make_run(x, c, seq, at);
    if (run->votes.n == VERDICT_VOTES_MAX)
        return;
    sched_add_task(x, c, task);
    struct scheduler_result r = {.task = task,
                                 .agent = agent != NULL && agent[0] != '\0' ? agent : NULL,
                                 .cause = cause,
                                 .total_ms = -1};
    if (outcome >= 0)
        sched_note_result(x, c, &r);
}

/* ---- all is there */

/* A run as it was when the other process ended. How many tries of it were confirmations is not
 * kept: what is over the count was. */
static void continue_run(struct scheduler *x, struct sched_check *c)
{
    struct sched_run *run = c->run;
    unsigned count = c->of->def->count != 0 ? c->of->def->count : run->votes.n;
    run->confirms = run->votes.n > count ? run->votes.n - count : 0;
    run->interval_ms = interval_ms(x, c);
    run->silent = c->of->def->paused;
    run->lost_at = mono_add_ms(x->now.mono, RUN_MOST_MS + RUN_LOST_MS);
    if (run->votes.open > 0)
        return;
    if (run->seq < c->state.slot)
        sched_drop_run(x, c);
    else
        sched_settle(x, c);
}

static void rejoin(struct scheduler *x, struct sched_check *c)
{
    if (c->incident == 0)
        return;
    struct incident_change ic = sched_incident_change(x, c, NULL, 0);
    /* It may have ended since the snapshot: then it is in none. */
    (void)incidents_restore_check(x->incidents, c->incident, &ic, x->now);
    c->incident = 0;
}

/* Down, and in no incident: the entry that opened one was lost, or that it joined one. */
static void report(struct scheduler *x, struct sched_check *c)
{
    if (c->state.state != VERDICT_DOWN || incidents_of(x->incidents, c->id) != 0)
        return;
    struct incident_change ic = sched_incident_change(x, c, NULL, 0);
    incidents_change(x->incidents, &ic, x->now);
}

void scheduler_loaded(struct scheduler *x, struct check_now now)
{
    x->now = now;
    for (size_t i = 0; i < x->n_checks; i++) {
        struct sched_check *c = x->checks[i];
        if (c->state.state != VERDICT_UNKNOWN)
            census_guess(&x->census, c->host, now.mono);
        rejoin(x, c);
    }
    for (size_t i = 0; i < x->n_checks; i++) {
        struct sched_check *c = x->checks[i];
        if (c->of->def->paused)
            sched_judge_pause(x, c);
        sched_enter_plan(x, c);
        if (c->run != NULL)
            continue_run(x, c);
        report(x, c);
    }
    sched_tell_incidents(x);
    sched_publish(x);
}
