/* SPDX-License-Identifier: MIT */
#include "master/api/batches.h"
#include "master/api/handlers.h"

/* What is done to a batch that is there: cancel, pause, resume. */

enum { CHANGE_BEGIN, CHANGE_FOUND, CHANGE_ASKED, CHANGE_AGAIN };

static enum step change_reply(struct http_req *r, int status, const char *state)
{
    struct json_out w;
    reply_begin(r, status, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_str(&w, "id", r->param);
    json_str(&w, "state", state);
    json_obj_end(&w);
    return STEP_DONE;
}

static enum step change_begin(struct http_req *r)
{
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    r->phase = CHANGE_FOUND;
    return batch_ask(r);
}

static enum step change_again(struct http_req *r)
{
    r->phase = CHANGE_AGAIN;
    return batch_ask(r);
}

/* Not open in the core, and not ended in the store: between commit and opening, or the master
 * stops. */
static enum step not_now(struct http_req *r, const char *changed)
{
    return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                         "the batch cannot be %s at this moment; try again", changed);
}

/* ---- POST /batches/{id}/cancel */

static enum step cancel_answer(struct http_req *r)
{
    if (!batch_is_users(r, &r->sreq->batch_get.info))
        return STEP_DONE;
    if (batch_is_ended(&r->sreq->batch_get.info))
        return change_reply(r, MHD_HTTP_OK, "ended");
    if (r->phase == CHANGE_AGAIN)
        return not_now(r, "cancelled");
    r->phase = CHANGE_ASKED;
    return batch_ask_core(r, REQ_CANCEL, r->sreq->batch_get.info.num);
}

enum step batches_cancel(struct http_req *r)
{
    if (r->phase == CHANGE_BEGIN)
        return change_begin(r);
    if (r->phase == CHANGE_ASKED) {
        if (r->core_ok && r->creq->found)
            return change_reply(r, MHD_HTTP_ACCEPTED, "cancelling");
        return change_again(r);
    }
    return batch_answer(r) == STEP_DONE ? STEP_DONE : cancel_answer(r);
}

/* ---- POST /batches/{id}/pause, /resume */

static enum step too_late(struct http_req *r, bool ended, bool pause)
{
    if (ended)
        return reply_problem(r, MHD_HTTP_CONFLICT, "batch_ended",
                             "batch %s has ended: there is nothing to %s", r->param,
                             pause ? "pause" : "resume");
    return reply_problem(r, MHD_HTTP_CONFLICT, "batch_ending",
                         "what is left of batch %s is being cancelled or has expired: it cannot be "
                         "%s any more",
                         r->param, pause ? "paused" : "resumed");
}

static enum step pause_answer(struct http_req *r, bool pause)
{
    const struct batch_info *b = &r->sreq->batch_get.info;
    if (!batch_is_users(r, b))
        return STEP_DONE;
    if (batch_is_ended(b) || b->mark != MARK_NONE)
        return too_late(r, batch_is_ended(b), pause);
    if (r->phase == CHANGE_AGAIN)
        return not_now(r, pause ? "paused" : "resumed");
    r->phase = CHANGE_ASKED;
    struct core_req *c = http_core_req(r, REQ_PAUSE);
    c->batch = b->num;
    c->pause = pause;
    return http_ask_core(r, c);
}

/* The core answers when it is committed. */
static enum step change_pause(struct http_req *r, bool pause)
{
    if (r->phase == CHANGE_BEGIN)
        return change_begin(r);
    if (r->phase == CHANGE_ASKED) {
        if (r->core_ok && r->creq->found)
            return change_reply(r, MHD_HTTP_ACCEPTED, pause ? "paused" : "running");
        if (r->core_ok && r->creq->counts.marked)
            return too_late(r, false, pause);
        return change_again(r);
    }
    return batch_answer(r) == STEP_DONE ? STEP_DONE : pause_answer(r, pause);
}

enum step batches_pause(struct http_req *r)
{
    return change_pause(r, true);
}

enum step batches_resume(struct http_req *r)
{
    return change_pause(r, false);
}
