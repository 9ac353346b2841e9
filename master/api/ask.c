/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/http.h"
#include "master/api/upload_store.h"
#include <stdlib.h>

void http_suspend(struct http_req *r)
{
    PTOK(pthread_mutex_lock(&r->api->lock));
    REQUIRE(!r->waiting);
    r->waiting = true;
    atomic_fetch_add(&r->api->suspended, 1);
    MHD_suspend_connection(r->conn);
    PTOK(pthread_mutex_unlock(&r->api->lock));
}

bool http_is_waiting(struct http_req *r)
{
    PTOK(pthread_mutex_lock(&r->api->lock));
    bool waiting = r->waiting;
    PTOK(pthread_mutex_unlock(&r->api->lock));
    return waiting;
}

/* Under the lock. The counter goes down last: at zero the daemon may be stopped. */
static void resume_locked(struct api *a, struct http_req *r)
{
    if (!r->waiting)
        return;
    r->waiting = false;
    if (list_linked(&r->room_node))
        list_remove(r->queue, &r->room_node);
    MHD_resume_connection(r->conn);
    atomic_fetch_sub(&a->suspended, 1);
}

void http_resume(struct http_req *r)
{
    struct api *a = r->api;
    PTOK(pthread_mutex_lock(&a->lock));
    resume_locked(a, r);
    PTOK(pthread_mutex_unlock(&a->lock));
}

static void resume_all(struct api *a, struct list *queue)
{
    PTOK(pthread_mutex_lock(&a->lock));
    for (struct list_node *n; (n = list_first(queue)) != NULL;)
        resume_locked(a, CONTAINER_OF(n, struct http_req, room_node));
    PTOK(pthread_mutex_unlock(&a->lock));
}

void api_on_room(void *api)
{
    struct api *a = api;
    if (!a)
        return;
    resume_all(a, &a->room);
    upload_aborts_retry(a);
}

void http_ticked(struct api *a)
{
    resume_all(a, &a->ticks);
}

void http_wait_in(struct http_req *r, struct list *queue)
{
    struct api *a = r->api;
    http_suspend(r);
    PTOK(pthread_mutex_lock(&a->lock));
    if (r->waiting) {
        r->queue = queue;
        list_push_back(queue, &r->room_node);
    }
    PTOK(pthread_mutex_unlock(&a->lock));
}

struct http_req *http_next(struct api *a, struct list *queue)
{
    PTOK(pthread_mutex_lock(&a->lock));
    struct list_node *n = list_pop_front(queue);
    PTOK(pthread_mutex_unlock(&a->lock));
    return n ? CONTAINER_OF(n, struct http_req, room_node) : NULL;
}

void http_wait_tick(struct http_req *r)
{
    http_wait_in(r, &r->api->ticks);
    if (atomic_load(&r->api->stopping)) /* no further tick may come */
        http_resume(r);
}

void http_wait_room(struct http_req *r)
{
    struct api *a = r->api;
    http_wait_in(r, &a->room);
    counter_add(&a->stats.upload_waits, 1);
    /* The room may have come before we stood in the list. */
    if (atomic_load(&a->stopping) || store_writer_has_room(a->conf.store))
        http_resume(r);
}

/* ---- the store */

static void store_answered(struct store_req *s)
{
    struct http_req *r = s->arg;
    REQUIRE(r != NULL && r->sreq == s);
    http_resume(r);
}

struct store_req *http_store_req(struct http_req *r, enum store_op op)
{
    return store_req_create(op, store_answered, r);
}

enum step http_ask_store(struct http_req *r, struct store_req *s)
{
    REQUIRE(s->arg == r);
    if (r->sreq != s && r->sreq)
        store_req_destroy(&r->sreq);
    r->sreq = s;
    s->err = ERR_NONE;
    s->why[0] = '\0';
    http_suspend(r);
    enum err e = store_post(r->api->conf.store, s);
    if (e != ERR_NONE) {
        s->err = e;
        http_resume(r);
    }
    return STEP_WAIT;
}

/* ---- the core */

static void core_answered(struct core_req *c)
{
    struct http_req *r = c->arg;
    REQUIRE(r != NULL && r->creq == c);
    http_resume(r);
}

void core_req_free(struct core_req **cp)
{
    struct core_req *c = *cp;
    if (!c)
        return;
    if (c->views)
        core_views_free(c->views, c->n_views);
    free(c->agent);
    free(c->events.kind);
    event_page_fini(&c->events.page);
    free(c->history);
    free(c->stuck);
    free(c);
    *cp = NULL;
}

struct core_req *http_core_req(struct http_req *r, enum core_req_op op)
{
    struct core_req *c = mem_zalloc(sizeof(*c));
    c->op = op;
    c->done = core_answered;
    c->arg = r;
    return c;
}

enum step http_ask_core(struct http_req *r, struct core_req *c)
{
    REQUIRE(c->arg == r);
    if (r->creq != c)
        core_req_free(&r->creq);
    r->creq = c;
    r->core_ok = true;
    http_suspend(r);
    enum err e = r->api->conf.ask_core(r->api->conf.ask_arg, c);
    if (e != ERR_NONE) {
        r->core_ok = false;
        r->core_err = e;
        http_resume(r);
    }
    return STEP_WAIT;
}

/* ---- the scheduler */

static void schedule_answered(struct schedule_req *q)
{
    struct http_req *r = q->arg;
    REQUIRE(r != NULL && r->qreq == q);
    http_resume(r);
}

struct schedule_req *http_schedule_req(struct http_req *r, enum schedule_req_op op)
{
    struct schedule_req *q = mem_zalloc(sizeof(*q));
    q->op = op;
    q->done = schedule_answered;
    q->arg = r;
    q->filter.state = -1;
    return q;
}

enum step http_ask_schedule(struct http_req *r, struct schedule_req *q)
{
    REQUIRE(q->arg == r && r->api->conf.ask_schedule != NULL);
    if (r->qreq != q)
        schedule_req_free(&r->qreq);
    r->qreq = q;
    r->schedule_ok = true;
    http_suspend(r);
    enum err e = r->api->conf.ask_schedule(r->api->conf.schedule_arg, q);
    if (e != ERR_NONE) {
        r->schedule_ok = false;
        r->schedule_err = e;
        http_resume(r);
    }
    return STEP_WAIT;
}

bool http_has_scheduler(struct http_req *r)
{
    if (r->api->conf.ask_schedule)
        return true;
    reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "no_scheduler",
                  "this master probes nothing on a schedule: its scheduler does not run");
    return false;
}

enum step reply_no_answer(struct http_req *r)
{
    return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                         "the master's scheduler cannot be asked now; try again");
}
