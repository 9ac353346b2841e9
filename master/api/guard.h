/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/list.h"
#include "common/metrics.h"
#include <pthread.h>

/*
 * guard - the API's connections, so that slow and silent clients cannot take them all.
 *
 * The api thread tells what becomes of each; guard_tick, on another thread, looks at all of them
 * and shuts down the sockets of those that slow.h condemns: libmicrohttpd sees their end and
 * cleans up. Of those without a request there are at most GUARD_WAITING_MAX, beyond them the
 * longest waiting goes: so there is always a place for one with a request. Lock rule: guard->lock
 * may be held when api->lock is taken, never the other way.
 */
#define GUARD_WAITING_MAX 512 /* half of API_CONNECTIONS_MAX */
#define GUARD_TICK_MS     1000

struct http_req;
struct guard {
    pthread_mutex_t lock; /* all below */
    struct list waiting;  /* without a request, the longest waiting first */
    struct list busy;
    struct counter no_head, no_progress, pushed_out;
};
struct guard_conn;

void guard_init(struct guard *g);
void guard_fini(struct guard *g);

/* api thread. *slot is the connection's own, NULL before. */
void guard_opened(struct guard *g, struct guard_conn **slot, int fd);
void guard_closed(struct guard *g, struct guard_conn **slot); /* before its socket is closed */
void guard_request(struct guard *g, struct guard_conn *c,
                   struct http_req *r);                     /* its head is whole */
void guard_lasting(struct guard *g, struct guard_conn *c);  /* its answer has no end */
void guard_answered(struct guard *g, struct guard_conn *c); /* r goes */

void guard_tick(struct guard *g); /* any one thread, every GUARD_TICK_MS */
