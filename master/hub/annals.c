/* SPDX-License-Identifier: MIT */
#include "master/hub/annals.h"
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"

void annals_init(struct annals *a)
{
    *a = (struct annals){.store = NULL};
}

void annals_start(struct annals *a, struct store *s)
{
    REQUIRE(a->store == NULL && s != NULL);
    a->store = s;
}

static char *dup_or_null(const char *s)
{
    return s != NULL && s[0] != '\0' ? mem_strdup(s) : NULL;
}

static void drop(struct annals *a, unsigned n)
{
    if (a->store != NULL)
        counter_add(&store_stats(a->store)->events_dropped, n);
}

void annals_add(void *annals, const struct event *e)
{
    struct annals *a = annals;
    REQUIRE(a != NULL && e->key.id != 0);
    if (a->n == ANNALS_WAIT_MAX) {
        drop(a, 1);
        return;
    }
    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 16;
        a->waiting = mem_realloc(a->waiting, a->cap * sizeof(*a->waiting));
    }
    a->waiting[a->n++] = (struct store_event){.epoch = e->key.epoch,
                                              .number = e->key.id,
                                              .at = e->at,
                                              .kind = mem_strdup(e->kind),
                                              .agent = dup_or_null(e->agent),
                                              .cause = e->cause,
                                              .detail = mem_strdup(e->detail),
                                              .evidence = mem_strdup(e->evidence)};
}

/* Store thread. */
static void on_done(struct store_req *r)
{
    struct annals *a = r->arg;
    if (r->err)
        drop(a, r->events.n);
    store_req_destroy(&r);
    atomic_fetch_sub(&a->under_way, 1);
}

static void forget(struct annals *a, unsigned n)
{
    a->n -= n;
    memmove(a->waiting, a->waiting + n, a->n * sizeof(*a->waiting));
}

/* False: the store has no room now. */
static bool send(struct annals *a)
{
    unsigned n = a->n < ANNALS_ONCE ? a->n : ANNALS_ONCE;
    struct store_req *r = store_req_create(STORE_EVENTS_ADD, on_done, a);
    r->events.items = mem_dup(a->waiting, n * sizeof(*a->waiting));
    r->events.n = n;
    atomic_fetch_add(&a->under_way, 1);
    if (store_post(a->store, r) == ERR_NONE) {
        forget(a, n);
        return true;
    }
    atomic_fetch_sub(&a->under_way, 1);
    r->events.n = 0; /* they are still ours */
    store_req_destroy(&r);
    return false;
}

void annals_flush(struct annals *a)
{
    if (a->n > 0 && a->store != NULL && atomic_load(&a->under_way) == 0)
        (void)send(a);
}

void annals_close(struct annals *a)
{
    while (a->n > 0 && a->store != NULL && send(a))
        ;
    if (a->n > 0)
        drop(a, a->n);
}

void annals_fini(struct annals *a)
{
    REQUIRE(atomic_load(&a->under_way) == 0);
    for (unsigned i = 0; i < a->n; i++)
        store_event_fini(&a->waiting[i]);
    free(a->waiting);
}
