/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "common/clock.h"
#include "proto/end.h"
#include "proto/limits.h"

/*
 * event_log - what happened to the fleet and the master: the newest EVENTS_KEPT of it, in memory,
 * those of earlier starts that were loaded among them.
 *
 * Pure; owned by one thread. An event is named by its start (the boot epoch) and its number, which
 * counts from 1 in each start: in this order, names never repeat. An event takes 1.7 KB at most,
 * and a third of that as a rule: a full log is under 17 MB.
 */
#define EVENTS_KEPT     10000 /* a day of 10 agents that flap every 90 s */
#define EVENTS_PAGE_MAX 1000

struct event_key {
    uint64_t epoch, id;
};
struct event {
    struct event_key key; /* given by the log */
    struct wall at;
    char kind[EVENT_KIND_MAX];      /* one word */
    char agent[AGENT_NAME_MAX + 1]; /* "" = of no agent */
    enum end cause;                 /* of a session's end, else END_NONE */
    char *detail, *evidence;        /* NULL = none; evidence: a JSON object */
};

struct event_log;
struct event_log *event_log_create(uint64_t epoch);
void event_log_destroy(struct event_log **lp);

/* Copies; its key is not looked at. detail may be any bytes: it is made UTF-8 and cut. Returns what
 * is kept, until the next one is added. */
const struct event *event_log_add(struct event_log *l, const struct event *e);
/* One of an earlier start, in order and before the first of this one; others are left out. */
void event_log_load(struct event_log *l, const struct event *e);
/* The last one; NULL: there is none. */
const struct event *event_log_last(const struct event_log *l);

struct event_filter {
    const char *agent, *kind; /* NULL = any */
};
struct event_page {       /* copies, oldest first */
    struct event *events; /* freed by event_page_fini */
    unsigned n;
    struct event_key last; /* looked at up to here: where to go on */
    bool lost;             /* events behind `after` are not here: they were passed over */
    bool older; /* … because the log has forgotten them; who keeps more may have them */
};
/* At most `limit` (EVENTS_PAGE_MAX) of those behind `after`. */
void event_log_after(const struct event_log *l, struct event_key after,
                     const struct event_filter *f, unsigned limit, struct event_page *out);
/* The newest `limit`. */
void event_log_newest(const struct event_log *l, const struct event_filter *f, unsigned limit,
                      struct event_page *out);
void event_page_fini(struct event_page *p);
