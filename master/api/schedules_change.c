/* SPDX-License-Identifier: MIT */
#include "master/api/handlers.h"
#include "master/api/schedules.h"
#include "master/api/turn.h"
#include <stdio.h>

/* What is done to a schedule that is there: delete, pause, resume. Stored first, then told to the
 * scheduler; one change at a time (turn.h). */

enum { CHANGE_BEGIN, CHANGE_STORED, CHANGE_TOLD };

static enum step begin(struct http_req *r, enum store_op op, bool paused)
{
    if (!http_has_scheduler(r))
        return STEP_DONE;
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!schedules_name_fits(r))
        return schedules_no_such(r, r->param);
    enum step s = turn_take(r);
    if (s != STEP_MORE)
        return s;
    struct store_req *q = http_store_req(r, op);
    snprintf(q->name.name, sizeof(q->name.name), "%.*s", SCHEDULE_NAME_MAX, r->param);
    q->name.paused = paused;
    r->phase = CHANGE_STORED;
    return http_ask_store(r, q);
}

static struct schedule_req *make_remove(struct http_req *r)
{
    struct schedule_req *q = http_schedule_req(r, SREQ_REMOVE);
    q->id = r->sreq->name.id;
    return q;
}

static struct schedule_req *make_pause(struct http_req *r)
{
    struct schedule_req *q = http_schedule_req(r, SREQ_PAUSE);
    q->id = r->sreq->name.id;
    q->pause = r->sreq->name.paused;
    return q;
}

static enum step paused_reply(struct http_req *r, bool paused)
{
    struct json_out w;
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_str(&w, "name", r->param);
    json_bool(&w, "paused", paused);
    json_obj_end(&w);
    return STEP_DONE;
}

static enum step change(struct http_req *r, enum store_op op, bool paused)
{
    bool remove = op == STORE_SCHEDULE_REMOVE;
    if (r->phase == CHANGE_BEGIN)
        return begin(r, op, paused);
    if (r->phase == CHANGE_STORED) {
        if (r->sreq->err != ERR_NONE)
            return schedules_failed(r);
        r->phase = CHANGE_TOLD;
    }
    enum step s = schedules_tell(r, remove ? make_remove : make_pause);
    if (s != STEP_MORE)
        return s;
    if (!remove)
        return paused_reply(r, paused);
    reply_begin(r, MHD_HTTP_NO_CONTENT, NULL);
    return STEP_DONE;
}

static enum step changed(struct http_req *r, enum store_op op, bool paused)
{
    enum step s = change(r, op, paused);
    if (s == STEP_DONE)
        turn_leave(r);
    return s;
}

enum step schedules_delete(struct http_req *r)
{
    return changed(r, STORE_SCHEDULE_REMOVE, false);
}

enum step schedules_pause(struct http_req *r)
{
    return changed(r, STORE_SCHEDULE_PAUSE, true);
}

enum step schedules_resume(struct http_req *r)
{
    return changed(r, STORE_SCHEDULE_PAUSE, false);
}
