/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include "common/clock.h"
#include "proto/end.h"
#include "proto/limits.h"

/*
 * event_log - what happened to the fleet and the master, the newest EVENTS_KEPT of it, in memory.
 *
 * Pure; owned by one thread. Ids count from 1 and never repeat within a log; a restart begins a new
 * one, so whoever stores an id stores beside it of which start it is. An event takes 1.7 KB at
 * most, and a third of that as a rule: a full log is under 17 MB.
 */
#define EVENTS_KEPT        10000 /* a day of 10 agents that flap every 90 s */
#define EVENT_KIND_MAX     32
#define EVENT_DETAIL_MAX   400  /* a bulk loss with its evidence; longer ones are cut */
#define EVENT_EVIDENCE_MAX 1024 /* a JSON object; what would be longer is a bug */
#define EVENTS_PAGE_MAX    1000

struct event {
    uint64_t id; /* given by the log */
    struct wall at;
    char kind[EVENT_KIND_MAX];      /* one word */
    char agent[AGENT_NAME_MAX + 1]; /* "" = of no agent */
    enum end cause;                 /* of a session's end, else END_NONE */
    char *detail, *evidence;        /* NULL = none; evidence: a JSON object */
};

struct event_log;
struct event_log *event_log_create(void);
void event_log_destroy(struct event_log **lp);

/* Copies; id is not looked at. detail may be any bytes: it is made UTF-8 and cut. Returns the id.
 */
uint64_t event_log_add(struct event_log *l, const struct event *e);

struct event_filter {
    const char *agent, *kind; /* NULL = any */
};
struct event_page {       /* copies, oldest first */
    struct event *events; /* freed by event_page_fini */
    unsigned n;
    uint64_t last; /* looked at up to here: where to go on */
    bool lost;     /* events behind `after` are forgotten already */
};
/* At most `limit` (EVENTS_PAGE_MAX) of those behind `after`. */
void event_log_after(const struct event_log *l, uint64_t after, const struct event_filter *f,
                     unsigned limit, struct event_page *out);
/* The newest `limit`. */
void event_log_newest(const struct event_log *l, const struct event_filter *f, unsigned limit,
                      struct event_page *out);
void event_page_fini(struct event_page *p);
