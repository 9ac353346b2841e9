/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/apply.h"

/*
 * sweep - the writer's own work, done in chunks when there is nothing better to do: a verdict for
 * every task of a marked batch that has no result, and the deletion of an upload that was given up.
 *
 * Writer thread only. One job is worked on per transaction; jobs take turns.
 */
struct sweep;

struct sweep_report { /* what the transaction did, valid once it is committed */
    uint32_t batch;   /* 0: nothing to tell */
    enum outcome outcome;
    uint64_t count;
    bool finished;
};

struct sweep *sweep_create(void);
void sweep_destroy(struct sweep **sp);

void sweep_add_mark(struct sweep *s, uint32_t batch, enum cause cause, uint64_t from);
void sweep_add_delete(struct sweep *s, uint32_t batch);
bool sweep_has_mark(const struct sweep *s, uint32_t batch);
bool sweep_idle(const struct sweep *s);

/* One chunk of at most `rows` rows of the job whose turn it is. */
MUST_USE enum err sweep_run(struct sweep *s, struct apply *a, unsigned rows);
/* Exactly one of the two ends a transaction; both are fine without a chunk. */
struct sweep_report sweep_committed(struct sweep *s);
void sweep_rolled_back(struct sweep *s);
