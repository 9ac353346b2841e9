/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/core/core_req.h"
#include "master/schedule/schedule_req.h"
#include "master/store/store.h"

/*
 * hub - the thread that speaks WebSocket with the agents and runs the core: lws on libuv, no HTTP
 * (PLATFORM §3).
 *
 * hub_create binds the port; hub_start runs the thread "hub". Requests from other threads come by
 * hub_post; store replies and sweeps by mailboxes of the hub's own. Upgrades are gated here: path
 * /ws, subprotocol sonde.v1, a bearer token of scope agent; anything else on this port gets one
 * HTTP error and is closed before a body is read.
 */
struct hub;
struct hub_config {
    const char *listen;      /* ADDR:PORT or unix:PATH */
    const char *dir;         /* of the tokens */
    struct store_boot *boot; /* borrowed during hub_create */
    int64_t max_agents;
    unsigned hello_rate, hello_burst; /* of struct core_config; tests lower them */
    struct cidr *deny;                /* for all agents */
    unsigned n_deny;
    void (*on_alerts)(void *arg); /* hub thread: deliveries of alerts were queued; NULL = nobody */
    void *alerts_arg;
};
MUST_USE enum err hub_create(const struct hub_config *c, struct hub **out, char *why,
                             size_t why_max); /* ERR_BUSY: the port is in use */
/* For struct store_config: the hub exists before the store's threads post to it. */
void hub_on_swept(void *hub, uint32_t batch, enum outcome outcome, uint64_t count, bool finished);
void hub_start(struct hub *h, struct store *s);

/* Any thread. Takes r. ERR_FULL, ERR_CLOSED: r stays with the caller. */
MUST_USE enum err hub_post(struct hub *h, struct core_req *r);

MUST_USE enum err hub_post_schedule(struct hub *h, struct schedule_req *r); /* likewise */

/* Any thread: no new work, GOAWAY to the agents, everything that came is stored; then the thread
 * ends. Waits for it, at most DRAIN_MS. */
void hub_stop(struct hub *h);
void hub_destroy(struct hub **hp);

struct core_stats *hub_core_stats(struct hub *h); /* atomics: any thread */
struct scheduler_stats *hub_schedule_stats(struct hub *h);
double hub_lag_ms(struct hub *h);         /* any thread */
bool hub_overloaded(struct hub *h);       /* any thread: no new work is to be taken */
struct mono hub_last_tick(struct hub *h); /* any thread: /healthz */
int hub_port(struct hub *h);              /* bound port (0.0.0.0:0 in tests), −1 for unix */
