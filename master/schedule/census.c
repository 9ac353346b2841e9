/* SPDX-License-Identifier: MIT */
#include "master/schedule/census.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/mem.h"

void census_init(struct census *c, int64_t window_ms)
{
    *c = (struct census){.window_ms = window_ms};
    idmap_init(&c->agents);
    idmap_init(&c->hosts);
    list_init(&c->judged);
}

void census_fini(struct census *c)
{
    REQUIRE(c->agents.count == 0 && c->hosts.count == 0 && list_empty(&c->judged));
    idmap_fini(&c->agents);
    idmap_fini(&c->hosts);
}

static uint64_t name_hash(const char *name)
{
    uint64_t h = hash64(name, strlen(name));
    return h ? h : 1;
}

/* ---- agents */

static struct census_agent *agent_create(struct census *c, const char *name, uint64_t hash)
{
    struct census_agent *a = mem_zalloc(sizeof(*a)), *first = idmap_find(&c->agents, hash);
    a->name = mem_strdup(name);
    a->hash = hash;
    if (first == NULL) {
        idmap_add(&c->agents, hash, a);
    } else {
        a->next = first->next;
        first->next = a;
    }
    return a;
}

struct census_agent *census_agent_get(struct census *c, const char *name)
{
    uint64_t hash = name_hash(name);
    struct census_agent *a = idmap_find(&c->agents, hash);
    while (a != NULL && strcmp(a->name, name) != 0)
        a = a->next;
    if (a == NULL)
        a = agent_create(c, name, hash);
    a->refs++;
    return a;
}

void census_agent_put(struct census *c, struct census_agent *a)
{
    REQUIRE(a->refs > 0);
    if (--a->refs > 0)
        return;
    REQUIRE(a->hosts == 0);
    struct census_agent *first = idmap_find(&c->agents, a->hash);
    REQUIRE(first != NULL);
    if (first == a) {
        idmap_remove(&c->agents, a->hash);
        if (a->next != NULL)
            idmap_add(&c->agents, a->hash, a->next);
    } else {
        while (first->next != a)
            first = first->next;
        first->next = a->next;
    }
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
    uint64_t hash = name_hash(name);
    struct census_host *first = idmap_find(&c->hosts, hash), *h = first;
    while (h != NULL && strcmp(h->name, name) != 0)
        h = h->next;
    if (h == NULL) {
        h = mem_zalloc(sizeof(*h));
        h->name = mem_strdup(name);
        if (first == NULL) {
            idmap_add(&c->hosts, hash, h);
        } else {
            h->next = first->next;
            first->next = h;
        }
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

static void unhash(struct census *c, struct census_host *h)
{
    uint64_t hash = name_hash(h->name);
    struct census_host *first = idmap_find(&c->hosts, hash);
    REQUIRE(first != NULL);
    if (first == h) {
        idmap_remove(&c->hosts, hash);
        if (h->next != NULL)
            idmap_add(&c->hosts, hash, h->next);
        return;
    }
    while (first->next != h)
        first = first->next;
    first->next = h->next;
}

void census_host_put(struct census *c, struct census_host *h)
{
    REQUIRE(h->checks > 0);
    if (--h->checks > 0)
        return;
    fall_silent(c, h);
    unhash(c, h);
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
