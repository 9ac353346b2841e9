/* SPDX-License-Identifier: MIT */
#include "master/core/core.h"

#include "master/core/state.h"
#include <math.h>
#include <string.h>

/*
 * Batches and the tasks they own. A batch holds a window of its tasks in memory (window.c); what
 * has ended is known by count only.
 */

struct batch *batch_find(struct core *c, uint32_t num)
{
    struct batch *b = NULL;
    HASH_FIND(hh, c->batches, &num, sizeof(num), b);
    return b;
}

struct task *task_find(struct core *c, uint64_t id)
{
    return idmap_find(&c->tasks, id);
}

uint64_t batch_ended(const struct batch *b)
{
    uint64_t n = 0;
    for (int i = 0; i < OUTCOME_COUNT; i++)
        n += b->ended[i];
    return n;
}

/* ---- tasks */

struct task *task_new(struct core *c, struct batch *b, uint64_t id, uint64_t host_hash)
{
    struct task *t = mem_zalloc(sizeof(*t));
    t->id = id;
    t->batch = b;
    t->host_hash = host_hash;
    t->state = TASK_STORING; /* in no queue until someone puts it there */
    idmap_add(&c->tasks, id, t);
    list_push_back(&b->tasks, &t->batch_node);
    gauge_set(&c->stats.window_tasks, (int64_t)++c->window_tasks);
    return t;
}

void task_free(struct core *c, struct task *t)
{
    REQUIRE(!list_linked(&t->node) && !t->agent && !t->host && !t->twin);
    REQUIRE(!list_linked(&t->straggler));
    slots_leave(c, t);
    lane_forget(c, t);
    idmap_remove(&c->tasks, t->id);
    list_remove(&t->batch->tasks, &t->batch_node);
    gauge_set(&c->stats.window_tasks, (int64_t)--c->window_tasks);
    c->window_bytes -= t->spec_len;
    free(t->spec);
    free(t->history);
    free(t);
}

static struct list *ready_list(struct core *c, struct task *t)
{
    if (t->aside)
        return &t->batch->aside;
    if (t->deaths >= DEATHS_ALONE)
        return &c->alone;
    return t->retry ? &t->batch->retry : &t->batch->ready;
}

void batch_activate(struct core *c, struct batch *b)
{
    bool has = !b->paused && (!list_empty(&b->ready) || !list_empty(&b->retry));
    if (has && !list_linked(&b->active))
        list_push_back(&c->active[b->cls], &b->active);
    if (!has && list_linked(&b->active))
        list_remove(&c->active[b->cls], &b->active);
}

void batch_queue(struct core *c, struct task *t, bool front)
{
    REQUIRE(!list_linked(&t->node) && t->spec && !t->agent && !t->running && !t->aside);
    t->state = TASK_READY;
    if (front)
        list_push_front(ready_list(c, t), &t->node);
    else
        list_push_back(ready_list(c, t), &t->node);
    c->ready += task_counts_as_ready(t);
    batch_activate(c, t->batch);
    lane_requeued(c, t);
}

void task_unready(struct core *c, struct task *t)
{
    REQUIRE(t->state == TASK_READY);
    list_remove(ready_list(c, t), &t->node);
    c->ready -= task_counts_as_ready(t);
    batch_activate(c, t->batch);
    t->state = TASK_STORING;
    t->aside = false;
}

void task_unqueue(struct core *c, struct task *t)
{
    if (t->state == TASK_READY) {
        task_unready(c, t);
        polite_wake(c, t->host_hash);
        return;
    }
    REQUIRE(t->state == TASK_WAITING);
    polite_unwait(c, t);
    t->state = TASK_STORING;
}

void task_set_running(struct task *t, bool running)
{
    if (t->running == running)
        return;
    t->running = running;
    t->batch->running += running ? 1 : -1ull;
}

bool task_has_history(const struct task *t)
{
    return t->attempts > 0 || t->deaths > 0;
}

/* ---- opening */

static void batch_copy_selection(struct batch *b, const struct core_batch *in)
{
    b->agent_names = mem_array(in->n_agent_names + 1, sizeof(char *));
    for (unsigned i = 0; i < in->n_agent_names; i++)
        b->agent_names[b->n_agent_names++] = mem_strdup(in->agent_names[i]);
    b->tags = mem_array(in->n_tags + 1, sizeof(*b->tags));
    for (unsigned i = 0; i < in->n_tags; i++)
        b->tags[b->n_tags++] =
            (struct msg_tag){mem_strdup(in->tags[i].key), mem_strdup(in->tags[i].value)};
}

static void batch_init(struct batch *b, const struct core_batch *in, struct mono now)
{
    b->num = in->num;
    snprintf(b->uuid, sizeof(b->uuid), "%s", in->uuid);
    snprintf(b->trace, sizeof(b->trace), "%s", in->trace);
    b->cls = in->cls;
    b->per_host = in->per_host;
    b->per_host_rate = in->per_host_rate;
    b->slots = in->slots;
    REQUIRE(b->slots <= AGENTS_COUNT_MAX);
    b->total = in->total;
    memcpy(b->ended, in->ended, sizeof(b->ended));
    b->cursor = ((uint64_t)in->num << 32) + in->low_water;
    if (b->cursor > (uint64_t)in->num << 32)
        b->cursor--; /* exclusive */
    else
        b->cursor = ((uint64_t)in->num << 32) - 1;
    b->lane = in->lane;
    b->growing = in->growing;
    b->read_to = ((uint64_t)in->num << 32) + in->total - 1;
    b->exhausted = b->lane && b->cursor >= b->read_to;
    b->deadline_at = mono_add_ms(now, in->deadline_in_ms);
    b->marked = in->marked;
    b->paused = in->paused;
    b->log_tasks = in->log_tasks;
    b->rate_ended = batch_ended(b);
    b->moved_at = now;
    list_init(&b->tasks);
    list_init(&b->ready);
    list_init(&b->retry);
    list_init(&b->aside);
    list_init(&b->tombs);
    list_init(&b->wanted);
    list_init(&b->recent);
    list_init(&b->waiters);
}

/* Only this thread writes it. */
static void add_open_tasks(struct core *c, int64_t n)
{
    gauge_set(&c->stats.open_tasks, gauge_get(&c->stats.open_tasks) + n);
}

void core_batch_open(struct core *c, const struct core_batch *in, struct mono now)
{
    REQUIRE(!batch_find(c, in->num) && (in->lane || !in->growing));
    struct batch *b = mem_zalloc(sizeof(*b));
    batch_init(b, in, now);
    batch_copy_selection(b, in);
    b->resumed = in->resumed;
    HASH_ADD(hh, c->batches, num, sizeof(b->num), b);
    gauge_set(&c->stats.batches_open, (int64_t)HASH_COUNT(c->batches));
    add_open_tasks(c, (int64_t)(b->total - batch_ended(b)));
    batch_refill(c, b, now);
    batch_end_if_done(c, b);
}

/* ---- ending */

static void batch_count(struct core *c, struct batch *b, enum outcome o, uint64_t n)
{
    b->ended[o] += n;
    REQUIRE(batch_ended(b) <= b->total);
    add_open_tasks(c, -(int64_t)n);
}

void batch_grow(struct core *c, struct batch *b)
{
    b->total++;
    add_open_tasks(c, 1);
}

static void batch_drop_task(struct core *c, struct task *t)
{
    switch (t->state) {
    case TASK_READY:
    case TASK_WAITING:
        task_unqueue(c, t);
        break;
    case TASK_LEASED:
        straggle_settle(c, t, NULL);
        lease_drop(c, t);
        break;
    case TASK_STORING:
        if (list_linked(&t->node))
            list_remove(&t->batch->tombs, &t->node);
        break;
    }
    task_set_running(t, false);
}

static void batch_free(struct core *c, struct batch *b)
{
    b->marked = true; /* nothing is asked of the store for it any more */
    skip_clear(c, b, false);
    LIST_EACH_SAFE (&b->tasks, n, tmp) {
        struct task *t = CONTAINER_OF(n, struct task, batch_node);
        batch_drop_task(c, t);
        task_free(c, t);
    }
    REQUIRE(!list_linked(&b->active) && b->waiting == 0 && list_empty(&b->waiters));
    batch_refill_over(c, b);
    HASH_DEL(c->batches, b);
    gauge_set(&c->stats.batches_open, (int64_t)HASH_COUNT(c->batches));
    for (unsigned i = 0; i < b->n_agent_names; i++)
        free(b->agent_names[i]);
    for (unsigned i = 0; i < b->n_tags; i++) {
        free((char *)b->tags[i].key);
        free((char *)b->tags[i].value);
    }
    free(b->agent_names);
    free(b->tags);
    free(b);
}

static void batch_release_waiters(struct core *c, struct batch *b, bool tell)
{
    struct list_node *n;
    while ((n = list_pop_front(&b->waiters))) {
        struct waiter *w = CONTAINER_OF(n, struct waiter, node);
        if (tell)
            c->ops.ended(c->arg, b->num, w->who);
        free(w);
    }
}

void batch_end_if_done(struct core *c, struct batch *b)
{
    if (b->growing || batch_ended(b) < b->total)
        return;
    c->ops.event(c->arg, "batch_ended", NULL, b->uuid);
    batch_release_waiters(c, b, true);
    batch_free(c, b);
}

void batch_destroy_all(struct core *c)
{
    struct batch *b, *tmp;
    c->draining = true; /* nothing is asked of anyone */
    HASH_ITER(hh, c->batches, b, tmp)
    {
        batch_release_waiters(c, b, false);
        batch_free(c, b);
    }
}

void core_stored(struct core *c, uint64_t id, session_id sid, enum outcome o, enum ack_verdict v,
                 size_t record_len, struct mono now)
{
    REQUIRE(c->storing > 0);
    c->storing--;
    c->committed_at = now;
    if (sid)
        fleet_stored(c, sid, id, v, record_len);
    struct batch *b = batch_find(c, (uint32_t)(id >> 32));
    struct task *t = task_find(c, id);
    if (v == ACK_STORED)
        counter_add(&c->stats.results_stored, 1);
    if (v == ACK_DUPLICATE)
        counter_add(&c->stats.results_duplicate, 1);
    bool again = t && t->attempts > 0;
    if (b && v != ACK_REJECTED && tells(c, b, o != OUTCOME_OK || v == ACK_DUPLICATE || again))
        tell_stored(c, b,
                    &(struct core_told){v == ACK_STORED ? STEP_STORED : STEP_DUPLICATE, .task = id,
                                        .attempt = t ? t->attempts + 1u : 0,
                                        .outcome = outcome_word(o)},
                    sid);
    if (t && !t->ended)
        lease_ended(c, t);
    if (b && v == ACK_STORED) {
        batch_count(c, b, o, 1);
        batch_end_if_done(c, b);
    }
    dispatch_wake(c);
}

/* ---- cancel and deadline */

/* Nothing of it is leased or read any more; the commit of the mark is its caller's. */
static void stop_tasks(struct core *c, struct batch *b)
{
    REQUIRE(!b->marked);
    b->marked = true;
    skip_clear(c, b, false);
    LIST_EACH_SAFE (&b->tasks, n, tmp) {
        struct task *t = CONTAINER_OF(n, struct task, batch_node);
        if (t->state == TASK_STORING) { /* the store decides which comes first */
            task_set_running(t, false);
            continue;
        }
        if (t->state == TASK_LEASED)
            fleet_cancel(c, t->agent, t->id);
        batch_drop_task(c, t);
        task_free(c, t);
    }
}

static void expire(struct core *c, struct batch *b, enum cause cause)
{
    stop_tasks(c, b);
    tell_ending(c, b, cause);
    c->ops.mark(c->arg, b->num, false, cause, NULL);
}

bool core_cancel(struct core *c, uint32_t num, void *waiter, struct mono now)
{
    struct batch *b = batch_find(c, num);
    if (!b)
        return false;
    if (!b->marked) {
        c->ops.event(c->arg, "batch_cancelled", NULL, b->uuid);
        stop_tasks(c, b);
        tell_ending(c, b, CAUSE_cancelled_by_user);
        dispatch_wake(c);
    }
    c->ops.mark(c->arg, num, true, CAUSE_cancelled_by_user, waiter);
    return true;
}

void core_swept(struct core *c, uint32_t num, enum outcome o, uint64_t count, bool finished,
                struct mono now)
{
    struct batch *b = batch_find(c, num);
    if (!b)
        return;
    batch_count(c, b, o, count);
    if (finished) /* what was added to a lane before it was swept has been told before */
        b->growing = false;
    batch_end_if_done(c, b);
}

/* ---- clockwork */

static void batch_deadline(struct core *c, struct batch *b, struct mono now)
{
    if (b->marked || mono_before(now, mono_add_ms(b->deadline_at, DEADLINE_GRACE_MS)))
        return;
    c->ops.event(c->arg, "batch_deadline", NULL, b->uuid);
    bool missing = b->left_out != 0 && b->exhausted && b->tasks.count == 0;
    bool waited = (b->had_agent && !missing) || b->paused;
    expire(c, b, waited ? CAUSE_deadline : CAUSE_no_agent);
}

void batch_tick(struct core *c, struct mono now)
{
    double dt = mono_diff_ms_f(now, c->scanned_at) / 1000.0;
    double keep = exp(-dt / RATE_TAU_S);
    struct batch *b, *tmp;
    HASH_ITER(hh, c->batches, b, tmp)
    {
        uint64_t ended = batch_ended(b);
        double rate = dt > 0 ? (double)(ended - b->rate_ended) / dt : b->rate;
        b->rate = b->rate * keep + rate * (1 - keep);
        if (ended != b->rate_ended)
            b->moved_at = now;
        b->rate_ended = ended;
        if (!b->had_agent)
            b->had_agent = fleet_matching(c, b) > 0;
        batch_deadline(c, b, now);
        slots_tick(c, b, now);
        straggle_tick(c, b, now);
        batch_refill(c, b, now);
    }
}

/* ---- views and waiters */

bool core_batch_counts(struct core *c, uint32_t num, struct core_counts *out)
{
    struct batch *b = batch_find(c, num);
    if (!b)
        return false;
    uint64_t ended = batch_ended(b);
    enum waits_for why = batch_waits(c, b, c->last_tick);
    REQUIRE(ended + b->running <= b->total);
    *out = (struct core_counts){.total = b->total,
                                .running = b->running,
                                .queued = b->total - b->running - ended,
                                .rate = b->rate,
                                .eta_s = -1,
                                .waits = why,
                                .waits_for = batch_wait_text(c, b, why),
                                .marked = b->marked,
                                .paused = b->paused};
    memcpy(out->ended, b->ended, sizeof(out->ended));
    if (b->rate > 0.01 && !b->paused)
        out->eta_s = (int64_t)((double)(b->total - ended) / b->rate + 0.5);
    return true;
}

void core_wait(struct core *c, uint32_t num, void *who)
{
    struct batch *b = batch_find(c, num);
    if (!b) {
        c->ops.ended(c->arg, num, who);
        return;
    }
    struct waiter *w = mem_zalloc(sizeof(*w));
    w->who = who;
    list_push_back(&b->waiters, &w->node);
}

void core_unwait(struct core *c, uint32_t num, void *who)
{
    struct batch *b = batch_find(c, num);
    if (!b)
        return;
    LIST_EACH_SAFE (&b->waiters, n, tmp) {
        struct waiter *w = CONTAINER_OF(n, struct waiter, node);
        if (w->who != who)
            continue;
        list_remove(&b->waiters, n);
        free(w);
    }
}

static bool has_tag(const struct agent *a, const struct msg_tag *want)
{
    for (unsigned i = 0; i < a->n_tags; i++)
        if (strcmp(a->tags[i].key, want->key) == 0)
            return strcmp(a->tags[i].value, want->value) == 0;
    return false;
}

bool batch_matches(const struct batch *b, const struct agent *a)
{
    bool named = b->n_agent_names == 0;
    for (unsigned i = 0; i < b->n_agent_names && !named; i++)
        named = strcmp(b->agent_names[i], a->name) == 0;
    for (unsigned i = 0; i < b->n_tags && named; i++)
        named = has_tag(a, &b->tags[i]);
    return named;
}
