/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/handlers.h"
#include "master/api/http.h"
#include "master/api/schedule_put.h"
#include "master/api/whole_body.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT_DEFAULT 50
#define LIST_LIMIT_MAX     500
#define DELIVERIES_MAX     200 /* of one incident: ten of each of the channels that a schedule has */
#define ACK_BODY_MAX       4096
#define STATE_ANY          (-1)

static enum step no_such_incident(struct http_req *r)
{
    return reply_problem(r, MHD_HTTP_NOT_FOUND, "no_such_incident",
                         "there is no incident '%s'; GET /api/v1/incidents lists them", r->param);
}

static bool take_id(struct http_req *r, uint64_t *id)
{
    if (u64_parse(r->param, strlen(r->param), id) == ERR_NONE && *id > 0)
        return true;
    no_such_incident(r);
    return false;
}

static enum step ask_one(struct http_req *r, uint64_t id)
{
    struct store_req *s = http_store_req(r, STORE_INCIDENTS);
    s->incidents.only = id;
    s->incidents.state = STATE_ANY;
    s->incidents.limit = 1;
    return http_ask_store(r, s);
}

/* ---- GET /incidents */

static int take_state(struct query *q)
{
    const char *word = query_str(q, "state");
    if (!word)
        return STATE_ANY;
    if (strcmp(word, "current") == 0)
        return STORE_INCIDENTS_NOT_ENDED;
    for (int s = 0; s < INCIDENT_STATES; s++)
        if (strcmp(incident_state_word((enum incident_state)s), word) == 0)
            return s;
    query_fail(q,
               "query parameter 'state' must be open, confirmed, resolved, withdrawn or current, "
               "got \"%.40s\"",
               word);
    return STATE_ANY;
}

static enum step list_begin(struct http_req *r)
{
    struct query *q = &r->query;
    struct store_req *s = http_store_req(r, STORE_INCIDENTS);
    s->incidents.state = take_state(q);
    s->incidents.before = (uint64_t)query_int(q, "cursor", 1, INT64_MAX, 0);
    s->incidents.limit = (unsigned)query_int(q, "limit", 1, LIST_LIMIT_MAX, LIST_LIMIT_DEFAULT);
    if (query_end(q) != ERR_NONE) {
        store_req_destroy(&s);
        return reply_bad_query(r);
    }
    r->phase = 1;
    return http_ask_store(r, s);
}

static enum step list_reply(struct http_req *r)
{
    struct json_out w;
    const struct store_req *s = r->sreq;
    unsigned n = s->incidents.n;
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_key(&w, "incidents");
    json_arr_begin(&w);
    for (unsigned i = 0; i < n; i++) {
        json_obj_begin(&w);
        incident_put_members(&w, &s->incidents.items[i], s->incidents.schedules[i]);
        json_obj_end(&w);
    }
    json_arr_end(&w);
    json_ref(&w, "next_cursor", s->incidents.more && n > 0 ? s->incidents.items[n - 1].id : 0);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step incidents_list(struct http_req *r)
{
    if (!http_has_scheduler(r))
        return STEP_DONE;
    return r->phase == 0 ? list_begin(r) : list_reply(r);
}

/* ---- GET /incidents/{id} */

enum { GET_BEGIN, GET_ROW, GET_DELIVERIES };

struct get_state {
    uint64_t id;
    struct store_req *row;
};

static void get_free(void *state)
{
    struct get_state *g = state;
    if (g->row)
        store_req_destroy(&g->row);
    free(g);
}

static enum step get_begin(struct http_req *r)
{
    struct get_state *g = mem_zalloc(sizeof(*g));
    r->state = g;
    r->state_free = get_free;
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!take_id(r, &g->id))
        return STEP_DONE;
    r->phase = GET_ROW;
    return ask_one(r, g->id);
}

static enum step get_row(struct http_req *r, struct get_state *g)
{
    if (r->sreq->err != ERR_NONE && r->sreq->err != ERR_NOT_FOUND)
        return reply_store_error(r, r->sreq->err, r->sreq->why);
    if (r->sreq->err == ERR_NOT_FOUND || r->sreq->incidents.n == 0)
        return no_such_incident(r);
    g->row = r->sreq;
    r->sreq = NULL;
    struct store_req *s = http_store_req(r, STORE_DELIVERIES);
    s->deliveries.incident = g->id;
    s->deliveries.state = -1;
    s->deliveries.limit = DELIVERIES_MAX;
    r->phase = GET_DELIVERIES;
    return http_ask_store(r, s);
}

static enum step get_reply(struct http_req *r, const struct get_state *g)
{
    struct json_out w;
    const struct store_req *s = r->sreq;
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    incident_put_members(&w, &g->row->incidents.items[0], g->row->incidents.schedules[0]);
    json_key(&w, "deliveries");
    json_arr_begin(&w);
    for (unsigned i = 0; i < s->deliveries.n; i++)
        delivery_put(&w, &s->deliveries.items[i]);
    json_arr_end(&w);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step incidents_get(struct http_req *r)
{
    switch (r->phase) {
    case GET_BEGIN:
        return http_has_scheduler(r) ? get_begin(r) : STEP_DONE;
    case GET_ROW:
        return get_row(r, r->state);
    case GET_DELIVERIES:
        return get_reply(r, r->state);
    }
    UNREACHABLE("an incident is read in three phases");
}

/* ---- POST /incidents/{id}/ack */

enum { ACK_BEGIN, ACK_TOLD, ACK_UNKNOWN };

struct ack {
    uint64_t id;
    struct whole_body *body;
    char note[INCIDENT_NOTE_MAX];
};

static void ack_free(void *state)
{
    struct ack *a = state;
    whole_body_destroy(&a->body);
    free(a);
}

enum step incidents_ack_begin(struct http_req *r)
{
    if (!http_has_scheduler(r))
        return STEP_DONE;
    struct ack *a = mem_zalloc(sizeof(*a));
    r->state = a;
    r->state_free = ack_free;
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!take_id(r, &a->id))
        return STEP_DONE;
    a->body = whole_body_create(r, ACK_BODY_MAX, "an acknowledgement");
    return a->body ? STEP_MORE : STEP_DONE;
}

enum step incidents_ack_body(struct http_req *r, const char *bytes, size_t *n)
{
    struct ack *a = r->state;
    return whole_body_feed(a->body, bytes, n);
}

/* No body is no note. */
static enum step take_note(struct http_req *r, struct ack *a)
{
    size_t len;
    struct json_cur c;
    struct json_doc *d = NULL;
    char why[JSON_PROBLEM_MAX];
    enum step s = whole_body_end(a->body);
    const char *text = whole_body_text(a->body, &len);
    if (s != STEP_MORE || len == 0)
        return s;
    if (json_parse(text, len, &d, why, sizeof(why)) != ERR_NONE)
        return reply_problem(r, MHD_HTTP_BAD_REQUEST, "bad_json",
                             "the body must be JSON like {\"note\": \"looking at it\"}: %s", why);
    json_cur_init(&c, json_root(d));
    snprintf(a->note, sizeof(a->note), "%s", json_get_str(&c, "note", INCIDENT_NOTE_MAX - 1, ""));
    if (json_cur_end(&c) != ERR_NONE)
        s = reply_problem(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "bad_value", "%s", c.problem);
    json_free(&d);
    return s;
}

static enum step ack_ask(struct http_req *r, struct ack *a)
{
    enum step s = take_note(r, a);
    if (s != STEP_MORE)
        return s;
    struct schedule_req *q = http_schedule_req(r, SREQ_ACK);
    q->incident = a->id;
    snprintf(q->who, sizeof(q->who), "%s", r->token_id);
    memcpy(q->note, a->note, sizeof(q->note));
    r->phase = ACK_TOLD;
    return http_ask_schedule(r, q);
}

static enum step ack_reply(struct http_req *r, const struct ack *a)
{
    struct json_out w;
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_id(&w, "id", a->id);
    json_str(&w, "by", r->token_id);
    json_str(&w, "note", a->note[0] ? a->note : NULL);
    json_obj_end(&w);
    return STEP_DONE;
}

static enum step ack_told(struct http_req *r, const struct ack *a)
{
    if (!r->schedule_ok)
        return reply_no_answer(r);
    if (r->qreq->err == ERR_EXISTS)
        return reply_problem(r, MHD_HTTP_CONFLICT, "already_acked",
                             "somebody has acknowledged incident %s; GET /api/v1/incidents/%s says "
                             "who",
                             r->param, r->param);
    if (r->qreq->err == ERR_NONE)
        return ack_reply(r, a);
    if (r->qreq->err != ERR_NOT_FOUND)
        return reply_no_answer(r);
    r->phase = ACK_UNKNOWN; /* to the scheduler: it has ended, or never was */
    return ask_one(r, a->id);
}

static enum step ack_unknown(struct http_req *r)
{
    const struct store_req *s = r->sreq;
    if (s->err != ERR_NONE && s->err != ERR_NOT_FOUND)
        return reply_store_error(r, s->err, s->why);
    if (s->err == ERR_NOT_FOUND || s->incidents.n == 0)
        return no_such_incident(r);
    return reply_problem(r, MHD_HTTP_CONFLICT, "incident_ended",
                         "incident %s has ended: there is nothing to acknowledge", r->param);
}

enum step incidents_ack_run(struct http_req *r)
{
    switch (r->phase) {
    case ACK_BEGIN:
        return ack_ask(r, r->state);
    case ACK_TOLD:
        return ack_told(r, r->state);
    case ACK_UNKNOWN:
        return ack_unknown(r);
    }
    UNREACHABLE("an acknowledgement has three phases");
}
