/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/batches.h"
#include "master/api/handlers.h"
#include "master/api/http.h"
#include "master/api/result_put.h"
#include "master/api/timeline.h"
#include <stdlib.h>
#include <string.h>

enum { TASK_BEGIN, TASK_BATCH, TASK_CORE, TASK_ROW };

struct task_state {
    uint64_t task;
    char uuid[UUID_TEXT_MAX], trace[TRACE_TEXT_MAX];
    struct wall accepted_at, committed_at;
    bool paused;
};

static enum step no_such_task(struct http_req *r)
{
    return reply_problem(r, MHD_HTTP_NOT_FOUND, "no_such_task",
                         "there is no task '%s'; the results of a batch name its tasks", r->param);
}

/* The batch of a number is the newest of those below the next. */
static enum step begin(struct http_req *r)
{
    struct task_state *t = mem_zalloc(sizeof(*t));
    r->state = t;
    r->state_free = free;
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (u64_parse(r->param, strlen(r->param), &t->task) != ERR_NONE ||
        task_batch(t->task) == UINT32_MAX || task_batch(t->task) == 0)
        return no_such_task(r);
    struct store_req *s = http_store_req(r, STORE_BATCH_LIST);
    s->batch_list.before = task_batch(t->task) + 1;
    s->batch_list.limit = 1;
    s->batch_list.lanes = true;
    r->phase = TASK_BATCH;
    return http_ask_store(r, s);
}

static enum step ask_row(struct http_req *r)
{
    struct task_state *t = r->state;
    struct store_req *s = http_store_req(r, STORE_TASK_GET);
    s->task_get.task = t->task;
    r->phase = TASK_ROW;
    return http_ask_store(r, s);
}

static enum step take_batch(struct http_req *r)
{
    struct task_state *t = r->state;
    struct store_req *s = r->sreq;
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    if (s->batch_list.n == 0 || s->batch_list.infos[0].num != task_batch(t->task))
        return no_such_task(r);
    if (s->batch_list.infos[0].purged_at.us != 0)
        return batch_purged(r, &s->batch_list.infos[0]);
    const struct batch_info *b = &s->batch_list.infos[0];
    memcpy(t->uuid, b->uuid, sizeof(t->uuid));
    memcpy(t->trace, b->trace, sizeof(t->trace));
    t->accepted_at = b->created_at;
    t->committed_at = b->opened_at;
    t->paused = b->paused;
    if (batch_is_ended(b))
        return ask_row(r);
    r->phase = TASK_CORE;
    struct core_req *c = http_core_req(r, REQ_TASK);
    c->task = t->task;
    return http_ask_core(r, c);
}

/* The row is read after the core was asked: a task that is in neither waits to be read. */
static const char *state_of(const struct http_req *r, const struct store_result_row *row)
{
    if (row->record)
        return "ended";
    const struct task_state *t = r->state;
    if (r->creq && r->core_ok && r->creq->found)
        return r->creq->state;
    return t->paused ? "paused" : "queued";
}

static enum step take_row(struct http_req *r)
{
    struct task_state *t = r->state;
    struct store_req *s = r->sreq;
    struct json_out w;
    if (s->err == ERR_NOT_FOUND)
        return no_such_task(r);
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    const struct store_result_row *row = &s->task_get.row;
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_id(&w, "task", t->task);
    json_str(&w, "batch", t->uuid);
    result_put_target(&w, row->spec, row->spec_len);
    json_str(&w, "user_id", row->user_id);
    json_str(&w, "trace", t->trace);
    json_bool(&w, "ended", row->record != NULL);
    json_str(&w, "state", state_of(r, row));
    timeline_put(&w, &(struct timeline){.accepted_at = t->accepted_at,
                                        .committed_at = t->committed_at,
                                        .row = row,
                                        .history = row->record ? row->history
                                                   : r->creq   ? r->creq->history
                                                               : NULL});
    json_key(&w, "result");
    if (row->record)
        result_put_json(&w, row, t->uuid, t->trace);
    else
        json_put_null(&w);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step tasks_get(struct http_req *r)
{
    switch (r->phase) {
    case TASK_BEGIN:
        return begin(r);
    case TASK_BATCH:
        return take_batch(r);
    case TASK_CORE:
        return ask_row(r);
    case TASK_ROW:
        return take_row(r);
    }
    UNREACHABLE("a task is read in four phases");
}
