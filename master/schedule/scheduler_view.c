/* SPDX-License-Identifier: MIT */
#include "master/schedule/scheduler_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* Copies of what is in memory: for the API, and for the store. */

/* ---- snapshots */

static struct scheduler_saved save(const struct scheduler *x, const struct sched_check *c)
{
    return (struct scheduler_saved){
        .check = c->id,
        .last = c->item.last,
        .gap = c->item.gap,
        .since = c->item.since,
        .state = c->state.state,
        .state_since = c->state.since,
        .slot = c->state.slot,
        .cause = c->state.cause,
        .incident = incidents_of(x->incidents, c->id),
        .cert_warned = c->cert_warned,
        .cert_not_after = c->cert_not_after,
    };
}

void scheduler_snapshot(struct scheduler *x, scheduler_saved_f *f, void *arg)
{
    struct scheduler_saved *chunk = mem_array(SCHEDULER_CHUNK, sizeof(*chunk));
    size_t n = 0;
    for (size_t i = 0; i < x->n_checks; i++)
        sched_tell_untold(x, x->checks[i]);
    for (size_t i = 0; i < x->n_checks; i++) {
        chunk[n++] = save(x, x->checks[i]);
        bool last = i + 1 == x->n_checks ||
                    x->checks[i]->id / SCHEDULER_CHUNK != x->checks[i + 1]->id / SCHEDULER_CHUNK;
        if (!last)
            continue;
        f(arg, chunk, n);
        n = 0;
    }
    free(chunk);
}

/* ---- schedules */

static struct wall next_of(const struct scheduler *x, const struct sched_schedule *s)
{
    struct wall next = {0};
    for (size_t i = 0; i < s->n; i++) {
        struct wall at = plan_next_at(&x->plan, &s->checks[i]->item);
        if (at.us != 0 && (next.us == 0 || at.us < next.us))
            next = at;
    }
    return next;
}

static struct scheduler_view view_of(const struct scheduler *x, const struct sched_schedule *s)
{
    struct scheduler_view v = {
        .id = s->id,
        .paused = s->def->paused,
        .checks = s->n,
        .unconfirmed = s->unconfirmed,
        .flapping = s->flapping,
        .runs = s->runs,
        .next = next_of(x, s),
    };
    snprintf(v.name, sizeof(v.name), "%s", s->def->name);
    memcpy(v.by_state, s->by_state, sizeof(v.by_state));
    memcpy(v.missed, s->missed, sizeof(v.missed));
    return v;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct scheduler_view *)a)->name,
                  ((const struct scheduler_view *)b)->name);
}

static bool between(const char *name, const char *from, const char *to)
{
    return (from == NULL || strcmp(name, from) >= 0) && (to == NULL || strcmp(name, to) <= 0);
}

size_t scheduler_views(const struct scheduler *x, const char *from, const char *to,
                       struct scheduler_view **out)
{
    size_t n = 0, at = 0;
    struct sched_schedule *s;
    *out = mem_array(x->schedules.count + 1, sizeof(**out));
    while ((s = idmap_next(&x->schedules, &at)) != NULL)
        if (between(s->def->name, from, to))
            (*out)[n++] = view_of(x, s);
    qsort(*out, n, sizeof(**out), by_name);
    return n;
}

/* ---- checks */

static bool wanted(const struct sched_check *c, const struct scheduler_filter *f)
{
    return (f->only == 0 || c->id == f->only) &&
           (f->state < 0 || c->state.state == (enum verdict_state)f->state) &&
           (f->schedule == NULL || strcmp(c->of->def->name, f->schedule) == 0) &&
           (f->host == NULL || strcmp(c->host->name, f->host) == 0);
}

static void put_recent(const struct sched_check *c, uint64_t out[SCHEDULER_RECENT])
{
    for (unsigned i = 0; i < SCHEDULER_RECENT; i++)
        out[i] = c->recent[(c->recent_at + SCHEDULER_RECENT - i) % SCHEDULER_RECENT];
}

static struct scheduler_check_view check_view(const struct scheduler *x,
                                              const struct sched_check *c)
{
    struct scheduler_check_view v = {
        .id = c->id,
        .schedule = mem_strdup(c->of->def->name),
        .key = mem_strdup(c->key),
        .host = mem_strdup(c->host->name),
        .state = c->state.state,
        .since = c->state.since,
        .next = plan_next_at(&x->plan, &c->item),
        .cause = c->state.cause,
        .confirmed = c->state.confirmed,
        .flapping = c->state.flapping,
        .running = c->run != NULL,
        .paused = c->of->def->paused,
        .advice = mem_strdup(c->advice),
        .slot = c->item.last.seq,
        .incident = incidents_of(x->incidents, c->id),
        .total_ms = c->total_ms,
        .cert_not_after = c->cert_not_after,
        .has_goal = c->of->def->has_goal,
        .goal = c->of->def->goal,
    };
    put_recent(c, v.recent);
    return v;
}

size_t scheduler_checks(const struct scheduler *x, const struct scheduler_filter *f,
                        struct scheduler_check_view **out, uint64_t *last, bool *more)
{
    size_t from = sched_place(x, f->only != 0 ? f->only : f->after + 1);
    size_t most = f->only != 0 ? 1 : CHECKS_LOOKED, n = 0, cap = 0, i = from;
    *out = NULL;
    *last = f->after;
    for (; i < x->n_checks && i - from < most && n < f->limit; i++) {
        *last = x->checks[i]->id;
        if (!wanted(x->checks[i], f))
            continue;
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            *out = mem_realloc(*out, cap * sizeof(**out));
        }
        (*out)[n++] = check_view(x, x->checks[i]);
    }
    *more = f->only == 0 && i < x->n_checks;
    return n;
}

void scheduler_check_views_free(struct scheduler_check_view *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(v[i].schedule);
        free(v[i].key);
        free(v[i].host);
        free(v[i].advice);
    }
    free(v);
}
