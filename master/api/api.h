/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/alert/alert_req.h"
#include "master/core/core_req.h"
#include "master/schedule/schedule_req.h"
#include "master/store/store.h"

/*
 * api - the HTTP API under /api/v1, /metrics, /healthz, /readyz: libmicrohttpd on its own port and
 * thread.
 *
 * The api thread never waits: it asks the core (ask_core), the scheduler (ask_schedule), the sender
 * of alerts (test_alert) or the store by mailbox, suspends the connection, and the answering thread
 * resumes it. Uploads go line by line to the store's writer;
 * when its mailbox is full the upload is suspended until api_on_room. Slow clients: guard.h.
 * Bounds: API_*.
 */
#define API_CONNECTIONS_MAX  1024
#define API_PER_IP_MAX       256
#define API_IDLE_S           30  /* without progress */
#define API_STREAMS_MAX      200 /* of events; within the limit per address: the refusal is heard */
#define API_BODY_SMALL       (1u << 20) /* a JSON body up to here may have its members in any order */
#define API_ERRORS_MAX       100        /* line errors in an answer */
#define API_DUPLICATES_MAX   1000000    /* hashes kept to report duplicates */
#define API_BODY_MAX_DEFAULT (1024ll << 20)
#define API_OPEN_TASKS_MAX   10000000
#define API_COMMIT_MS_MAX    1000 /* p99 of the last commits: beyond it no upload begins */
#define API_CHECK_METRICS_MAX                                                                      \
    20000 /* checks with series of their own: three each, 10 MiB of text, and a page of 32 MiB */

struct api;
struct api_config {
    const char *listen; /* ADDR:PORT or unix:PATH */
    const char *dir;    /* of the tokens */
    struct store *store;
    enum err (*ask_core)(void *arg, struct core_req *r); /* hub_post */
    void *ask_arg;
    struct core_stats *core_stats;
    enum err (*ask_schedule)(void *arg, struct schedule_req *r); /* NULL: schedules answer 503 */
    void *schedule_arg;
    struct scheduler_stats *schedule_stats;                  /* NULL = none */
    enum err (*test_alert)(void *arg, struct alert_test *t); /* NULL: tests answer 503 */
    void *alert_arg;
    struct sender_stats *alert_stats; /* NULL = none */
    int64_t check_metrics;            /* of so many checks /metrics tells each alone; 0 = of none */
    double (*hub_lag_ms)(void *arg);
    struct mono (*hub_last_tick)(void *arg);
    bool (*overloaded)(void *arg); /* by the hub: no new work is taken; NULL = never */
    void *hub_arg;
    int64_t body_max_bytes;
    int64_t max_agents;     /* 0: not known */
    int agents_port;        /* ≤ 0: none of TCP, or not known */
    int64_t open_tasks_max; /* with more no upload begins; 0 = the default */
    const char
        *trusted_proxies; /* comma-separated CIDRs whose X-Forwarded-For counts, NULL = none */
};
MUST_USE enum err api_create(const struct api_config *c, struct api **out, char *why,
                             size_t why_max); /* ERR_BUSY: the port is in use */
void api_on_room(void *api); /* any thread: the store's writer has room again; api may be NULL */
#define API_TICK_MS 1000
void api_tick(struct api *a);      /* one thread, every API_TICK_MS: slow clients are cut */
void api_drain(struct api *a);     /* new submissions get 503 with Retry-After; /readyz fails */
void api_destroy(struct api **ap); /* waits for requests under way, at most 5 s */
int api_port(struct api *a);
