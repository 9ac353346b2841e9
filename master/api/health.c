/* SPDX-License-Identifier: MIT */
#include "master/api/handlers.h"
#include "master/api/http.h"

#define HUB_SILENT_MS 5000 /* a loop that has not turned for so long is stuck (DESIGN §6) */

static enum step fine(struct http_req *r, const char *status)
{
    struct json_out w;
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_str(&w, "status", status);
    json_str(&w, "version", SONDE_VERSION);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step health_alive(struct http_req *r)
{
    const struct api_config *c = &r->api->conf;
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    int64_t silent_ms =
        c->hub_last_tick ? mono_diff_ms(mono_now(), c->hub_last_tick(c->hub_arg)) : 0;
    if (silent_ms > HUB_SILENT_MS)
        return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "hub_silent",
                             "the hub thread has not turned for %lld ms; look at the master's CPU "
                             "and its log",
                             (long long)silent_ms);
    return fine(r, "ok");
}

enum step health_ready(struct http_req *r)
{
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (atomic_load(&r->api->draining))
        return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "draining",
                             "the master is shutting down; ask again when it has started anew");
    if (!store_writable(r->api->conf.store))
        return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "store_not_writable",
                             "the store cannot be written; look at the disk of the master's data "
                             "directory");
    return fine(r, "ready");
}
