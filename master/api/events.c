/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/batches.h"
#include "master/api/handlers.h"
#include "master/api/result_put.h"
#include "master/api/sse.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * GET /batches/{id}/events: progress, results and the end of a batch as server-sent events.
 *
 *              ┌──────────────── nothing to say ────────────────┐
 *              ▼                                                │
 *   BEGIN ─► row ─► watch the core, at most TICK_MS ─► changed ─┴► progress ─► pages of results
 *              │                                                                     │
 *              └── it has ended ─► the last pages ─► row ─► progress, end            │
 *                                      ▲────────────── not open any more ────────────┘
 *
 * The store is read only when the core has counted more results than the last page reached.
 */
#define TICK_MS     500 /* between two looks at the core: progress at most twice a second */
#define PAGE_BYTES  (32u << 10)
#define ID_TEXT_MAX 20

enum asked { ASKED_NOTHING, ASKED_ROW, ASKED_CORE, ASKED_PAGE };

struct stream {
    struct sse sse;
    struct batch_info info; /* of its row, without the strings */
    bool results;
    uint64_t after;           /* seq of the last result that was said */
    struct strbuf last, next; /* the progress said last, and the one that may follow */
    enum asked asked;
    uint64_t seen; /* ended tasks as the core told last */
    bool behind;   /* there may be results after `after` */
    bool row_due;  /* the row is to be read */
    bool over;     /* all its results are committed */
    struct mono tick_at;
};
enum { EVENTS_BEGIN, EVENTS_BATCH };

static void stream_free(void *state)
{
    struct stream *x = state;
    sse_fini(&x->sse);
    strbuf_fini(&x->last);
    strbuf_fini(&x->next);
    free(x);
}

/* ---- the request */

static void bad_id(struct query *q, const char *id)
{
    query_fail(
        q, "the last event id must be the 'id' of an event of this API, a number, got \"%.40s\"",
        id);
}

static void take_last_id(struct http_req *r, struct stream *x)
{
    const char *id = sse_last_id(r);
    if (id && (strlen(id) > ID_TEXT_MAX || u64_parse(id, strlen(id), &x->after) != ERR_NONE))
        bad_id(&r->query, id);
}

static enum step begin(struct http_req *r)
{
    struct stream *x = mem_zalloc(sizeof(*x));
    sse_init(&x->sse, r->api);
    strbuf_init(&x->last, REPLY_BODY_MAX);
    strbuf_init(&x->next, REPLY_BODY_MAX);
    r->state = x;
    r->state_free = stream_free;
    x->results = query_bool(&r->query, "results", false);
    take_last_id(r, x);
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    r->phase = EVENTS_BATCH;
    return batch_ask(r);
}

/* ---- what is said */

static void put_result(struct stream *x, const struct store_result_row *row)
{
    struct json_out w;
    char id[ID_TEXT_MAX + 1];
    snprintf(id, sizeof(id), "%" PRIu64, row->seq);
    sse_event_begin(&x->sse, id, "result");
    json_out_init(&w, &x->sse.out);
    result_put_json(&w, row, x->info.uuid, x->info.trace);
    sse_event_end(&x->sse);
}

/* Said again only when something has changed. */
static void put_progress(struct stream *x, const struct core_counts *c)
{
    struct json_out w;
    strbuf_reset(&x->next);
    json_out_init(&w, &x->next);
    batch_put_progress(&w, &x->info, c);
    if (x->next.len == x->last.len && memcmp(x->next.data, x->last.data, x->last.len) == 0)
        return;
    struct strbuf old = x->last;
    x->last = x->next;
    x->next = old;
    sse_event_begin(&x->sse, NULL, "progress");
    strbuf_append(&x->sse.out, x->last.data, x->last.len);
    sse_event_end(&x->sse);
}

static void put_end(struct stream *x, const struct store_req *row)
{
    struct json_out w;
    put_progress(x, NULL);
    sse_event_begin(&x->sse, NULL, "end");
    json_out_init(&w, &x->sse.out);
    batch_put(&w, &row->batch_get.info, NULL, row->batch_get.causes, row->batch_get.n_causes);
    sse_event_end(&x->sse);
    x->sse.done = true;
}

/* ---- answers. False: the stream breaks off, and the client may come again. */

static bool take_row(struct stream *x, const struct store_req *s)
{
    if (s->err != ERR_NONE)
        return false;
    x->info = s->batch_get.info;
    x->info.name = x->info.labels = x->info.agents = NULL;
    if (x->over) {
        put_end(x, s);
        return true;
    }
    x->over = batch_is_ended(&x->info);
    x->behind |= x->over && x->results;
    if (x->over && !x->behind)
        put_end(x, s);
    return true;
}

/* The core counts a result once it is committed. */
static bool take_counts(struct stream *x, const struct core_req *c)
{
    uint64_t ended = 0;
    struct mono now = mono_now();
    bool early = mono_is_set(x->tick_at) && mono_before(now, x->tick_at);
    x->row_due = !c->found;
    if (early && c->found)
        return true;
    x->tick_at = mono_add_ms(now, TICK_MS);
    if (!c->found)
        return true;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        ended += c->counts.ended[o];
    x->behind |= x->results && ended != x->seen;
    x->seen = ended;
    x->row_due = c->counts.marked && x->info.mark == MARK_NONE; /* why, says the row */
    put_progress(x, &c->counts);
    sse_ping(&x->sse);
    return true;
}

static bool take_page(struct stream *x, const struct store_req *s)
{
    if (s->err != ERR_NONE)
        return false;
    for (unsigned i = 0; i < s->results_page.n; i++)
        put_result(x, &s->results_page.rows[i]);
    x->after = s->results_page.last;
    x->behind = s->results_page.more;
    x->row_due |= x->over && !x->behind;
    return !x->sse.out.overflow;
}

static bool take_answer(struct http_req *r)
{
    struct stream *x = r->state;
    enum asked asked = x->asked;
    bool good = true;
    x->asked = ASKED_NOTHING;
    if (asked == ASKED_ROW)
        good = take_row(x, r->sreq);
    else if (asked == ASKED_PAGE)
        good = take_page(x, r->sreq);
    else if (asked == ASKED_CORE)
        good = r->core_ok && take_counts(x, r->creq);
    if (r->sreq)
        store_req_destroy(&r->sreq);
    return good;
}

/* ---- questions */

static void ask_row(struct http_req *r)
{
    struct stream *x = r->state;
    x->asked = ASKED_ROW;
    x->row_due = false;
    batch_ask(r);
}

static void ask_page(struct http_req *r)
{
    struct stream *x = r->state;
    struct store_req *s = http_store_req(r, STORE_RESULTS_PAGE);
    x->asked = ASKED_PAGE;
    s->results_page.batch = x->info.num;
    s->results_page.after = x->after;
    s->results_page.limit = STORE_PAGE_ROWS;
    s->results_page.max_bytes = PAGE_BYTES;
    s->results_page.outcome = -1;
    http_ask_store(r, s);
}

static void ask_core(struct http_req *r, int64_t wait_ms)
{
    struct stream *x = r->state;
    struct core_req *c = http_core_req(r, REQ_WATCH);
    x->asked = ASKED_CORE;
    c->batch = x->info.num;
    c->wait_ms = wait_ms;
    http_ask_core(r, c);
}

static void ask_next(struct http_req *r)
{
    struct stream *x = r->state;
    int64_t left = mono_is_set(x->tick_at) ? mono_diff_ms(x->tick_at, mono_now()) : 0;
    if (x->row_due)
        ask_row(r);
    else if (x->behind && (x->over || left > 0))
        ask_page(r);
    else
        ask_core(r, left > 0 ? left : 0);
}

/* ---- the stream */

static ssize_t read_stream(struct http_req *r, char *buf, size_t max)
{
    struct stream *x = r->state;
    ssize_t n;
    if (!take_answer(r))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (sse_pump(&x->sse, r, buf, max, &n))
        return n;
    ask_next(r);
    return 0;
}

/* The row that was looked up is the first answer. */
static enum step stream_begin(struct http_req *r)
{
    struct stream *x = r->state;
    char instead[ROUTE_PARAM_MAX + 32];
    snprintf(instead, sizeof(instead), "GET /api/v1/batches/%s", r->param);
    x->asked = ASKED_ROW;
    x->behind = x->results;
    sse_begin(&x->sse, r, read_stream, instead);
    return STEP_DONE;
}

enum step events_get(struct http_req *r)
{
    struct stream *x = r->state;
    if (r->phase == EVENTS_BEGIN)
        return begin(r);
    if (batch_answer(r) == STEP_DONE)
        return STEP_DONE;
    const struct batch_info *b = &r->sreq->batch_get.info;
    return x->results && b->purged_at.us != 0 ? batch_purged(r, b) : stream_begin(r);
}
