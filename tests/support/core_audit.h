/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/core/state.h"
#include "tests/support/sim_seen.h"

/*
 * core_audit - looks into a core and proves that what it counts is what it holds. Between two
 * events, never from an action. Aborts on the first thing that does not add up.
 */
#define AUDIT_HOSTS 64 /* that are busy at once, in any test that calls this */

struct audit {
    size_t tasks, bytes, ready, leased, grouped, due;
};

static void audit_task(const struct task *t)
{
    bool linked = list_linked(&t->node);
    REQUIRE(linked == (t->state != TASK_STORING || t->ended));
    REQUIRE((t->agent != NULL) == (t->state == TASK_LEASED));
    REQUIRE(t->state != TASK_READY || (t->spec && !t->host && !t->running));
    REQUIRE(t->state != TASK_WAITING || (t->host && !t->running));
    REQUIRE(t->state != TASK_LEASED || t->running == (t->spec != NULL));
    bool counted = t->host || !t->spec || t->batch->per_host == 0 || t->deaths >= DEATHS_ALONE;
    REQUIRE(t->state != TASK_LEASED || counted);
    REQUIRE(t->host == NULL || t->host->hash == t->host_hash);
    REQUIRE(!t->ended || !t->running);
    REQUIRE(!t->twin || (t->state == TASK_LEASED && t->twin->agent != t->agent));
    REQUIRE(!t->twin || (t->twin->agent->session && !agent_stalled(t->twin->agent)));
    REQUIRE(!list_linked(&t->straggler) || (t->state == TASK_LEASED && !t->twin));
    bool queued = t->state == TASK_READY || t->state == TASK_WAITING;
    REQUIRE(!queued || (t->attempts < ATTEMPTS_MAX && t->deaths <= DEATHS_ALONE));
    REQUIRE(!t->history || t->history->n <= CORE_HISTORY_MAX);
    REQUIRE(!t->aside || (t->state == TASK_READY && t->batch->lane));
    REQUIRE(!t->run || t->run->task == t);
    REQUIRE(!t->run || !queued ||
            (heap_linked(&t->run->due) && t->run->due.key == t->run->deadline_at.ns));
    REQUIRE(!t->run || t->state != TASK_LEASED || heap_linked(&t->run->due));
    SEEN_IF(t->run && t->run->n_shun > 0 && t->state == TASK_READY, shunned);
    SEEN_IF(t->aside, aside);
}

static void audit_batch(const struct batch *b, struct audit *sum)
{
    uint64_t running = 0, leased = 0, unproved = 0, waiting = 0, aside = 0;
    LIST_EACH (&b->tasks, n) {
        const struct task *t = CONTAINER_OF(n, struct task, batch_node);
        REQUIRE(t->batch == b);
        audit_task(t);
        running += t->running;
        unproved += t->state == TASK_LEASED && !t->spec;
        waiting += t->state == TASK_WAITING;
        sum->ready += task_counts_as_ready(t);
        aside += t->aside;
        sum->due += t->run && heap_linked(&t->run->due);
        leased += t->state == TASK_LEASED;
        sum->bytes += t->spec_len;
        sum->grouped += t->group != NULL;
    }
    sum->tasks += b->tasks.count;
    sum->leased += leased;
    REQUIRE(leased == b->leased && aside == b->aside.count);
    REQUIRE(!b->growing || b->lane);
    REQUIRE(!b->lane || (!b->skips && b->left_out == 0));
    REQUIRE(running == b->running && unproved == b->unproved && waiting == b->waiting);
    REQUIRE(batch_ended(b) + running <= b->total);
    bool turns = !b->paused && (!list_empty(&b->ready) || !list_empty(&b->retry));
    REQUIRE(list_linked(&b->active) == turns);
    REQUIRE(!b->paused || waiting == 0);
    REQUIRE(b->paused || b->passed == 0);
    REQUIRE(b->refilling || list_empty(&b->tombs));
    REQUIRE(b->refilling == (b->asked > 0));
}

static void audit_hosts(const struct core *c)
{
    size_t counted = 0, waiting = 0, sum = 0, queued = 0;
    const struct host *h;
    for (size_t at = 0; (h = idmap_next(&c->hosts, &at)) != NULL;) {
        counted += h->in_flight;
        waiting += h->waiting.count;
        REQUIRE(h->in_flight > 0 || h->waiting.count > 0 || h->skips.count > 0 ||
                list_linked(&h->rated));
        REQUIRE(list_linked(&h->stuck) == (h->in_flight == 0 && h->waiting.count > 0));
    }
    const struct task *t;
    for (size_t at = 0; (t = idmap_next(&c->tasks, &at)) != NULL;) {
        sum += t->state == TASK_LEASED && t->host;
        sum += t->twin && t->twin->host;
        queued += t->state == TASK_WAITING;
    }
    REQUIRE(counted == sum && waiting == queued);
}

/* Who is looked at is found in front: liveness stops at the first that is not due. */
static void audit_orders(const struct core *c)
{
    struct mono last = {0};
    LIST_EACH (&c->session_list, n) {
        const struct session *s = CONTAINER_OF(n, struct session, node);
        bool arrives = s->state <= SESSION_INFLIGHT && s->state != SESSION_WAITING;
        REQUIRE(!mono_before(s->last_rx, last));
        REQUIRE(list_linked(&s->arriving_node) == arrives);
        REQUIRE(list_linked(&s->waiting_node) == (s->state == SESSION_WAITING));
        REQUIRE(!session_suspect(s) || (s->agent && s->agent->session == s));
        last = s->last_rx;
    }
    last = (struct mono){0};
    LIST_EACH (&c->arriving, n) {
        const struct session *s = CONTAINER_OF(n, struct session, arriving_node);
        REQUIRE(!mono_before(s->opened_at, last));
        last = s->opened_at;
    }
    last = (struct mono){INT64_MAX};
    LIST_EACH (&c->troubled, n) {
        const struct agent *a = CONTAINER_OF(n, struct agent, troubled_node);
        REQUIRE(!mono_before(last, a->troubled_at));
        last = a->troubled_at;
    }
}

static void audit_agent(const struct agent *a)
{
    REQUIRE(!a->session || a->session->agent == a);
    REQUIRE(list_linked(&a->troubled_node) == mono_is_set(a->troubled_at));
    REQUIRE(!list_linked(&a->orphan_node) || !a->session);
    REQUIRE(list_linked(&a->orphan_node) || a->session || list_empty(&a->leases));
}

static void audit_fleet(const struct core *c, size_t leased)
{
    struct agent *a, *tmp;
    size_t sum = 0, connected = 0, awaited = 0;
    HASH_ITER(hh, c->agents, a, tmp)
    {
        connected += a->session != NULL;
        awaited += a->awaited;
        sum += a->leases.count;
        audit_agent(a);
    }
    REQUIRE(sum == leased && connected == c->connected && awaited == c->awaited);
    audit_orders(c);
    LIST_EACH (&c->session_list, n) {
        const struct session *s = CONTAINER_OF(n, struct session, node);
        REQUIRE(!dispatch_can_take(c, s) || s->asked || list_linked(&s->hungry_node));
        REQUIRE(s->sent.count <= s->credit.count);
        REQUIRE(s->sent.bytes <= s->credit.bytes + TASK_MAX_BYTES);
        REQUIRE(s->settled.count <= s->received.count);
        REQUIRE(s->received.count <= s->granted.count);
        REQUIRE(s->n_acks <= CORE_RESULT_WINDOW);
    }
}

/* ---- bounds: kept, and reached */

static void audit_window(const struct core *c)
{
    unsigned rows = c->refill_rows_max, least = rows < CORE_REFILL_LEAST ? rows : CORE_REFILL_LEAST;
    size_t fresh = 0; /* read, and with no agent yet: what was leased is bounded by credit */
    struct batch *b, *tmp;
    HASH_ITER(hh, c->batches, b, tmp)
    {
        size_t ready = b->ready.count + b->retry.count;
        if (!b->lane) /* that is bounded by who adds to it */
            fresh += b->ready.count + b->waiting;
        REQUIRE(b->twins_made <= (b->total >= 40 ? b->total / 20 : 1));
        SEEN_IF(!b->exhausted && ready + rows > c->window_batch_max, window_batch);
        SEEN_IF(!b->exhausted && skip_is_full(c, b), skips_full);
    }
    /* A full window still takes what a batch with nothing queued and a busy host need to go on. */
    size_t spare = HASH_COUNT(c->batches) * least + AUDIT_HOSTS;
    REQUIRE(fresh <= c->window_tasks_max + spare);
    SEEN_IF(c->window_bytes > c->window_bytes_max, window_bytes);
    SEEN_IF(c->window_tasks + rows > c->window_tasks_max, window_full);
}

static void audit_flow(const struct core *c)
{
    size_t skips = 0;
    size_t at = 0;
    for (struct host *h; (h = idmap_next(&c->hosts, &at)) != NULL;) {
        skips += h->skips.count;
        SEEN_IF(h->in_flight > 0 && h->waiting.count > 0, host_busy);
        SEEN_IF(h->waiting.count >= c->host_queue_most, host_queue);
        SEEN_IF(list_linked(&h->rated) && h->waiting.count > 0 && h->bucket.tokens < 1, rate_waits);
    }
    REQUIRE(skips <= HASH_COUNT(c->batches) * c->skipped_hosts_max);
    LIST_EACH (&c->session_list, n) {
        const struct session *s = CONTAINER_OF(n, struct session, node);
        REQUIRE(s->control.len <= CONTROL_MAX_BYTES);
        SEEN_IF(s->state == SESSION_READY && c->ready > 0 && s->sent.count == s->credit.count,
                credit_full);
    }
    SEEN_IF(c->alone_runs, alone);
}

static void core_audit(const struct core *c)
{
    struct audit sum = {0};
    size_t asked = 0;
    struct batch *b, *tmp;
    HASH_ITER(hh, c->batches, b, tmp)
    {
        audit_batch(b, &sum);
        asked += b->asked;
    }
    REQUIRE(sum.ready == c->ready && sum.bytes == c->window_bytes && asked == c->asked);
    REQUIRE(sum.due == c->due.count);
    REQUIRE(sum.tasks == c->window_tasks && sum.tasks == c->tasks.count);
    REQUIRE((sum.grouped > 0) == (c->groups != NULL));
    audit_hosts(c);
    audit_fleet(c, sum.leased);
    audit_window(c);
    audit_flow(c);
}
