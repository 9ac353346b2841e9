/* SPDX-License-Identifier: MIT */
#include "master/hub/outgoing.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"
#include "master/hub/entry.h"

struct note {
    struct list_node node;
    struct store_entry entry;
};

struct pending { /* a run */
    struct list_node node;
    struct lane *lane;
    uint64_t check, seq, host_hash;
    struct wall at, until;
    struct mono deadline_at;
    uint32_t n;
    char *spec;
    size_t spec_len;
    uint64_t *shun;
    unsigned n_shun;
};

static struct note *note_of(struct list_node *n)
{
    return CONTAINER_OF(n, struct note, node);
}

static struct pending *pending_of(struct list_node *n)
{
    return CONTAINER_OF(n, struct pending, node);
}

static void pending_free(struct pending *p)
{
    REQUIRE(p->lane->runs > 0);
    p->lane->runs--;
    free(p->spec);
    free(p->shun);
    free(p);
}

/* ---- stages */

static struct stage *stage_new(void)
{
    struct stage *s = mem_zalloc(sizeof(*s));
    list_init(&s->notes);
    list_init(&s->runs);
    idmap_init(&s->gaps);
    idmap_init(&s->checks);
    return s;
}

static void stage_free(struct stage *s)
{
    struct list_node *n;
    while ((n = list_pop_front(&s->notes)) != NULL) {
        store_entry_fini(&note_of(n)->entry);
        free(note_of(n));
    }
    while ((n = list_pop_front(&s->runs)) != NULL)
        pending_free(pending_of(n));
    idmap_fini(&s->gaps);
    idmap_fini(&s->checks);
    free(s);
}

static struct stage *stage_first(const struct outgoing *o)
{
    return CONTAINER_OF(list_first(&o->stages), struct stage, node);
}

static struct stage *stage_last(const struct outgoing *o)
{
    return CONTAINER_OF(list_last(&o->stages), struct stage, node);
}

static struct stage *stage_begin(struct outgoing *o)
{
    struct stage *s = stage_new();
    list_push_back(&o->stages, &s->node);
    return s;
}

static bool stage_empty(const struct stage *s)
{
    return list_empty(&s->notes) && list_empty(&s->runs);
}

void outgoing_init(struct outgoing *o, struct core *core, struct courier *courier,
                   struct lanes *lanes)
{
    *o = (struct outgoing){.core = core, .courier = courier, .lanes = lanes};
    list_init(&o->stages);
    list_init(&o->sent);
    stage_begin(o);
}

void outgoing_fini(struct outgoing *o)
{
    struct list_node *n;
    while ((n = list_pop_front(&o->stages)) != NULL)
        stage_free(CONTAINER_OF(n, struct stage, node));
    while ((n = list_pop_front(&o->sent)) != NULL)
        pending_free(pending_of(n));
}

/* ---- to the store */

#define JOURNAL_ONCE STORE_COMMIT_ROWS
#define OUTGOING_ALL UINT_MAX
/* Requests before a snapshot: with a thousand runs a second there always are some. */
#define SNAPSHOT_BEHIND (4 * OUTGOING_STAGES_MAX)

static void send_notes(struct outgoing *o, struct stage *s)
{
    while (!list_empty(&s->notes)) {
        struct store_req *q = store_req_create(STORE_JOURNAL, courier_done, o->courier);
        struct list_node *n;
        size_t most = s->notes.count < JOURNAL_ONCE ? s->notes.count : JOURNAL_ONCE;
        q->journal.items = mem_array(most, sizeof(*q->journal.items));
        while (q->journal.n < most && (n = list_pop_front(&s->notes)) != NULL) {
            q->journal.items[q->journal.n++] = note_of(n)->entry;
            free(note_of(n));
            o->n_notes--;
        }
        o->under_way++;
        courier_send(o->courier, q);
    }
}

_Static_assert(AGENTS_COUNT_MAX <= STORE_COMMIT_ROWS, "each run fits a request");

static void send_runs(struct outgoing *o, struct stage *s)
{
    while (!list_empty(&s->runs)) {
        struct store_req *q = store_req_create(STORE_RUNS_ADD, courier_done, o->courier);
        struct list_node *n;
        uint32_t tasks = 0;
        size_t most = s->runs.count < STORE_RUNS_ONCE ? s->runs.count : STORE_RUNS_ONCE;
        q->runs.items = mem_array(most, sizeof(*q->runs.items));
        while (q->runs.n < most && (n = list_first(&s->runs)) != NULL) {
            struct pending *p = pending_of(n);
            if (tasks + p->n > STORE_COMMIT_ROWS)
                break;
            tasks += p->n;
            list_remove(&s->runs, n);
            list_push_back(&o->sent, n);
            q->runs.items[q->runs.n++] = (struct store_run){.batch = p->lane->batch,
                                                            .check = p->check,
                                                            .seq = p->seq,
                                                            .at = p->at,
                                                            .host_hash = p->host_hash,
                                                            .n = p->n,
                                                            .deadline_at = p->until,
                                                            .arg = p};
        }
        o->under_way++;
        courier_send(o->courier, q);
    }
}

static bool lanes_open(const struct stage *s)
{
    LIST_EACH (&s->runs, n) {
        if (CONTAINER_OF(n, struct pending, node)->lane->batch == 0)
            return false;
    }
    return true;
}

/* While fewer than so many requests are under way. */
static void flush(struct outgoing *o, unsigned most)
{
    while (o->under_way < most) {
        struct stage *s = stage_first(o);
        if (stage_empty(s) || !lanes_open(s))
            return;
        if (s == stage_last(o))
            stage_begin(o);
        list_remove(&o->stages, &s->node);
        send_notes(o, s);
        send_runs(o, s);
        stage_free(s);
    }
}

void outgoing_flush(struct outgoing *o)
{
    flush(o, OUTGOING_STAGES_MAX);
}

/* ---- what the scheduler says */

enum plan_miss outgoing_room(struct outgoing *o, const struct schedule *s, unsigned *agents,
                             struct mono now)
{
    const struct lane *l = lanes_expect(o->lanes, s, now);
    struct core_room room;
    *agents = 1;
    if (o->n_runs >= OUTGOING_RUNS_MAX || l->batch == 0 ||
        !core_batch_room(o->core, l->batch, &room))
        return PLAN_MISS_overloaded;
    *agents = room.matching;
    if (room.able == 0)
        return PLAN_MISS_no_agent;
    return room.ready >= OUTGOING_READY_MAX ? PLAN_MISS_overloaded : PLAN_MISS_NONE;
}

void outgoing_run(struct outgoing *o, const struct scheduler_run *r, struct mono now)
{
    struct stage *s = stage_last(o);
    struct pending *p = mem_zalloc(sizeof(*p));
    p->lane = lanes_use(o->lanes, r->schedule, now);
    p->lane->runs++;
    p->check = r->check;
    p->seq = r->seq;
    p->host_hash = r->host_hash;
    p->at = r->at;
    p->until = (struct wall){wall_now().us + r->deadline_ms * 1000};
    p->deadline_at = mono_add_ms(now, r->deadline_ms);
    p->n = r->n;
    p->spec = mem_dup(r->spec, r->spec_len);
    p->spec_len = r->spec_len;
    p->n_shun = r->n_shun;
    p->shun = r->n_shun ? mem_dup(r->shun, r->n_shun * sizeof(*r->shun)) : NULL;
    list_push_back(&s->runs, &p->node);
    if (idmap_find(&s->checks, p->check) == NULL)
        idmap_add(&s->checks, p->check, p);
    o->n_runs++;
}

static bool grow_gap(struct stage *s, const struct scheduler_entry *e)
{
    struct note *n = idmap_find(&s->gaps, e->check);
    if (n == NULL || n->entry.gap.first_seq != e->gap.first_seq)
        return false;
    n->entry.gap = e->gap;
    n->entry.at = e->at;
    return true;
}

static void lose(struct outgoing *o)
{
    o->lost++;
    LOG(LOG_ERROR, "hub", "history_lost", LU("lost", o->lost),
        LS("meaning", "the store takes nothing for long: this change of a check is in no history"));
}

void outgoing_entry(struct outgoing *o, const struct scheduler_entry *e)
{
    struct stage *s = stage_last(o);
    bool gap = e->kind == ENTRY_GAP;
    if (gap && idmap_find(&s->checks, e->check) != NULL)
        s = stage_begin(o);
    if (gap && grow_gap(s, e))
        return;
    if (o->taking && s->notes.count >= JOURNAL_ONCE) {
        flush(o, OUTGOING_ALL);
        s = stage_last(o);
    }
    if (o->n_notes >= OUTGOING_NOTES_MAX && e->kind != ENTRY_INCIDENT) {
        lose(o);
        return;
    }
    struct note *n = mem_zalloc(sizeof(*n));
    entry_copy(e, &n->entry);
    list_push_back(&s->notes, &n->node);
    o->n_notes++;
    if (!gap)
        return;
    if (idmap_find(&s->gaps, e->check) != NULL)
        idmap_remove(&s->gaps, e->check);
    idmap_add(&s->gaps, e->check, n);
}

/* ---- snapshots */

struct taking {
    struct outgoing *o;
    struct wall at;
};

static void take_chunk(void *arg, const struct scheduler_saved *items, size_t n)
{
    struct taking *t = arg;
    flush(t->o, OUTGOING_ALL); /* gaps that were told for the sake of it */
    struct store_req *q = store_req_create(STORE_SNAPSHOT, courier_done, t->o->courier);
    q->snapshot.items = mem_dup(items, n * sizeof(*items));
    q->snapshot.n = (unsigned)n;
    q->snapshot.chunk = items[0].check / SCHEDULER_CHUNK;
    q->snapshot.at = t->at;
    t->o->snapshots++;
    courier_send(t->o->courier, q);
}

bool outgoing_snapshot(struct outgoing *o, struct scheduler *x, struct wall at)
{
    struct taking t = {o, at};
    flush(o, SNAPSHOT_BEHIND);
    if (!stage_empty(stage_first(o)) || o->snapshots > 0)
        return false;
    o->taking = true;
    scheduler_snapshot(x, take_chunk, &t);
    o->taking = false;
    return true;
}

/* ---- the answers */

static void give(struct outgoing *o, const struct store_run *run, struct mono now)
{
    struct pending *p = run->arg;
    struct core_added *tasks = mem_array(run->n, sizeof(*tasks));
    int64_t left_ms = mono_diff_ms(p->deadline_at, now);
    for (uint32_t i = 0; i < run->n; i++)
        tasks[i] = (struct core_added){.task = run->first + i,
                                       .host_hash = p->host_hash,
                                       .spec = p->spec,
                                       .spec_len = p->spec_len,
                                       .slot = i,
                                       .shun = p->shun,
                                       .n_shun = p->n_shun,
                                       .deadline_in_ms = left_ms > 1 ? left_ms : 1};
    core_batch_add(o->core, run->batch, tasks, run->n, now);
    free(tasks);
    o->on_began(o->arg, p->check, p->seq, run->first, run->n, now);
    list_remove(&o->sent, &p->node);
    pending_free(p);
    o->n_runs--;
}

/* One of its lanes takes no more: they go first once it is open anew, in their order. */
static void on_refused(struct outgoing *o, struct store_req *q)
{
    struct stage *s = stage_first(o);
    if (!s->again) {
        s = stage_new();
        s->again = true;
        list_push_front(&o->stages, &s->node);
    }
    LOG(LOG_WARN, "hub", "runs_not_stored", LERR("err", q->err), LS("why", q->why));
    for (unsigned i = 0; i < q->runs.n; i++) {
        struct pending *p = q->runs.items[i].arg;
        lanes_refused(o->lanes, p->lane, q->runs.items[i].batch);
        list_remove(&o->sent, &p->node);
        list_push_back(&s->runs, &p->node);
    }
}

static void on_journal(struct outgoing *o, struct store_req *q)
{
    if (q->err)
        LOG(LOG_ERROR, "hub", "journal_not_stored", LERR("err", q->err), LS("why", q->why));
    else if (q->journal.queued > 0 && o->on_alerts != NULL)
        o->on_alerts(o->alerts_arg);
    for (unsigned i = 0; i < q->journal.n; i++) {
        const struct store_entry *e = &q->journal.items[i];
        if (e->kind == ENTRY_INCIDENT && e->action == INCIDENT_DID_ACK)
            o->on_acked(o->arg, e->incident.id, q->err);
    }
}

void outgoing_answer(struct outgoing *o, struct store_req *q, struct mono now)
{
    if (q->op == STORE_SNAPSHOT) {
        o->snapshots--;
        if (q->err)
            LOG(LOG_ERROR, "hub", "snapshot_not_stored", LERR("err", q->err), LS("why", q->why));
        return;
    }
    o->under_way--;
    if (q->op == STORE_JOURNAL) {
        on_journal(o, q);
        return;
    }
    if (q->err) {
        on_refused(o, q);
        return;
    }
    for (unsigned i = 0; i < q->runs.n; i++)
        give(o, &q->runs.items[i], now);
    core_batch_added(o->core);
}

bool outgoing_idle(const struct outgoing *o)
{
    return o->n_runs == 0 && o->n_notes == 0 && o->under_way == 0 && o->snapshots == 0;
}
