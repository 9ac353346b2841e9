/* SPDX-License-Identifier: MIT */
#include "master/api/timeline.h"
#include <string.h>

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

static void put_step(struct json_out *w, const char *step, const char *at, const char *agent,
                     const char *cause, bool agents_clock)
{
    json_obj_begin(w);
    json_str(w, "step", step);
    json_str(w, "at", at);
    json_str(w, "clock", agents_clock ? "agent" : "master");
    json_str(w, "agent", agent);
    json_str(w, "cause", cause);
    json_obj_end(w);
}

static void put_step_at(struct json_out *w, const char *step, struct wall at, const char *agent,
                        bool agents_clock)
{
    char buf[WALL_TEXT_MAX];
    if (at.us != 0)
        put_step(w, step, wall_format(at, buf), agent, NULL, agents_clock);
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
            put_step(w, "leased", text(a, "leased_at"), agent, NULL, false);
        if (end && strcmp(end, "result") != 0 && strcmp(end, "running") != 0)
            put_step(w, end, text(a, "ended_at"), agent, text(a, "cause"), false);
    }
}

/* ---- the probe, as its agent tells it */

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
        if (number(record, "queue_ms", &ms))
            put_step_at(w, "received", (struct wall){started.us - (int64_t)(ms * 1000)}, row->agent,
                        true);
        put_step_at(w, "started", started, row->agent, true);
        if (number(member(record, "timings"), "total_ms", &ms))
            put_step_at(w, "finished", (struct wall){started.us + (int64_t)(ms * 1000)}, row->agent,
                        true);
    }
    json_free(&d);
}

/* ---- all of it */

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
        json_null(w, "leased_at");
        json_null(w, "ended_at");
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
    put_leases(w, history);
    if (t->row->record) {
        put_probe(w, t->row);
        put_step_at(w, "stored", t->row->stored_at, NULL, false);
    }
    json_arr_end(w);
    json_free(&d);
}
