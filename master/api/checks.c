/* SPDX-License-Identifier: MIT */
#include "master/api/checks.h"
#include "common/mem.h"
#include "master/api/handlers.h"
#include "master/api/schedule_put.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT_DEFAULT 100
#define LIST_LIMIT_MAX     1000 /* at most 5 ms of the thread */
#define NEWEST             20   /* transitions and misses that are told of one */

bool checks_take_id(struct http_req *r, uint64_t *id)
{
    if (u64_parse(r->param, strlen(r->param), id) == ERR_NONE && *id > 0)
        return true;
    checks_no_such(r);
    return false;
}

enum step checks_no_such(struct http_req *r)
{
    return reply_problem(r, MHD_HTTP_NOT_FOUND, "no_such_check",
                         "there is no check '%s'; GET /api/v1/checks lists them", r->param);
}

enum step checks_ask(struct http_req *r, uint64_t id)
{
    struct schedule_req *q = http_schedule_req(r, SREQ_CHECKS);
    q->filter.only = id;
    q->filter.limit = 1;
    return http_ask_schedule(r, q);
}

const struct scheduler_check_view *checks_view(const struct http_req *r)
{
    return r->qreq && r->schedule_ok && r->qreq->n_checks > 0 ? &r->qreq->checks[0] : NULL;
}

/* ---- GET /checks */

static int take_state(struct query *q)
{
    const char *word = query_str(q, "state");
    if (!word)
        return -1;
    for (int s = 0; s < VERDICT_STATES; s++)
        if (strcmp(verdict_word((enum verdict_state)s), word) == 0)
            return s;
    query_fail(q, "query parameter 'state' must be up, degraded, down or unknown, got \"%.40s\"",
               word);
    return -1;
}

static const char *take_word(struct query *q, const char *name, char *home, size_t max)
{
    const char *v = query_str(q, name);
    if (!v)
        return NULL;
    if (v[0] == '\0' || strlen(v) >= max)
        query_fail(q, "query parameter '%s' must be 1 to %zu characters", name, max - 1);
    snprintf(home, max, "%s", v);
    return home;
}

/* As the scheduler has them. */
static void lower(char *text)
{
    for (; *text != '\0'; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

static enum step list_begin(struct http_req *r)
{
    struct query *q = &r->query;
    struct schedule_req *s = http_schedule_req(r, SREQ_CHECKS);
    s->filter.state = take_state(q);
    s->filter.schedule = take_word(q, "schedule", s->filter_schedule, sizeof(s->filter_schedule));
    s->filter.host = take_word(q, "host", s->filter_host, sizeof(s->filter_host));
    lower(s->filter_host);
    s->filter.after = (uint64_t)query_int(q, "cursor", 0, INT64_MAX, 0);
    s->filter.limit = (unsigned)query_int(q, "limit", 1, LIST_LIMIT_MAX, LIST_LIMIT_DEFAULT);
    if (query_end(q) != ERR_NONE) {
        schedule_req_free(&s);
        return reply_bad_query(r);
    }
    r->phase = 1;
    return http_ask_schedule(r, s);
}

static enum step list_reply(struct http_req *r)
{
    struct json_out w;
    struct wall now = wall_now();
    const struct schedule_req *q = r->qreq;
    if (!r->schedule_ok)
        return reply_no_answer(r);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_key(&w, "checks");
    json_arr_begin(&w);
    for (size_t i = 0; i < q->n_checks; i++) {
        json_obj_begin(&w);
        check_put_members(&w, &q->checks[i], now);
        json_obj_end(&w);
    }
    json_arr_end(&w);
    json_ref(&w, "next_cursor", q->more ? q->last : 0);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step checks_list(struct http_req *r)
{
    if (!http_has_scheduler(r))
        return STEP_DONE;
    return r->phase == 0 ? list_begin(r) : list_reply(r);
}

/* ---- GET /checks/{id} */

enum { GET_BEGIN, GET_VIEW, GET_TRANSITIONS, GET_MISSES };

/* The object grows while the store answers. */
struct get_state {
    uint64_t id;
    struct strbuf out;
    struct json_out w;
};

static void get_free(void *state)
{
    struct get_state *g = state;
    strbuf_fini(&g->out);
    free(g);
}

static enum step get_begin(struct http_req *r)
{
    struct get_state *g = mem_zalloc(sizeof(*g));
    strbuf_init(&g->out, REPLY_BODY_MAX);
    json_out_init(&g->w, &g->out);
    r->state = g;
    r->state_free = get_free;
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!checks_take_id(r, &g->id))
        return STEP_DONE;
    r->phase = GET_VIEW;
    return checks_ask(r, g->id);
}

static enum step get_view(struct http_req *r, struct get_state *g)
{
    const struct scheduler_check_view *c = checks_view(r);
    if (!r->schedule_ok)
        return reply_no_answer(r);
    if (!c)
        return checks_no_such(r);
    json_obj_begin(&g->w);
    check_put_members(&g->w, c, wall_now());
    json_key(&g->w, "recent");
    json_arr_begin(&g->w);
    for (unsigned i = 0; i < SCHEDULER_RECENT && c->recent[i] != 0; i++)
        json_put_id(&g->w, c->recent[i]);
    json_arr_end(&g->w);
    struct store_req *s = http_store_req(r, STORE_TRANSITIONS);
    s->transitions.check = g->id;
    s->transitions.limit = NEWEST;
    r->phase = GET_TRANSITIONS;
    return http_ask_store(r, s);
}

static enum step get_transitions(struct http_req *r, struct get_state *g)
{
    const struct store_req *t = r->sreq;
    if (t->err != ERR_NONE)
        return reply_store_error(r, t->err, t->why);
    json_key(&g->w, "transitions");
    json_arr_begin(&g->w);
    for (unsigned i = 0; i < t->transitions.n; i++)
        put_transition(&g->w, &t->transitions.items[i]);
    json_arr_end(&g->w);
    struct store_req *s = http_store_req(r, STORE_MISSES);
    s->misses.check = g->id;
    s->misses.limit = NEWEST;
    r->phase = GET_MISSES;
    return http_ask_store(r, s);
}

static enum step get_misses(struct http_req *r, struct get_state *g)
{
    const struct store_req *m = r->sreq;
    if (m->err != ERR_NONE)
        return reply_store_error(r, m->err, m->why);
    json_key(&g->w, "missed");
    json_arr_begin(&g->w);
    for (unsigned i = 0; i < m->misses.n; i++)
        put_miss(&g->w, &m->misses.items[i].gap);
    json_arr_end(&g->w);
    json_obj_end(&g->w);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    strbuf_append(&r->reply.body, g->out.data, g->out.len);
    return STEP_DONE;
}

enum step checks_get(struct http_req *r)
{
    switch (r->phase) {
    case GET_BEGIN:
        return http_has_scheduler(r) ? get_begin(r) : STEP_DONE;
    case GET_VIEW:
        return get_view(r, r->state);
    case GET_TRANSITIONS:
        return get_transitions(r, r->state);
    case GET_MISSES:
        return get_misses(r, r->state);
    }
    UNREACHABLE("a check is read in four phases");
}
