/* SPDX-License-Identifier: MIT */
#include "master/store/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "common/list.h"
#include "common/mem.h"

/* The low-water mark is moved when so many results came in, by a walk over at most so many of them.
 */
#define LOW_WATER_EVERY 4096
#define LOW_WATER_WALK  16384

struct cause_delta {
    char cause[CAUSE_MAX];
    uint64_t n;
};
struct entry {
    struct ledger_batch b; /* first: what callers hold */
    UT_hash_handle hh;
    struct list_node touched; /* linked while this transaction changes it */
    struct batch_info next;   /* info once this transaction is committed */
    uint64_t rows_before;
    bool began, opened, counted; /* by this transaction; counted: its row's figures change */
    unsigned since_low_water;
    struct cause_delta *causes;
    unsigned n_causes, cap_causes;
};
struct ledger {
    struct entry *batches; /* uthash by info.num */
    struct list touched;
    uint64_t seq, next_seq; /* of the last result: committed, and with this transaction */
};

static struct entry *entry_of(struct ledger_batch *b)
{
    REQUIRE(b != NULL);
    return CONTAINER_OF(b, struct entry, b);
}

struct ledger *ledger_create(uint64_t last_seq)
{
    struct ledger *l = mem_zalloc(sizeof(*l));
    l->seq = l->next_seq = last_seq;
    list_init(&l->touched);
    return l;
}

static void entry_free(struct ledger *l, struct entry *e)
{
    if (list_linked(&e->touched))
        list_remove(&l->touched, &e->touched);
    HASH_DEL(l->batches, e);
    free(e->causes);
    free(e);
}

void ledger_destroy(struct ledger **lp)
{
    struct ledger *l = *lp;
    if (!l)
        return;
    *lp = NULL;
    struct entry *e, *tmp;
    HASH_ITER(hh, l->batches, e, tmp)
    {
        entry_free(l, e);
    }
    free(l);
}

struct ledger_batch *ledger_add(struct ledger *l, const struct batch_info *b, bool receiving)
{
    REQUIRE(b->num != 0 && !ledger_find(l, b->num));
    struct entry *e = mem_zalloc(sizeof(*e));
    e->b.info = *b;
    e->b.info.name = e->b.info.labels = e->b.info.agents = NULL;
    e->b.receiving = receiving;
    HASH_ADD(hh, l->batches, b.info.num, sizeof(e->b.info.num), e);
    return &e->b;
}

struct ledger_batch *ledger_find(struct ledger *l, uint32_t num)
{
    struct entry *e = NULL;
    HASH_FIND(hh, l->batches, &num, sizeof(num), e);
    return e ? &e->b : NULL;
}

void ledger_forget(struct ledger *l, struct ledger_batch *b)
{
    entry_free(l, entry_of(b));
}

/* The first change of this batch in this transaction starts from what is committed. */
static struct entry *touch(struct ledger *l, struct ledger_batch *b)
{
    struct entry *e = entry_of(b);
    if (list_linked(&e->touched))
        return e;
    e->next = b->info;
    e->rows_before = b->rows;
    e->began = e->opened = e->counted = false;
    e->n_causes = 0;
    list_push_back(&l->touched, &e->touched);
    return e;
}

uint64_t ledger_next_seq(const struct ledger *l)
{
    return l->next_seq + 1;
}

static struct cause_delta *cause_delta(struct entry *e, const char *cause)
{
    for (unsigned i = 0; i < e->n_causes; i++)
        if (strcmp(e->causes[i].cause, cause) == 0)
            return &e->causes[i];
    if (e->n_causes == e->cap_causes) {
        e->cap_causes = e->cap_causes ? e->cap_causes * 2 : 8;
        e->causes = mem_realloc(e->causes, e->cap_causes * sizeof(*e->causes));
    }
    struct cause_delta *c = &e->causes[e->n_causes++];
    snprintf(c->cause, sizeof(c->cause), "%s", cause);
    c->n = 0;
    return c;
}

void ledger_count(struct ledger *l, struct ledger_batch *b, enum outcome o, const char *cause)
{
    REQUIRE(!b->receiving && o < OUTCOME_COUNT);
    struct entry *e = touch(l, b);
    e->counted = true;
    e->next.ended[o]++;
    REQUIRE(batch_info_ended(&e->next) <= e->next.total);
    l->next_seq++;
    if (!cause || !cause[0])
        return;
    REQUIRE(strlen(cause) < CAUSE_MAX);
    cause_delta(e, cause)->n++;
}

void ledger_count_row(struct ledger *l, struct ledger_batch *b)
{
    REQUIRE(b->receiving && b->rows < UINT32_MAX);
    touch(l, b);
    b->rows++;
}

void ledger_began(struct ledger *l, struct ledger_batch *b)
{
    REQUIRE(b->receiving || b->info.growing);
    touch(l, b)->began = true;
}

/* As this transaction leaves it. */
static const struct batch_info *newest(const struct ledger_batch *b)
{
    const struct entry *e = CONTAINER_OF(b, const struct entry, b);
    return list_linked(&e->touched) ? &e->next : &b->info;
}

bool ledger_grows(const struct ledger_batch *b)
{
    return newest(b)->growing;
}

uint64_t ledger_total(const struct ledger_batch *b)
{
    return newest(b)->total;
}

void ledger_grow(struct ledger *l, struct ledger_batch *b, uint32_t n)
{
    struct entry *e = touch(l, b);
    REQUIRE(e->next.growing && !b->receiving);
    e->next.total += n;
    e->counted = true;
}

void ledger_close(struct ledger *l, struct ledger_batch *b)
{
    struct entry *e = touch(l, b);
    REQUIRE(e->next.growing && !b->receiving);
    e->next.growing = false;
    e->counted = true;
}

void ledger_opened(struct ledger *l, struct ledger_batch *b, const struct batch_info *info)
{
    REQUIRE(b->receiving && info->num == b->info.num && info->total == b->rows);
    struct entry *e = touch(l, b);
    REQUIRE(!e->opened);
    e->opened = true;
    e->next.total = info->total;
    e->next.rejected = info->rejected;
    e->next.duplicates = info->duplicates;
    e->next.opened_at = info->opened_at;
    e->next.deadline_at = info->deadline_at;
    e->next.ended_at = info->ended_at;
}

bool ledger_mark(struct ledger *l, struct ledger_batch *b, enum batch_mark mark, enum cause c)
{
    REQUIRE(!b->receiving && mark != MARK_NONE);
    struct entry *e = touch(l, b);
    if (e->next.mark != MARK_NONE)
        return false;
    e->next.mark = mark;
    e->next.mark_cause = c;
    if (e->next.growing)
        ledger_close(l, b);
    return true;
}

static enum err move_low_water(struct entry *e, struct sqlite_db *d)
{
    uint64_t ended = batch_info_ended(&e->next);
    if (ended == e->next.total) {
        e->next.low_water = e->next.total;
        return ERR_NONE;
    }
    uint64_t since = e->since_low_water + ended - batch_info_ended(&e->b.info);
    if (since < LOW_WATER_EVERY)
        return ERR_NONE;
    return sqlite_low_water(d, e->next.num, e->next.low_water, LOW_WATER_WALK, &e->next.low_water);
}

static enum err write_batch(struct ledger *l, struct entry *e, struct sqlite_db *d, struct wall now)
{
    enum err err = move_low_water(e, d);
    if (err)
        return err;
    if (batch_info_ended(&e->next) == e->next.total && !e->next.growing)
        e->next.ended_at = now;
    err = sqlite_batch_progress(d, &e->next, l->next_seq);
    for (unsigned i = 0; !err && i < e->n_causes; i++)
        err = sqlite_cause_add(d, e->next.num, e->causes[i].cause, e->causes[i].n);
    return err;
}

enum err ledger_write(struct ledger *l, struct sqlite_db *d, struct wall now)
{
    LIST_EACH (&l->touched, n) {
        struct entry *e = CONTAINER_OF(n, struct entry, touched);
        if (!e->counted)
            continue;
        enum err err = write_batch(l, e, d, now);
        if (err)
            return err;
    }
    return ERR_NONE;
}

static void count_since_low_water(struct entry *e)
{
    if (e->next.low_water != e->b.info.low_water)
        e->since_low_water = 0;
    else
        e->since_low_water += (unsigned)(batch_info_ended(&e->next) - batch_info_ended(&e->b.info));
    if (e->since_low_water >= LOW_WATER_EVERY) /* looked, and found the way barred */
        e->since_low_water = 0;
}

unsigned ledger_committed(struct ledger *l)
{
    unsigned ended = 0;
    l->seq = l->next_seq;
    struct list_node *n;
    while ((n = list_pop_front(&l->touched))) {
        struct entry *e = CONTAINER_OF(n, struct entry, touched);
        count_since_low_water(e);
        e->b.info = e->next;
        if (e->opened)
            e->b.receiving = false;
        if (!e->b.receiving && e->b.info.ended_at.us != 0) {
            entry_free(l, e);
            ended++;
        }
    }
    return ended;
}

void ledger_rolled_back(struct ledger *l)
{
    l->next_seq = l->seq;
    struct list_node *n;
    while ((n = list_pop_front(&l->touched))) {
        struct entry *e = CONTAINER_OF(n, struct entry, touched);
        e->b.rows = e->rows_before;
        if (e->began)
            entry_free(l, e);
    }
}
