/* SPDX-License-Identifier: MIT */
#include "master/api/handlers.h"
#include "master/api/http.h"
#include "master/api/schedule_put.h"
#include <stdio.h>
#include <string.h>

/* GET /deliveries: the log of what channels were told, newest first. */
#define LIST_LIMIT_DEFAULT 100
#define LIST_LIMIT_MAX     500

static int take_state(struct query *q)
{
    static const enum delivery_state all[] = {DELIVERY_PENDING, DELIVERY_DONE, DELIVERY_FAILED,
                                              DELIVERY_SKIPPED};
    const char *word = query_str(q, "state");
    if (!word)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (strcmp(delivery_state_word(all[i]), word) == 0)
            return (int)all[i];
    query_fail(
        q, "query parameter 'state' must be pending, delivered, failed or skipped, got \"%.40s\"",
        word);
    return -1;
}

static enum step begin(struct http_req *r)
{
    struct query *q = &r->query;
    struct store_req *s = http_store_req(r, STORE_DELIVERIES);
    const char *channel = query_str(q, "channel");
    s->deliveries.state = take_state(q);
    s->deliveries.before = (uint64_t)query_int(q, "cursor", 1, INT64_MAX, 0);
    s->deliveries.limit = (unsigned)query_int(q, "limit", 1, LIST_LIMIT_MAX, LIST_LIMIT_DEFAULT);
    if (channel && (channel[0] == '\0' || strlen(channel) > ALERT_NAME_MAX))
        query_fail(q, "query parameter 'channel' must be 1 to %d characters", ALERT_NAME_MAX);
    else if (channel)
        snprintf(s->deliveries.channel, sizeof(s->deliveries.channel), "%s", channel);
    if (query_end(q) != ERR_NONE) {
        store_req_destroy(&s);
        return reply_bad_query(r);
    }
    r->phase = 1;
    return http_ask_store(r, s);
}

enum step deliveries_list(struct http_req *r)
{
    struct json_out w;
    if (!http_has_scheduler(r))
        return STEP_DONE;
    if (r->phase == 0)
        return begin(r);
    const struct store_req *s = r->sreq;
    unsigned n = s->deliveries.n;
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_key(&w, "deliveries");
    json_arr_begin(&w);
    for (unsigned i = 0; i < n; i++)
        delivery_put(&w, &s->deliveries.items[i]);
    json_arr_end(&w);
    json_ref(&w, "next_cursor", s->deliveries.more && n > 0 ? s->deliveries.items[n - 1].id : 0);
    json_obj_end(&w);
    return STEP_DONE;
}
