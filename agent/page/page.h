/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/err.h"
#include "proto/cause.h"
#include "proto/message.h"

/*
 * page - the agent's own /metrics and /healthz, for Prometheus and a watchdog on its host.
 *
 * A small HTTP server of libmicrohttpd on a thread of its own, bounded in connections, their time
 * and their memory. It knows the agent only by the figures that the link thread leaves here about
 * once a second (page_put, one short lock); so the answer never waits for the agent, and figures
 * that do not come any more are how it sees that the link thread is stuck.
 */
#define PAGE_SILENT_MS   5000 /* a loop that has not turned for so long is stuck */
#define PAGE_TROUBLE_MAX 256

struct page_figures {
    struct msg_heartbeat hb; /* as of a heartbeat now; its trouble stands below */
    char trouble[PAGE_TROUBLE_MAX];
    const char *state; /* of the session: static text */
    uint64_t connects; /* sessions begun */
    uint64_t tasks, released, nacked;
    uint64_t ended[CAUSE_COUNT]; /* probes */
    double worker_lag_ms;
    int64_t worker_silent_ms;
};

struct page;

/* ADDR:PORT. ERR_INVALID with one sentence. */
MUST_USE enum err page_address_check(const char *listen, char *why, size_t why_max);

/* ERR_BUSY, ERR_DENIED, ERR_SYSTEM with one sentence in why. */
MUST_USE enum err page_create(const char *listen, const char *agent, struct page **out, char *why,
                              size_t why_max);
void page_destroy(struct page **pp);

/* Copies f. Any one thread. */
void page_put(struct page *p, const struct page_figures *f, struct mono now);
