/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/rollup.h"
#include "tests/master/api/world.h"

/*
 * schedule_world - world.h with what schedules need behind the API: a table of theirs instead of
 * the store's (store_post is wrapped), and a small scheduler on a thread of its own, which keeps a
 * log of what it is told and in which order. What it shows of history is set by the test before it
 * asks.
 */
#define FK_SCHEDULES 64
#define FK_CHECKS    6000
#define FK_LOG       128
#define FK_ITEMS     64

struct fk_check {
    uint64_t id, schedule;
    char *key, *spec, *name; /* name: of its schedule */
};
struct fk_schedule {
    uint64_t id, version;
    char name[SCHEDULE_NAME_MAX + 1];
    char *doc, *owner;
    bool paused, gone;
};
static struct {
    /* The store's table: of the api thread alone. */
    struct fk_schedule schedules[FK_SCHEDULES];
    unsigned n_schedules;
    struct fk_check checks[FK_CHECKS];
    size_t n_checks;
    uint64_t last_id;
    struct store_channel channels[FK_ITEMS];
    unsigned n_channels;
    uint64_t check_limit; /* 0 = none */
    enum err err;         /* of every answer, when set */
    /* What the store shows. */
    struct store_hour hours[FK_ITEMS];
    unsigned n_hours;
    struct strbuf hour_bytes;
    struct store_transition transitions[FK_ITEMS];
    unsigned n_transitions;
    struct incident incidents[FK_ITEMS];
    unsigned n_incidents;
    struct store_delivery deliveries[FK_ITEMS];
    unsigned n_deliveries;
    uint64_t runs[FK_ITEMS]; /* newest first */
    unsigned n_runs, runs_page;
    unsigned overview_page; /* checks that the store answers at once; 0 = as asked */
    unsigned asked_history, asked_overview;
} fk;

/* The scheduler's side, and its log. */
struct fk_told {
    enum schedule_req_op op;
    uint64_t id, version;
    bool pause;
    size_t changed, removed;
};
static struct {
    pthread_mutex_t lock; /* all below */
    struct mailbox *box;
    pthread_t thread;
    struct fk_told log[FK_LOG];
    unsigned n_log;
    unsigned slow_ms;                    /* for each change */
    atomic_uint full;                    /* so many posts are refused */
    atomic_uint changing, changing_most; /* changes posted and not answered */
    struct fk_check checks[FK_CHECKS];
    size_t n_checks, n_views; /* n_views: of the last answer */
    bool has_goal;
    struct slo_goal goal;
    uint64_t recent[SCHEDULER_RECENT];
    enum err ack;
    char acked_by[INCIDENT_WHO_MAX], note[INCIDENT_NOTE_MAX];
} sk = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the store */

static inline struct fk_schedule *fk_find(const char *name)
{
    for (unsigned i = 0; i < fk.n_schedules; i++)
        if (!fk.schedules[i].gone && strcmp(fk.schedules[i].name, name) == 0)
            return &fk.schedules[i];
    return NULL;
}

static inline struct fk_check *fk_check_find(uint64_t schedule, const char *key)
{
    for (size_t i = 0; i < fk.n_checks; i++)
        if (fk.checks[i].schedule == schedule && strcmp(fk.checks[i].key, key) == 0)
            return &fk.checks[i];
    return NULL;
}

static inline struct fk_check *fk_check_add(uint64_t schedule, const char *name, const char *key,
                                            const char *spec)
{
    ck_assert_uint_lt(fk.n_checks, FK_CHECKS);
    struct fk_check *c = &fk.checks[fk.n_checks++];
    *c = (struct fk_check){++fk.last_id, schedule, mem_strdup(key), mem_strdup(spec),
                           mem_strdup(name)};
    return c;
}

static inline void fk_check_free(struct fk_check *c)
{
    free(c->key);
    free(c->spec);
    free(c->name);
}

static inline void fk_removed(struct store_put *p, uint64_t schedule)
{
    p->removed = mem_array(FK_CHECKS, sizeof(*p->removed));
    p->removed_keys = mem_array(STORE_PUT_DIFF, sizeof(*p->removed_keys));
    for (size_t i = 0; i < fk.n_checks; i++) {
        bool there = fk.checks[i].schedule != schedule;
        for (size_t t = 0; t < p->n_targets && !there; t++)
            there = strcmp(p->targets[t].key, fk.checks[i].key) == 0;
        if (there)
            continue;
        if (p->n_removed < STORE_PUT_DIFF)
            p->removed_keys[p->n_removed] = mem_strdup(fk.checks[i].key);
        p->removed[p->n_removed++] = fk.checks[i].id;
        if (p->dry_run)
            continue;
        fk_check_free(&fk.checks[i]);
        fk.checks[i--] = fk.checks[--fk.n_checks];
    }
}

static inline void fk_targets(struct store_put *p, uint64_t schedule)
{
    p->ids = mem_array(p->n_targets + 1, sizeof(*p->ids));
    p->what = mem_zalloc(p->n_targets + 1);
    p->createds = mem_array(p->n_targets + 1, sizeof(*p->createds));
    for (size_t t = 0; t < p->n_targets; t++) {
        const struct schedule_target *x = &p->targets[t];
        struct fk_check *c = fk_check_find(schedule, x->key);
        p->what[t] = !c ? PUT_NEW : strcmp(c->spec, x->spec) == 0 ? PUT_SAME : PUT_CHANGED;
        p->n_new += p->what[t] == PUT_NEW;
        p->n_changed += p->what[t] == PUT_CHANGED;
        if (p->dry_run)
            continue;
        if (!c)
            c = fk_check_add(schedule, p->name, x->key, x->spec);
        free(c->spec);
        c->spec = mem_strdup(x->spec);
        p->ids[t] = c->id;
    }
}

static inline void fk_put(struct store_req *r)
{
    struct store_put *p = &r->put;
    struct fk_schedule *s = fk_find(p->name);
    if (p->if_version && (!s || s->version != p->if_version)) {
        r->err = ERR_EXISTS;
        return;
    }
    if (fk.check_limit && p->n_targets > fk.check_limit) {
        r->err = ERR_FULL;
        snprintf(r->why, sizeof(r->why), "there would be more than %d checks", 3);
        return;
    }
    p->created = !s;
    p->old_doc = s ? mem_strdup(s->doc) : NULL;
    p->old_paused = s && s->paused;
    p->doc_changed = !s || strcmp(s->doc, p->doc) != 0;
    uint64_t id = s ? s->id : fk.last_id + 1;
    fk_removed(p, id);
    if (!s && !p->dry_run) {
        ck_assert_uint_lt(fk.n_schedules, FK_SCHEDULES);
        s = &fk.schedules[fk.n_schedules++];
        *s = (struct fk_schedule){.id = ++fk.last_id};
        snprintf(s->name, sizeof(s->name), "%s", p->name);
    }
    fk_targets(p, id);
    bool changes = p->doc_changed || p->n_new || p->n_changed || p->n_removed;
    p->id = s ? s->id : 0;
    p->version = (s ? s->version : 0) + changes;
    if (p->dry_run)
        return;
    free(s->doc);
    free(s->owner);
    s->doc = mem_strdup(p->doc);
    s->owner = p->owner ? mem_strdup(p->owner) : NULL;
    s->paused = p->paused;
    s->version = p->version;
}

static inline void fk_show(const struct fk_schedule *s, struct store_schedule *out)
{
    *out = (struct store_schedule){.id = s->id,
                                   .version = s->version,
                                   .name = mem_strdup(s->name),
                                   .doc = mem_strdup(s->doc),
                                   .owner = s->owner ? mem_strdup(s->owner) : NULL,
                                   .paused = s->paused,
                                   .created_at = {1700000000000000},
                                   .changed_at = {1700000001000000}};
    for (size_t i = 0; i < fk.n_checks; i++)
        out->n_checks += fk.checks[i].schedule == s->id;
}

static inline int fk_by_name(const void *a, const void *b)
{
    const struct store_schedule *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static inline void fk_list(struct store_req *r)
{
    struct store_schedule *all = mem_array(FK_SCHEDULES, sizeof(*all));
    unsigned n = 0;
    for (unsigned i = 0; i < fk.n_schedules; i++) {
        const struct fk_schedule *s = &fk.schedules[i];
        bool owned = !r->schedules.owner || (s->owner && !strcmp(s->owner, r->schedules.owner));
        if (!s->gone && owned && strcmp(s->name, r->schedules.after) > 0)
            fk_show(s, &all[n++]);
    }
    qsort(all, n, sizeof(*all), fk_by_name);
    r->schedules.items = all;
    r->schedules.n = n < r->schedules.limit ? n : r->schedules.limit;
    r->schedules.more = n > r->schedules.n;
    for (unsigned i = r->schedules.n; i < n; i++) {
        free(all[i].name);
        free(all[i].doc);
        free(all[i].owner);
    }
}

static inline void fk_get(struct store_req *r)
{
    const struct fk_schedule *s = fk_find(r->schedule_get.name);
    if (!s) {
        r->err = ERR_NOT_FOUND;
        return;
    }
    fk_show(s, &r->schedule_get.schedule);
    if (!r->schedule_get.targets)
        return;
    r->schedule_get.checks = mem_array(FK_CHECKS, sizeof(*r->schedule_get.checks));
    for (size_t i = 0; i < fk.n_checks; i++)
        if (fk.checks[i].schedule == s->id)
            r->schedule_get.checks[r->schedule_get.n_checks++] =
                (struct store_check){.id = fk.checks[i].id,
                                     .spec = fk.checks[i].spec,
                                     .spec_len = strlen(fk.checks[i].spec)};
}

static inline void fk_named(struct store_req *r)
{
    struct fk_schedule *s = fk_find(r->name.name);
    if (!s) {
        r->err = ERR_NOT_FOUND;
        return;
    }
    r->name.id = s->id;
    if (r->op == STORE_SCHEDULE_PAUSE)
        s->paused = r->name.paused;
    else
        s->gone = true;
}

static inline void fk_channels(struct store_req *r)
{
    r->channels.items = mem_array(FK_ITEMS, sizeof(*r->channels.items));
    for (unsigned i = 0; i < fk.n_channels; i++)
        if (!r->channels.name[0] || !strcmp(r->channels.name, fk.channels[i].name))
            r->channels.items[r->channels.n++] =
                (struct store_channel){.name = mem_strdup(fk.channels[i].name),
                                       .doc = mem_strdup(fk.channels[i].doc),
                                       .created_at = fk.channels[i].created_at,
                                       .changed_at = fk.channels[i].changed_at};
}

static inline void fk_channel_change(struct store_req *r)
{
    unsigned i = 0;
    while (i < fk.n_channels && strcmp(fk.channels[i].name, r->channel.name) != 0)
        i++;
    bool put = r->op == STORE_CHANNEL_PUT;
    if (!put && i == fk.n_channels) {
        r->err = ERR_NOT_FOUND;
        return;
    }
    if (i < fk.n_channels) {
        store_channel_fini(&fk.channels[i]);
        fk.channels[i] = fk.channels[--fk.n_channels];
    }
    if (put)
        fk.channels[fk.n_channels++] =
            (struct store_channel){mem_strdup(r->channel.name), mem_strdup(r->channel.doc),
                                   r->channel.created_at, r->channel.changed_at};
}

static inline void fk_history(struct store_req *r)
{
    fk.asked_history++;
    r->history.items = mem_array(FK_ITEMS, sizeof(*r->history.items));
    for (unsigned i = 0; i < fk.n_hours; i++)
        if (fk.hours[i].check == r->history.check && fk.hours[i].hour >= r->history.from &&
            fk.hours[i].hour < r->history.to)
            r->history.items[r->history.n++] = fk.hours[i];
}

/* The checks of the table that lie behind, with the same day each. */
static inline void fk_overview(struct store_req *r)
{
    fk.asked_overview++;
    unsigned limit = fk.overview_page ? fk.overview_page : r->overview.limit;
    r->overview.items = mem_array(FK_CHECKS, sizeof(*r->overview.items));
    for (size_t i = 0; i < fk.n_checks; i++) {
        const struct fk_check *c = &fk.checks[i];
        if (c->id <= r->overview.after ||
            (r->overview.schedule && c->schedule != r->overview.schedule))
            continue;
        if (r->overview.n == limit) {
            r->overview.more = true;
            break;
        }
        r->overview.items[r->overview.n] = fk.hours[0];
        r->overview.items[r->overview.n++].check = c->id;
        r->overview.last = c->id;
    }
}

static inline void fk_transitions(struct store_req *r)
{
    r->transitions.items = mem_array(FK_ITEMS, sizeof(*r->transitions.items));
    for (unsigned i = 0; i < fk.n_transitions && i < r->transitions.limit; i++)
        r->transitions.items[r->transitions.n++] = fk.transitions[i];
    r->transitions.more = fk.n_transitions > r->transitions.limit;
}

static inline void fk_misses(struct store_req *r)
{
    r->misses.items = mem_zalloc(sizeof(*r->misses.items));
    r->misses.n = 1;
    r->misses.items[0].gap = (struct plan_gap){.why = PLAN_MISS_no_agent,
                                               .first_seq = 7,
                                               .count = 3,
                                               .first_at = {1700000000000000},
                                               .last = {9, {1700000060000000}}};
}

/* Pages of runs_page tasks; an "hour" of the cursor is how many pages are left. */
static inline void fk_check_runs(struct store_req *r)
{
    unsigned pages = (fk.n_runs + fk.runs_page - 1) / fk.runs_page;
    unsigned left = r->check_runs.before ? r->check_runs.before - 1 : pages;
    unsigned begin = (pages - left) * fk.runs_page;
    r->check_runs.tasks = mem_array(fk.runs_page + 1, sizeof(uint64_t));
    for (unsigned i = begin; i < fk.n_runs && i < begin + fk.runs_page; i++)
        r->check_runs.tasks[r->check_runs.n++] = fk.runs[i];
    r->check_runs.last = left; /* one more than pages are left behind */
    r->check_runs.more = left > 1;
}

static inline void fk_results(struct store_req *r)
{
    static const char record[] = "{\"outcome\":\"ok\",\"cause\":null}";
    static const char spec[] = "{\"url\":\"http://a.test/\"}";
    r->tasks_results.rows =
        mem_array(r->tasks_results.n_tasks + 1, sizeof(struct store_result_row));
    for (unsigned i = 0; i < r->tasks_results.n_tasks; i++)
        r->tasks_results.rows[r->tasks_results.n++] =
            (struct store_result_row){.task = r->tasks_results.tasks[i],
                                      .agent = "a1",
                                      .record = record,
                                      .record_len = sizeof(record) - 1,
                                      .spec = spec,
                                      .spec_len = sizeof(spec) - 1,
                                      .attempt = 1};
}

static inline void fk_incidents(struct store_req *r)
{
    r->incidents.items = mem_array(FK_ITEMS, sizeof(*r->incidents.items));
    r->incidents.schedules = mem_array(FK_ITEMS, sizeof(char *));
    for (unsigned i = 0; i < fk.n_incidents; i++) {
        const struct incident *x = &fk.incidents[i];
        bool current = x->state == INCIDENT_OPEN || x->state == INCIDENT_CONFIRMED;
        if ((r->incidents.only && x->id != r->incidents.only) ||
            (r->incidents.before && x->id >= r->incidents.before) ||
            (r->incidents.state >= 0 && (int)x->state != r->incidents.state) ||
            (r->incidents.state == -2 && !current))
            continue;
        if (r->incidents.n == r->incidents.limit) {
            r->incidents.more = true;
            break;
        }
        r->incidents.schedules[r->incidents.n] = mem_strdup("shop");
        r->incidents.items[r->incidents.n++] = *x;
    }
}

static inline void fk_deliveries(struct store_req *r)
{
    r->deliveries.items = mem_array(FK_ITEMS, sizeof(*r->deliveries.items));
    for (unsigned i = 0; i < fk.n_deliveries; i++) {
        struct store_delivery d = fk.deliveries[i];
        if ((r->deliveries.state >= 0 && (int)d.state != r->deliveries.state) ||
            (r->deliveries.channel[0] && strcmp(r->deliveries.channel, d.channel) != 0))
            continue;
        d.channel = mem_strdup(d.channel);
        d.facts = d.facts ? mem_strdup(d.facts) : NULL;
        d.dedup = mem_strdup(d.dedup);
        d.error = d.error ? mem_strdup(d.error) : NULL;
        r->deliveries.items[r->deliveries.n++] = d;
    }
}

static inline bool fk_serve(struct store_req *r)
{
    static const struct {
        enum store_op op;
        void (*serve)(struct store_req *r);
    } table[] = {{STORE_SCHEDULE_PUT, fk_put},
                 {STORE_SCHEDULE_LIST, fk_list},
                 {STORE_SCHEDULE_GET, fk_get},
                 {STORE_SCHEDULE_PAUSE, fk_named},
                 {STORE_SCHEDULE_REMOVE, fk_named},
                 {STORE_CHANNELS, fk_channels},
                 {STORE_CHANNEL_PUT, fk_channel_change},
                 {STORE_CHANNEL_REMOVE, fk_channel_change},
                 {STORE_HISTORY, fk_history},
                 {STORE_OVERVIEW, fk_overview},
                 {STORE_TRANSITIONS, fk_transitions},
                 {STORE_MISSES, fk_misses},
                 {STORE_CHECK_RUNS, fk_check_runs},
                 {STORE_TASKS_RESULTS, fk_results},
                 {STORE_INCIDENTS, fk_incidents},
                 {STORE_DELIVERIES, fk_deliveries}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].op != r->op)
            continue;
        if (fk.err != ERR_NONE)
            r->err = fk.err;
        else
            table[i].serve(r);
        return true;
    }
    return false;
}

enum err __real_store_post(struct store *s, struct store_req *r);
enum err __wrap_store_post(struct store *s, struct store_req *r)
{
    if (!fk_serve(r))
        return __real_store_post(s, r);
    r->done(r);
    return ERR_NONE;
}

#include "tests/master/api/schedule_hub.h"
