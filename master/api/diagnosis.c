/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/handlers.h"
#include "master/api/host_facts.h"
#include <math.h>
#include <stdlib.h>

/*
 * GET /diagnosis: a first look at the process, some time, a second look and the core's views, then
 * the verdicts. The time is waited for at the hub's desk; a hub that hangs is not asked, and that
 * is a finding.
 */

#define MEASURE_MS    400  /* enough for shares of a core, short enough for people */
#define HUB_SILENT_MS 5000 /* as /healthz */

enum { DIAGNOSIS_BEGIN, DIAGNOSIS_MEASURED, DIAGNOSIS_TOLD };

/* ---- the page */

static void put_figures(struct json_out *w, const struct diag_finding *f)
{
    json_key(w, "figures");
    json_obj_begin(w);
    for (unsigned i = 0; i < f->n_figures; i++) {
        double v = f->figures[i].value;
        json_key(w, f->figures[i].name);
        if (v == -1)
            json_put_null(w);
        else
            json_put_num(w, round(v * 1000) / 1000);
    }
    json_obj_end(w);
}

static void put_items(struct json_out *w, const struct diag_finding *f)
{
    json_key(w, "items");
    json_arr_begin(w);
    for (unsigned i = 0; i < f->n_items; i++) {
        json_obj_begin(w);
        json_str(w, "name", f->items[i].name);
        json_str(w, "state", diag_state_word(f->items[i].state));
        json_str(w, "evidence", f->items[i].evidence);
        json_obj_end(w);
    }
    json_arr_end(w);
    json_int(w, "more_items", f->more_items);
}

static void put_finding(struct json_out *w, const struct diag_finding *f)
{
    json_obj_begin(w);
    json_str(w, "check", diag_check_word(f->check));
    json_str(w, "about", diag_check_about(f->check));
    json_str(w, "state", diag_state_word(f->state));
    json_str(w, "evidence", f->evidence);
    put_figures(w, f);
    put_items(w, f);
    json_str(w, "meaning", diag_check_meaning(f->check));
    json_str(w, "fix", diag_check_fix(f->check));
    json_obj_end(w);
}

static enum step reply(struct http_req *r, const struct diagnosis *d)
{
    struct json_out w;
    char at[WALL_TEXT_MAX];
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_str(&w, "state", diag_state_word(d->state));
    json_str(&w, "at", wall_format(wall_now(), at));
    json_str(&w, "version", SONDE_VERSION);
    json_key(&w, "counts");
    json_obj_begin(&w);
    json_int(&w, "checks", DIAG_CHECKS);
    for (unsigned s = 0; s < DIAG_STATES; s++)
        json_int(&w, diag_state_word((enum diag_state)s), d->count[s]);
    json_obj_end(&w);
    json_key(&w, "findings");
    json_arr_begin(&w);
    for (unsigned i = 0; i < DIAG_CHECKS; i++)
        put_finding(&w, &d->findings[i]);
    json_arr_end(&w);
    json_obj_end(&w);
    return STEP_DONE;
}

/* ---- the facts of the hub and its core */

static int64_t hub_silent_ms(const struct api_config *c)
{
    return c->hub_last_tick ? mono_diff_ms(mono_now(), c->hub_last_tick(c->hub_arg)) : 0;
}

static void desk_fact(const struct core_req *c, struct diag_facts *f)
{
    REQUIRE(f->store.n_queues < DIAG_QUEUES_MAX);
    f->store.queues[f->store.n_queues++] =
        (struct diag_queue){.name = "hub-requests",
                            .letters = (int64_t)c->box.letters,
                            .letters_max = (int64_t)c->box.max_letters};
}

static void stood_facts(struct core_stats *s, struct diag_facts *f)
{
    f->hub.stood = s ? (int64_t)counter_get(&s->stood) : -1;
    if (f->hub.stood <= 0)
        return;
    f->hub.stood_ms = gauge_get(&s->stood_ms);
    f->hub.stood_ago_ms = mono_diff_ms(mono_now(), (struct mono){gauge_get(&s->stood_at_ns)});
}

static void hub_facts(struct http_req *r, bool asked, struct diag_facts *f)
{
    const struct api_config *c = &r->api->conf;
    f->hub.lag_ms = c->hub_lag_ms ? c->hub_lag_ms(c->hub_arg) : -1;
    f->hub.silent_ms = hub_silent_ms(c);
    f->hub.overloaded = c->overloaded && c->overloaded(c->hub_arg);
    stood_facts(c->core_stats, f);
    f->hub.sessions = c->core_stats ? gauge_get(&c->core_stats->sessions) : -1;
    f->hub.sessions_max = c->max_agents;
    f->hub.hellos_waiting = c->core_stats ? gauge_get(&c->core_stats->hellos_waiting) : 0;
    f->has_core = asked && r->core_ok && r->creq->found;
    if (!f->has_core)
        return;
    f->agents = r->creq->views;
    f->n_agents = r->creq->n_views;
    f->stuck = r->creq->stuck;
    f->n_stuck = r->creq->n_stuck;
    f->more_stuck = r->creq->more_stuck;
    f->pile = r->creq->pile;
    desk_fact(r->creq, f);
}

static enum step tell(struct http_req *r, bool asked)
{
    struct diag_facts f = {.n_agents = 0};
    host_facts(r->api, r->state, &f);
    hub_facts(r, asked, &f);
    struct diagnosis *d = diagnosis_make(&f);
    enum step s = reply(r, d);
    free(d);
    return s;
}

static enum step begin(struct http_req *r)
{
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    struct host_sample *s = mem_zalloc(sizeof(*s));
    r->state = s;
    r->state_free = free;
    host_sample(r->api, s);
    if (hub_silent_ms(&r->api->conf) > HUB_SILENT_MS)
        return tell(r, false);
    struct core_req *c = http_core_req(r, REQ_WATCH);
    c->wait_ms = MEASURE_MS; /* batch 0 there is none: only the time is waited for */
    return http_ask_core(r, c);
}

enum step diagnosis_get(struct http_req *r)
{
    switch (r->phase++) {
    case DIAGNOSIS_BEGIN:
        return begin(r);
    case DIAGNOSIS_MEASURED:
        return http_ask_core(r, http_core_req(r, REQ_DIAGNOSE));
    case DIAGNOSIS_TOLD:
        return tell(r, true);
    }
    UNREACHABLE("a diagnosis has three phases");
}
