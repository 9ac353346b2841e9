/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/err.h"
#include <libwebsockets.h>
#include <stdbool.h>
#include <uv.h>

/*
 * ws_loop - one thread's libuv loop with an lws context on it as a foreign loop (PLATFORM: lws's
 * own loops take signals or spin), a tick, a cross-thread wake, a lag meter, and the one shutdown
 * order that leaves nothing behind.
 *
 * Belongs to the thread that calls ws_loop_run(); only ws_loop_wake() and ws_loop_stop() may be
 * called from others. Callbacks run on that thread. Handles that the caller puts on the loop must
 * be closed by the caller (at the latest in a callback that also calls ws_loop_stop()), else
 * ws_loop_run() does not return.
 */
struct ws_loop;
struct ws_loop_callbacks {
    void (*on_wake)(void *arg);                  /* after ws_loop_wake(), coalesced */
    void (*on_tick)(void *arg, struct mono now); /* every tick_ms */
};

/*
 * info: the caller's protocols, port or CONTEXT_PORT_NO_LISTEN, vhost options and user pointer;
 * ws_loop adds the libuv options and a zeroed retry policy. ERR_BUSY: the port is in use;
 * ERR_SYSTEM otherwise (logged). lws logs go to our log, rate-limited.
 */
MUST_USE enum err ws_loop_create(struct lws_context_creation_info *info, int tick_ms,
                                 const struct ws_loop_callbacks *cb, void *arg,
                                 struct ws_loop **out);
struct lws_context *ws_loop_context(struct ws_loop *l);
uv_loop_t *ws_loop_uv(struct ws_loop *l);

void ws_loop_run(struct ws_loop *l);  /* returns after ws_loop_stop() */
void ws_loop_wake(struct ws_loop *l); /* any thread, cheap */
void ws_loop_stop(struct ws_loop *l); /* any thread */
void ws_loop_destroy(struct ws_loop **lp);

/* How late the last ticks were, in ms: the worst of the last 5 s, and the moment of the last tick
 * (for health). */
double ws_loop_lag_ms(struct ws_loop *l);
struct mono ws_loop_last_tick(struct ws_loop *l); /* any thread */
