/* SPDX-License-Identifier: MIT */
#include "master/core/event_log.h"
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "common/utf8.h"

struct event_log {
    struct event kept[EVENTS_KEPT]; /* of id i at i % EVENTS_KEPT */
    uint64_t last;
};

struct event_log *event_log_create(void)
{
    return mem_zalloc(sizeof(struct event_log));
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

uint64_t event_log_add(struct event_log *l, const struct event *e)
{
    REQUIRE(e->kind[0] != '\0' && (unsigned)e->cause < END_COUNT);
    REQUIRE(utf8_valid(e->agent, strlen(e->agent)));
    REQUIRE(e->evidence == NULL || strlen(e->evidence) <= EVENT_EVIDENCE_MAX);
    struct event *slot = &l->kept[++l->last % EVENTS_KEPT];
    event_fini(slot);
    *slot = *e;
    slot->id = l->last;
    slot->detail = clean_text(e->detail, EVENT_DETAIL_MAX);
    slot->evidence = mem_strdup(e->evidence);
    return slot->id;
}

/* ---- reading */

static uint64_t oldest(const struct event_log *l)
{
    return l->last > EVENTS_KEPT ? l->last - EVENTS_KEPT + 1 : 1;
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

void event_log_after(const struct event_log *l, uint64_t after, const struct event_filter *f,
                     unsigned limit, struct event_page *out)
{
    uint64_t id = after + 1;
    page_init(out, limit);
    if (id < oldest(l)) {
        out->lost = true;
        id = oldest(l);
    }
    for (; id <= l->last && out->n < limit; id++)
        if (passes(&l->kept[id % EVENTS_KEPT], f))
            copy_event(out, &l->kept[id % EVENTS_KEPT]);
    out->last = id - 1 > after ? id - 1 : after;
}

void event_log_newest(const struct event_log *l, const struct event_filter *f, unsigned limit,
                      struct event_page *out)
{
    uint64_t id = l->last + 1;
    for (unsigned n = 0; n < limit && id > oldest(l);)
        n += passes(&l->kept[--id % EVENTS_KEPT], f);
    event_log_after(l, id - 1, f, limit, out);
    out->last = l->last;
}

void event_page_fini(struct event_page *p)
{
    for (unsigned i = 0; i < p->n; i++)
        event_fini(&p->events[i]);
    free(p->events);
    *p = (struct event_page){0};
}
