/* SPDX-License-Identifier: MIT */
#include "master/schedule/scheduler_impl.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* The schedules and checks that are in memory, and the figures of them all. */

struct sched_schedule *sched_find_schedule(const struct scheduler *x, uint64_t id)
{
    return id != 0 ? idmap_find(&x->schedules, id) : NULL;
}

struct sched_schedule *sched_hold_schedule(struct scheduler *x, uint64_t id, struct schedule *def,
                                           struct wall since)
{
    struct sched_schedule *s = sched_find_schedule(x, id);
    REQUIRE(id != 0 && def != NULL);
    if (s == NULL) {
        s = mem_zalloc(sizeof(*s));
        s->id = id;
        idmap_add(&x->schedules, id, s);
    } else {
        schedule_free(&s->def);
    }
    s->def = def;
    s->since = since;
    return s;
}

void sched_schedule_free(struct sched_schedule *s)
{
    REQUIRE(s->n == 0);
    schedule_free(&s->def);
    free(s->checks);
    free(s);
}

/* ---- checks, in the order of their ids */

size_t sched_place(const struct scheduler *x, uint64_t id)
{
    size_t from = 0, to = x->n_checks;
    if (to > 0 && x->checks[to - 1]->id < id)
        return to; /* a start, and a new schedule: always behind */
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (x->checks[mid]->id < id)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

struct sched_check *sched_find_check(const struct scheduler *x, uint64_t id)
{
    size_t at = sched_place(x, id);
    return at < x->n_checks && x->checks[at]->id == id && !x->checks[at]->gone ? x->checks[at]
                                                                               : NULL;
}

static struct sched_check **grow(struct sched_check **items, size_t n, size_t *cap)
{
    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 8;
    return mem_realloc(items, *cap * sizeof(*items));
}

static void insert(struct scheduler *x, struct sched_check *c)
{
    size_t at = sched_place(x, c->id);
    REQUIRE(at == x->n_checks || x->checks[at]->id != c->id);
    x->checks = grow(x->checks, x->n_checks, &x->cap_checks);
    memmove(&x->checks[at + 1], &x->checks[at], (x->n_checks - at) * sizeof(*x->checks));
    x->checks[at] = c;
    x->n_checks++;
    struct sched_schedule *s = c->of;
    s->checks = grow(s->checks, s->n, &s->cap);
    c->pos = s->n;
    s->checks[s->n++] = c;
}

/* The host's name is checked where definitions are; a longer one would be cut everywhere alike. */
static struct census_host *host_of(struct scheduler *x, const char *name)
{
    char host[INCIDENT_HOST_MAX];
    size_t n = strnlen(name, sizeof(host) - 1);
    REQUIRE(n > 0);
    memcpy(host, name, n);
    host[n] = '\0';
    return census_host_get(&x->census, host);
}

static void describe(struct scheduler *x, struct sched_check *c, const struct scheduler_check *as)
{
    size_t key = strlen(as->key) + 1;
    char *text = mem_alloc(key + as->spec_len + 1);
    memcpy(text, as->key, key);
    memcpy(text + key, as->spec, as->spec_len);
    text[key + as->spec_len] = '\0';
    free(c->key);
    c->key = text;
    c->spec = text + key;
    c->spec_len = as->spec_len;
    c->host_hash = as->host_hash;
    struct census_host *old = c->host;
    c->host = host_of(x, as->host);
    if (old != NULL)
        census_host_put(&x->census, old);
}

struct sched_check *sched_hold_check(struct scheduler *x, struct sched_schedule *s,
                                     const struct scheduler_check *as)
{
    REQUIRE(s != NULL && as->id != 0 && as->key && as->spec && as->host);
    struct sched_check *c = mem_zalloc(sizeof(*c));
    c->id = as->id;
    c->of = s;
    c->total_ms = -1;
    describe(x, c, as);
    check_init(&c->state, x->now);
    c->item.rule = &s->def->rule;
    c->item.key = rule_key(s->def->name, c->key);
    c->item.since = as->created.us != 0 ? as->created : x->now.wall;
    insert(x, c);
    sched_count(x, c);
    return c;
}

void sched_change_check(struct scheduler *x, struct sched_check *c,
                        const struct scheduler_check *to)
{
    REQUIRE(c->id == to->id);
    describe(x, c, to);
    votes_streaks_free(&c->streaks, &x->census); /* of what it was before */
}

static void leave(struct sched_check *c)
{
    struct sched_schedule *s = c->of;
    REQUIRE(c->pos < s->n && s->checks[c->pos] == c);
    s->checks[c->pos] = s->checks[--s->n];
    s->checks[c->pos]->pos = c->pos;
}

void sched_doom_check(struct scheduler *x, struct sched_check *c)
{
    REQUIRE(!c->gone);
    c->gone = true;
    sched_tell_untold(x, c);
    sched_drop_run(x, c);
    plan_remove(&x->plan, &c->item);
    if (heap_linked(&c->stale))
        heap_remove(&x->stale, &c->stale);
    incidents_forget(x->incidents, c->id, x->now);
    sched_uncount(x, c);
    leave(c);
}

static void check_free(struct scheduler *x, struct sched_check *c)
{
    votes_streaks_free(&c->streaks, &x->census);
    census_host_put(&x->census, c->host);
    free(c->untold);
    free(c->advice);
    free(c->key);
    free(c);
}

void sched_bury(struct scheduler *x)
{
    size_t kept = 0;
    for (size_t i = 0; i < x->n_checks; i++) {
        if (x->checks[i]->gone)
            check_free(x, x->checks[i]);
        else
            x->checks[kept++] = x->checks[i];
    }
    x->n_checks = kept;
}

/* ---- figures */

void sched_uncount(struct scheduler *x, const struct sched_check *c)
{
    REQUIRE(c->of->by_state[c->state.state] > 0);
    c->of->by_state[c->state.state]--;
    x->by_state[c->state.state]--;
    c->of->unconfirmed -= !c->state.confirmed;
    c->of->flapping -= c->state.flapping;
    x->flapping -= c->state.flapping;
}

void sched_count(struct scheduler *x, const struct sched_check *c)
{
    c->of->by_state[c->state.state]++;
    x->by_state[c->state.state]++;
    c->of->unconfirmed += !c->state.confirmed;
    c->of->flapping += c->state.flapping;
    x->flapping += c->state.flapping;
}

void sched_publish(struct scheduler *x)
{
    struct scheduler_stats *s = &x->stats;
    gauge_set(&s->schedules, (int64_t)x->schedules.count);
    gauge_set(&s->checks, (int64_t)x->n_checks);
    for (unsigned i = 0; i < VERDICT_STATES; i++)
        gauge_set(&s->checks_by_state[i], (int64_t)x->by_state[i]);
    gauge_set(&s->flapping, (int64_t)x->flapping);
    gauge_set(&s->running, (int64_t)x->running);
    gauge_set(&s->incidents, (int64_t)incidents_count(x->incidents));
}

/* ---- its places in plan and heap */

/* What cron is late by its spread is still to come, though its minute has begun. */
void sched_begin_at(struct sched_check *c, struct wall at)
{
    const struct rule *r = &c->of->def->rule;
    if (r->kind == RULE_CRON)
        at.us -= rule_offset_ms(r, c->item.key) * 1000;
    if (at.us > c->item.since.us)
        c->item.since = at;
}

void sched_enter_plan(struct scheduler *x, struct sched_check *c)
{
    c->item.rule = &c->of->def->rule;
    if (!c->of->def->paused)
        plan_add(&x->plan, &c->item, sched_plan_now(x));
}

/* Most verdicts only make it later: then the node stays where it is, and is put right when its
 * time has come. */
void sched_watch_age(struct scheduler *x, struct sched_check *c)
{
    struct mono due = check_due(&c->state);
    if (!mono_is_set(due))
        return;
    if (heap_linked(&c->stale) && c->stale.key <= due.ns)
        return;
    if (heap_linked(&c->stale))
        heap_remove(&x->stale, &c->stale);
    heap_insert(&x->stale, &c->stale, due.ns);
}
