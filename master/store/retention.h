/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/apply.h"

/*
 * retention - purges what has been kept long enough: whole ended batches, the one that ended first
 * before the others. Their rows stay, with counts and causes; of lanes nothing does.
 *
 * Writer thread only. It works in chunks, when nothing else is to be written; a batch whose purge
 * was begun is gone on with at the next start. It looks at once, then every minute, and soon after
 * a batch has ended when the size is bounded.
 */
struct retention;

struct retention_report { /* what the transaction did, valid once it is committed */
    uint64_t batches, tasks;
    char last[UUID_TEXT_MAX]; /* of the batches */
    bool by_size;             /* the last was purged for its size, not for its age */
};

struct retention *retention_create(const struct store_config *c, struct mono now);
void retention_destroy(struct retention **rp);

bool retention_due(const struct retention *r, struct mono now);
/* Until it is due; −1 = never. */
int64_t retention_wait_ms(const struct retention *r, struct mono now);
/* A batch has ended. */
void retention_hint(struct retention *r, struct mono now);

/* One chunk of about `rows` rows. */
MUST_USE enum err retention_run(struct retention *r, struct apply *a, unsigned rows);
/* Exactly one of the two ends a transaction; both are fine without a chunk. */
struct retention_report retention_committed(struct retention *r, struct mono now);
void retention_rolled_back(struct retention *r);
/* As of the last look. */
uint64_t retention_used_bytes(const struct retention *r);
