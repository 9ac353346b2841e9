/* SPDX-License-Identifier: MIT */
#include "master/schedule/scheduler_impl.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

/* What is to be kept, as entries of the journal. */

static void tell(struct scheduler *x, struct scheduler_entry *e, const struct sched_check *c)
{
    e->at = x->now.wall;
    if (c != NULL) {
        e->check = c->id;
        e->schedule = c->of->def->name;
        e->key = c->key;
    }
    x->ops->journal(x->arg, e);
}

/* ---- gaps */

static void tell_gap(struct scheduler *x, struct sched_check *c, struct plan_gap gap)
{
    struct scheduler_entry e = {.kind = ENTRY_GAP, .gap = gap};
    REQUIRE(gap.count > 0);
    c->gap_told = gap.first_seq;
    c->gap_told_at = x->now.mono;
    tell(x, &e, c);
}

void sched_tell_untold(struct scheduler *x, struct sched_check *c)
{
    if (c->untold == NULL)
        return;
    tell_gap(x, c, *c->untold);
    free(c->untold);
    c->untold = NULL;
}

void sched_tell_missed(struct scheduler *x, struct sched_check *c)
{
    const struct plan_gap *gap = &c->item.gap;
    uint64_t n = c->item.last.seq - c->settled;
    REQUIRE(gap->count >= n && n > 0);
    c->settled = c->item.last.seq;
    c->of->missed[gap->why] += n;
    counter_add(&x->stats.missed[gap->why], n);
    if (c->untold != NULL && c->untold->first_seq != gap->first_seq)
        sched_tell_untold(x, c);
    if (c->gap_told == gap->first_seq && mono_is_set(c->gap_told_at) &&
        mono_diff_ms(x->now.mono, c->gap_told_at) < GAP_TELL_MS) {
        if (c->untold == NULL)
            c->untold = mem_alloc(sizeof(*c->untold));
        *c->untold = *gap;
        return;
    }
    free(c->untold);
    c->untold = NULL;
    tell_gap(x, c, *gap);
}

/* ---- states */

void sched_tell_transition(struct scheduler *x, const struct sched_check *c,
                           const struct check_change *change, uint64_t slot, uint64_t task)
{
    struct scheduler_entry e = {
        .kind = ENTRY_TRANSITION,
        .transition = {.from = change->from,
                       .to = change->to,
                       .cause = c->state.cause,
                       .slot = slot,
                       .task = task,
                       .flapping = c->state.flapping,
                       .advice = c->advice != NULL ? c->advice : ""},
    };
    counter_add(&x->stats.transitions, change->from != change->to);
    tell(x, &e, c);
}

void sched_tell_certificate(struct scheduler *x, const struct sched_check *c, int days_left,
                            int threshold)
{
    struct scheduler_entry e = {
        .kind = ENTRY_CERTIFICATE,
        .certificate = {.days_left = days_left,
                        .threshold = threshold,
                        .not_after = {c->cert_not_after * 1000000},
                        .alerts = (const char *const *)c->of->def->alerts,
                        .n_alerts = c->of->def->n_alerts},
    };
    tell(x, &e, c);
}

/* ---- incidents */

static void audience_clear(struct sched_audience *a)
{
    for (unsigned i = 0; i < a->n_alerts; i++)
        free(a->alerts[i]);
    free(a->schedule);
    free(a->key);
    *a = (struct sched_audience){0};
}

void sched_audience_free(struct sched_audience *a)
{
    audience_clear(a);
    free(a);
}

static bool is_as_before(const struct sched_audience *a, const struct sched_check *c)
{
    const struct schedule *s = c->of->def;
    if (a->schedule == NULL || strcmp(a->schedule, s->name) != 0 || strcmp(a->key, c->key) != 0 ||
        a->n_alerts != s->n_alerts)
        return false;
    for (unsigned i = 0; i < s->n_alerts; i++)
        if (strcmp(a->alerts[i], s->alerts[i]) != 0)
            return false;
    return true;
}

/* As the schedule of the check that opened it has them now; once that is gone, as it had them. */
static struct sched_audience *audience_of(struct scheduler *x, const struct incident *i)
{
    struct sched_audience *a = idmap_find(&x->audiences, i->id);
    const struct sched_check *c = sched_find_check(x, i->first.check);
    if (a == NULL) {
        a = mem_zalloc(sizeof(*a));
        idmap_add(&x->audiences, i->id, a);
    }
    if (c == NULL || is_as_before(a, c))
        return a;
    audience_clear(a);
    a->schedule = mem_strdup(c->of->def->name);
    a->key = mem_strdup(c->key);
    a->n_alerts = c->of->def->n_alerts;
    for (unsigned k = 0; k < a->n_alerts; k++)
        a->alerts[k] = mem_strdup(c->of->def->alerts[k]);
    return a;
}

static bool opens(enum incident_action_kind k)
{
    return k == INCIDENT_DID_OPEN || k == INCIDENT_SYSTEM_EVENT;
}

static bool ends(enum incident_action_kind k)
{
    return k == INCIDENT_DID_RESOLVE || k == INCIDENT_DID_WITHDRAW;
}

void sched_tell_incidents(struct scheduler *x)
{
    struct incident_action did;
    while (incidents_take(x->incidents, &did)) {
        struct sched_audience *a = audience_of(x, &did.incident);
        struct scheduler_entry e = {
            .kind = ENTRY_INCIDENT,
            .schedule = a->schedule,
            .key = a->key,
            .incident = {did.kind, &did.incident, (const char *const *)a->alerts, a->n_alerts},
        };
        counter_add(&x->stats.incidents_opened, opens(did.kind));
        tell(x, &e, NULL);
        if (ends(did.kind)) {
            idmap_remove(&x->audiences, did.incident.id);
            sched_audience_free(a);
        }
    }
}
