/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/core/event_log.h"
#include "master/store/store.h"

/*
 * annals - events on their way to the store, where they outlive the process.
 *
 * Hub thread, but for the store's answers, which touch the atomics alone. Results come first: at
 * most ANNALS_ONCE events are with the store at a time, and what comes meanwhile waits here. With
 * ANNALS_WAIT_MAX waiting (the disk is full, or it hangs) new ones are dropped and counted: nothing
 * waits for this.
 */
#define ANNALS_ONCE     STORE_EVENTS_ONCE
#define ANNALS_WAIT_MAX 2000 /* 3 MB at most */

struct annals {
    struct store *store; /* NULL until annals_start: events wait */
    struct store_event *waiting;
    unsigned n, cap;
    _Atomic unsigned under_way; /* requests that are not answered */
};
void annals_init(struct annals *a);
void annals_start(struct annals *a, struct store *s);
void annals_add(void *annals, const struct event *e); /* a journal_keep_f */
void annals_flush(struct annals *a); /* sends what waits, if nothing is under way */
void annals_close(struct annals *a); /* sends all of it: nothing comes any more */
void annals_fini(struct annals *a);  /* after the store has closed */
