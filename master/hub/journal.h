/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/sockinfo.h"
#include "master/core/core_req.h"
#include "master/store/store.h"

/*
 * journal - the hub's event log: what the core and the gate tell, logged and kept, and those who
 * read it or wait for more.
 *
 * Hub thread. The newest events are in memory, those of earlier starts among them, and each is
 * given to whoever keeps more (annals.h). An event's name holds the boot epoch: so a cursor of
 * another start goes on where it was, or is told that it has missed something. Refusals at the gate
 * are what strangers can make at will: beyond JOURNAL_REFUSALS_* they are counted, not kept.
 */
#define JOURNAL_REFUSALS_RATE  1 /* a second … */
#define JOURNAL_REFUSALS_BURST 60

struct journal;
struct journal *journal_create(uint64_t epoch, struct mono now);
/* What earlier starts have left, oldest first; it says whether the last of them ended in order. */
void journal_load(struct journal *j, const struct store_event *events, unsigned n);
/* Called with each event from now on, before anybody reads it. */
typedef void journal_keep_f(void *arg, const struct event *e);
void journal_keep(struct journal *j, journal_keep_f *keep, void *arg);
void journal_destroy(struct journal **jp); /* after journal_close */

void journal_event(struct journal *j, const char *kind, const char *agent, const char *detail);
/* link: of its socket, NULL = not known. */
void journal_session_ended(struct journal *j, const struct core_session_end *e,
                           const struct sockinfo *link, struct mono now);
/* Do the ages at which sessions end pile up; out->n 0: they do not. */
void journal_pile(const struct journal *j, struct mono now, struct ages_pile *out);
void journal_refused(struct journal *j, const char *peer, int status, const char *why,
                     struct mono now);

/* REQ_EVENTS: answers at once, or when there is something, or when its time is up. */
void journal_serve(struct journal *j, struct core_req *r, struct mono now);
void journal_tick(struct journal *j, struct mono now);
/* The first and the last event of each start. */
void journal_started(struct journal *j);
void journal_stopped(struct journal *j);
void journal_close(struct journal *j); /* answers all who wait; j may be NULL */
