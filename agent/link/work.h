/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/link/session.h"
#include "agent/run/pool.h"
#include "common/hostinfo.h"

/*
 * work - the session's hands: its ops carried out on the pool, and the pool's ended jobs brought
 * back to it.
 *
 * Link thread. Owns the pool and the session; what only the link knows (lag, socket, closing) it is
 * told or asks through work_link.
 */
struct work_link {
    double (*lag_ms)(void *arg);
    int (*socket)(void *arg); /* −1: none */
    void (*close)(void *arg, uint16_t code, const char *reason);
    void *arg;
};
struct work {
    struct pool *pool;
    struct session *session;
    struct policy *policy; /* borrowed */
    struct work_link link;
    struct hostinfo host;
    struct mono host_at;
    struct strbuf record;
    char trouble[160];
};

/* ERR_SYSTEM: no pool (logged). */
MUST_USE enum err work_init(struct work *w, const struct session_config *sc,
                            const struct pool_config *pc, const struct work_link *link);
/* Ends what runs; joins the workers. */
void work_fini(struct work *w);
/* After the pool's on_done: hands the ended jobs to the session. */
void work_collect(struct work *w, struct mono now);
