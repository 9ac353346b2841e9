/* SPDX-License-Identifier: MIT */
#include "master/api/timeline.h"
#include <string.h>

#define MS_MAX 1e10 /* a third of a year: no agent of ours tells of more */

static const struct json_node *member(const struct json_node *obj, const char *name)
{
    if (!obj || json_type(obj) != JSON_OBJECT)
        return NULL;
    for (const struct json_node *n = json_first(obj); n; n = json_next(n))
        if (strcmp(json_node_key(n), name) == 0)
            return n;
    return NULL;
}

static const char *text(const struct json_node *obj, const char *name)
{
    const struct json_node *n = member(obj, name);
    return n && json_type(n) == JSON_STRING ? json_node_str(n) : NULL;
}

static bool number(const struct json_node *obj, const char *name, double *out)
{
    const struct json_node *n = member(obj, name);
    if (!n || json_type(n) != JSON_NUMBER)
        return false;
    *out = json_node_num(n);
    return true;
}

/* ---- one step */

struct step {
    const char *step, *at, *agent, *cause;
    bool agents_clock;
    double ms; /* of a phase; 0 = it is none */
};

static void put(struct json_out *w, const struct step *s)
{
    json_obj_begin(w);
    json_str(w, "step", s->step);
    json_str(w, "at", s->at);
    json_str(w, "clock", s->agents_clock ? "agent" : "master");
    json_str(w, "agent", s->agent);
    json_str(w, "cause", s->cause);
    json_ms(w, "ms", s->ms > 0 ? s->ms : -1);
    json_obj_end(w);
}

static void put_step(struct json_out *w, const char *step, const char *at, const char *agent,
                     const char *cause)
{
    put(w, &(struct step){step, at, agent, cause, false, 0});
}

static void put_step_at(struct json_out *w, const char *step, struct wall at, const char *agent,
                        bool agents_clock)
{
    char buf[WALL_TEXT_MAX];
    if (at.us != 0)
        put(w, &(struct step){step, wall_format(at, buf), agent, NULL, agents_clock, 0});
}

/* ---- leases */

static const struct json_node *attempts_of(const struct json_node *history)
{
    const struct json_node *n = member(history, "attempts");
    return n && json_type(n) == JSON_ARRAY ? json_first(n) : NULL;
}

/* Its last one ends with the result, which has steps of its own. */
static void put_leases(struct json_out *w, const struct json_node *history)
{
    for (const struct json_node *a = attempts_of(history); a; a = json_next(a)) {
        const char *end = text(a, "end"), *agent = text(a, "agent");
        if (text(a, "leased_at"))
            put_step(w, "leased", text(a, "leased_at"), agent, NULL);
        if (end && strcmp(end, "result") != 0 && strcmp(end, "running") != 0)
            put_step(w, end, text(a, "ended_at"), agent, text(a, "cause"));
    }
}

/* ---- the probe, as its agent tells it */

static bool duration(const struct json_node *obj, const char *name, double *ms)
{
    return number(obj, name, ms) && *ms >= 0 && *ms < MS_MAX;
}

static struct wall later(struct wall from, double ms)
{
    return (struct wall){from.us + (int64_t)(ms * 1000)};
}

/* Each with its end. They are those of the last try and hop, so they are counted back from the end
 * of the probe. */
static void put_phases(struct json_out *w, const struct json_node *timings, struct wall end,
                       const char *agent)
{
    static const char *const phases[][2] = {{"dns", "dns_ms"},          {"connect", "connect_ms"},
                                            {"proxy", "proxy_ms"},      {"tls", "tls_ms"},
                                            {"send", "send_ms"},        {"wait", "wait_ms"},
                                            {"download", "download_ms"}};
    double ms[ARRAY_LEN(phases)], all = 0, passed = 0;
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        if (!duration(timings, phases[i][1], &ms[i]))
            ms[i] = 0;
        all += ms[i];
    }
    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        char buf[WALL_TEXT_MAX];
        passed += ms[i];
        if (ms[i] > 0)
            put(w, &(struct step){phases[i][0], wall_format(later(end, passed - all), buf), agent,
                                  NULL, true, ms[i]});
    }
}

static void put_probe(struct json_out *w, const struct store_result_row *row)
{
    struct json_doc *d = NULL;
    struct wall started;
    double ms;
    if (!row->agent || json_parse(row->record, row->record_len, &d, NULL, 0) != ERR_NONE)
        return;
    const struct json_node *record = json_root(d);
    const char *at = text(record, "started_at");
    if (at && wall_parse(at, &started) == ERR_NONE) {
        if (duration(record, "queue_ms", &ms))
            put_step_at(w, "received", later(started, -ms), row->agent, true);
        put_step_at(w, "started", started, row->agent, true);
        if (duration(member(record, "timings"), "total_ms", &ms)) {
            put_phases(w, member(record, "timings"), later(started, ms), row->agent);
            put_step_at(w, "finished", later(started, ms), row->agent, true);
        }
    }
    json_free(&d);
}

/* ---- all of it */

static void put_time(struct json_out *w, const char *name, struct wall at)
{
    char buf[WALL_TEXT_MAX];
    json_str(w, name, at.us != 0 ? wall_format(at, buf) : NULL);
}

static void put_attempts(struct json_out *w, const struct timeline *t,
                         const struct json_node *history)
{
    json_key(w, "attempts");
    if (member(history, "attempts")) {
        json_print(w, member(history, "attempts"));
        return;
    }
    json_arr_begin(w);
    if (t->row->record && t->row->agent) {
        json_obj_begin(w);
        json_str(w, "agent", t->row->agent);
        put_time(w, "leased_at", t->row->leased_at);
        put_time(w, "ended_at", t->row->arrived_at);
        json_str(w, "end", "result");
        json_null(w, "cause");
        json_obj_end(w);
    }
    json_arr_end(w);
}

/* Of more attempts than are told. */
static bool is_lost(const struct timeline *t, const struct json_node *history)
{
    double left_out = 0;
    const struct json_node *lost = member(history, "lost");
    if (history)
        return (lost && json_type(lost) == JSON_BOOL && json_node_bool(lost)) ||
               (number(history, "left_out", &left_out) && left_out > 0);
    return t->row->record && t->row->attempt > 1;
}

void timeline_put(struct json_out *w, const struct timeline *t)
{
    struct json_doc *d = NULL;
    const struct json_node *history = NULL;
    REQUIRE(t->row != NULL);
    if (t->history && json_parse(t->history, strlen(t->history), &d, NULL, 0) == ERR_NONE)
        history = json_root(d);
    put_attempts(w, t, history);
    json_bool(w, "history_lost", is_lost(t, history));
    json_key(w, "timeline");
    json_arr_begin(w);
    put_step_at(w, "accepted", t->accepted_at, NULL, false);
    put_step_at(w, "committed", t->committed_at, NULL, false);
    if (history)
        put_leases(w, history);
    else if (t->row->agent)
        put_step_at(w, "leased", t->row->leased_at, t->row->agent, false);
    if (t->row->record) {
        put_probe(w, t->row);
        put_step_at(w, "result", t->row->arrived_at, t->row->agent, false);
        put_step_at(w, "stored", t->row->stored_at, NULL, false);
    }
    json_arr_end(w);
    json_free(&d);
}
