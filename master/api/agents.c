/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/handlers.h"
#include "master/api/http.h"
#include <string.h>

/* A figure that could not be had is null, not −1. */
static void figure(struct json_out *w, const char *key, int64_t v)
{
    if (v < 0)
        json_null(w, key);
    else
        json_int(w, key, v);
}

static void put_heartbeat(struct json_out *w, const struct msg_heartbeat *h)
{
    json_key(w, "heartbeat");
    json_obj_begin(w);
    json_u64(w, "seq", h->seq);
    json_ms(w, "lag_ms", h->lag_ms);
    json_ms(w, "cpu_percent", h->cpu_percent);
    json_ms(w, "load1", h->load1);
    const struct {
        const char *key;
        int64_t v;
    } figures[] = {
        {"queue", h->queue},
        {"running", h->running},
        {"slots", h->slots},
        {"oldest_ms", h->oldest_ms},
        {"overdue_ms", h->overdue_ms},
        {"still_ms", h->still_ms},
        {"outbox_results", h->outbox_results},
        {"outbox_bytes", h->outbox_bytes},
        {"spool_bytes", h->spool_bytes},
        {"log_lost", h->log_lost},
        {"rss_bytes", h->rss_bytes},
        {"mem_available_bytes", h->mem_available_bytes},
        {"fds_used", h->fds_used},
        {"fds_max", h->fds_max},
        {"established", h->established},
        {"time_wait", h->time_wait},
        {"close_wait", h->close_wait},
        {"ephemeral_ports", h->ephemeral_ports},
        {"recvq_bytes", h->recvq_bytes},
        {"sendq_bytes", h->sendq_bytes},
    };
    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        figure(w, figures[i].key, figures[i].v);
    json_u64(w, "received_tasks", h->received.count);
    json_u64(w, "received_bytes", h->received.bytes);
    json_u64(w, "credit_tasks", h->credit.count);
    json_u64(w, "credit_bytes", h->credit.bytes);
    json_u64(w, "drops", h->drops);
    json_u64(w, "probes", h->probes);
    json_obj_end(w);
}

static void put_last_end(struct json_out *w, const struct agent_view *v)
{
    char at[WALL_TEXT_MAX];
    enum end cause = v->last_end.cause;
    if (cause == END_NONE) {
        json_null(w, "last_disconnect");
        return;
    }
    json_key(w, "last_disconnect");
    json_obj_begin(w);
    json_str(w, "at", wall_format((struct wall){wall_now().us - v->last_end.ago_ms * 1000}, at));
    json_str(w, "cause", end_word(cause));
    json_str(w, "who", end_who_word(cause));
    json_str(w, "text", end_text(cause));
    json_str(w, "detail", v->last_end.detail);
    json_str(w, "fix", end_fix(cause));
    json_int(w, "session_age_ms", v->last_end.age_ms);
    json_obj_end(w);
}

static void put_cuts(struct json_out *w, const struct cuts_sum *c)
{
    json_key(w, "cuts");
    json_obj_begin(w);
    json_int(w, "hour", c->hour);
    json_int(w, "day", c->day);
    json_bool(w, "more", c->more);
    json_key(w, "causes");
    json_obj_begin(w);
    for (unsigned i = 0; i < CUTS_CAUSES && c->causes[i].cause != END_NONE; i++)
        json_int(w, end_word(c->causes[i].cause), c->causes[i].n);
    json_obj_end(w);
    json_obj_end(w);
}

/* The master's end of the hop to the agent, or to the proxy before it. */
static void put_link(struct json_out *w, const struct agent_view *v)
{
    if (!v->has_link) {
        json_null(w, "link");
        return;
    }
    json_key(w, "link");
    json_obj_begin(w);
    figure(w, "sendq_bytes", v->link.sendq_bytes);
    figure(w, "recvq_bytes", v->link.recvq_bytes);
    json_ms(w, "tcp_rtt_ms", v->link.rtt_ms);
    json_ms(w, "tcp_rttvar_ms", v->link.rttvar_ms);
    json_u64(w, "unacked_segments", v->link.unacked);
    json_u64(w, "retransmits", v->link.retransmits);
    json_obj_end(w);
}

static void put_agent(struct json_out *w, const struct agent_view *v)
{
    json_obj_begin(w);
    json_str(w, "name", v->name);
    json_str(w, "state", agent_state_word(v->state));
    json_bool(w, "slow", v->slow);
    json_str(w, "trouble", v->trouble);
    json_str(w, "peer", v->peer);
    json_str(w, "version", v->version);
    json_str(w, "session", v->session);
    put_last_end(w, v);
    if (v->tags_json)
        json_raw(w, "tags", v->tags_json, strlen(v->tags_json));
    else
        json_null(w, "tags");
    figure(w, "heartbeat_age_ms", v->heartbeat_age_ms);
    figure(w, "heartbeat_gap_max_ms", v->heartbeat_gap_max_ms);
    figure(w, "connected_ms", v->connected_ms);
    json_ms(w, "rtt_ms", v->rtt_ms);
    json_bool(w, "clock_skew", v->clock_off);
    if (v->has_hb && v->hb.has_clock)
        json_int(w, "clock_ahead_ms", v->hb.clock_ms);
    else
        json_null(w, "clock_ahead_ms");
    json_u64(w, "credit_left", v->credit_left);
    json_u64(w, "in_flight", v->in_flight);
    json_u64(w, "leases", v->leases);
    json_u64(w, "sent_tasks", v->sent_tasks);
    json_u64(w, "untaken_tasks", v->untaken);
    json_u64(w, "untaken_bytes", v->untaken_bytes);
    json_u64(w, "results", v->results);
    json_u64(w, "reconnects", v->reconnects);
    json_u64(w, "reconnects_24h", v->reconnects_24h);
    put_cuts(w, &v->cuts);
    put_link(w, v);
    if (v->has_hb)
        put_heartbeat(w, &v->hb);
    else
        json_null(w, "heartbeat");
    json_obj_end(w);
}

static enum step stopping(struct http_req *r)
{
    return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                         "the master's hub cannot be asked now; try again");
}

enum step agents_list(struct http_req *r)
{
    struct json_out w;
    if (r->phase++ == 0) {
        if (query_end(&r->query) != ERR_NONE)
            return reply_bad_query(r);
        return http_ask_core(r, http_core_req(r, REQ_AGENTS));
    }
    if (!r->core_ok)
        return stopping(r);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_key(&w, "agents");
    json_arr_begin(&w);
    for (unsigned i = 0; i < r->creq->n_views; i++)
        put_agent(&w, &r->creq->views[i]);
    json_arr_end(&w);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step agents_get(struct http_req *r)
{
    struct json_out w;
    if (r->phase++ == 0) {
        if (query_end(&r->query) != ERR_NONE)
            return reply_bad_query(r);
        struct core_req *c = http_core_req(r, REQ_AGENTS);
        c->agent = mem_strdup(r->param);
        return http_ask_core(r, c);
    }
    if (!r->core_ok)
        return stopping(r);
    if (r->creq->n_views == 0)
        return reply_problem(r, MHD_HTTP_NOT_FOUND, "no_such_agent",
                             "no agent '%s' has connected since the master started; GET "
                             "/api/v1/agents lists them",
                             r->param);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    put_agent(&w, &r->creq->views[0]);
    return STEP_DONE;
}
