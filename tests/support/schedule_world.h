/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/random.h"
#include "master/schedule/scheduler.h"
#include "tests/support/schedule_fixture.h"
#include "tests/support/sim_run.h"

/*
 * schedule_world - for simulations: a store, a core and its agents as small models around one real
 * scheduler, and the clocks.
 *
 * What the scheduler asks is kept in one queue, in order, and is committed from its front; what is
 * committed is told. Results are committed apart. A kill takes with it the scheduler, the queue and
 * the results that are not committed: what stays is `disk`, and of it the next scheduler is loaded.
 * Kills happen where kill_point() says so, also in the middle of a tick.
 */
#define W_SCHEDULES 4
#define W_CHECKS    24
#define W_ROWS      60000
#define W_QUEUE     8192
#define W_GAPS      20000
#define W_INCIDENTS 4096
#define W_SPANS     400
#define W_AGENTS    4

struct w_schedule {
    bool there, paused;
    unsigned rule, count, confirm; /* rule: of w_rules */
    struct wall changed_at;
};
struct w_check {
    bool there;
    unsigned schedule; /* id */
    struct wall created;
    struct scheduler_saved saved; /* snapshot and journal */
    bool has_saved;
    enum verdict_state told; /* by the transitions */
    uint64_t runs;           /* slots with rows */
};
struct w_row {
    uint64_t check, seq;
    struct wall at;
    int outcome; /* < 0: open */
    enum cause cause;
    char agent[8];
    struct mono deadline;
    bool answered; /* a result waits for its commit */
    enum cause says;
    char says_agent[8];
    int64_t not_after;
};
struct w_gap {
    uint64_t check;
    struct plan_gap gap;
};
struct w_incident {
    struct incident i;
    unsigned confirmed, opened, ended;
};
enum w_what { W_RUN, W_JOURNAL, W_SAVED };
struct w_item {
    enum w_what what;
    uint64_t check, seq;
    struct wall at;
    unsigned n;
    bool confirms;
    int64_t deadline_ms;
    struct scheduler_entry e;
    struct incident incident;
    struct scheduler_saved saved;
};
/* When slots of a check were due: by this rule, in (from, to]. */
struct w_span {
    uint64_t check;
    unsigned rule;
    bool new;             /* it was made then, and did not go on */
    struct wall from, to; /* to 0: still */
};

struct world {
    struct rng rng;
    struct scheduler *x;
    struct check_now now;
    struct {
        struct w_schedule schedules[W_SCHEDULES + 1];
        struct w_check checks[W_CHECKS + 1];
        struct w_row rows[W_ROWS];
        uint64_t n_rows; /* row i is task i + 1 */
        struct w_gap gaps[W_GAPS];
        size_t n_gaps;
        struct w_incident incidents[W_INCIDENTS];
        uint64_t last_incident, next_check;
    } disk;
    struct w_span spans[W_SPANS];
    size_t n_spans;
    struct w_item queue[W_QUEUE];
    size_t head, n_queue; /* [head, n_queue) wait */
    uint64_t first_open;  /* rows before it have ended */
    enum plan_miss room;
    unsigned agents; /* that are there */
    unsigned ill;    /* bits: they fail at everything */
    unsigned broken; /* bits: hosts that are down, of check % 8 */
    int64_t kill_in; /* points; < 0: never */
    bool killed;
    enum sim_kind killed_at;
};

static const struct w_rule {
    int64_t every_ms;
    const char *cron;
} w_rules[] = {{1000, NULL},  {5000, NULL},       {30000, NULL},
               {60000, NULL}, {0, "*/2 * * * *"}, {0, "7,37 * * * *"}};

static inline uint64_t w_below(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n);
}

static inline void kill_point(struct world *w, enum sim_kind at)
{
    if (w->killed || w->kill_in < 0 || w->kill_in-- > 0)
        return;
    w->killed = true;
    w->killed_at = at;
}

/* ---- what the scheduler asks */

static struct w_item *w_push(struct world *w, enum w_what what)
{
    SIM_CHECK(w->n_queue < W_QUEUE, "the queue is too long");
    struct w_item *it = &w->queue[w->n_queue++];
    *it = (struct w_item){.what = what};
    return it;
}

/* Nothing of this check is under way any more. */
static void w_check_alone(struct world *w, uint64_t check, uint64_t seq)
{
    for (uint64_t i = w->first_open; i < w->disk.n_rows; i++) {
        const struct w_row *r = &w->disk.rows[i];
        SIM_CHECK(r->check != check || r->seq == seq || r->outcome >= 0,
                  "check %llu: run %llu overlaps %llu", (unsigned long long)check,
                  (unsigned long long)seq, (unsigned long long)r->seq);
    }
    for (size_t i = w->head; i < w->n_queue; i++)
        SIM_CHECK(w->queue[i].what != W_RUN || w->queue[i].check != check,
                  "check %llu: two runs wait for the store", (unsigned long long)check);
}

static void w_on_run(void *arg, const struct scheduler_run *r)
{
    struct world *w = arg;
    if (w->killed)
        return;
    w_check_alone(w, r->check, r->seq);
    SIM_CHECK(r->n >= 1 && r->n <= AGENTS_COUNT_MAX && r->n_shun <= SCHEDULER_SHUN_MAX &&
                  r->deadline_ms >= 60000 && r->deadline_ms <= 3600000,
              "a run out of bounds");
    struct w_item *it = w_push(w, W_RUN);
    it->check = r->check;
    it->seq = r->seq;
    it->at = r->at;
    it->n = r->n;
    it->confirms = r->confirms;
    it->deadline_ms = r->deadline_ms;
    if (r->confirms)
        SEEN(confirm);
    kill_point(w, SAW_kill_run);
}

static enum plan_miss w_on_room(void *arg, const struct schedule *s, unsigned *agents)
{
    struct world *w = arg;
    *agents = w->agents;
    return w->agents == 0 ? PLAN_MISS_no_agent : w->room;
}

static void w_on_journal(void *arg, const struct scheduler_entry *e)
{
    struct world *w = arg;
    if (w->killed)
        return;
    struct w_item *it = w_push(w, W_JOURNAL);
    it->e = *e;
    it->check = e->check;
    if (e->kind == ENTRY_INCIDENT)
        it->incident = *e->incident.incident;
    kill_point(w, SAW_kill_journal);
}

static const struct scheduler_ops w_ops = {w_on_run, w_on_room, w_on_journal};

static void w_on_saved(void *arg, const struct scheduler_saved *items, size_t n)
{
    struct world *w = arg;
    for (size_t i = 0; i < n; i++) {
        SIM_CHECK(items[i].check / SCHEDULER_CHUNK == items[0].check / SCHEDULER_CHUNK,
                  "a chunk of two");
        w_push(w, W_SAVED)->saved = items[i];
    }
}

static inline void w_snapshot(struct world *w)
{
    scheduler_snapshot(w->x, w_on_saved, w);
    kill_point(w, SAW_kill_snapshot);
}

/* ---- the store */

static struct scheduler_saved *w_saved(struct world *w, uint64_t check)
{
    struct w_check *c = &w->disk.checks[check];
    if (!c->has_saved)
        c->saved = (struct scheduler_saved){.check = check};
    c->has_saved = true;
    return &c->saved;
}

static void w_keep_gap(struct world *w, uint64_t check, const struct plan_gap *gap)
{
    size_t i = w->disk.n_gaps;
    while (i > 0 && (w->disk.gaps[i - 1].check != check ||
                     w->disk.gaps[i - 1].gap.first_seq != gap->first_seq))
        i--;
    if (i == 0) {
        SIM_CHECK(w->disk.n_gaps < W_GAPS, "too many gaps");
        i = ++w->disk.n_gaps;
    } else {
        SIM_CHECK(w->disk.gaps[i - 1].gap.count <= gap->count, "a gap shrinks");
        SEEN(gap_grew);
    }
    w->disk.gaps[i - 1] = (struct w_gap){check, *gap};
    struct scheduler_saved *s = w_saved(w, check);
    if (gap->last.seq >= s->last.seq) {
        s->last = gap->last;
        s->gap = *gap;
    }
}

static void w_keep_transition(struct world *w, const struct w_item *it)
{
    struct w_check *c = &w->disk.checks[it->check];
    SIM_CHECK(it->e.transition.from == c->told, "check %llu: from %s, but it was %s",
              (unsigned long long)it->check, verdict_word(it->e.transition.from),
              verdict_word(c->told));
    c->told = it->e.transition.to;
    struct scheduler_saved *s = w_saved(w, it->check);
    s->state = it->e.transition.to;
    s->state_since = it->e.at;
    s->slot = it->e.transition.slot;
    s->cause = it->e.transition.cause;
    if (it->e.transition.to == VERDICT_DOWN)
        SEEN(went_down);
    if (it->e.transition.task == 0)
        SEEN(went_stale);
    if (it->e.transition.flapping)
        SEEN(flapped);
}

static void w_keep_incident(struct world *w, const struct w_item *it)
{
    uint64_t id = it->incident.id;
    SIM_CHECK(id > 0 && id < W_INCIDENTS, "too many incidents");
    struct w_incident *i = &w->disk.incidents[id];
    SIM_CHECK(i->ended == 0, "incident %llu: told of after its end", (unsigned long long)id);
    i->i = it->incident;
    i->opened += it->e.incident.action == INCIDENT_DID_OPEN;
    i->confirmed += it->e.incident.action == INCIDENT_DID_CONFIRM;
    i->ended += it->incident.state >= INCIDENT_RESOLVED;
    SIM_CHECK(i->confirmed <= 1 && i->opened <= 1, "incident %llu: told twice",
              (unsigned long long)id);
    if (id > w->disk.last_incident)
        w->disk.last_incident = id;
    if (it->e.incident.action == INCIDENT_DID_CONFIRM)
        SEEN(confirmed);
    if (it->e.incident.action == INCIDENT_SYSTEM_EVENT)
        SEEN(system_event);
}

static void w_keep_saved(struct world *w, const struct scheduler_saved *saved)
{
    struct w_check *c = &w->disk.checks[saved->check];
    SIM_CHECK(saved->state == c->told, "check %llu: saved as %s, told as %s",
              (unsigned long long)saved->check, verdict_word(saved->state), verdict_word(c->told));
    *w_saved(w, saved->check) = *saved;
}

static uint64_t w_keep_run(struct world *w, const struct w_item *it)
{
    uint64_t first = w->disk.n_rows;
    SIM_CHECK(first + it->n <= W_ROWS, "too many rows");
    for (unsigned i = 0; i < it->n; i++)
        w->disk.rows[w->disk.n_rows++] =
            (struct w_row){.check = it->check,
                           .seq = it->seq,
                           .at = it->at,
                           .outcome = -1,
                           .deadline = mono_add_ms(w->now.mono, it->deadline_ms)};
    w->disk.checks[it->check].runs += !it->confirms;
    return first + 1;
}

/* The first of the queue. */
static inline void w_commit(struct world *w)
{
    SIM_CHECK(w->head < w->n_queue, "nothing waits");
    struct w_item it = w->queue[w->head++];
    if (w->head == w->n_queue)
        w->head = w->n_queue = 0;
    if (it.what == W_SAVED) {
        w_keep_saved(w, &it.saved);
    } else if (it.what == W_RUN) {
        uint64_t first = w_keep_run(w, &it);
        kill_point(w, SAW_kill_committed);
        if (!w->killed)
            scheduler_began(w->x, it.check, it.seq, first, it.n, w->now);
        kill_point(w, SAW_kill_began);
    } else if (it.e.kind == ENTRY_GAP) {
        w_keep_gap(w, it.check, &it.e.gap);
    } else if (it.e.kind == ENTRY_TRANSITION) {
        w_keep_transition(w, &it);
    } else if (it.e.kind == ENTRY_INCIDENT) {
        w_keep_incident(w, &it);
    } else {
        struct scheduler_saved *saved = w_saved(w, it.check);
        saved->cert_warned = (uint16_t)it.e.certificate.threshold;
        saved->cert_not_after = it.e.certificate.not_after.us / 1000000;
        SEEN(certificate);
    }
    kill_point(w, SAW_kill_kept);
}

static inline void w_commit_all(struct world *w)
{
    while (w->head < w->n_queue && !w->killed)
        w_commit(w);
}

/* ---- core and agents */

static inline void w_answer(struct world *w, struct w_row *r, const char *agent, enum cause cause)
{
    if (r->outcome >= 0 || r->answered)
        return;
    r->answered = true;
    r->says = cause;
    r->not_after =
        w_below(w, 20) == 0 ? w->now.wall.us / 1000000 + (int64_t)w_below(w, 60) * 86400 : 0;
    snprintf(r->says_agent, sizeof(r->says_agent), "%s", agent != NULL ? agent : "");
}

static inline void w_commit_result(struct world *w, uint64_t row)
{
    struct w_row *r = &w->disk.rows[row];
    r->answered = false;
    r->cause = r->says;
    r->outcome = (int)cause_outcome(r->cause);
    memcpy(r->agent, r->says_agent, sizeof(r->agent));
    kill_point(w, SAW_kill_result);
    if (w->killed)
        return;
    struct scheduler_result res = {.task = row + 1,
                                   .agent = r->agent[0] != '\0' ? r->agent : NULL,
                                   .cause = r->cause,
                                   .cert_not_after = r->not_after,
                                   .total_ms = 5};
    scheduler_result(w->x, &res, w->now);
    kill_point(w, SAW_kill_told);
}

/* What the core itself does: whatever has not ended at its deadline ends as expired. */
static inline void w_expire(struct world *w)
{
    while (w->first_open < w->disk.n_rows && w->disk.rows[w->first_open].outcome >= 0)
        w->first_open++;
    for (uint64_t i = w->first_open; i < w->disk.n_rows; i++) {
        struct w_row *r = &w->disk.rows[i];
        if (r->outcome >= 0 || r->answered || mono_before(w->now.mono, r->deadline))
            continue;
        w_answer(w, r, NULL, CAUSE_deadline);
        SEEN(expired);
    }
}

/* ---- a start */

static inline struct schedule *w_definition(struct world *w, unsigned id)
{
    const struct w_schedule *d = &w->disk.schedules[id];
    const struct w_rule *rule = &w_rules[d->rule];
    char name[16];
    snprintf(name, sizeof(name), "s%u", id);
    struct schedule *s = rule->cron != NULL ? schedule_cron(name, rule->cron, "UTC", d->count)
                                            : schedule_every(name, rule->every_ms, d->count);
    if (s->zone != NULL)
        s->maintenance =
            (struct windows){.zone = s->zone, .n = 1, .w = {{WINDOW_DAYS_ALL, 0, 12 * 60}}};
    s->paused = d->paused;
    s->confirm = d->confirm;
    s->cert_days[0] = 30;
    s->cert_days[1] = 7;
    s->n_cert_days = 2;
    return s;
}

/* Strings live until the next call. */
static inline struct scheduler_check w_describe(struct world *w, uint64_t id)
{
    static char key[32], host[32];
    snprintf(key, sizeof(key), "https://c%llu/", (unsigned long long)id);
    snprintf(host, sizeof(host), "h%llu", (unsigned long long)(id % 8));
    return (struct scheduler_check){.id = id,
                                    .key = key,
                                    .spec = "{}",
                                    .spec_len = 2,
                                    .host = host,
                                    .host_hash = id % 8,
                                    .created = w->disk.checks[id].created};
}

static void w_load_rows(struct world *w)
{
    for (uint64_t i = 0; i < w->disk.n_rows; i++) {
        struct w_row *r = &w->disk.rows[i];
        r->answered = false;
        if (w->disk.checks[r->check].there)
            scheduler_load_task(w->x, r->check, r->seq, r->at, i + 1, r->agent, r->outcome,
                                r->cause);
    }
}

/* The store takes up its rows' deadlines by its own clock; here they are moved to the new one. */
static inline void w_boot(struct world *w)
{
    w->killed = false;
    w->x = scheduler_create(&w_ops, w, w->disk.last_incident, w->now);
    for (unsigned id = 1; id <= W_SCHEDULES; id++)
        if (w->disk.schedules[id].there)
            scheduler_load_schedule(w->x, id, w_definition(w, id),
                                    w->disk.schedules[id].changed_at);
    for (uint64_t id = 1; id < w->disk.next_check; id++) {
        struct w_check *c = &w->disk.checks[id];
        struct scheduler_check d = w_describe(w, id);
        if (c->there)
            scheduler_load_check(w->x, c->schedule, &d, c->has_saved ? &c->saved : NULL);
    }
    for (uint64_t id = 1; id <= w->disk.last_incident; id++)
        if (w->disk.incidents[id].i.id != 0 && !w->disk.incidents[id].ended)
            scheduler_load_incident(w->x, &w->disk.incidents[id].i);
    w_load_rows(w);
    scheduler_loaded(w->x, w->now);
    kill_point(w, SAW_kill_loaded);
}

static inline void w_pass(struct world *w, int64_t ms)
{
    w->now.mono = mono_add_ms(w->now.mono, ms);
    w->now.wall.us += ms * 1000;
}

/* Another process after so long, with a monotonic clock of its own. */
static inline void w_reboot(struct world *w, int64_t down_ms)
{
    scheduler_destroy(&w->x);
    w->head = w->n_queue = 0;
    w_pass(w, down_ms);
    int64_t other = (int64_t)(1 + w_below(w, 100000)) * NS_PER_SEC - w->now.mono.ns;
    w->now.mono.ns += other;
    for (uint64_t i = w->first_open; i < w->disk.n_rows; i++)
        w->disk.rows[i].deadline.ns += other;
    w_boot(w);
}
