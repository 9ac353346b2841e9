/* SPDX-License-Identifier: MIT */
#include "master/store/timetable.h"
#include "master/store/store.h"
#include <stdlib.h>
#include <string.h>

/* What the requests of schedules own, and what a start is given of them. */

static void strings_free(char **items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(items[i]);
    free(items);
}

void store_schedule_fini(struct store_schedule *s)
{
    free(s->name);
    free(s->doc);
    free(s->owner);
}

static void schedules_free(struct store_schedule *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        store_schedule_fini(&items[i]);
    free(items);
}

void store_timetable_fini(struct store_timetable *t)
{
    schedules_free(t->schedules, t->n_schedules);
    for (size_t i = 0; i < t->n_lanes; i++)
        free(t->lanes[i].lane);
    free(t->lanes);
    free(t->checks);
    free(t->saved);
    free(t->incidents);
    free(t->tasks);
    strbuf_fini(&t->arena);
    *t = (struct store_timetable){0};
}

/* ---- requests */

void store_put_forget(struct store_put *p)
{
    free(p->ids);
    free(p->what);
    free(p->createds);
    free(p->removed);
    strings_free(p->removed_keys, p->n_removed < STORE_PUT_DIFF ? p->n_removed : STORE_PUT_DIFF);
    free(p->old_doc);
    p->ids = p->removed = NULL;
    p->what = NULL;
    p->createds = NULL;
    p->removed_keys = NULL;
    p->old_doc = NULL;
    p->n_removed = p->n_new = p->n_changed = 0;
}

void store_entry_fini(struct store_entry *e)
{
    free(e->schedule);
    free(e->key);
    free(e->advice);
    free(e->delivery);
    strings_free(e->alerts, e->n_alerts);
}

static void journal_free(struct store_entry *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        store_entry_fini(&items[i]);
    free(items);
}

void store_channel_fini(struct store_channel *c)
{
    free(c->name);
    free(c->doc);
}

void store_delivery_fini(struct store_delivery *d)
{
    free(d->channel);
    free(d->facts);
    free(d->dedup);
    free(d->error);
}

static void channels_free(struct store_channel *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        store_channel_fini(&items[i]);
    free(items);
}

static void deliveries_free(struct store_delivery *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        store_delivery_fini(&items[i]);
    free(items);
}

static void writers_free(struct store_req *r)
{
    switch (r->op) {
    case STORE_LANE_OPEN:
    case STORE_LANE_CLOSE:
        batch_info_fini(&r->lane.info);
        free(r->lane.lane);
        break;
    case STORE_RUNS_ADD:
        free(r->runs.items);
        break;
    case STORE_SCHEDULE_PUT:
        store_put_forget(&r->put);
        break;
    case STORE_SCHEDULE_REMOVE:
    case STORE_SCHEDULE_PAUSE:
        free(r->name.removed);
        break;
    case STORE_JOURNAL:
        journal_free(r->journal.items, r->journal.n);
        break;
    case STORE_HISTORY_PURGE:
        break;
    case STORE_SNAPSHOT:
        free(r->snapshot.items);
        break;
    case STORE_HOURS_PUT:
        free(r->hours.items);
        break;
    case STORE_CHANNEL_PUT:
    case STORE_CHANNEL_REMOVE:
        store_channel_fini(&r->channel);
        break;
    case STORE_DELIVERY_ADD:
    case STORE_DELIVERY_TELL:
        store_delivery_fini(&r->delivery);
        break;
    default:
        UNREACHABLE("not a request of schedules");
    }
}

void store_timetable_req_free(struct store_req *r)
{
    switch (r->op) {
    case STORE_SCHEDULE_LIST:
        schedules_free(r->schedules.items, r->schedules.n);
        free(r->schedules.owner);
        break;
    case STORE_SCHEDULE_GET:
        store_schedule_fini(&r->schedule_get.schedule);
        free(r->schedule_get.checks);
        break;
    case STORE_HISTORY:
        free(r->history.items);
        break;
    case STORE_OVERVIEW:
        free(r->overview.items);
        break;
    case STORE_TRANSITIONS:
        free(r->transitions.items);
        break;
    case STORE_MISSES:
        free(r->misses.items);
        break;
    case STORE_CHECK_RUNS:
        free(r->check_runs.tasks);
        break;
    case STORE_TASKS_RESULTS:
        free(r->tasks_results.rows);
        break;
    case STORE_INCIDENTS:
        free(r->incidents.items);
        strings_free(r->incidents.schedules, r->incidents.n);
        break;
    case STORE_CHANNELS:
        channels_free(r->channels.items, r->channels.n);
        break;
    case STORE_DELIVERIES:
        deliveries_free(r->deliveries.items, r->deliveries.n);
        break;
    default:
        writers_free(r);
    }
}

#define ENTRY_WEIGHT 2500 /* its texts, about */

static size_t put_weight(const struct store_put *p)
{
    size_t n = strlen(p->doc) + p->n_targets * sizeof(*p->targets);
    for (size_t i = 0; i < p->n_targets; i++)
        n += strlen(p->targets[i].key) + p->targets[i].spec_len;
    return n;
}

size_t store_timetable_weight(const struct store_req *r)
{
    switch (r->op) {
    case STORE_SCHEDULE_PUT:
        return put_weight(&r->put);
    case STORE_JOURNAL:
        return r->journal.n * (sizeof(*r->journal.items) + ENTRY_WEIGHT);
    case STORE_SNAPSHOT:
        return r->snapshot.n * sizeof(*r->snapshot.items);
    case STORE_HOURS_PUT:
        return r->hours.n * sizeof(*r->hours.items);
    default:
        return 0;
    }
}
