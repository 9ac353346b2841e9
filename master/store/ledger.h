/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/sqlite.h"

/*
 * ledger - what the writer knows of the batches that have not ended, and what the transaction under
 * way changes.
 *
 * Writer thread only. Counts are kept twice: as committed, and as the delta of this transaction, so
 * that each batch gets one UPDATE per commit and a rollback costs nothing. Bounded by the batches
 * that are open or being received.
 */
struct ledger;

struct ledger_batch {
    struct batch_info info; /* as of the last commit; its strings are not kept */
    bool receiving;
    uint64_t rows; /* receiving: tasks stored, those of this transaction included */
};

struct ledger *ledger_create(uint64_t last_seq);
void ledger_destroy(struct ledger **lp);

/* Copies the figures of b, which is committed or becomes so with this transaction (then
 * ledger_began() follows). */
struct ledger_batch *ledger_add(struct ledger *l, const struct batch_info *b, bool receiving);
struct ledger_batch *ledger_find(struct ledger *l, uint32_t num); /* NULL: ended, or never there */
void ledger_forget(struct ledger *l, struct ledger_batch *b);

/* ---- inside a transaction */
/* The number for the next result. It counts as used once ledger_count() is called. */
uint64_t ledger_next_seq(const struct ledger *l);
void ledger_count(struct ledger *l, struct ledger_batch *b, enum outcome o, const char *cause);
void ledger_count_row(struct ledger *l, struct ledger_batch *b);
/* Of one that grows, with this transaction: what comes next, n more, and that nothing more comes.
 */
bool ledger_grows(const struct ledger_batch *b);
uint64_t ledger_total(const struct ledger_batch *b);
void ledger_grow(struct ledger *l, struct ledger_batch *b, uint32_t n);
void ledger_close(struct ledger *l, struct ledger_batch *b);
/* This transaction makes it so; undone by ledger_rolled_back(). */
void ledger_began(struct ledger *l, struct ledger_batch *b);
void ledger_opened(struct ledger *l, struct ledger_batch *b, const struct batch_info *info);
/* False: it has a mark already, perhaps of this very transaction; the first one stays. What is
 * marked does not grow any more. */
bool ledger_mark(struct ledger *l, struct ledger_batch *b, enum batch_mark mark, enum cause c);

/* One UPDATE for each batch with new results or tasks, one upsert for each of its causes. */
MUST_USE enum err ledger_write(struct ledger *l, struct sqlite_db *d, struct wall now);

/* Exactly one of the two ends a transaction. Batches that have ended are forgotten; their number.
 */
unsigned ledger_committed(struct ledger *l);
void ledger_rolled_back(struct ledger *l);
