/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include "master/schedule/scheduler.h"

/*
 * snapshot - the saved state of the checks of one chunk as bytes, some 25 a check.
 *
 *     version:1   varints: items; of each the distance of its id to the one before, then its
 * members in their order; times as distances to the moment of the snapshot; a cause as its word
 *
 * Pure. What is read comes from a disk: every byte is checked.
 */
#define SNAPSHOT_VERSION   1
#define SNAPSHOT_ITEM_MAX  192 /* thirteen numbers of ten bytes at most, and a word */
#define SNAPSHOT_BYTES_MAX (SCHEDULER_CHUNK * SNAPSHOT_ITEM_MAX + 16)

/* Items by id, each once; at most SCHEDULER_CHUNK. */
void snapshot_encode(const struct scheduler_saved *items, size_t n, struct wall at,
                     struct strbuf *b);
/* At most SCHEDULER_CHUNK of them into `items`. ERR_CORRUPT; ERR_VERSION: another release's. */
MUST_USE enum err snapshot_decode(const void *p, size_t len, struct wall at,
                                  struct scheduler_saved *items, size_t *n);

/* Up to where the rows of a lane are in the snapshot. */
struct snapshot_mark {
    uint32_t batch;
    uint64_t tasks; /* ordinals under it */
};
#define SNAPSHOT_MARKS_MAX 100000 /* a lane for each schedule, and ten times that */
void snapshot_marks_encode(const struct snapshot_mark *marks, size_t n, struct strbuf *b);
/* *marks is heap. */
MUST_USE enum err snapshot_marks_decode(const void *p, size_t len, struct snapshot_mark **marks,
                                        size_t *n);
