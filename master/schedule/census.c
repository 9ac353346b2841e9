/* SPDX-License-Identifier: MIT */
#include "master/schedule/census.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/mem.h"

void census_init(struct census *c, int64_t window_ms)
{
    *c = (struct census){.window_ms = window_ms};
    list_init(&c->judged);
}

void census_fini(struct census *c)
{
    REQUIRE(c->agents == NULL && c->hosts == NULL && list_empty(&c->judged));
}

static uint64_t name_hash(const char *name)
{
    uint64_t h = hash64(name, strlen(name));
    return h ? h : 1;
}

/* ---- agents */

static struct census_agent *agent_create(struct census *c, const char *name)
{
    struct census_agent *a = mem_zalloc(sizeof(*a));
    a->name = mem_strdup(name);
    a->hash = name_hash(name);
    HASH_ADD_KEYPTR(hh, c->agents, a->name, strlen(a->name), a);
    return a;
}

struct census_agent *census_agent_get(struct census *c, const char *name)
{
    struct census_agent *a;
    HASH_FIND_STR(c->agents, name, a);
    if (a == NULL)
        a = agent_create(c, name);
    a->refs++;
    return a;
}

void census_agent_put(struct census *c, struct census_agent *a)
{
    REQUIRE(a->refs > 0);
    if (--a->refs > 0)
        return;
    REQUIRE(a->hosts == 0);
    HASH_DEL(c->agents, a);
    free(a->name);
    free(a);
}

/* The references that a host holds. */
static void set_agent(struct census *c, struct census_agent **where, struct census_agent *a)
{
    struct census_agent *old = *where;
    if (a != NULL)
        a->refs++;
    *where = a;
    if (old != NULL)
        census_agent_put(c, old);
}

/* ---- hosts */

struct census_host *census_host_get(struct census *c, const char *name)
{
    struct census_host *h;
    HASH_FIND_STR(c->hosts, name, h);
    if (h == NULL) {
        h = mem_zalloc(sizeof(*h));
        h->name = mem_strdup(name);
        HASH_ADD_KEYPTR(hh, c->hosts, h->name, strlen(h->name), h);
    }
    h->checks++;
    return h;
}

static void belong(struct census *c, struct census_host *h, struct census_agent *a)
{
    if (h->alone == a)
        return;
    if (h->alone != NULL)
        h->alone->hosts--;
    if (a != NULL)
        a->hosts++;
    set_agent(c, &h->alone, a);
}

static void fall_silent(struct census *c, struct census_host *h)
{
    belong(c, h, NULL);
    set_agent(c, &h->speaker, NULL);
    if (list_linked(&h->link))
        list_remove(&c->judged, &h->link);
}

void census_host_put(struct census *c, struct census_host *h)
{
    REQUIRE(h->checks > 0);
    if (--h->checks > 0)
        return;
    fall_silent(c, h);
    HASH_DEL(c->hosts, h);
    free(h->name);
    free(h);
}

/* ---- verdicts */

static bool is_old(const struct census *c, const struct census_host *h, struct mono now)
{
    return mono_diff_ms(now, h->at) > c->window_ms;
}

static void expire(struct census *c, struct mono now)
{
    for (struct list_node *l; (l = list_first(&c->judged)) != NULL;) {
        struct census_host *h = CONTAINER_OF(l, struct census_host, link);
        if (!is_old(c, h, now))
            return;
        fall_silent(c, h);
    }
}

void census_verdict(struct census *c, struct census_host *h, struct census_agent *by,
                    struct mono now)
{
    expire(c, now);
    bool first = !list_linked(&h->link);
    if (!first)
        list_remove(&c->judged, &h->link);
    if (first || h->guessed)
        h->other_at = (struct mono){0};
    else if (by != h->speaker)
        h->other_at = h->at;
    h->at = now;
    h->guessed = false;
    list_push_back(&c->judged, &h->link);
    set_agent(c, &h->speaker, by);
    bool others = mono_is_set(h->other_at) && mono_diff_ms(now, h->other_at) <= c->window_ms;
    belong(c, h, by != NULL && !others ? by : NULL);
}

void census_guess(struct census *c, struct census_host *h, struct mono now)
{
    if (list_linked(&h->link))
        return;
    h->at = now;
    h->guessed = true;
    list_push_back(&c->judged, &h->link);
}

unsigned census_judged(struct census *c, struct mono now)
{
    expire(c, now);
    return (unsigned)c->judged.count;
}
