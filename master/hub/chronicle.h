/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/idmap.h"
#include "common/list.h"
#include "common/mailbox.h"
#include "master/schedule/scheduler.h"
#include "master/store/store.h"

/*
 * chronicle - brings the scheduler's journal and its snapshots into the store.
 *
 * Hub thread. One request of entries is under way at a time, so that they are committed in their
 * order, and what the store refuses is sent again. Entries wait meanwhile; of a gap that grows only
 * the newest. Beyond CHRONICLE_WAIT_MAX what is not an incident is counted as lost: a line of
 * history, for states and gaps are in the next snapshot, too. A chunk of a snapshot that is not
 * committed comes again with the next one.
 */
#define CHRONICLE_WAIT_MAX 20000 /* entries, about 1.5 KiB each */
#define CHRONICLE_ONCE     500

struct chronicle {
    struct store *store; /* NULL until chronicle_start */
    struct list waiting; /* notes */
    struct idmap gaps;   /* by check: the note of its gap, while it waits */
    uint64_t lost;
    struct store_req *under_way; /* entries: at the store, or (held) to be sent again */
    bool held;                   /* until the next tick */
    unsigned snapshots;          /* chunks under way */
    struct mailbox *answers;
    /* Hub thread: deliveries of alerts were queued. NULL: nobody wants to know. */
    void (*on_queued)(void *arg);
    void *arg;
};
void chronicle_init(struct chronicle *c, mailbox_wake_f *wake, void *wake_arg);
void chronicle_fini(struct chronicle *c); /* after the store has closed */
void chronicle_start(struct chronicle *c, struct store *s);

void chronicle_add(struct chronicle *c,
                   const struct scheduler_entry *e); /* scheduler_ops.journal */
void chronicle_snapshot(struct chronicle *c, const struct scheduler *x, struct wall at);

void chronicle_flush(struct chronicle *c); /* the end of a turn */
void chronicle_take(struct chronicle *c);
void chronicle_tick(struct chronicle *c);
bool chronicle_idle(const struct chronicle *c); /* every entry is committed */
bool chronicle_done(const struct chronicle *c); /* and every snapshot */
