/* SPDX-License-Identifier: MIT */
#include "master/api/turn.h"

enum step turn_take(struct http_req *r)
{
    struct api *a = r->api;
    if (!a->turn)
        a->turn = r;
    if (a->turn == r)
        return STEP_MORE;
    if (a->turns.count >= TURNS_MAX)
        return reply_problem(r, MHD_HTTP_TOO_MANY_REQUESTS, "busy",
                             "%d changes of schedules and alerts wait for each other; send fewer "
                             "at a time",
                             TURNS_MAX);
    http_wait_in(r, &a->turns);
    return STEP_WAIT;
}

void turn_leave(struct http_req *r)
{
    struct api *a = r->api;
    if (a->turn != r)
        return;
    a->turn = http_next(a, &a->turns);
    if (a->turn)
        http_resume(a->turn);
}
