/* SPDX-License-Identifier: MIT */
#include "agent/outbox/outbox.h"
#include "common/list.h"
#include "common/mem.h"
#include "proto/limits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

/* What a reservation takes from max_bytes: a record without a kept body is about 1 KiB. */
#define RESERVE 4096

struct entry {
    struct list_node node;
    UT_hash_handle hh;
    struct spool_place place; /* its ticket and record are in the same allocation, behind it */
    size_t weight;
};

/* order holds oldest first; everything before `next` was offered on this connection. */
struct outbox {
    size_t max_results, max_bytes;
    size_t reserved, bytes;
    struct list order;
    struct list_node *next; /* NULL: all were offered */
    struct entry *by_task;
    struct spool *spool; /* borrowed; NULL: memory alone */
};

static struct entry *entry_of(struct list_node *n)
{
    return CONTAINER_OF(n, struct entry, node);
}

static struct entry *entry_create(uint64_t task, const char *ticket, const char *record, size_t len)
{
    size_t ticket_size = strlen(ticket) + 1;
    size_t weight = sizeof(struct entry) + ticket_size + len + 1;
    struct entry *e = mem_alloc(weight);
    char *text = (char *)(e + 1);
    memcpy(text, ticket, ticket_size);
    memcpy(text + ticket_size, record, len);
    text[ticket_size + len] = '\0';
    *e = (struct entry){.weight = weight, .place.item = {task, text, text + ticket_size, len}};
    return e;
}

static struct entry *find(const struct outbox *o, uint64_t task)
{
    struct entry *e;
    HASH_FIND(hh, o->by_task, &task, sizeof(task), e);
    return e;
}

static void forget(struct outbox *o, struct entry *e)
{
    REQUIRE(o->bytes >= e->weight && !e->place.file && !e->place.in);
    if (o->next == &e->node)
        o->next = list_next(&o->order, &e->node);
    list_remove(&o->order, &e->node);
    HASH_DELETE(hh, o->by_task, e);
    o->bytes -= e->weight;
    free(e);
}

/* It goes without a note: the spool knows of it already, or its store is gone. */
static void drop(struct outbox *o, struct entry *e)
{
    if (o->spool)
        spool_forget(o->spool, &e->place);
    forget(o, e);
}

static size_t above(size_t most, size_t used)
{
    return most > used ? most - used : 0;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* By count, by memory, and by what the spool may hold. */
static size_t free_places(const struct outbox *o)
{
    size_t promised = o->reserved * RESERVE;
    size_t places = above(o->max_results, o->order.count + o->reserved);
    places = least(places, above(o->max_bytes, o->bytes + promised) / RESERVE);
    return o->spool ? least(places, above(spool_room(o->spool), promised) / RESERVE) : places;
}

struct outbox *outbox_create(size_t max_results, size_t max_bytes)
{
    REQUIRE(max_results > 0 && max_bytes >= RESERVE);
    struct outbox *o = mem_zalloc(sizeof(*o));
    o->max_results = max_results;
    o->max_bytes = max_bytes;
    list_init(&o->order);
    return o;
}

void outbox_keep_in(struct outbox *o, struct spool *s)
{
    REQUIRE(!o->spool && list_empty(&o->order));
    o->spool = s;
}

void outbox_destroy(struct outbox **op)
{
    if (!*op)
        return;
    (void)outbox_clear(*op);
    free(*op);
    *op = NULL;
}

enum err outbox_reserve(struct outbox *o)
{
    if (free_places(o) == 0)
        return ERR_FULL;
    o->reserved++;
    return ERR_NONE;
}

void outbox_unreserve(struct outbox *o)
{
    REQUIRE(o->reserved > 0);
    o->reserved--;
}

static struct entry *add(struct outbox *o, uint64_t task, const char *ticket, const char *record,
                         size_t len)
{
    struct entry *e = entry_create(task, ticket, record, len);
    HASH_ADD(hh, o->by_task, place.item.task, sizeof(e->place.item.task), e);
    list_push_back(&o->order, &e->node);
    o->bytes += e->weight;
    if (!o->next)
        o->next = &e->node;
    return e;
}

enum err outbox_push(struct outbox *o, uint64_t task, const char *ticket, const char *record,
                     size_t len)
{
    REQUIRE(o->reserved > 0 && ticket && record && len <= RESULT_MAX_BYTES);
    o->reserved--;
    if (find(o, task))
        return ERR_EXISTS;
    struct entry *e = add(o, task, ticket, record, len);
    if (o->spool)
        spool_add(o->spool, &e->place);
    return ERR_NONE;
}

bool outbox_peek(const struct outbox *o, struct outbox_item *out)
{
    if (!o->next)
        return false;
    *out = entry_of(o->next)->place.item;
    return true;
}

void outbox_sent(struct outbox *o)
{
    REQUIRE(o->next != NULL);
    o->next = list_next(&o->order, o->next);
}

void outbox_rewind(struct outbox *o)
{
    o->next = list_first(&o->order);
}

bool outbox_has(const struct outbox *o, uint64_t task)
{
    return find(o, task) != NULL;
}

bool outbox_ack(struct outbox *o, uint64_t task)
{
    struct entry *e = find(o, task);
    if (!e)
        return false;
    if (o->spool)
        spool_remove(o->spool, &e->place);
    forget(o, e);
    return true;
}

void outbox_each(const struct outbox *o, void (*fn)(void *arg, const struct outbox_item *i),
                 void *arg)
{
    LIST_EACH (&o->order, n) {
        fn(arg, &entry_of(n)->place.item);
    }
}

size_t outbox_clear(struct outbox *o)
{
    size_t count = o->order.count;
    LIST_EACH_SAFE (&o->order, n, tmp)
        drop(o, entry_of(n));
    REQUIRE(o->bytes == 0 && !o->next);
    return count;
}

/* ---- what a former process left */

static void take_result(struct outbox *o, struct spool_file *f, const struct segment_item *i,
                        struct outbox_loaded *out)
{
    struct entry *older = find(o, i->task);
    if (older)
        drop(o, older); /* its ack was lost: the task was leased to us again since */
    if (o->order.count >= INFLIGHT_MAX) {
        spool_pin(f);
        out->left++;
        return;
    }
    struct entry *e = add(o, i->task, i->ticket, i->record, i->record_len);
    spool_adopt(o->spool, &e->place, f);
}

static void take_acks(struct outbox *o, const struct segment_item *i)
{
    for (size_t n = 0; n < i->n_acks; n++) {
        struct entry *e = find(o, segment_ack(i, n));
        if (e)
            drop(o, e);
    }
}

void outbox_load(struct outbox *o, uint64_t number, const char *p, size_t n,
                 struct outbox_loaded *out)
{
    char store[MESSAGE_ID_MAX + 1];
    REQUIRE(o->spool != NULL && o->reserved == 0);
    *out = (struct outbox_loaded){0};
    snprintf(store, sizeof(store), "%s", spool_store(o->spool));
    struct spool_file *f = spool_found(o->spool, number, p, n);
    out->foreign = !f && p && !segment_is_empty(p, n);
    if (!f)
        return;
    if (strcmp(store, spool_store(o->spool)) != 0)
        out->set_aside = outbox_clear(o);
    struct segment_cursor c = {p, n, SEGMENT_HEAD_BYTES};
    struct segment_item i;
    enum err e;
    while ((e = segment_next(&c, &i)) == ERR_NONE)
        if (i.kind == SEGMENT_RESULT)
            take_result(o, f, &i, out);
        else
            take_acks(o, &i);
    out->damaged_at = e == ERR_CORRUPT ? c.at : 0;
}

void outbox_stats(const struct outbox *o, struct outbox_stats *out)
{
    *out = (struct outbox_stats){.results = o->order.count,
                                 .bytes = o->bytes,
                                 .reserved = o->reserved,
                                 .free_places = free_places(o)};
}
