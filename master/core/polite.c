/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"

/*
 * The per-host budget. A batch with per_host 0 is neither limited nor counted. A task whose host is
 * busy leaves its batch's queue and waits here, so that it never blocks other hosts behind it; each
 * place that becomes free makes the next one READY again, at the front. Only so many wait in
 * memory: the others go back to where they came from (skip.c).
 */

struct host *polite_find(struct core *c, uint64_t hash)
{
    struct host *h = NULL;
    HASH_FIND(hh, c->hosts, &hash, sizeof(hash), h);
    return h;
}

static struct host *host_get(struct core *c, uint64_t hash)
{
    struct host *h = polite_find(c, hash);
    if (h)
        return h;
    h = mem_zalloc(sizeof(*h));
    h->hash = hash;
    list_init(&h->waiting);
    list_init(&h->skips);
    HASH_ADD(hh, c->hosts, hash, sizeof(h->hash), h);
    return h;
}

/* After each change: a host that nothing needs goes; one that only waits is watched. */
void polite_settle(struct core *c, struct host *h)
{
    bool idle = h->in_flight == 0;
    bool stuck = idle && !list_empty(&h->waiting);
    if (stuck && !list_linked(&h->stuck))
        list_push_back(&c->stuck_hosts, &h->stuck);
    if (!stuck && list_linked(&h->stuck))
        list_remove(&c->stuck_hosts, &h->stuck);
    if (!idle || stuck || !list_empty(&h->skips))
        return;
    HASH_DEL(c->hosts, h);
    free(h);
}

static void enqueue(struct task *t)
{
    t->state = TASK_WAITING;
    list_push_back(&t->host->waiting, &t->node);
    t->batch->waiting++;
}

bool polite_enter(struct core *c, struct task *t)
{
    REQUIRE(!t->host && !list_linked(&t->node));
    struct batch *b = t->batch;
    if (b->per_host == 0)
        return true;
    struct host *h = host_get(c, t->host_hash);
    t->host = h;
    if (h->in_flight < (uint64_t)b->per_host) {
        h->in_flight++;
        polite_settle(c, h);
        return true;
    }
    if (skip_due(c, b, h) && !task_has_history(t) && skip_note(c, b, h, t->id)) {
        t->host = NULL;
        task_free(c, t);
        return false;
    }
    enqueue(t);
    return false;
}

static void unwait(struct task *t)
{
    REQUIRE(t->state == TASK_WAITING && t->host);
    list_remove(&t->host->waiting, &t->node);
    t->batch->waiting--;
    t->host = NULL;
}

void polite_count(struct core *c, struct task *t)
{
    REQUIRE(t->state == TASK_LEASED && !t->host);
    if (t->batch->per_host == 0)
        return;
    t->host = host_get(c, t->host_hash);
    t->host->in_flight++;
    polite_settle(c, t->host);
}

/* One place is free: one task may try. */
static void host_wake(struct core *c, struct host *h)
{
    struct list_node *n = list_first(&h->waiting);
    struct task *t = n ? CONTAINER_OF(n, struct task, node) : NULL;
    if (t && h->in_flight < (uint64_t)t->batch->per_host) {
        unwait(t);
        batch_queue(c, t, true);
    }
    skip_host_moved(c, h);
}

void polite_wait(struct core *c, struct task *t)
{
    REQUIRE(!t->host && !list_linked(&t->node) && t->batch->per_host > 0);
    struct host *h = t->host = host_get(c, t->host_hash);
    enqueue(t);
    if (h->in_flight + (h->waiting.count - 1) < (uint64_t)t->batch->per_host) {
        unwait(t);
        batch_queue(c, t, false);
    }
    polite_settle(c, h);
}

void polite_leave(struct core *c, struct task *t)
{
    struct host *h = t->host;
    if (!h)
        return;
    REQUIRE(t->state == TASK_LEASED && h->in_flight > 0);
    h->in_flight--;
    t->host = NULL;
    host_wake(c, h);
    polite_settle(c, h);
}

void polite_unwait(struct core *c, struct task *t)
{
    struct host *h = t->host;
    unwait(t);
    skip_host_moved(c, h);
    polite_settle(c, h);
}

void polite_wake(struct core *c, uint64_t hash)
{
    struct host *h = polite_find(c, hash);
    if (!h)
        return;
    host_wake(c, h);
    polite_settle(c, h);
}

/* The one that was woken may be waiting for an agent that is not there: then all may try. */
void polite_tick(struct core *c)
{
    LIST_EACH_SAFE (&c->stuck_hosts, n, tmp) {
        struct host *h = CONTAINER_OF(n, struct host, stuck);
        while (!list_empty(&h->waiting)) {
            struct task *t = CONTAINER_OF(list_first(&h->waiting), struct task, node);
            unwait(t);
            batch_queue(c, t, false);
        }
        skip_host_moved(c, h);
        polite_settle(c, h);
    }
}
