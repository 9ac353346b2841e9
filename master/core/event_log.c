/* SPDX-License-Identifier: MIT */
#include "master/core/event_log.h"
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/utf8.h"

struct event_log {
    struct event kept[EVENTS_KEPT]; /* the nth that was added at n % EVENTS_KEPT */
    uint64_t added;
    struct event_key last, before; /* before: the newest that was overwritten; epoch 0 = none */
    uint64_t epoch;
};

struct event_log *event_log_create(uint64_t epoch)
{
    struct event_log *l = mem_zalloc(sizeof(*l));
    REQUIRE(epoch != 0);
    l->epoch = epoch;
    return l;
}

static void event_fini(struct event *e)
{
    free(e->detail);
    free(e->evidence);
}

void event_log_destroy(struct event_log **lp)
{
    struct event_log *l = *lp;
    if (l == NULL)
        return;
    for (unsigned i = 0; i < EVENTS_KEPT; i++)
        event_fini(&l->kept[i]);
    free(l);
    *lp = NULL;
}

/* What peers wrote is made fit to be shown; the cut is between two characters. */
static char *clean_text(const char *text, size_t max)
{
    return text != NULL && text[0] != '\0' ? utf8_sanitized(text, strlen(text), max) : NULL;
}

static bool key_less(struct event_key a, struct event_key b)
{
    return a.epoch < b.epoch || (a.epoch == b.epoch && a.id < b.id);
}

static const struct event *push(struct event_log *l, const struct event *e, struct event_key key)
{
    REQUIRE(e->kind[0] != '\0' && (unsigned)e->cause < END_COUNT && key_less(l->last, key));
    REQUIRE(utf8_valid(e->agent, strlen(e->agent)));
    REQUIRE(e->evidence == NULL || strlen(e->evidence) <= EVENT_EVIDENCE_MAX);
    struct event *slot = &l->kept[++l->added % EVENTS_KEPT];
    if (slot->kind[0] != '\0')
        l->before = slot->key;
    event_fini(slot);
    *slot = *e;
    slot->key = l->last = key;
    slot->detail = clean_text(e->detail, EVENT_DETAIL_MAX);
    slot->evidence = mem_strdup(e->evidence);
    return slot;
}

const struct event *event_log_add(struct event_log *l, const struct event *e)
{
    uint64_t id = l->last.epoch == l->epoch ? l->last.id + 1 : 1;
    return push(l, e, (struct event_key){l->epoch, id});
}

void event_log_load(struct event_log *l, const struct event *e)
{
    if (e->key.epoch < l->epoch && key_less(l->last, e->key))
        push(l, e, e->key);
}

const struct event *event_log_last(const struct event_log *l)
{
    return l->added > 0 ? &l->kept[l->added % EVENTS_KEPT] : NULL;
}

/* ---- reading */

/* Places are counted as they were added, from 1 on. */
static uint64_t oldest(const struct event_log *l)
{
    return l->added > EVENTS_KEPT ? l->added - EVENTS_KEPT + 1 : 1;
}

static const struct event *at(const struct event_log *l, uint64_t place)
{
    return &l->kept[place % EVENTS_KEPT];
}

/* The place of the first behind that key, which may be none. */
static uint64_t place_after(const struct event_log *l, struct event_key key)
{
    uint64_t low = oldest(l), high = l->added + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (key_less(key, at(l, middle)->key))
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Numbers count by one, in every start anew: what is left out was never here. */
static bool follows(struct event_key a, struct event_key b)
{
    return a.epoch == b.epoch ? b.id == a.id + 1 : b.epoch == a.epoch + 1 && b.id == 1;
}

/* Whether something is missing between a cursor and the first behind it. Of a cursor before all
 * that was ever here, only the very next number is known to be next. */
static bool misses(const struct event_log *l, struct event_key after, uint64_t place)
{
    if (after.epoch > l->epoch)
        return true;
    if (place > l->added)
        return false;
    bool known = place > oldest(l) || (l->before.epoch != 0 && !key_less(after, l->before));
    struct event_key first = at(l, place)->key;
    return !follows(after, first) || (!known && after.epoch != first.epoch);
}

static bool passes(const struct event *e, const struct event_filter *f)
{
    return (f->agent == NULL || strcmp(f->agent, e->agent) == 0) &&
           (f->kind == NULL || strcmp(f->kind, e->kind) == 0);
}

static void copy_event(struct event_page *p, const struct event *e)
{
    struct event *c = &p->events[p->n++];
    *c = *e;
    c->detail = mem_strdup(e->detail);
    c->evidence = mem_strdup(e->evidence);
}

static void page_init(struct event_page *p, unsigned limit)
{
    REQUIRE(limit <= EVENTS_PAGE_MAX);
    *p = (struct event_page){.events = mem_array(limit + 1, sizeof(*p->events))};
}

void event_log_after(const struct event_log *l, struct event_key after,
                     const struct event_filter *f, unsigned limit, struct event_page *out)
{
    page_init(out, limit);
    bool foreign = after.epoch > l->epoch; /* of a store that was put back */
    uint64_t place = foreign ? oldest(l) : place_after(l, after);
    out->older = !foreign && key_less(after, l->before);
    out->lost = out->older || misses(l, after, place);
    out->last = foreign ? l->last : after;
    for (uint64_t first = place; place <= l->added && out->n < limit; place++) {
        const struct event *e = at(l, place);
        out->lost |= place > first && !follows(at(l, place - 1)->key, e->key);
        if (passes(e, f))
            copy_event(out, e);
        out->last = e->key;
    }
}

void event_log_newest(const struct event_log *l, const struct event_filter *f, unsigned limit,
                      struct event_page *out)
{
    uint64_t place = l->added + 1;
    page_init(out, limit);
    for (unsigned n = 0; n < limit && place > oldest(l);)
        n += passes(at(l, --place), f);
    for (; place <= l->added && out->n < limit; place++)
        if (passes(at(l, place), f))
            copy_event(out, at(l, place));
    out->last = l->added > 0 ? l->last : (struct event_key){l->epoch, 0};
}

void event_page_fini(struct event_page *p)
{
    for (unsigned i = 0; i < p->n; i++)
        event_fini(&p->events[i]);
    free(p->events);
    *p = (struct event_page){0};
}
