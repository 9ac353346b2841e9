/* SPDX-License-Identifier: MIT */
#include "common/timers.h"

#include "common/require.h"

void timers_init(struct timers *ts)
{
    *ts = (struct timers){0};
    heap_init(&ts->heap);
    heap_init(&ts->later);
}

void timers_fini(struct timers *ts)
{
    REQUIRE(!mono_is_set(ts->running));
    heap_fini(&ts->heap);
    heap_fini(&ts->later);
}

static struct heap *heap_of(struct timers *ts, const struct heap_node *n)
{
    bool in_later = n->pos <= ts->later.count && ts->later.nodes[n->pos - 1] == n;
    return in_later ? &ts->later : &ts->heap;
}

void timer_arm(struct timers *ts, struct timer *t, struct mono at, timer_f *fire)
{
    REQUIRE(t != NULL && fire != NULL);
    timer_disarm(ts, t);
    t->fire = fire;
    bool due = mono_is_set(ts->running) && !mono_before(ts->running, at);
    heap_insert(due ? &ts->later : &ts->heap, &t->node, at.ns);
}

void timer_disarm(struct timers *ts, struct timer *t)
{
    if (timer_armed(t))
        heap_remove(heap_of(ts, &t->node), &t->node);
}

/* What was set aside while firing comes back; everything else in the heap is later than it, so the
 * order holds. */
static void rejoin(struct timers *ts)
{
    for (struct heap_node *n; (n = heap_min(&ts->later));) {
        heap_remove(&ts->later, n);
        heap_insert(&ts->heap, n, n->key);
    }
}

size_t timers_run(struct timers *ts, struct mono now)
{
    REQUIRE(mono_is_set(now) && !mono_is_set(ts->running));
    size_t fired = 0;
    ts->running = now;
    for (struct heap_node *n; (n = heap_min(&ts->heap)) && n->key <= now.ns; fired++) {
        struct timer *t = CONTAINER_OF(n, struct timer, node);
        heap_remove(&ts->heap, n);
        t->fire(t, now); /* t may be freed from here on */
    }
    ts->running = (struct mono){0};
    rejoin(ts);
    return fired;
}

int timers_wait_ms(const struct timers *ts, struct mono now, int max_ms)
{
    REQUIRE(max_ms >= 0);
    const struct heap_node *n = heap_min(&ts->heap);
    if (!n)
        return max_ms;
    if (n->key <= now.ns)
        return 0;
    int64_t ns = n->key - now.ns;
    int64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);
    return ms < max_ms ? (int)ms : max_ms;
}
