/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"

/*
 * The per-host budget: probes in flight and, where a batch asks for it, starts a second. A batch
 * without either is not counted; one without a rate starts at once, and the others feel it. A task
 * whose host is busy leaves its batch's queue and waits here, so that it never blocks other hosts
 * behind it; each place that becomes free makes the next one READY again, at the front. Only so
 * many wait in memory: the others go back to where they came from (skip.c).
 */

#define BURST_S 0.5 /* starts saved up: ticks are 250 ms apart, and may be late */
#define WAKE_SCAN                                                                                  \
    16 /* tasks looked at for one that may start: of batches with and without a rate */

bool polite_limits(const struct batch *b)
{
    return b->per_host > 0 || b->per_host_rate > 0;
}

struct host *polite_find(struct core *c, uint64_t hash)
{
    return idmap_find(&c->hosts, hash);
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
    idmap_add(&c->hosts, hash, h);
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
    if (!idle || stuck || !list_empty(&h->skips) || list_linked(&h->rated))
        return;
    idmap_remove(&c->hosts, h->hash);
    free(h);
}

static void enqueue(struct task *t)
{
    t->state = TASK_WAITING;
    list_push_back(&t->host->waiting, &t->node);
    t->batch->waiting++;
}

static bool has_place(const struct host *h, const struct batch *b)
{
    return b->per_host == 0 || h->in_flight < (uint64_t)b->per_host;
}

/* As of the last look at its bucket. */
static bool has_token(const struct host *h, const struct batch *b)
{
    return b->per_host_rate == 0 || !list_linked(&h->rated) || h->bucket.tokens >= 1;
}

static double burst(const struct batch *b)
{
    return b->per_host_rate * BURST_S > 1 ? b->per_host_rate * BURST_S : 1;
}

/* Of a batch without a rate: it costs the others a token, if there is one. */
static bool feel_start(struct host *h, struct mono now)
{
    if (list_linked(&h->rated))
        (void)bucket_take(&h->bucket, now);
    return true;
}

static bool take_token(struct core *c, struct host *h, const struct batch *b, struct mono now)
{
    bool rated = list_linked(&h->rated);
    if (b->per_host_rate == 0)
        return feel_start(h, now);
    if (!rated) {
        bucket_init(&h->bucket, b->per_host_rate, burst(b), now);
        list_push_back(&c->rated_hosts, &h->rated);
    } else if (h->bucket.rate != b->per_host_rate) {
        bucket_set(&h->bucket, b->per_host_rate, burst(b), now);
    }
    return bucket_take(&h->bucket, now);
}

bool polite_could_start(struct core *c, const struct task *t, struct mono now)
{
    struct host *h = t->batch->per_host_rate > 0 ? polite_find(c, t->host_hash) : NULL;
    return !h || !list_linked(&h->rated) || bucket_level(&h->bucket, now) >= 1;
}

void polite_started(struct core *c, const struct task *t, struct mono now)
{
    if (t->batch->per_host_rate == 0)
        return;
    struct host *h = host_get(c, t->host_hash);
    bool there = take_token(c, h, t->batch, now);
    REQUIRE(there);
}

bool polite_enter(struct core *c, struct task *t, struct mono now)
{
    REQUIRE(!t->host && !list_linked(&t->node));
    struct batch *b = t->batch;
    if (!polite_limits(b))
        return true;
    struct host *h = host_get(c, t->host_hash);
    t->host = h;
    if (has_place(h, b) && take_token(c, h, b, now)) {
        h->in_flight++;
        polite_settle(c, h);
        return true;
    }
    if (!b->lane && skip_due(c, b, h) && !task_has_history(t) && skip_note(c, b, h, t->id)) {
        t->host = NULL;
        task_free(c, t);
        return false;
    }
    enqueue(t);
    polite_settle(c, h);
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
    if (!polite_limits(t->batch))
        return;
    t->host = host_get(c, t->host_hash);
    t->host->in_flight++;
    polite_settle(c, t->host);
}

/* One place is free: one task may try. */
static void host_wake(struct core *c, struct host *h)
{
    int looked = 0;
    LIST_EACH (&h->waiting, n) {
        struct task *t = CONTAINER_OF(n, struct task, node);
        if (has_place(h, t->batch) && has_token(h, t->batch)) {
            unwait(t);
            batch_queue(c, t, true);
            break;
        }
        if (++looked == WAKE_SCAN)
            break;
    }
    skip_host_moved(c, h);
}

void polite_wait(struct core *c, struct task *t)
{
    struct batch *b = t->batch;
    REQUIRE(!t->host && !list_linked(&t->node) && polite_limits(b));
    struct host *h = t->host = host_get(c, t->host_hash);
    enqueue(t);
    bool place = b->per_host == 0 || h->in_flight + h->waiting.count <= (uint64_t)b->per_host;
    if (place && has_token(h, b)) {
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

bool polite_second(struct core *c, const struct task *t, struct host **out, struct mono now)
{
    if (!polite_limits(t->batch))
        return true;
    struct host *h = host_get(c, t->host_hash);
    if (has_place(h, t->batch) && list_empty(&h->waiting) && take_token(c, h, t->batch, now)) {
        h->in_flight++;
        *out = h;
    }
    polite_settle(c, h);
    return *out != NULL;
}

void polite_second_over(struct core *c, struct host *h)
{
    if (!h)
        return;
    REQUIRE(h->in_flight > 0);
    h->in_flight--;
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
        if (list_linked(&h->rated))
            continue;
        while (!list_empty(&h->waiting)) {
            struct task *t = CONTAINER_OF(list_first(&h->waiting), struct task, node);
            unwait(t);
            batch_queue(c, t, false);
        }
        skip_host_moved(c, h);
        polite_settle(c, h);
    }
}

/* What has a token now may start. A bucket is kept until it is full: to forget it earlier would
 * give its host a new one. */
void polite_rates(struct core *c, struct mono now)
{
    LIST_EACH_SAFE (&c->rated_hosts, n, tmp) {
        struct host *h = CONTAINER_OF(n, struct host, rated);
        double level = bucket_level(&h->bucket, now);
        for (double left = level; left >= 1 && !list_empty(&h->waiting); left--)
            host_wake(c, h);
        if (level < h->bucket.burst || !list_empty(&h->waiting))
            continue;
        list_remove(&c->rated_hosts, &h->rated);
        polite_settle(c, h);
    }
}

void polite_forget_rates(struct core *c)
{
    struct list_node *n;
    while ((n = list_pop_front(&c->rated_hosts)))
        polite_settle(c, CONTAINER_OF(n, struct host, rated));
}
