/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/outbox/spool.h"
#include "common/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * outbox - results that wait for the master's acknowledgement.
 *
 * Lives on the link thread. A result enters once, as its encoded record, is offered in order, and
 * leaves only on ack. Every admitted task reserves a place first (a count and RESERVE bytes), so a
 * finished probe always finds room; reserve refuses beyond max_results and beyond max_bytes. A
 * record larger than its reservation is taken all the same and makes later reservations wait, so
 * memory is bounded by max_bytes and RESULT_MAX_BYTES for each probe that was under way. After a
 * lost connection outbox_rewind() offers everything again. With a spool the results are on disk
 * too, a moment after they came, and its bound is one more on the reservations.
 */
struct outbox;

struct outbox *outbox_create(size_t max_results, size_t max_bytes);
void outbox_keep_in(struct outbox *o, struct spool *s); /* before anything else; s outlives o */
void outbox_destroy(struct outbox **op);                /* frees what is still unacknowledged */

MUST_USE enum err outbox_reserve(struct outbox *o); /* ERR_FULL */
void outbox_unreserve(struct outbox *o);            /* the task ended without a result */
/* Uses up one reservation. The record is copied. ERR_EXISTS: a result of this task waits already
 * (dropped, reservation returned). */
MUST_USE enum err outbox_push(struct outbox *o, uint64_t task, const char *ticket,
                              const char *record, size_t len);
/* The oldest that was not offered on this connection; false when there is none. outbox_sent() moves
 * on. */
bool outbox_peek(const struct outbox *o, struct outbox_item *out);
void outbox_sent(struct outbox *o);
void outbox_rewind(struct outbox *o);
bool outbox_has(const struct outbox *o, uint64_t task);
bool outbox_ack(struct outbox *o, uint64_t task); /* false: unknown, a peer's mistake */
/* Walks all that is unacknowledged, oldest first: for INFLIGHT. */
void outbox_each(const struct outbox *o, void (*fn)(void *arg, const struct outbox_item *i),
                 void *arg);

/* Forgets every result (reservations stay): they belong to a store that is gone. Returns how many.
 */
size_t outbox_clear(struct outbox *o);

struct outbox_stats {
    size_t results, bytes, reserved,
        free_places; /* free_places: how many more reserve() would grant */
};
void outbox_stats(const struct outbox *o, struct outbox_stats *out);

/*
 * At start: takes up what a file of the spool holds, in the order of their numbers. Results of an
 * older store than the last file's are forgotten, and their files set aside. At most INFLIGHT_MAX:
 * what is left stays in its file until the next start. p NULL: the file could not be read.
 */
struct outbox_loaded {
    bool foreign;      /* of another agent or release, or unreadable: set aside */
    size_t damaged_at; /* where in it the reading had to end; 0: it did not */
    size_t set_aside;  /* results of an older store that were forgotten */
    size_t left;
};
void outbox_load(struct outbox *o, uint64_t number, const char *p, size_t n,
                 struct outbox_loaded *out);
