/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/handlers.h"
#include "master/api/http.h"
#include "master/api/history_sum.h"
#include "master/api/schedule_put.h"
#include "master/api/schedules.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * GET /overview: how all checks of a schedule, or of the master, did in the last days.
 *
 * In slices of SLICE checks: the scheduler names them with their states, the store has their days,
 * both in the order of ids, and a merge of the two is written. Between slices the thread serves
 * others: 10,000 checks over 7 days are 70,000 heads of rollups, 26 ms in all, and 90 days a third
 * of a second, which nobody else should wait for in one piece.
 */
#define SLICE         500
#define LIMIT_DEFAULT 1000
#define LIMIT_MAX     10000
#define DAYS_MAX      400
#define DAYS_DEFAULT  7
#define DAY_HOURS     24
#define HOUR_US       (3600 * INT64_C(1000000))

enum { OVERVIEW_BEGIN, OVERVIEW_SCHEDULE, OVERVIEW_CHECKS, OVERVIEW_DAYS };

struct overview {
    char schedule[SCHEDULE_NAME_MAX + 1]; /* "" = any */
    uint64_t schedule_id, after;
    uint32_t from, to; /* hours, of whole days */
    int days;
    unsigned limit, n;
    struct strbuf out;
    struct json_out w;
};

static void overview_free(void *state)
{
    struct overview *o = state;
    strbuf_fini(&o->out);
    free(o);
}

/* ---- asking */

static enum step ask_checks(struct http_req *r, struct overview *o)
{
    struct schedule_req *q = http_schedule_req(r, SREQ_CHECKS);
    unsigned left = o->limit - o->n;
    snprintf(q->filter_schedule, sizeof(q->filter_schedule), "%s", o->schedule);
    q->filter.schedule = o->schedule[0] ? q->filter_schedule : NULL;
    q->filter.after = o->after;
    q->filter.limit = left < SLICE ? left : SLICE;
    r->phase = OVERVIEW_CHECKS;
    return http_ask_schedule(r, q);
}

static enum step begin(struct http_req *r)
{
    struct overview *o = mem_zalloc(sizeof(*o));
    struct query *q = &r->query;
    r->state = o;
    r->state_free = overview_free;
    strbuf_init(&o->out, REPLY_BODY_MAX);
    json_out_init(&o->w, &o->out);
    const char *schedule = query_str(q, "schedule");
    o->days = (int)query_int(q, "days", 1, DAYS_MAX, DAYS_DEFAULT);
    o->after = (uint64_t)query_int(q, "cursor", 0, INT64_MAX, 0);
    o->limit = (unsigned)query_int(q, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT);
    if (schedule && (schedule[0] == '\0' || strlen(schedule) > SCHEDULE_NAME_MAX))
        query_fail(q, "query parameter 'schedule' must be 1 to %d characters", SCHEDULE_NAME_MAX);
    else if (schedule)
        snprintf(o->schedule, sizeof(o->schedule), "%s", schedule);
    if (query_end(q) != ERR_NONE)
        return reply_bad_query(r);
    uint32_t today = (uint32_t)(wall_now().us / HOUR_US / DAY_HOURS) * DAY_HOURS;
    o->to = today + DAY_HOURS;
    o->from = o->to - (uint32_t)o->days * DAY_HOURS;
    json_obj_begin(&o->w);
    json_seconds(&o->w, "from", o->from * INT64_C(3600));
    json_seconds(&o->w, "to", o->to * INT64_C(3600));
    json_key(&o->w, "checks");
    json_arr_begin(&o->w);
    if (!schedule)
        return ask_checks(r, o);
    r->phase = OVERVIEW_SCHEDULE;
    return schedules_ask(r, o->schedule, o->schedule);
}

static enum step take_schedule(struct http_req *r, struct overview *o)
{
    if (!r->schedule_ok)
        return reply_no_answer(r);
    if (r->qreq->n_views == 0)
        return schedules_no_such(r, o->schedule);
    o->schedule_id = r->qreq->views[0].id;
    return ask_checks(r, o);
}

/* ---- a slice */

static void put_check(struct json_out *w, const struct scheduler_check_view *c,
                      const struct store_hour *days, size_t n)
{
    struct slo_time t = {0};
    uint64_t runs = 0, missed = 0;
    for (size_t i = 0; i < n; i++) {
        struct rollup r;
        if (rollup_decode_head(&r, days[i].bytes, days[i].len) != ERR_NONE)
            continue;
        slo_add_rollup(&t, &r);
        for (int o = 0; o < OUTCOME_COUNT; o++)
            runs += r.runs[o];
        for (int m = 0; m < PLAN_MISS_COUNT; m++)
            missed += r.missed[m];
        rollup_fini(&r);
    }
    json_obj_begin(w);
    json_id(w, "id", c->id);
    json_str(w, "schedule", c->schedule);
    json_str(w, "target", c->key);
    json_str(w, "state", verdict_word(c->state));
    json_part(w, "uptime", slo_uptime(&t));
    json_part(w, "availability", c->has_goal ? slo_availability(&t, &c->goal) : slo_uptime(&t));
    json_int(w, "down_ms", t.down_ms);
    json_int(w, "unknown_ms", t.unknown_ms);
    json_u64(w, "runs", runs);
    json_u64(w, "missed", missed);
    json_obj_end(w);
}

static enum step finish(struct http_req *r, struct overview *o, bool more)
{
    json_arr_end(&o->w);
    json_ref(&o->w, "next_cursor", more ? o->after : 0);
    json_obj_end(&o->w);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    strbuf_fini(&r->reply.body);
    r->reply.body = o->out;
    strbuf_init(&o->out, REPLY_BODY_MAX);
    return STEP_DONE;
}

static enum step take_checks(struct http_req *r, struct overview *o)
{
    const struct schedule_req *q = r->qreq;
    if (!r->schedule_ok)
        return reply_no_answer(r);
    if (q->n_checks == 0 && !q->more)
        return finish(r, o, false);
    if (q->n_checks == 0) { /* a filter lets few through */
        o->after = q->last;
        return ask_checks(r, o);
    }
    struct store_req *s = http_store_req(r, STORE_OVERVIEW);
    s->overview.after = o->after;
    s->overview.schedule = o->schedule_id;
    s->overview.from = o->from;
    s->overview.to = o->to;
    s->overview.limit = SLICE;
    r->phase = OVERVIEW_DAYS;
    return http_ask_store(r, s);
}

/* The store's page may end before the slice does: then the next one begins there. Checks without a
 * day are told, too. */
static enum step take_days(struct http_req *r, struct overview *o)
{
    const struct store_req *s = r->sreq;
    const struct schedule_req *q = r->qreq;
    uint64_t covered = s->overview.more ? s->overview.last : UINT64_MAX;
    size_t at = 0, i = 0;
    REQUIRE(covered > o->after);
    for (; i < q->n_checks && q->checks[i].id <= covered; i++) {
        size_t begin = at;
        while (begin < s->overview.n && s->overview.items[begin].check < q->checks[i].id)
            begin++;
        for (at = begin; at < s->overview.n && s->overview.items[at].check == q->checks[i].id;)
            at++;
        put_check(&o->w, &q->checks[i], s->overview.items + begin, at - begin);
        o->n++;
    }
    bool more = i < q->n_checks || q->more;
    o->after = i < q->n_checks ? covered : q->more ? q->last : q->checks[i - 1].id;
    if (o->n >= o->limit || !more)
        return finish(r, o, more);
    return ask_checks(r, o);
}

enum step overview_get(struct http_req *r)
{
    switch (r->phase) {
    case OVERVIEW_BEGIN:
        return http_has_scheduler(r) ? begin(r) : STEP_DONE;
    case OVERVIEW_SCHEDULE:
        return take_schedule(r, r->state);
    case OVERVIEW_CHECKS:
        return take_checks(r, r->state);
    case OVERVIEW_DAYS:
        if (r->sreq->err != ERR_NONE)
            return reply_store_error(r, r->sreq->err, r->sreq->why);
        return take_days(r, r->state);
    }
    UNREACHABLE("an overview has four phases");
}
