/* SPDX-License-Identifier: MIT */
#include "master/schedule/scheduler_impl.h"

#include <string.h>

/* What users change. */

static bool same_windows(const struct windows *a, const struct windows *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->w[i].days != b->w[i].days || a->w[i].from_min != b->w[i].from_min ||
            a->w[i].to_min != b->w[i].to_min)
            return false;
    return a->n == 0 || strcmp(zone_name(a->zone), zone_name(b->zone)) == 0;
}

static bool same_cron(const struct rule *a, const struct rule *b)
{
    const struct cron *p = &a->cron, *q = &b->cron;
    return p->minutes == q->minutes && p->hours == q->hours && p->days == q->days &&
           p->months == q->months && p->weekdays == q->weekdays &&
           p->star_minute == q->star_minute && p->star_hour == q->star_hour &&
           p->star_day == q->star_day && p->star_weekday == q->star_weekday &&
           a->spread_ms == b->spread_ms && strcmp(zone_name(a->zone), zone_name(b->zone)) == 0;
}

static bool same_rule(const struct rule *a, const struct rule *b)
{
    if (a->kind != b->kind || !same_windows(&a->windows, &b->windows))
        return false;
    return a->kind == RULE_EVERY ? a->every_ms == b->every_ms : same_cron(a, b);
}

/* ---- pause */

static void pause_check(struct scheduler *x, struct sched_check *c)
{
    sched_tell_untold(x, c);
    plan_remove(&x->plan, &c->item);
    if (c->run != NULL)
        c->run->silent = true;
    sched_judge_pause(x, c);
}

static void resume_check(struct scheduler *x, struct sched_check *c)
{
    c->item.since = (struct wall){1};
    sched_begin_at(c, x->now.wall);
    sched_enter_plan(x, c);
}

static void pause_all(struct scheduler *x, struct sched_schedule *s)
{
    for (size_t i = 0; i < s->n; i++)
        pause_check(x, s->checks[i]);
    sched_tell_incidents(x);
}

bool scheduler_pause(struct scheduler *x, uint64_t id, bool paused, struct check_now now)
{
    struct sched_schedule *s = sched_find_schedule(x, id);
    x->now = now;
    if (s == NULL)
        return false;
    if (s->def->paused == paused)
        return true;
    s->def->paused = paused;
    s->since = now.wall;
    if (paused)
        pause_all(x, s);
    for (size_t i = 0; !paused && i < s->n; i++)
        resume_check(x, s->checks[i]);
    sched_publish(x);
    return true;
}

/* ---- put and remove */

/* The checks that stay, under another definition. What is missed and untold is told while the
 * definition is that under which it was missed. */
static void redefine(struct scheduler *x, struct sched_schedule *s, struct schedule *def)
{
    bool planned = !s->def->paused, again = !same_rule(&s->def->rule, &def->rule);
    for (size_t i = 0; i < s->n; i++)
        sched_tell_untold(x, s->checks[i]);
    for (size_t i = 0; i < s->n && planned && again; i++)
        plan_remove(&x->plan, &s->checks[i]->item);
    sched_hold_schedule(x, s->id, def, x->now.wall);
    for (size_t i = 0; i < s->n; i++) {
        struct sched_check *c = s->checks[i];
        c->item.rule = &def->rule;
        if (planned && def->paused)
            pause_check(x, c);
        else if (!def->paused && (again || !planned))
            resume_check(x, c);
    }
}

static void remove_ids(struct scheduler *x, const uint64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sched_check *c = sched_find_check(x, ids[i]);
        if (c != NULL)
            sched_doom_check(x, c);
    }
    if (n > 0)
        sched_bury(x);
}

static void put_check(struct scheduler *x, struct sched_schedule *s,
                      const struct scheduler_check *as)
{
    struct sched_check *c = sched_find_check(x, as->id);
    if (c != NULL) {
        REQUIRE(c->of == s);
        sched_change_check(x, c, as);
        return;
    }
    sched_enter_plan(x, sched_hold_check(x, s, as));
}

void scheduler_put(struct scheduler *x, uint64_t id, struct schedule *s,
                   const struct scheduler_check *checks, size_t n, const uint64_t *removed,
                   size_t n_removed, struct check_now now)
{
    struct sched_schedule *held = sched_find_schedule(x, id);
    x->now = now;
    remove_ids(x, removed, n_removed);
    if (held == NULL)
        held = sched_hold_schedule(x, id, s, now.wall);
    else
        redefine(x, held, s);
    for (size_t i = 0; i < n; i++)
        put_check(x, held, &checks[i]);
    sched_tell_incidents(x);
    sched_publish(x);
}

bool scheduler_remove(struct scheduler *x, uint64_t id, struct check_now now)
{
    struct sched_schedule *s = sched_find_schedule(x, id);
    x->now = now;
    if (s == NULL)
        return false;
    while (s->n > 0)
        sched_doom_check(x, s->checks[s->n - 1]);
    sched_bury(x);
    idmap_remove(&x->schedules, id);
    sched_schedule_free(s);
    sched_tell_incidents(x);
    sched_publish(x);
    return true;
}

enum err scheduler_ack(struct scheduler *x, uint64_t incident, const char *who, const char *note,
                       struct check_now now)
{
    x->now = now;
    enum err e = incidents_ack(x->incidents, incident, who, note, now);
    sched_tell_incidents(x);
    return e;
}
