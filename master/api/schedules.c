/* SPDX-License-Identifier: MIT */
#include "master/api/schedules.h"
#include "common/mem.h"
#include "master/api/handlers.h"
#include "master/api/redact.h"
#include "master/api/schedule_put.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT_DEFAULT 100
#define LIST_LIMIT_MAX     500
#define TARGETS_ONCE       200 /* formatted at a time: 2 ms of the thread */
#define TARGETS_READS_MAX  4   /* each holds up to 64 MiB until its client has read it all */
#define TARGETS_TEXT_MAX   (TARGETS_ONCE * (SPEC_MAX_BYTES + 64u))

/* ---- what the handlers share */

bool schedules_name_fits(const struct http_req *r)
{
    return strlen(r->param) <= SCHEDULE_NAME_MAX;
}

enum step schedules_no_such(struct http_req *r, const char *name)
{
    return reply_problem(r, MHD_HTTP_NOT_FOUND, "no_such_schedule",
                         "there is no schedule '%s'; GET /api/v1/schedules lists them", name);
}

enum step schedules_ask(struct http_req *r, const char *from, const char *to)
{
    struct schedule_req *q = http_schedule_req(r, SREQ_SCHEDULES);
    snprintf(q->from, sizeof(q->from), "%.*s", SCHEDULE_NAME_MAX, from);
    snprintf(q->to, sizeof(q->to), "%.*s", SCHEDULE_NAME_MAX, to);
    return http_ask_schedule(r, q);
}

enum step schedules_failed(struct http_req *r)
{
    REQUIRE(r->sreq->err != ERR_NONE);
    if (r->sreq->err == ERR_NOT_FOUND)
        return schedules_no_such(r, r->param);
    return reply_store_error(r, r->sreq->err, r->sreq->why);
}

enum step schedules_tell(struct http_req *r, struct schedule_req *(*make)(struct http_req *r))
{
    if (!r->qreq)
        return http_ask_schedule(r, make(r));
    if (r->schedule_ok || r->schedule_err == ERR_CLOSED || atomic_load(&r->api->stopping))
        return STEP_MORE;
    if (r->schedule_err == ERR_FULL) { /* the next call asks again */
        r->schedule_err = ERR_NONE;
        http_wait_tick(r);
        return STEP_WAIT;
    }
    return http_ask_schedule(r, r->qreq);
}

/* ---- GET /schedules */

enum { LIST_BEGIN, LIST_ROWS, LIST_VIEWS };

static const char *take_label(struct query *q)
{
    const char *label = query_str(q, "label");
    size_t n = label ? strcspn(label, ":=") : 1;
    if (n == 0 || (label && label[n] == '\0'))
        query_fail(q, "query parameter 'label' must be KEY:VALUE, got \"%.60s\"", label);
    return label;
}

static enum step list_begin(struct http_req *r)
{
    struct query *q = &r->query;
    struct store_req *s = http_store_req(r, STORE_SCHEDULE_LIST);
    const char *owner = query_str(q, "owner"), *cursor = query_str(q, "cursor");
    take_label(q);
    s->schedules.limit = (unsigned)query_int(q, "limit", 1, LIST_LIMIT_MAX, LIST_LIMIT_DEFAULT);
    s->schedules.owner = owner ? mem_strdup(owner) : NULL;
    if (cursor && strlen(cursor) > SCHEDULE_NAME_MAX)
        query_fail(q, "query parameter 'cursor' must be a next_cursor, got \"%.80s\"", cursor);
    else if (cursor)
        snprintf(s->schedules.after, sizeof(s->schedules.after), "%s", cursor);
    if (query_end(q) != ERR_NONE) {
        store_req_destroy(&s);
        return reply_bad_query(r);
    }
    r->phase = LIST_ROWS;
    return http_ask_store(r, s);
}

static int by_id(const void *a, const void *b)
{
    const struct scheduler_view *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static const struct scheduler_view *view_of(const struct schedule_req *q, uint64_t id)
{
    struct scheduler_view key = {.id = id};
    if (!q->views)
        return NULL;
    return bsearch(&key, q->views, q->n_views, sizeof(key), by_id);
}

static void put_page(struct json_out *w, const struct http_req *r, const char *label)
{
    const struct store_req *s = r->sreq;
    json_key(w, "schedules");
    json_arr_begin(w);
    for (unsigned i = 0; i < s->schedules.n; i++) {
        const struct store_schedule *x = &s->schedules.items[i];
        if (label && !schedule_has_label(x, label))
            continue;
        json_obj_begin(w);
        schedule_put_members(w, x, view_of(r->qreq, x->id));
        json_obj_end(w);
    }
    json_arr_end(w);
    json_str(w, "next_cursor",
             s->schedules.more && s->schedules.n ? s->schedules.items[s->schedules.n - 1].name
                                                 : NULL);
}

static enum step list_reply(struct http_req *r)
{
    struct json_out w;
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    put_page(&w, r, query_str(&r->query, "label"));
    json_obj_end(&w);
    return STEP_DONE;
}

/* The scheduler is asked for what is on the page: there may be 10,000 schedules. */
static enum step list_rows(struct http_req *r)
{
    const struct store_req *s = r->sreq;
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    if (s->schedules.n == 0)
        return list_reply(r);
    r->phase = LIST_VIEWS;
    return schedules_ask(r, s->schedules.items[0].name,
                         s->schedules.items[s->schedules.n - 1].name);
}

static enum step list_views(struct http_req *r)
{
    struct schedule_req *q = r->qreq;
    if (!r->schedule_ok)
        return reply_no_answer(r);
    if (q->n_views > 1)
        qsort(q->views, q->n_views, sizeof(*q->views), by_id);
    return list_reply(r);
}

enum step schedules_list(struct http_req *r)
{
    switch (r->phase) {
    case LIST_BEGIN:
        return http_has_scheduler(r) ? list_begin(r) : STEP_DONE;
    case LIST_ROWS:
        return list_rows(r);
    case LIST_VIEWS:
        return list_views(r);
    }
    UNREACHABLE("a list has three phases");
}

/* ---- GET /schedules/{name} */

enum { GET_BEGIN, GET_ROW, GET_VIEW };

/* A definition may have 100,000 targets, each with options: they go out some at a time. */
struct get_state {
    struct http_req *req;
    bool targets, counted;
    size_t next; /* target */
    struct strbuf out;
    size_t off;
};

static void get_free(void *state)
{
    struct get_state *g = state;
    if (g->counted)
        atomic_fetch_sub(&g->req->api->definitions, 1);
    strbuf_fini(&g->out);
    free(g);
}

static enum step count_read(struct http_req *r, struct get_state *g)
{
    if (!g->targets)
        return STEP_MORE;
    if (atomic_load(&r->api->definitions) >= TARGETS_READS_MAX)
        return reply_problem(r, MHD_HTTP_TOO_MANY_REQUESTS, "busy",
                             "%d definitions with their targets are being read; try again",
                             TARGETS_READS_MAX);
    atomic_fetch_add(&r->api->definitions, 1);
    g->counted = true;
    return STEP_MORE;
}

static enum step get_begin(struct http_req *r)
{
    struct get_state *g = mem_zalloc(sizeof(*g));
    g->req = r;
    strbuf_init(&g->out, TARGETS_TEXT_MAX);
    r->state = g;
    r->state_free = get_free;
    g->targets = query_bool(&r->query, "targets", false);
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!schedules_name_fits(r))
        return schedules_no_such(r, r->param);
    if (count_read(r, g) == STEP_DONE)
        return STEP_DONE;
    struct store_req *s = http_store_req(r, STORE_SCHEDULE_GET);
    snprintf(s->schedule_get.name, sizeof(s->schedule_get.name), "%.*s", SCHEDULE_NAME_MAX,
             r->param);
    s->schedule_get.targets = g->targets;
    r->phase = GET_ROW;
    return http_ask_store(r, s);
}

static enum step get_row(struct http_req *r)
{
    if (r->sreq->err != ERR_NONE)
        return schedules_failed(r);
    r->phase = GET_VIEW;
    return schedules_ask(r, r->param, r->param);
}

/* One that is stored was checked: what cannot be read is left out of its place. */
static void put_target(struct json_out *w, const struct store_check *c)
{
    struct json_doc *d = NULL;
    if (json_parse(c->spec, c->spec_len, &d, NULL, 0) != ERR_NONE) {
        json_put_null(w);
        return;
    }
    redact_options(w, json_root(d));
    json_free(&d);
}

static ssize_t read_targets(struct http_req *r, char *buf, size_t max)
{
    struct get_state *g = r->state;
    const struct store_req *s = r->sreq;
    size_t n = s->schedule_get.n_checks, end = g->next + TARGETS_ONCE;
    if (g->out.len == 0 && g->next > n)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (g->out.len > 0)
        return reply_copy(r, &g->out, &g->off, buf, max);
    for (; g->next < n && g->next < end; g->next++) {
        struct json_out w;
        if (g->next > 0)
            strbuf_putc(&g->out, ',');
        json_out_init(&w, &g->out);
        put_target(&w, &s->schedule_get.checks[g->next]);
    }
    if (g->next == n) {
        strbuf_puts(&g->out, "]}}");
        g->next = n + 1;
    }
    return g->out.overflow ? MHD_CONTENT_READER_END_WITH_ERROR
                           : reply_copy(r, &g->out, &g->off, buf, max);
}

/* The object is left open for its targets, which read_targets() adds. */
static void put_open(struct http_req *r, struct strbuf *b)
{
    struct json_out w;
    const struct store_schedule *s = &r->sreq->schedule_get.schedule;
    json_out_init(&w, b);
    json_obj_begin(&w);
    schedule_put_members(&w, s, view_of(r->qreq, s->id));
    json_key(&w, "definition");
    json_obj_begin(&w);
    schedule_put_definition(&w, s);
}

static enum step get_view(struct http_req *r)
{
    struct get_state *g = r->state;
    if (!r->schedule_ok)
        return reply_no_answer(r);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    if (!g->targets) {
        put_open(r, &r->reply.body);
        strbuf_puts(&r->reply.body, "}}");
        return STEP_DONE;
    }
    put_open(r, &g->out);
    strbuf_puts(&g->out, ",\"targets\":[");
    r->reply.reader = read_targets;
    return STEP_DONE;
}

enum step schedules_get(struct http_req *r)
{
    switch (r->phase) {
    case GET_BEGIN:
        return http_has_scheduler(r) ? get_begin(r) : STEP_DONE;
    case GET_ROW:
        return get_row(r);
    case GET_VIEW:
        return get_view(r);
    }
    UNREACHABLE("a schedule is read in three phases");
}
