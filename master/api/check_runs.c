/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/checks.h"
#include "master/api/handlers.h"
#include "master/api/result_put.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * GET /checks/{id}/runs: the newest ones as the scheduler remembers them, then those that the hours
 * name; their results, each with the batch that it ran in.
 *
 * The cursor is "HOUR-TASK": the store was asked for what lies before HOUR, and TASK was the last
 * of it that was told. Ids of a check's tasks grow with time, because those of its lanes do.
 */
#define LIMIT_DEFAULT 50
#define LIMIT_MAX     200 /* each may be of another batch, which is looked up alone */

enum { RUNS_BEGIN, RUNS_VIEW, RUNS_TASKS, RUNS_RESULTS, RUNS_BATCH };

struct batch_name {
    uint32_t num;
    char uuid[UUID_TEXT_MAX], trace[TRACE_TEXT_MAX]; /* "" = it is gone */
};
struct runs {
    uint64_t check, below; /* tasks under this one; 0 = any */
    uint32_t before, next_before;
    unsigned limit;
    uint64_t tasks[LIMIT_MAX];
    unsigned n;
    bool known, more_here, more_hours;
    struct store_req *results; /* kept while batches are looked up */
    struct batch_name batches[LIMIT_MAX];
    unsigned n_batches;
};

static void runs_free(void *state)
{
    struct runs *x = state;
    if (x->results)
        store_req_destroy(&x->results);
    free(x);
}

static void take_cursor(struct query *q, struct runs *x)
{
    uint64_t hour = 0;
    const char *text = query_str(q, "cursor"), *dash = text ? strchr(text, '-') : NULL;
    if (!text)
        return;
    if (dash && u64_parse(text, (size_t)(dash - text), &hour) == ERR_NONE && hour <= UINT32_MAX &&
        u64_parse(dash + 1, strlen(dash + 1), &x->below) == ERR_NONE)
        x->before = (uint32_t)hour;
    else
        query_fail(q, "query parameter 'cursor' must be a next_cursor, got \"%.60s\"", text);
}

static enum step begin(struct http_req *r)
{
    struct runs *x = mem_zalloc(sizeof(*x));
    r->state = x;
    r->state_free = runs_free;
    x->limit = (unsigned)query_int(&r->query, "limit", 1, LIMIT_MAX, LIMIT_DEFAULT);
    take_cursor(&r->query, x);
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!checks_take_id(r, &x->check))
        return STEP_DONE;
    r->phase = RUNS_VIEW;
    return checks_ask(r, x->check);
}

/* ---- which tasks */

static bool has(const struct runs *x, uint64_t task)
{
    for (unsigned i = 0; i < x->n; i++)
        if (x->tasks[i] == task)
            return true;
    return false;
}

static void add(struct runs *x, uint64_t task)
{
    if (task == 0 || (x->below && task >= x->below) || has(x, task))
        return;
    if (x->n < x->limit)
        x->tasks[x->n++] = task;
    else
        x->more_here = true;
}

static enum step take_view(struct http_req *r, struct runs *x)
{
    const struct scheduler_check_view *c = checks_view(r);
    if (!r->schedule_ok)
        return reply_no_answer(r);
    x->known = c != NULL;
    for (unsigned i = 0; c && x->before == 0 && i < SCHEDULER_RECENT; i++)
        add(x, c->recent[i]);
    struct store_req *s = http_store_req(r, STORE_CHECK_RUNS);
    s->check_runs.check = x->check;
    s->check_runs.before = x->before;
    s->check_runs.limit = x->limit;
    r->phase = RUNS_TASKS;
    return http_ask_store(r, s);
}

static enum step ask_results(struct http_req *r, struct runs *x)
{
    struct store_req *s = http_store_req(r, STORE_TASKS_RESULTS);
    s->tasks_results.tasks = x->tasks;
    s->tasks_results.n_tasks = x->n;
    r->phase = RUNS_RESULTS;
    return http_ask_store(r, s);
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x > y ? -1 : x < y;
}

static enum step take_tasks(struct http_req *r, struct runs *x)
{
    const struct store_req *s = r->sreq;
    for (unsigned i = 0; i < s->check_runs.n; i++)
        add(x, s->check_runs.tasks[i]);
    x->more_hours = s->check_runs.more;
    x->next_before = s->check_runs.last;
    if (x->n == 0 && !x->known && !x->more_hours && x->before == 0)
        return checks_no_such(r);
    qsort(x->tasks, x->n, sizeof(*x->tasks), newest_first);
    return ask_results(r, x);
}

/* ---- which batches */

static struct batch_name *name_of(struct runs *x, uint32_t num)
{
    for (unsigned i = 0; i < x->n_batches; i++)
        if (x->batches[i].num == num)
            return &x->batches[i];
    return NULL;
}

static enum step reply(struct http_req *r, struct runs *x);

/* The batch of a number is the newest of those below the next. */
static enum step ask_batch(struct http_req *r, struct runs *x)
{
    const struct store_req *res = x->results;
    unsigned i = 0;
    while (i < res->tasks_results.n && name_of(x, task_batch(res->tasks_results.rows[i].task)))
        i++;
    if (i == res->tasks_results.n)
        return reply(r, x);
    uint32_t num = task_batch(res->tasks_results.rows[i].task);
    REQUIRE(x->n_batches < LIMIT_MAX && num < UINT32_MAX);
    x->batches[x->n_batches++] = (struct batch_name){.num = num};
    struct store_req *s = http_store_req(r, STORE_BATCH_LIST);
    s->batch_list.before = num + 1;
    s->batch_list.limit = 1;
    s->batch_list.lanes = true;
    r->phase = RUNS_BATCH;
    return http_ask_store(r, s);
}

static enum step take_results(struct http_req *r, struct runs *x)
{
    x->results = r->sreq;
    r->sreq = NULL;
    return ask_batch(r, x);
}

static enum step take_batch(struct http_req *r, struct runs *x)
{
    const struct store_req *s = r->sreq;
    struct batch_name *b = &x->batches[x->n_batches - 1];
    if (s->batch_list.n > 0 && s->batch_list.infos[0].num == b->num) {
        memcpy(b->uuid, s->batch_list.infos[0].uuid, sizeof(b->uuid));
        memcpy(b->trace, s->batch_list.infos[0].trace, sizeof(b->trace));
    }
    return ask_batch(r, x);
}

/* ---- the page */

static void put_cursor(struct json_out *w, const struct runs *x)
{
    char cursor[48];
    if (x->more_here && x->n > 0)
        snprintf(cursor, sizeof(cursor), "%u-%" PRIu64, x->before, x->tasks[x->n - 1]);
    else if (x->more_hours)
        snprintf(cursor, sizeof(cursor), "%u-%" PRIu64, x->next_before,
                 x->n > 0 ? x->tasks[x->n - 1] : x->below);
    else
        cursor[0] = '\0';
    json_str(w, "next_cursor", cursor[0] ? cursor : NULL);
}

static enum step reply(struct http_req *r, struct runs *x)
{
    struct json_out w;
    const struct store_req *s = x->results;
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_id(&w, "check", x->check);
    json_key(&w, "results");
    json_arr_begin(&w);
    for (unsigned i = 0; i < s->tasks_results.n; i++) {
        const struct store_result_row *row = &s->tasks_results.rows[i];
        const struct batch_name *b = name_of(x, task_batch(row->task));
        result_put_json(&w, row, b->uuid[0] ? b->uuid : NULL, b->trace[0] ? b->trace : NULL);
    }
    json_arr_end(&w);
    put_cursor(&w, x);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step check_runs(struct http_req *r)
{
    static enum step (*const takes[])(struct http_req *,
                                      struct runs *) = {[RUNS_VIEW] = take_view,
                                                        [RUNS_TASKS] = take_tasks,
                                                        [RUNS_RESULTS] = take_results,
                                                        [RUNS_BATCH] = take_batch};
    if (r->phase == RUNS_BEGIN)
        return http_has_scheduler(r) ? begin(r) : STEP_DONE;
    REQUIRE(r->phase < ARRAY_LEN(takes));
    if (r->phase > RUNS_VIEW && r->sreq->err != ERR_NONE)
        return reply_store_error(r, r->sreq->err, r->sreq->why);
    return takes[r->phase](r, r->state);
}
