/* SPDX-License-Identifier: MIT */
#include "master/api/alerts.h"
#include "common/mem.h"
#include "master/api/handlers.h"
#include "master/api/schedule_put.h"
#include "master/api/turn.h"
#include "master/api/whole_body.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Alert channels: PUT, GET, DELETE /alerts. What of them is secret never leaves (alert.h). */

const struct store_channel *alerts_find(const struct store_req *s, const char *name)
{
    for (unsigned i = 0; i < s->channels.n; i++)
        if (strcmp(s->channels.items[i].name, name) == 0)
            return &s->channels.items[i];
    return NULL;
}

enum step alerts_no_such(struct http_req *r)
{
    return reply_problem(r, MHD_HTTP_NOT_FOUND, "no_such_channel",
                         "there is no alert channel '%s'; GET /api/v1/alerts lists them", r->param);
}

/* One that the store has was checked when it came; what this version cannot read is told as null.
 */
static void put_definition(struct json_out *w, const char *name, const char *doc)
{
    char why[ALERT_WHY_MAX];
    struct strbuf text;
    struct alert_channel *c = NULL;
    strbuf_init(&text, ALERT_BODY_MAX * 2);
    json_key(w, "definition");
    if (alert_channel_load(name, doc, &c, why) == ERR_NONE)
        alert_channel_put_json(c, &text);
    if (text.len > 0 && !text.overflow)
        json_put_raw(w, text.data, text.len);
    else
        json_put_null(w);
    alert_channel_free(&c);
    strbuf_fini(&text);
}

static void put_channel(struct json_out *w, const char *name, const char *doc, struct wall created,
                        struct wall changed)
{
    json_obj_begin(w);
    json_str(w, "name", name);
    put_definition(w, name, doc);
    json_wall(w, "created_at", created);
    json_wall(w, "changed_at", changed);
    json_obj_end(w);
}

/* ---- GET /alerts, /alerts/{name} */

static enum step get_begin(struct http_req *r)
{
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (strlen(r->param) > ALERT_NAME_MAX)
        return alerts_no_such(r);
    struct store_req *s = http_store_req(r, STORE_CHANNELS);
    snprintf(s->channels.name, sizeof(s->channels.name), "%.*s", ALERT_NAME_MAX, r->param);
    r->phase = 1;
    return http_ask_store(r, s);
}

enum step alerts_list(struct http_req *r)
{
    struct json_out w;
    if (r->phase == 0)
        return get_begin(r);
    const struct store_req *s = r->sreq;
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_key(&w, "alerts");
    json_arr_begin(&w);
    for (unsigned i = 0; i < s->channels.n; i++) {
        const struct store_channel *c = &s->channels.items[i];
        put_channel(&w, c->name, c->doc, c->created_at, c->changed_at);
    }
    json_arr_end(&w);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step alerts_get(struct http_req *r)
{
    struct json_out w;
    if (r->phase == 0)
        return get_begin(r);
    const struct store_req *s = r->sreq;
    if (s->err != ERR_NONE && s->err != ERR_NOT_FOUND)
        return reply_store_error(r, s->err, s->why);
    const struct store_channel *c = s->err == ERR_NONE ? alerts_find(s, r->param) : NULL;
    if (!c)
        return alerts_no_such(r);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    put_channel(&w, c->name, c->doc, c->created_at, c->changed_at);
    return STEP_DONE;
}

/* ---- PUT /alerts/{name} */

enum { PUT_BEGIN, PUT_OLD, PUT_STORED };

struct put {
    struct whole_body *body;
    struct alert_channel *channel;
    bool created;
    struct wall created_at, changed_at;
};

static void put_free(void *state)
{
    struct put *p = state;
    whole_body_destroy(&p->body);
    alert_channel_free(&p->channel);
    free(p);
}

static bool name_is_good(const char *name)
{
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t n = strlen(name);
    return n > 0 && n <= ALERT_NAME_MAX && strspn(name, good) == n;
}

enum step alerts_put_begin(struct http_req *r)
{
    if (reply_no_new_work(r))
        return STEP_DONE;
    struct put *p = mem_zalloc(sizeof(*p));
    r->state = p;
    r->state_free = put_free;
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!name_is_good(r->param))
        return reply_problem(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "invalid_channel",
                             "the name of a channel is 1 to %d of A-Z a-z 0-9 . _ -, got '%s'",
                             ALERT_NAME_MAX, r->param);
    p->body = whole_body_create(r, ALERT_BODY_MAX, "a channel");
    return p->body ? STEP_MORE : STEP_DONE;
}

enum step alerts_put_body(struct http_req *r, const char *bytes, size_t *n)
{
    struct put *p = r->state;
    return whole_body_feed(p->body, bytes, n);
}

static enum step put_begin(struct http_req *r, struct put *p)
{
    enum step s = whole_body_end(p->body);
    if (s == STEP_MORE)
        s = turn_take(r);
    if (s != STEP_MORE)
        return s;
    r->phase = PUT_OLD;
    return http_ask_store(r, http_store_req(r, STORE_CHANNELS));
}

/* "(set)" stands for what is there. */
static enum step parse(struct http_req *r, struct put *p, const struct store_channel *old)
{
    size_t len;
    struct json_doc *d = NULL;
    char why[ALERT_WHY_MAX];
    const char *text = whole_body_text(p->body, &len);
    if (json_parse(text, len, &d, why, sizeof(why)) != ERR_NONE)
        return reply_problem(r, MHD_HTTP_BAD_REQUEST, "bad_json",
                             "the body must be a channel in JSON, like {\"kind\": \"webhook\", "
                             "\"url\": \"https://example.com/hook\"}: %s",
                             why);
    enum err e =
        alert_channel_parse(r->param, json_root(d), old ? old->doc : NULL, &p->channel, why);
    json_free(&d);
    if (e == ERR_NONE)
        return STEP_MORE;
    return reply_problem(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "invalid_channel", "%s", why);
}

static enum step put_old(struct http_req *r, struct put *p)
{
    const struct store_req *q = r->sreq;
    if (q->err != ERR_NONE)
        return reply_store_error(r, q->err, q->why);
    const struct store_channel *old = alerts_find(q, r->param);
    if (!old && q->channels.n >= ALERT_CHANNELS_MAX)
        return reply_problem(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "too_many_channels",
                             "there are %d alert channels, which is the most; delete one first",
                             ALERT_CHANNELS_MAX);
    enum step s = parse(r, p, old);
    if (s != STEP_MORE)
        return s;
    p->created = !old;
    p->changed_at = wall_now();
    p->created_at = old ? old->created_at : p->changed_at;
    struct store_req *n = http_store_req(r, STORE_CHANNEL_PUT);
    n->channel.name = mem_strdup(r->param);
    n->channel.doc = mem_strdup(alert_channel_doc(p->channel));
    n->channel.created_at = p->created_at;
    n->channel.changed_at = p->changed_at;
    r->phase = PUT_STORED;
    return http_ask_store(r, n);
}

static enum step put_stored(struct http_req *r, const struct put *p)
{
    struct json_out w;
    char location[sizeof("/api/v1/alerts/") + ROUTE_PARAM_MAX];
    if (r->sreq->err != ERR_NONE)
        return reply_store_error(r, r->sreq->err, r->sreq->why);
    snprintf(location, sizeof(location), "/api/v1/alerts/%s", r->param);
    reply_begin(r, p->created ? MHD_HTTP_CREATED : MHD_HTTP_OK, "application/json");
    if (p->created)
        reply_header(r, "Location", location);
    json_out_init(&w, &r->reply.body);
    put_channel(&w, r->param, alert_channel_doc(p->channel), p->created_at, p->changed_at);
    return STEP_DONE;
}

static enum step put_step(struct http_req *r, struct put *p)
{
    switch (r->phase) {
    case PUT_BEGIN:
        return put_begin(r, p);
    case PUT_OLD:
        return put_old(r, p);
    case PUT_STORED:
        return put_stored(r, p);
    }
    UNREACHABLE("a channel is put in three phases");
}

enum step alerts_put_run(struct http_req *r)
{
    enum step s = put_step(r, r->state);
    if (s == STEP_DONE)
        turn_leave(r);
    return s;
}

/* ---- DELETE /alerts/{name} */

static enum step delete_begin(struct http_req *r)
{
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!name_is_good(r->param))
        return alerts_no_such(r);
    enum step s = turn_take(r);
    if (s != STEP_MORE)
        return s;
    struct store_req *q = http_store_req(r, STORE_CHANNEL_REMOVE);
    q->channel.name = mem_strdup(r->param);
    r->phase = 1;
    return http_ask_store(r, q);
}

static enum step delete_reply(struct http_req *r)
{
    const struct store_req *s = r->sreq;
    turn_leave(r);
    if (s->err == ERR_NOT_FOUND)
        return alerts_no_such(r);
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    reply_begin(r, MHD_HTTP_NO_CONTENT, NULL);
    return STEP_DONE;
}

enum step alerts_delete(struct http_req *r)
{
    return r->phase == 0 ? delete_begin(r) : delete_reply(r);
}
