/* SPDX-License-Identifier: MIT */
#include "agent/outbox/outbox.h"
#include "common/list.h"
#include "common/mem.h"
#include "proto/limits.h"
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

/* What a reservation takes from max_bytes: a record without a kept body is about 1 KiB. */
#define RESERVE 4096

struct entry {
    struct list_node node;
    UT_hash_handle hh;
    uint64_t task;
    size_t record_len, weight;
    char *ticket, *record; /* one allocation, behind the struct */
};

/* order holds oldest first; everything before `next` was offered on this connection. */
struct outbox {
    size_t max_results, max_bytes;
    size_t reserved, bytes;
    struct list order;
    struct list_node *next; /* NULL: all were offered */
    struct entry *by_task;
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
    *e = (struct entry){.task = task, .record_len = len, .weight = weight};
    e->ticket = (char *)(e + 1);
    e->record = e->ticket + ticket_size;
    memcpy(e->ticket, ticket, ticket_size);
    memcpy(e->record, record, len);
    e->record[len] = '\0';
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
    REQUIRE(o->bytes >= e->weight);
    if (o->next == &e->node)
        o->next = list_next(&o->order, &e->node);
    list_remove(&o->order, &e->node);
    HASH_DELETE(hh, o->by_task, e);
    o->bytes -= e->weight;
    free(e);
}

static size_t free_places(const struct outbox *o)
{
    size_t places = o->order.count + o->reserved;
    size_t bytes = o->bytes + o->reserved * RESERVE;
    if (places >= o->max_results || bytes >= o->max_bytes)
        return 0;
    size_t by_count = o->max_results - places;
    size_t by_bytes = (o->max_bytes - bytes) / RESERVE;
    return by_count < by_bytes ? by_count : by_bytes;
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

enum err outbox_push(struct outbox *o, uint64_t task, const char *ticket, const char *record,
                     size_t len)
{
    REQUIRE(o->reserved > 0 && ticket && record && len <= RESULT_MAX_BYTES);
    o->reserved--;
    if (find(o, task))
        return ERR_EXISTS;
    struct entry *e = entry_create(task, ticket, record, len);
    HASH_ADD(hh, o->by_task, task, sizeof(e->task), e);
    list_push_back(&o->order, &e->node);
    o->bytes += e->weight;
    if (!o->next)
        o->next = &e->node;
    return ERR_NONE;
}

static struct outbox_item item_of(const struct entry *e)
{
    return (struct outbox_item){
        .task = e->task, .ticket = e->ticket, .record = e->record, .record_len = e->record_len};
}

bool outbox_peek(const struct outbox *o, struct outbox_item *out)
{
    if (!o->next)
        return false;
    *out = item_of(entry_of(o->next));
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
    forget(o, e);
    return true;
}

void outbox_each(const struct outbox *o, void (*fn)(void *arg, const struct outbox_item *i),
                 void *arg)
{
    LIST_EACH (&o->order, n) {
        struct outbox_item i = item_of(entry_of(n));
        fn(arg, &i);
    }
}

size_t outbox_clear(struct outbox *o)
{
    size_t count = o->order.count;
    LIST_EACH_SAFE (&o->order, n, tmp)
        forget(o, entry_of(n));
    REQUIRE(o->bytes == 0 && !o->next);
    return count;
}

void outbox_stats(const struct outbox *o, struct outbox_stats *out)
{
    *out = (struct outbox_stats){.results = o->order.count,
                                 .bytes = o->bytes,
                                 .reserved = o->reserved,
                                 .free_places = free_places(o)};
}
