/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/alerts.h"
#include "master/api/handlers.h"
#include "master/api/schedule_diff.h"
#include "master/api/schedule_put.h"
#include "master/api/schedule_read.h"
#include "master/api/schedules.h"
#include "master/api/turn.h"
#include "master/api/whole_body.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * PUT /schedules/{name}
 *
 *      body ──► turn ──► read ──► channels ──► store ──► scheduler
 *                 (one at a time)   known?       └─ dry_run: the answer
 *
 * What is committed takes effect even if the scheduler cannot be told at once (schedules_tell).
 */
enum { PUT_BEGIN, PUT_READ, PUT_CHANNELS, PUT_STORED, PUT_TOLD };

struct put {
    struct whole_body *body;
    struct schedule_read read;
    bool dry_run;
    uint64_t if_version;
    /* What the store borrows: the schedule itself goes to the scheduler. */
    char *doc, *owner;
    bool paused;
    size_t n_targets;
};

static void put_free(void *state)
{
    struct put *p = state;
    schedule_read_fini(&p->read); /* before the bytes that it reads */
    whole_body_destroy(&p->body);
    free(p->doc);
    free(p->owner);
    free(p);
}

/* ---- before the body */

/* If-Match: "7", as ETags are written, or 7. */
static bool take_version(struct http_req *r, uint64_t *out)
{
    const char *given = http_header(r, "If-Match");
    if (!given)
        return true;
    size_t n = strlen(given);
    bool quoted = n >= 2 && given[0] == '"' && given[n - 1] == '"';
    if (u64_parse(given + quoted, quoted ? n - 2 : n, out) == ERR_NONE && *out > 0)
        return true;
    reply_problem(r, MHD_HTTP_BAD_REQUEST, "bad_version",
                  "If-Match must be the \"version\" of the schedule, like \"7\", got %.40s", given);
    return false;
}

enum step schedules_put_begin(struct http_req *r)
{
    if (!http_has_scheduler(r) || reply_no_new_work(r))
        return STEP_DONE;
    struct put *p = mem_zalloc(sizeof(*p));
    r->state = p;
    r->state_free = put_free;
    p->dry_run = query_bool(&r->query, "dry_run", false);
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!take_version(r, &p->if_version))
        return STEP_DONE;
    p->body = whole_body_create(r, SCHEDULE_DOC_MAX, "a definition");
    return p->body ? STEP_MORE : STEP_DONE;
}

enum step schedules_put_body(struct http_req *r, const char *bytes, size_t *n)
{
    struct put *p = r->state;
    return whole_body_feed(p->body, bytes, n);
}

/* ---- the definition */

static void on_read(void *arg)
{
    http_resume(arg);
}

static enum step read_begin(struct http_req *r, struct put *p)
{
    struct schedule_read *x = &p->read;
    enum step s = whole_body_end(p->body);
    if (s == STEP_MORE)
        s = turn_take(r);
    if (s != STEP_MORE)
        return s;
    x->text = whole_body_text(p->body, &x->len);
    x->name = r->param;
    x->admin = r->scope == SCOPE_ADMIN;
    x->now_s = wall_now().us / 1000000;
    x->done = on_read;
    x->arg = r;
    r->phase = PUT_READ;
    http_suspend(r);
    if (schedule_read_start(x))
        http_resume(r);
    return STEP_WAIT;
}

static enum step invalid(struct http_req *r, int status, const char *code, const char *field,
                         const char *why)
{
    struct json_out w;
    char detail[SCHEDULE_WHY_MAX + 80];
    snprintf(detail, sizeof(detail), "%s%s%s", field, field[0] ? ": " : "", why);
    reply_problem_open(r, &w, status, code, detail);
    json_str(&w, "field", field[0] ? field : NULL);
    json_obj_end(&w);
    return STEP_DONE;
}

static enum step bad_definition(struct http_req *r, const struct schedule_read *x)
{
    if (x->no_json)
        return reply_problem(r, MHD_HTTP_BAD_REQUEST, "bad_json",
                             "the body must be a definition in JSON, like {\"every\": \"60s\", "
                             "\"targets\": [\"https://example.com/\"]}: %s",
                             x->problem.why);
    if (x->err == ERR_DENIED)
        return invalid(r, MHD_HTTP_FORBIDDEN, "scope", x->problem.field, x->problem.why);
    return invalid(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "invalid_schedule", x->problem.field,
                   x->problem.why);
}

static enum step ask_put(struct http_req *r, struct put *p)
{
    struct store_req *s = http_store_req(r, STORE_SCHEDULE_PUT);
    s->put.name = r->param;
    s->put.doc = p->doc;
    s->put.owner = p->owner;
    s->put.paused = p->paused;
    s->put.dry_run = p->dry_run;
    s->put.if_version = p->if_version;
    s->put.targets = p->read.targets.items;
    s->put.n_targets = p->n_targets;
    r->phase = PUT_STORED;
    return http_ask_store(r, s);
}

/* The body has done its work: its memory is for the next one. */
static enum step after_read(struct http_req *r, struct put *p)
{
    struct schedule_read *x = &p->read;
    schedule_read_join(x);
    whole_body_destroy(&p->body);
    if (x->err != ERR_NONE)
        return bad_definition(r, x);
    REQUIRE(x->schedule != NULL && x->schedule->doc != NULL);
    p->doc = mem_strdup(x->schedule->doc);
    p->owner = x->schedule->owner ? mem_strdup(x->schedule->owner) : NULL;
    p->paused = x->schedule->paused;
    p->n_targets = x->targets.n;
    if (x->schedule->n_alerts == 0)
        return ask_put(r, p);
    r->phase = PUT_CHANNELS;
    return http_ask_store(r, http_store_req(r, STORE_CHANNELS));
}

/* A misspelt channel would be a silent one. */
static enum step after_channels(struct http_req *r, struct put *p)
{
    const struct schedule *s = p->read.schedule;
    const struct store_req *q = r->sreq;
    char field[32], why[160];
    if (q->err != ERR_NONE)
        return reply_store_error(r, q->err, q->why);
    for (unsigned a = 0; a < s->n_alerts; a++) {
        if (alerts_find(q, s->alerts[a]))
            continue;
        snprintf(field, sizeof(field), "alerts[%u]", a);
        snprintf(why, sizeof(why),
                 "there is no alert channel '%.64s'; make it with PUT /api/v1/alerts/{name}",
                 s->alerts[a]);
        return invalid(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "invalid_schedule", field, why);
    }
    return ask_put(r, p);
}

/* ---- the answer */

static enum step refused(struct http_req *r, const struct put *p)
{
    const struct store_req *s = r->sreq;
    if (s->err == ERR_EXISTS)
        return reply_problem(r, MHD_HTTP_PRECONDITION_FAILED, "version_mismatch",
                             "schedule '%s' is not at version %llu: somebody has changed it; read "
                             "it again and apply your change to that",
                             r->param, (unsigned long long)p->if_version);
    if (s->err == ERR_FULL && s->why[0] != '\0') /* else its mailbox is full */
        return reply_problem(r, MHD_HTTP_UNPROCESSABLE_CONTENT, "too_many_checks", "%s", s->why);
    return reply_store_error(r, s->err, s->why);
}

static void put_change(struct json_out *w, const char *key, const char *what)
{
    json_obj_begin(w);
    json_str(w, "key", key);
    json_str(w, "what", what);
    json_obj_end(w);
}

static void put_targets_diff(struct json_out *w, const struct put *p, const struct store_put *s)
{
    unsigned told = 0;
    json_key(w, "targets");
    json_arr_begin(w);
    for (size_t i = 0; i < p->n_targets && told < STORE_PUT_DIFF; i++) {
        if (s->what[i] != PUT_NEW && s->what[i] != PUT_CHANGED)
            continue;
        put_change(w, p->read.targets.items[i].key, s->what[i] == PUT_NEW ? "new" : "changed");
        told++;
    }
    for (size_t i = 0; i < s->n_removed && i < STORE_PUT_DIFF && told < STORE_PUT_DIFF; i++) {
        put_change(w, s->removed_keys[i], "removed");
        told++;
    }
    json_arr_end(w);
}

/* `paused` stands beside the documents, and is a field to people. */
static void put_diff(struct json_out *w, const struct put *p, const struct store_put *s)
{
    json_key(w, "diff");
    json_obj_begin(w);
    json_key(w, "definition");
    schedule_diff_put(w, s->old_doc, p->doc, s->old_paused, p->paused);
    put_targets_diff(w, p, s);
    json_obj_end(w);
}

static enum step put_reply(struct http_req *r, const struct put *p)
{
    struct json_out w;
    const struct store_put *s = &r->sreq->put;
    char location[sizeof("/api/v1/schedules/") + ROUTE_PARAM_MAX];
    bool made = s->created && !p->dry_run;
    reply_begin(r, made ? MHD_HTTP_CREATED : MHD_HTTP_OK, "application/json");
    snprintf(location, sizeof(location), "/api/v1/schedules/%s", r->param);
    if (made)
        reply_header(r, "Location", location);
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_str(&w, "name", r->param);
    json_u64(&w, "version", s->version);
    json_ref(&w, "id", s->id);
    json_bool(&w, "created", s->created);
    json_u64(&w, "checks", p->n_targets);
    json_u64(&w, "new", s->n_new);
    json_u64(&w, "changed", s->n_changed);
    json_u64(&w, "removed", s->n_removed);
    json_u64(&w, "unchanged", p->n_targets - s->n_new - s->n_changed);
    json_bool(&w, "dry_run", p->dry_run);
    if (p->dry_run)
        put_diff(&w, p, s);
    json_obj_end(&w);
    return STEP_DONE;
}

/* ---- behind the body */

static struct schedule_req *make_put(struct http_req *r)
{
    struct put *p = r->state;
    struct schedule_req *q = http_schedule_req(r, SREQ_PUT);
    q->id = r->sreq->put.id;
    q->put = &r->sreq->put;
    q->schedule = p->read.schedule;
    p->read.schedule = NULL;
    return q;
}

static enum step after_store(struct http_req *r, struct put *p)
{
    const struct store_put *s = &r->sreq->put;
    if (r->sreq->err != ERR_NONE)
        return refused(r, p);
    REQUIRE(p->n_targets >= s->n_new + s->n_changed);
    if (p->dry_run)
        return put_reply(r, p);
    r->phase = PUT_TOLD;
    return schedules_tell(r, make_put);
}

static enum step put_step(struct http_req *r, struct put *p)
{
    switch (r->phase) {
    case PUT_BEGIN:
        return read_begin(r, p);
    case PUT_READ:
        return after_read(r, p);
    case PUT_CHANNELS:
        return after_channels(r, p);
    case PUT_STORED:
        return after_store(r, p);
    case PUT_TOLD: {
        enum step s = schedules_tell(r, make_put);
        return s == STEP_MORE ? put_reply(r, p) : s;
    }
    }
    UNREACHABLE("a PUT has five phases");
}

enum step schedules_put_run(struct http_req *r)
{
    enum step s = put_step(r, r->state);
    if (s == STEP_DONE)
        turn_leave(r);
    return s;
}
