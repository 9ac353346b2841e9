/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/cidr.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/list.h"
#include "common/metrics.h"
#include "master/api/api.h"
#include "master/api/guard.h"
#include "master/api/query.h"
#include "master/api/routes.h"
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

/*
 * http - a request on its way through libmicrohttpd: its state, its reply, its asking of other
 * threads.
 *
 * All on the api thread but http_resume(). While a request is suspended nothing of it is touched by
 * the api thread, and it cannot end: so whoever answers it may write into it until it calls
 * http_resume(). Lock rule: api->lock guards `waiting` and the lists of those who wait for room, a
 * tick or their turn; MHD is called under it, no handler is.
 */
#define REPLY_HEADERS_MAX 6
#define REPLY_BODY_MAX                                                                             \
    (32u << 20) /* the largest page: STORE_PAGE_BYTES of records, escaped and wrapped */
#define HTTP_DRAIN_MAX                                                                             \
    (64ll << 20) /* of a refused body that is read so that the client hears why */

struct reply {
    int status;       /* 0 = not set yet */
    const char *type; /* literal */
    struct strbuf body;
    struct {
        const char *name;
        char *value;
    } headers[REPLY_HEADERS_MAX];
    unsigned n_headers;
    /* Instead of the body: gives bytes, an end of MHD_CONTENT_READER_*, or 0 when it has suspended
     * the request. */
    ssize_t (*reader)(struct http_req *r, char *buf, size_t max);
    bool lasting; /* open as long as somebody looks: its time is no measure */
    bool sent;
};

struct http_req {
    struct api *api;
    struct MHD_Connection *conn;
    const struct route *route;
    char *method, *path;
    char param[ROUTE_PARAM_MAX];
    struct query query;
    enum token_scope scope; /* of its token; SCOPE_NONE without one */
    char token_id[TOKEN_ID_MAX], trace[TRACE_TEXT_MAX], peer[IP_TEXT_MAX];
    struct mono started;
    int64_t drained, bytes_out;
    struct reply reply;
    unsigned phase; /* the handler's own; 0 at the start */
    void *state;    /* the handler's own, freed by state_free */
    void (*state_free)(void *state);
    struct store_req *sreq; /* the one asked last; freed with the request */
    struct core_req *creq;
    enum err core_err; /* why creq could not be asked */
    bool core_ok;      /* it was, and is answered */
    struct schedule_req *qreq;
    enum err schedule_err; /* why qreq could not be asked */
    bool schedule_ok;      /* it was, and is answered */
    bool waiting;          /* suspended (under api->lock) */
    struct list_node room_node;
    struct list *queue; /* that room_node is in, under api->lock */
};

struct whole_body;
struct api {
    struct api_config conf;
    struct MHD_Daemon *daemon;
    struct tokens *tokens;
    struct mono tokens_polled;
    struct anchor started;
    struct cidr *trusted;
    unsigned n_trusted;
    int port;
    bool named; /* the thread has its name */
    char *unix_path;
    atomic_bool draining;    /* no new submissions */
    atomic_bool stopping;    /* waits end early */
    atomic_bool cut, inside; /* no handler may start; one is running */
    atomic_uint active, suspended,
        tallies;             /* tallies: uploads, and what of gone ones the store still holds */
    atomic_uint streams;     /* of events */
    atomic_uint definitions; /* answers under way with all targets of a schedule */
    struct guard guard;
    pthread_mutex_t lock;
    struct list room;       /* requests that wait for room in the store's writer */
    struct list ticks;      /* requests that wait for the next api_tick() */
    struct list turns;      /* requests that wait for `turn` */
    struct list aborts;     /* store_req by letter.node: aborts that wait for room */
    struct list idempotent; /* of the api thread alone, as the next three: uploads with a key, under
                               way */
    struct http_req *turn;  /* who may change schedules and channels now (turn.h) */
    const struct whole_body *big; /* the only one that may be large (whole_body.h) */
    size_t small_bytes;           /* of all others */
    struct {
        struct counter requests, replies_2xx, replies_4xx, replies_5xx, uploads, upload_lines,
            upload_rejected, upload_waits, shed, unauthorized, streams, streams_refused,
            stream_events;
        struct histogram request_ms;
    } stats;
};

/* ---- replies */
void reply_begin(struct http_req *r, int status, const char *type);
void reply_header(struct http_req *r, const char *name, const char *value);
/* application/problem+json (RFC 9457). code is a stable word; the sentence names the thing and the
 * fix. Any bytes are made UTF-8. */
enum step reply_problem(struct http_req *r, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same, left open for further members: the caller ends the object. */
void reply_problem_open(struct http_req *r, struct json_out *w, int status, const char *code,
                        const char *detail);
/* The answer for what went wrong in the store: 507, 503 or 500. */
enum step reply_store_error(struct http_req *r, enum err e, const char *why);
/* 202 with the Location of the batch; the body is the caller's. */
void reply_accepted(struct http_req *r, const char *uuid);
enum step reply_bad_query(struct http_req *r);
enum MHD_Result reply_send(struct http_req *r);
/* For readers: hands out what waits in `out` from *off on, and empties it when all has gone. */
ssize_t reply_copy(struct http_req *r, struct strbuf *out, size_t *off, char *buf, size_t max);
void reply_fini(struct reply *p);

/* Is there a reason to take no new work at all? True: it is the reply. */
bool reply_no_new_work(struct http_req *r);

/* ---- waiting */
/* After it the handler returns STEP_WAIT, whatever happens: somebody will resume. */
void http_suspend(struct http_req *r);
/* Any thread; harmless when the request is not suspended. It may be gone when this returns. */
void http_resume(struct http_req *r);
bool http_is_waiting(struct http_req *r);
/* Suspends until api_on_room(). */
void http_wait_room(struct http_req *r);
/* Suspends until the next api_tick(): for what is full now and cannot say when there is room. */
void http_wait_tick(struct http_req *r);
void http_ticked(struct api *a);
/* Suspends until http_next() of that list, one of api's. */
void http_wait_in(struct http_req *r, struct list *queue);
/* Takes the one that waits longest out of it, without resuming it; NULL: nobody waits. */
struct http_req *http_next(struct api *a, struct list *queue);

/* Suspends and asks; the answer stands in r->sreq. What cannot be posted is an answer too: err says
 * so. The old r->sreq is freed, unless it is s itself. */
enum step http_ask_store(struct http_req *r, struct store_req *s);
struct store_req *http_store_req(struct http_req *r, enum store_op op);
/* The same of the core; r->core_ok says whether it could be asked. */
enum step http_ask_core(struct http_req *r, struct core_req *c);
struct core_req *http_core_req(struct http_req *r, enum core_req_op op);
void core_req_free(struct core_req **cp);
/* The same of the scheduler; r->schedule_ok says whether it could be asked. */
enum step http_ask_schedule(struct http_req *r, struct schedule_req *q);
struct schedule_req *http_schedule_req(struct http_req *r, enum schedule_req_op op);
/* False: this master probes nothing on a schedule, and the 503 is set. */
bool http_has_scheduler(struct http_req *r);
enum step reply_no_answer(struct http_req *r); /* 503: the scheduler could not be asked */

/* The value of a request header, or NULL. */
const char *http_header(struct http_req *r, const char *name);

/* ---- parts of http.c */
struct guard_conn *http_guard_conn(struct http_req *r);
/* Around each of MHD's callbacks into us: false once the daemon is about to be stopped. */
bool http_enter(struct api *a);
void http_leave(struct api *a);
/* listen.c: ADDR:PORT or unix:PATH. *port is -1 for unix. */
MUST_USE enum err http_listen(struct api *a, const char *where, int *fd, char *why, size_t why_max);
void http_unlisten(struct api *a);
/* client.c: who asks, and may he? False: the refusal is set as the reply. */
void client_peer(struct http_req *r);
void client_trace(struct http_req *r);
bool client_may(struct http_req *r, enum token_scope needed);
/* For answers that last: its token is still good, and it has not hung up. */
bool client_still_may(struct http_req *r);
bool client_is_gone(struct http_req *r);
MUST_USE enum err client_trust(struct api *a, const char *list, char *why, size_t why_max);
