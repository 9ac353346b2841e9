/* SPDX-License-Identifier: MIT */
#include "master/api/http.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/api/turn.h"
#include "master/api/upload_store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/*
 * A request:  admit ──refused──► drain the body ──► reply
 *               │
 *             begin ──► body* ──► run* ──► reply        (each may suspend, and is called again)
 */
#define CONNECTION_MEMORY (64u << 10) /* head and read buffer of one connection */
#define STOP_WAIT_MS      5000
#define STOP_POLL_MS      10
#define ALLOW_MAX         64

/* ---- admission */

static int64_t content_length(struct http_req *r)
{
    int64_t n;
    const char *h = http_header(r, "Content-Length");
    return h && i64_parse(h, strlen(h), &n) == ERR_NONE ? n : -1;
}

static enum MHD_Result take_arg(void *cls, enum MHD_ValueKind kind, const char *key,
                                size_t key_size, const char *value, size_t value_size)
{
    struct http_req *r = cls;
    REQUIRE(kind == MHD_GET_ARGUMENT_KIND);
    query_add(&r->query, key, key_size, value, value_size);
    return MHD_YES;
}

static bool find_route(struct http_req *r)
{
    char allow[ALLOW_MAX];
    switch (route_find(r->method, r->path, &r->route, r->param, allow, sizeof(allow))) {
    case ROUTE_FOUND:
        return true;
    case ROUTE_NOT_FOUND:
        reply_problem(r, MHD_HTTP_NOT_FOUND, "no_such_path",
                      "there is nothing at '%s'; the API lives under /api/v1", r->path);
        return false;
    case ROUTE_WRONG_METHOD:
        reply_problem(r, MHD_HTTP_METHOD_NOT_ALLOWED, "wrong_method",
                      "'%s' does not take %s; it takes %s", r->path, r->method, allow);
        reply_header(r, "Allow", allow);
        return false;
    }
    UNREACHABLE("a verdict is one of three");
}

static void admit(struct http_req *r)
{
    client_trace(r);
    client_peer(r);
    if (!find_route(r) || !client_may(r, r->route->scope))
        return;
    MHD_get_connection_values_n(r->conn, MHD_GET_ARGUMENT_KIND, take_arg, r);
    if (r->query.err != ERR_NONE)
        reply_bad_query(r);
    else if (r->route->begin)
        r->route->begin(r);
}

struct guard_conn *http_guard_conn(struct http_req *r)
{
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    REQUIRE(i != NULL && i->socket_context != NULL);
    return i->socket_context;
}

static struct http_req *req_create(struct api *a, struct MHD_Connection *conn, const char *method,
                                   const char *path)
{
    struct http_req *r = mem_zalloc(sizeof(*r));
    r->api = a;
    r->conn = conn;
    r->method = mem_strdup(method); /* MHD's own are gone when the log line is written */
    r->path = mem_strdup(path);
    r->started = mono_now();
    query_init(&r->query);
    atomic_fetch_add(&a->active, 1);
    counter_add(&a->stats.requests, 1);
    guard_request(&a->guard, http_guard_conn(r), r);
    return r;
}

static void req_destroy(struct http_req *r)
{
    struct api *a = r->api;
    REQUIRE(!r->waiting && !list_linked(&r->room_node));
    guard_answered(&a->guard, http_guard_conn(r));
    turn_leave(r);
    if (r->state_free)
        r->state_free(r->state);
    if (r->sreq)
        store_req_destroy(&r->sreq);
    core_req_free(&r->creq);
    schedule_req_free(&r->qreq);
    reply_fini(&r->reply);
    free(r->method);
    free(r->path);
    free(r);
    atomic_fetch_sub(&a->active, 1);
}

/* ---- MHD's callbacks */

/* Without having read the body: a client that waits for "100 Continue" has not sent it, and too
 * large a one is not worth reading. */
static bool answer_at_once(struct http_req *r)
{
    const char *expect = http_header(r, "Expect");
    return content_length(r) > HTTP_DRAIN_MAX ||
           (expect && strcasecmp(expect, "100-continue") == 0);
}

static enum MHD_Result drain(struct http_req *r, size_t *n)
{
    r->drained += (int64_t)*n;
    *n = 0;
    return r->drained > HTTP_DRAIN_MAX ? MHD_NO : MHD_YES;
}

static enum MHD_Result on_body(struct http_req *r, const char *p, size_t *n)
{
    if (r->reply.status || !r->route->body)
        return drain(r, n);
    enum step s = r->route->body(r, p, n);
    REQUIRE(s != STEP_MORE || *n == 0);
    REQUIRE(s != STEP_DONE || r->reply.status);
    return s == STEP_DONE ? drain(r, n) : MHD_YES;
}

static enum MHD_Result on_end(struct http_req *r)
{
    if (r->reply.status)
        return reply_send(r);
    if (r->route->run(r) == STEP_WAIT)
        return MHD_YES;
    return reply_send(r);
}

static enum MHD_Result on_head(struct http_req *r)
{
    admit(r);
    return r->reply.status && answer_at_once(r) ? reply_send(r) : MHD_YES;
}

bool http_enter(struct api *a)
{
    atomic_store(&a->inside, true);
    if (!atomic_load(&a->cut))
        return true;
    atomic_store(&a->inside, false);
    return false;
}

void http_leave(struct api *a)
{
    atomic_store(&a->inside, false);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **con_cls)
{
    struct api *a = cls;
    struct http_req *r = *con_cls;
    enum MHD_Result ok;
    if (!a->named) {
        pthread_setname_np(pthread_self(), "api");
        a->named = true;
    }
    if (!http_enter(a))
        return MHD_NO;
    if (!r) {
        *con_cls = r = req_create(a, conn, method, url);
        ok = on_head(r);
    } else if (http_is_waiting(r)) {
        ok = MHD_YES; /* MHD goes on to the next chunk of a chunked body without a look at who is
                         suspended */
    } else {
        ok = *size ? on_body(r, data, size) : on_end(r);
    }
    http_leave(a);
    return ok;
}

static void count_reply(struct api *a, int status, bool lasting, double ms)
{
    struct counter *c = status >= 500   ? &a->stats.replies_5xx
                        : status >= 400 ? &a->stats.replies_4xx
                                        : &a->stats.replies_2xx;
    counter_add(c, 1);
    if (!lasting)
        histogram_add(&a->stats.request_ms, ms);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
                         enum MHD_RequestTerminationCode how)
{
    struct http_req *r = *con_cls;
    if (!r)
        return;
    REQUIRE(r->api == cls && r->conn == conn);
    double ms = mono_diff_ms_f(mono_now(), r->started);
    bool whole = how == MHD_REQUEST_TERMINATED_COMPLETED_OK;
    count_reply(r->api, r->reply.status, r->reply.lasting, ms);
    LOG(whole ? LOG_INFO : LOG_WARN, "api", whole ? "request" : "request_cut",
        LS("method", r->method), LS("path", r->path), LI("status", r->reply.status),
        LI("bytes", r->bytes_out), LMS("ms", ms), LS("peer", r->peer),
        LS("token", r->token_id[0] ? r->token_id : NULL), LS("trace", r->trace));
    req_destroy(r);
    *con_cls = NULL;
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **slot,
                          enum MHD_ConnectionNotificationCode what)
{
    struct api *a = cls;
    struct guard_conn **c = (struct guard_conn **)slot;
    const union MHD_ConnectionInfo *i =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (what == MHD_CONNECTION_NOTIFY_STARTED && i != NULL)
        guard_opened(&a->guard, c, i->connect_fd);
    else if (what == MHD_CONNECTION_NOTIFY_CLOSED && *c != NULL)
        guard_closed(&a->guard, c);
}

static void on_mhd_log(void *cls, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void on_mhd_log(void *cls, const char *fmt, va_list ap)
{
    char text[256];
    vsnprintf(text, sizeof(text), fmt, ap);
    text[strcspn(text, "\n")] = '\0';
    LOG(LOG_DEBUG, "api", "mhd", LS("text", text));
}

/* ---- the daemon */

static struct MHD_Daemon *start(struct api *a, int fd)
{
    /* Not epoll: MHD's is edge-triggered and takes a short read for the last, so a client that is
     * gone before its body is read would hold its upload until the time-out. */
    /* Behind a proxy every client has the proxy's address: there the limit is its business. */
    unsigned per_ip = a->n_trusted ? 0 : API_PER_IP_MAX;
    return MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL,
        on_request, a, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)API_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)API_IDLE_S, MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_ip,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, a, MHD_OPTION_NOTIFY_CONNECTION, on_connection, a, MHD_OPTION_END);
}

static void api_free(struct api *a)
{
    http_unlisten(a);
    tokens_close(&a->tokens);
    free(a->trusted);
    guard_fini(&a->guard);
    PTOK(pthread_mutex_destroy(&a->lock));
    free(a);
}

enum err api_create(const struct api_config *c, struct api **out, char *why, size_t why_max)
{
    REQUIRE(c->listen && c->dir && c->store && c->ask_core);
    struct api *a = mem_zalloc(sizeof(*a));
    int fd = -1;
    a->conf = *c;
    a->started = anchor_now();
    if (a->conf.open_tasks_max <= 0)
        a->conf.open_tasks_max = API_OPEN_TASKS_MAX;
    if (a->conf.body_max_bytes <= 0)
        a->conf.body_max_bytes = API_BODY_MAX_DEFAULT;
    PTOK(pthread_mutex_init(&a->lock, NULL));
    guard_init(&a->guard);
    list_init(&a->room);
    list_init(&a->ticks);
    list_init(&a->turns);
    list_init(&a->aborts);
    list_init(&a->idempotent);
    enum err e = client_trust(a, c->trusted_proxies, why, why_max);
    if (e == ERR_NONE)
        e = tokens_open(c->dir, &a->tokens, why, why_max);
    if (e == ERR_NONE)
        e = http_listen(a, c->listen, &fd, why, why_max);
    if (e == ERR_NONE && (a->daemon = start(a, fd)) == NULL) {
        snprintf(why, why_max, "the HTTP server on %s could not be started", c->listen);
        close(fd);
        e = ERR_SYSTEM;
    }
    if (e != ERR_NONE) {
        api_free(a);
        return e;
    }
    *out = a;
    return ERR_NONE;
}

void api_drain(struct api *a)
{
    atomic_store(&a->draining, true);
}

void api_tick(struct api *a)
{
    guard_tick(&a->guard);
    http_ticked(a);
}

int api_port(struct api *a)
{
    return a->port;
}

/* Requests under way get their time, then are cut. Suspended ones are waited for in any case: the
 * daemon cannot be stopped under them, and each is answered. After the cut no handler runs, so none
 * can be suspended any more. */
static void wait_idle(struct api *a)
{
    struct mono begun = mono_now();
    while (atomic_load(&a->active) > 0 && mono_diff_ms(mono_now(), begun) < STOP_WAIT_MS)
        usleep(STOP_POLL_MS * 1000);
    atomic_store(&a->cut, true);
    while (atomic_load(&a->inside) || atomic_load(&a->suspended) > 0)
        usleep(STOP_POLL_MS * 1000);
}

/* What cut uploads left with the store comes back first; an abort that finds no room is left to the
 * store's next start. */
static void wait_tallies(struct api *a)
{
    while (atomic_load(&a->tallies) > 0)
        usleep(STOP_POLL_MS * 1000);
    upload_aborts_retry(a);
    for (struct list_node *n; (n = list_pop_front(&a->aborts)) != NULL;) {
        struct store_req *s = CONTAINER_OF(n, struct store_req, letter.node);
        store_req_destroy(&s);
    }
}

void api_destroy(struct api **ap)
{
    struct api *a = *ap;
    if (!a)
        return;
    atomic_store(&a->draining, true);
    atomic_store(&a->stopping, true);
    int fd = MHD_quiesce_daemon(a->daemon);
    api_on_room(a);
    http_ticked(a);
    wait_idle(a);
    MHD_stop_daemon(a->daemon);
    wait_tallies(a);
    if (fd != MHD_INVALID_SOCKET)
        close(fd);
    api_free(a);
    *ap = NULL;
}
