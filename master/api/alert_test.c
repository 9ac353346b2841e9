/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/alerts.h"
#include "master/api/handlers.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* POST /alerts/{name}/test: the sender sends one message now, and says what came of it. */

static void answered(struct alert_test *t)
{
    struct http_req *r = t->arg;
    REQUIRE(r != NULL && r->state == t);
    http_resume(r);
}

static enum step refused(struct http_req *r, enum err e)
{
    if (e == ERR_FULL)
        return reply_problem(r, MHD_HTTP_TOO_MANY_REQUESTS, "busy",
                             "%d tests of alert channels are under way; try again",
                             ALERT_TESTS_MAX);
    return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                         "the sender of alerts cannot be asked now; try again");
}

/* The key by which the service tells one test from another: the trace of this request. */
static enum step begin(struct http_req *r)
{
    struct api_config *c = &r->api->conf;
    if (!c->test_alert)
        return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "no_alerts",
                             "this master sends no alerts: their sender does not run");
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (strlen(r->param) > ALERT_NAME_MAX)
        return alerts_no_such(r);
    struct alert_test *t = mem_zalloc(sizeof(*t));
    r->state = t;
    r->state_free = free;
    t->done = answered;
    t->arg = r;
    t->wait_ms = ALERT_TEST_WAIT_MS;
    snprintf(t->name, sizeof(t->name), "%.*s", ALERT_NAME_MAX, r->param);
    snprintf(t->dedup, sizeof(t->dedup), "test %s", r->trace);
    r->phase = 1;
    http_suspend(r);
    enum err e = c->test_alert(c->alert_arg, t);
    if (e == ERR_NONE)
        return STEP_WAIT;
    r->phase = e == ERR_FULL ? 2 : 3;
    http_resume(r);
    return STEP_WAIT;
}

static enum step reply(struct http_req *r, const struct alert_test *t)
{
    struct json_out w;
    if (!t->found)
        return alerts_no_such(r);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_bool(&w, "delivered", t->delivered);
    if (t->status)
        json_int(&w, "status", t->status);
    else
        json_null(&w, "status");
    json_str(&w, "error", t->error[0] ? t->error : NULL);
    json_int(&w, "took_ms", t->took_ms);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step alerts_test(struct http_req *r)
{
    if (r->phase == 0)
        return begin(r);
    if (r->phase == 1)
        return reply(r, r->state);
    return refused(r, r->phase == 2 ? ERR_FULL : ERR_CLOSED);
}
