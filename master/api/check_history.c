/* SPDX-License-Identifier: MIT */
#include "common/human.h"
#include "common/mem.h"
#include "master/api/checks.h"
#include "master/api/handlers.h"
#include "master/api/history_sum.h"
#include "master/api/schedule_put.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * GET /checks/{id}/history: the store is asked for the hours of what is shown; where the schedule
 * has a goal, also for those of the goal's period, for the last days by hour, and for the newest
 * changes of state, which the short windows of the burn rates are made of.
 */
#define HOUR_US      (3600 * INT64_C(1000000))
#define MS_US        INT64_C(1000)
#define DAYS_DEFAULT 90
#define DAYS_MAX     1100 /* by day: three years */
#define BY_HOUR_MAX  (31 * 24)
#define FINE_MS      (6 * ROLLUP_HOUR_MS) /* windows up to this are made of changes of state */

enum { HISTORY_BEGIN, HISTORY_VIEW, HISTORY_MAIN, HISTORY_PERIOD, HISTORY_LONG, HISTORY_CHANGES };

struct history {
    uint64_t check;
    uint32_t from, to; /* hours */
    bool by_day, known, has_goal, partial;
    char *schedule, *key; /* NULL: it is gone from its schedule, and its history is left */
    enum verdict_state state;
    struct wall since, now;
    struct slo_goal goal;
    struct history_sum sum;
    uint32_t period_end; /* so far it is told by what is rolled up */
    struct slo_time period, longs[SLO_RULES], shorts[SLO_RULES];
};

static void history_free(void *state)
{
    struct history *h = state;
    history_sum_fini(&h->sum);
    free(h->schedule);
    free(h->key);
    free(h);
}

/* ---- what is asked for */

static int64_t take_time(struct query *q, const char *name, struct wall dflt)
{
    struct wall t;
    const char *text = query_str(q, name);
    if (!text)
        return dflt.us;
    if (wall_parse(text, &t) == ERR_NONE && t.us >= 0 && t.us / HOUR_US < ROLLUP_HOUR_MAX)
        return t.us;
    query_fail(q,
               "query parameter '%s' must be a time like 2026-11-22T04:00:00Z (a '+' is written "
               "%%2B), got \"%.60s\"",
               name, text);
    return dflt.us;
}

static bool take_by(struct query *q)
{
    const char *by = query_str(q, "by");
    if (by && strcmp(by, "hour") != 0 && strcmp(by, "day") != 0)
        query_fail(q, "query parameter 'by' must be hour or day, got \"%.40s\"", by);
    return !by || strcmp(by, "hour") != 0;
}

static enum err take_query(struct query *q, struct history *h)
{
    h->by_day = take_by(q);
    int64_t to = take_time(q, "to", h->now);
    int64_t back = h->by_day ? DAYS_DEFAULT * 24 : 48;
    int64_t from =
        take_time(q, "from", (struct wall){to > back * HOUR_US ? to - back * HOUR_US : 0});
    int64_t max = h->by_day ? DAYS_MAX * 24 : BY_HOUR_MAX;
    h->from = (uint32_t)(from / HOUR_US);
    h->to = (uint32_t)((to + HOUR_US - 1) / HOUR_US);
    if (h->to <= h->from)
        query_fail(q, "query parameter 'from' must be before 'to'");
    else if (h->to - h->from > max + 1)
        query_fail(q, "from 'from' to 'to' are %d days at most by %s", (int)(max / 24),
                   h->by_day ? "day" : "hour; ask with by=day");
    return query_end(q);
}

/* What is not rolled up yet is dear to read: it is asked for only where nothing else has it. */
static enum step ask_hours(struct http_req *r, int64_t from, uint32_t to, bool days, unsigned next)
{
    const struct history *h = r->state;
    struct store_req *s = http_store_req(r, STORE_HISTORY);
    s->history.check = h->check;
    s->history.from = from > 0 ? (uint32_t)from : 0;
    s->history.to = to;
    s->history.days = days;
    s->history.current = next != HISTORY_PERIOD;
    r->phase = next;
    return http_ask_store(r, s);
}

static enum step begin(struct http_req *r)
{
    struct history *h = mem_zalloc(sizeof(*h));
    r->state = h;
    r->state_free = history_free;
    h->now = wall_now();
    if (take_query(&r->query, h) != ERR_NONE)
        return reply_bad_query(r);
    if (!checks_take_id(r, &h->check))
        return STEP_DONE;
    r->phase = HISTORY_VIEW;
    return checks_ask(r, h->check);
}

static enum step take_view(struct http_req *r, struct history *h)
{
    const struct scheduler_check_view *c = checks_view(r);
    if (!r->schedule_ok)
        return reply_no_answer(r);
    h->known = c != NULL;
    if (c) {
        h->schedule = mem_strdup(c->schedule);
        h->key = mem_strdup(c->key);
        h->state = c->state;
        h->since = c->since;
        h->has_goal = c->has_goal;
        h->goal = c->goal;
    }
    return ask_hours(r, h->from, h->to, h->by_day, HISTORY_MAIN);
}

/* ---- the page */

/* Rates and parts, which may be below zero: an overdrawn budget. */
static void put_rate(struct json_out *w, const char *key, double v)
{
    json_key(w, key);
    json_put_num(w, round(v * 1e6) / 1e6);
}

static void put_window(struct json_out *w, const char *key, int64_t ms)
{
    char text[HUMAN_MAX];
    json_str(w, key, human_span(ms / 1000, text));
}

static const char *severity_word(enum slo_severity s)
{
    static const char *const words[] = {
        [SLO_QUIET] = "none", [SLO_TICKET] = "ticket", [SLO_PAGE] = "page"};
    return words[s];
}

static void put_burn(struct json_out *w, const struct history *h)
{
    struct slo_burning burning[SLO_RULES];
    enum slo_severity worst = slo_judge(h->longs, h->shorts, &h->goal, burning);
    json_str(w, "severity", severity_word(worst));
    json_key(w, "burn");
    json_arr_begin(w);
    for (int i = 0; i < SLO_RULES; i++) {
        json_obj_begin(w);
        put_window(w, "long", slo_rules[i].long_ms);
        put_window(w, "short", slo_rules[i].short_ms);
        put_rate(w, "rate", burning[i].long_rate);
        put_rate(w, "short_rate", burning[i].short_rate);
        put_rate(w, "threshold", burning[i].threshold);
        json_str(w, "severity", severity_word(slo_rules[i].severity));
        json_bool(w, "burns", burning[i].burns);
        json_obj_end(w);
    }
    json_arr_end(w);
}

static void put_goal(struct json_out *w, const struct history *h)
{
    json_key(w, "goal");
    if (!h->has_goal) {
        json_put_null(w);
        return;
    }
    struct slo_budget b = slo_budget(&h->period, &h->goal);
    json_obj_begin(w);
    json_key(w, "availability");
    json_put_num(w, (double)h->goal.ppm / (SLO_PPM / 100));
    put_window(w, "period", h->goal.period_hours * ROLLUP_HOUR_MS);
    json_str(w, "degraded", h->goal.degraded_is_bad ? "bad" : "good");
    json_part(w, "availability_of_period", slo_availability(&h->period, &h->goal));
    json_int(w, "budget_ms", b.total_ms);
    json_int(w, "spent_ms", b.spent_ms);
    put_rate(w, "budget_left", b.left_part);
    put_burn(w, h);
    json_obj_end(w);
}

static void put_quantiles(struct json_out *w, const struct sketch *s)
{
    static const struct {
        const char *name;
        uint32_t ppm;
    } quantiles[] = {{"p50", 500000}, {"p90", 900000}, {"p95", 950000}, {"p99", 990000}};
    if (s->count == 0) {
        json_put_null(w);
        return;
    }
    json_obj_begin(w);
    for (size_t i = 0; i < ARRAY_LEN(quantiles); i++)
        json_ms(w, quantiles[i].name, sketch_quantile(s, quantiles[i].ppm) / 1e3);
    json_ms(w, "min", s->min_us / 1e3);
    json_ms(w, "max", s->max_us / 1e3);
    json_ms(w, "mean", (double)s->sum_us / (double)s->count / 1e3);
    json_obj_end(w);
}

static void put_total(struct json_out *w, const struct rollup *r)
{
    json_key(w, "runs");
    json_obj_begin(w);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        json_u64(w, outcome_word((enum outcome)o), r->runs[o]);
    json_obj_end(w);
    json_key(w, "missed");
    put_missed(w, r->missed);
    json_key(w, "latency_ms");
    json_obj_begin(w);
    for (int p = 0; p < ROLLUP_PHASES; p++) {
        json_key(w, rollup_phase_name((enum rollup_phase)p));
        put_quantiles(w, &r->phases[p]);
    }
    json_obj_end(w);
}

static void put_times(struct json_out *w, const struct slo_time *t)
{
    json_int(w, "up_ms", t->up_ms);
    json_int(w, "degraded_ms", t->degraded_ms);
    json_int(w, "down_ms", t->down_ms);
    json_int(w, "unknown_ms", t->unknown_ms);
}

static void put_point(struct json_out *w, const struct history_point *p)
{
    json_obj_begin(w);
    json_seconds(w, "at", p->hour * INT64_C(3600));
    put_times(w, &p->time);
    json_u64(w, "runs", p->runs);
    json_u64(w, "missed", p->missed);
    json_ms(w, "p50_ms", p->p50_us ? p->p50_us / 1e3 : -1);
    json_ms(w, "p95_ms", p->p95_us ? p->p95_us / 1e3 : -1);
    json_obj_end(w);
}

static enum step page(struct http_req *r, const struct history *h)
{
    struct json_out w;
    struct slo_time t = {0};
    slo_add_rollup(&t, &h->sum.total);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_id(&w, "id", h->check);
    json_str(&w, "schedule", h->schedule);
    json_str(&w, "target", h->key);
    json_seconds(&w, "from", h->from * INT64_C(3600));
    json_seconds(&w, "to", h->to * INT64_C(3600));
    json_str(&w, "by", h->by_day ? "day" : "hour");
    json_part(&w, "uptime", slo_uptime(&t));
    json_part(&w, "availability", h->has_goal ? slo_availability(&t, &h->goal) : slo_uptime(&t));
    put_times(&w, &t);
    put_goal(&w, h);
    put_total(&w, &h->sum.total);
    json_key(&w, "series");
    json_arr_begin(&w);
    for (size_t i = 0; i < h->sum.n; i++)
        put_point(&w, &h->sum.points[i]);
    json_arr_end(&w);
    json_bool(&w, "partial", h->partial);
    json_u64(&w, "unreadable", h->sum.unreadable);
    json_obj_end(&w);
    return STEP_DONE;
}

/* ---- the answers of the store */

static uint32_t end_hour(const struct history *h)
{
    return (uint32_t)(h->now.us / HOUR_US) + 1;
}

static enum step take_main(struct http_req *r, struct history *h)
{
    const struct store_req *s = r->sreq;
    if (s->history.n == 0 && !h->known)
        return checks_no_such(r);
    history_sum_make(&h->sum, s->history.items, s->history.n, h->by_day);
    h->partial = s->history.partial;
    if (!h->has_goal)
        return page(r, h);
    uint32_t to = end_hour(h);
    return ask_hours(r, (int64_t)to - h->goal.period_hours, to, true, HISTORY_PERIOD);
}

static enum step take_period(struct http_req *r, struct history *h)
{
    uint32_t to = end_hour(h);
    int64_t longest = 0;
    int64_t from = (int64_t)to - h->goal.period_hours;
    h->period_end = history_time(&h->period, r->sreq->history.items, r->sreq->history.n,
                                 from > 0 ? (uint32_t)from : 0);
    for (int i = 0; i < SLO_RULES; i++)
        if (slo_rules[i].long_ms > longest)
            longest = slo_rules[i].long_ms;
    return ask_hours(r, (int64_t)to - longest / ROLLUP_HOUR_MS, to, false, HISTORY_LONG);
}

/* The windows that are longer than FINE_MS, and the end of the period. Items are of the longest of
 * them. */
static enum step take_long(struct http_req *r, struct history *h)
{
    const struct store_req *s = r->sreq;
    for (int i = 0; i < SLO_RULES; i++) {
        uint32_t first = end_hour(h) - (uint32_t)(slo_rules[i].long_ms / ROLLUP_HOUR_MS);
        if (slo_rules[i].long_ms > FINE_MS)
            history_time(&h->longs[i], s->history.items, s->history.n, first);
    }
    history_time(&h->period, s->history.items, s->history.n, h->period_end);
    struct store_req *q = http_store_req(r, STORE_TRANSITIONS);
    q->transitions.check = h->check;
    q->transitions.limit = STORE_PAGE_ROWS;
    r->phase = HISTORY_CHANGES;
    return http_ask_store(r, q);
}

static void fine(const struct history *h, const struct store_req *s, struct slo_time *t, int64_t ms)
{
    const struct history_state x = {.state = h->state,
                                    .since = h->since,
                                    .ts = s->transitions.items,
                                    .n = s->transitions.n,
                                    .more = s->transitions.more};
    if (ms <= FINE_MS)
        history_spans(t, &x, (struct wall){h->now.us - ms * MS_US}, h->now);
}

static enum step take_changes(struct http_req *r, struct history *h)
{
    for (int i = 0; i < SLO_RULES; i++) {
        fine(h, r->sreq, &h->longs[i], slo_rules[i].long_ms);
        fine(h, r->sreq, &h->shorts[i], slo_rules[i].short_ms);
    }
    return page(r, h);
}

enum step check_history(struct http_req *r)
{
    static enum step (*const takes[])(struct http_req *,
                                      struct history *) = {[HISTORY_VIEW] = take_view,
                                                           [HISTORY_MAIN] = take_main,
                                                           [HISTORY_PERIOD] = take_period,
                                                           [HISTORY_LONG] = take_long,
                                                           [HISTORY_CHANGES] = take_changes};
    if (r->phase == HISTORY_BEGIN)
        return http_has_scheduler(r) ? begin(r) : STEP_DONE;
    REQUIRE(r->phase < ARRAY_LEN(takes));
    if (r->phase > HISTORY_VIEW && r->sreq->err != ERR_NONE)
        return reply_store_error(r, r->sreq->err, r->sreq->why);
    return takes[r->phase](r, r->state);
}
