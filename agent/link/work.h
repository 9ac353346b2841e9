/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/health/health.h"
#include "agent/link/canary.h"
#include "agent/link/session.h"
#include "agent/page/page.h"
#include "agent/run/pool.h"
#include "common/hostinfo.h"

/*
 * work - the session's hands: its ops carried out on the pool, and the pool's ended jobs brought
 * back to it, once health has said whose failures they are.
 *
 * Link thread. Owns the pool, the session, the spool and the health of the agent; what only the
 * link knows (lag, socket, closing) it is told or asks through work_link.
 */
struct work_link {
    double (*lag_ms)(void *arg);
    int (*socket)(void *arg); /* −1: none */
    void (*close)(void *arg, uint16_t code, const char *reason);
    void (*hopeless)(void *arg); /* the pool stands and will not go on: end the process */
    void *arg;
};
struct work_spool {
    const char *dir; /* NULL: none */
    size_t max_bytes;
    void (*wake)(void *arg); /* from another thread: work_spool() is due */
    void *arg;
};
struct work {
    struct pool *pool;
    unsigned places;     /* of the pool, those kept for the canaries too */
    struct spool *spool; /* NULL: none, and no spooler either */
    struct spooler *spooler;
    struct session *session;
    struct policy *policy; /* borrowed */
    struct work_link link;
    struct health *health;
    enum watch_verdict watch; /* of the pool; while it is ill no task is taken */
    struct canaries canaries;
    struct mono ticked_at;
    struct hostinfo host;
    struct mono host_at;
    struct strbuf record;
    uint64_t ended[CAUSE_COUNT];   /* probes, by cause; those that are no result among them */
    char trouble[160], stall[160]; /* stall: "" while the pool's work goes on */
};
struct work_config { /* borrowed during work_init() */
    struct session_config session;
    struct pool_config pool;
    const char *const *canaries; /* checked; fewer than CANARIES_MAX */
    unsigned n_canaries;
    struct work_spool spool;
};

/* ERR_SYSTEM: no pool (logged). */
MUST_USE enum err work_init(struct work *w, const struct work_config *c,
                            const struct work_link *link);
/* Ends what runs; joins the workers and the spool's thread. */
void work_fini(struct work *w);
/* After the pool's on_done: hands the ended jobs to the session. */
void work_collect(struct work *w, struct mono now);
/* A few times a second. */
void work_tick(struct work *w, struct mono now);
/* All of page_figures that is not the link's own. */
void work_figures(struct work *w, struct page_figures *out, struct mono now);
/* After any event: what has changed is carried to the disk. */
void work_spool(struct work *w, struct mono now);
