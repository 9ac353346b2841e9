/* SPDX-License-Identifier: MIT */
#include "master/api/batches.h"
#include "common/mem.h"
#include "master/api/failed_hosts.h"
#include "master/api/handlers.h"
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT_DEFAULT 50
#define LIST_LIMIT_MAX     500
#define WAIT_SLICE_MS      1000

/* ---- one batch as JSON */

/* A batch that grows goes on when all that it has so far has ended. */
static bool all_ended(const struct batch_info *b, uint64_t ended, uint64_t total)
{
    return b->opened_at.us != 0 && !b->growing && ended >= total;
}

bool batch_is_ended(const struct batch_info *b)
{
    return b->ended_at.us != 0 || all_ended(b, batch_info_ended(b), b->total);
}

static void put_time(struct json_out *w, const char *key, struct wall t)
{
    char text[WALL_TEXT_MAX];
    json_str(w, key, t.us ? wall_format(t, text) : NULL);
}

static void put_object(struct json_out *w, const char *key, const char *json)
{
    if (json)
        json_raw(w, key, json, strlen(json));
    else
        json_null(w, key);
}

/* Of the core when the batch is open there, else of its row. */
static struct core_counts counts_of(const struct batch_info *b, const struct core_counts *c)
{
    struct core_counts n = {.total = b->total, .eta_s = -1, .waits_for = ""};
    uint64_t ended = batch_info_ended(b);
    if (c)
        return *c;
    memcpy(n.ended, b->ended, sizeof(n.ended));
    n.paused = b->paused;
    REQUIRE(ended <= b->total);
    n.queued = b->total - ended;
    return n;
}

static const char *const phase_words[PHASE_COUNT] = {[PHASE_RUNNING] = "running",
                                                     [PHASE_PAUSED] = "paused",
                                                     [PHASE_CANCELLING] = "cancelling",
                                                     [PHASE_EXPIRING] = "expiring",
                                                     [PHASE_ENDED] = "ended"};

static const char *state_word(const struct batch_info *b, const struct core_counts *n)
{
    uint64_t ended = 0;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        ended += n->ended[o];
    if (b->ended_at.us != 0 || all_ended(b, ended, n->total))
        return phase_words[PHASE_ENDED];
    if (b->mark == MARK_EXPIRE)
        return phase_words[PHASE_EXPIRING];
    if (b->mark == MARK_CANCEL || n->marked)
        return phase_words[PHASE_CANCELLING];
    return phase_words[n->paused ? PHASE_PAUSED : PHASE_RUNNING];
}

static void put_counts(struct json_out *w, const struct core_counts *n)
{
    json_key(w, "counts");
    json_obj_begin(w);
    json_u64(w, "total", n->total);
    json_u64(w, "queued", n->queued);
    json_u64(w, "running", n->running);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        json_u64(w, outcome_word((enum outcome)o), n->ended[o]);
    json_obj_end(w);
}

static void put_flow(struct json_out *w, const struct core_counts *n)
{
    put_counts(w, n);
    json_key(w, "rate");
    json_put_num(w, n->rate > 0 ? n->rate : 0);
    if (n->eta_s < 0)
        json_null(w, "eta_s");
    else
        json_int(w, "eta_s", n->eta_s);
    json_str(w, "waits_for", n->waits_for && n->waits_for[0] ? n->waits_for : NULL);
}

static void put_causes(struct json_out *w, const struct cause_count *causes, unsigned n)
{
    json_key(w, "causes");
    json_obj_begin(w);
    for (unsigned i = 0; i < n; i++) {
        json_key_str(w, causes[i].cause);
        json_put_u64(w, causes[i].count);
    }
    json_obj_end(w);
}

static void put_members(struct json_out *w, const struct batch_info *b, const struct core_counts *c,
                        const struct cause_count *causes, unsigned n_causes)
{
    struct core_counts n = counts_of(b, c);
    json_str(w, "id", b->uuid);
    json_str(w, "name", b->name);
    json_str(w, "state", state_word(b, &n));
    json_str(w, "priority", task_class_word(b->cls));
    put_flow(w, &n);
    if (causes)
        put_causes(w, causes, n_causes);
    json_u64(w, "rejected", b->rejected);
    json_u64(w, "duplicates", b->duplicates);
    json_int(w, "per_host", b->per_host);
    json_key(w, "per_host_rate");
    json_put_num(w, b->per_host_rate);
    json_int(w, "deadline_s", b->deadline_s);
    json_int(w, "count", b->slots);
    json_bool(w, "log_tasks", b->log_tasks);
    put_object(w, "agents", b->agents);
    put_object(w, "labels", b->labels);
    put_time(w, "created_at", b->created_at);
    put_time(w, "opened_at", b->opened_at);
    put_time(w, "deadline_at", b->deadline_at);
    put_time(w, "ended_at", b->ended_at);
    put_time(w, "purged_at", b->purged_at);
    json_str(w, "trace", b->trace);
    json_str(w, "retry_of", b->retry_of[0] ? b->retry_of : NULL);
}

void batch_put(struct json_out *w, const struct batch_info *b, const struct core_counts *c,
               const struct cause_count *causes, unsigned n_causes)
{
    json_obj_begin(w);
    put_members(w, b, c, causes, n_causes);
    json_obj_end(w);
}

void batch_put_progress(struct json_out *w, const struct batch_info *b, const struct core_counts *c)
{
    struct core_counts n = counts_of(b, c);
    json_obj_begin(w);
    json_str(w, "id", b->uuid);
    json_str(w, "state", state_word(b, &n));
    put_flow(w, &n);
    json_obj_end(w);
}

/* ---- looking one up */

static enum step no_such_batch(struct http_req *r)
{
    return reply_problem(r, MHD_HTTP_NOT_FOUND, "no_such_batch",
                         "there is no batch '%s'; GET /api/v1/batches lists them", r->param);
}

enum step batch_ask(struct http_req *r)
{
    if (!uuid_valid(r->param))
        return no_such_batch(r);
    struct store_req *s = http_store_req(r, STORE_BATCH_GET);
    memcpy(s->batch_get.uuid, r->param, UUID_TEXT_MAX);
    return http_ask_store(r, s);
}

enum step batch_answer(struct http_req *r)
{
    REQUIRE(r->sreq && r->sreq->op == STORE_BATCH_GET);
    if (r->sreq->err == ERR_NOT_FOUND)
        return no_such_batch(r);
    return r->sreq->err ? reply_store_error(r, r->sreq->err, r->sreq->why) : STEP_MORE;
}

bool batch_is_users(struct http_req *r, const struct batch_info *b)
{
    if (!b->lane)
        return true;
    reply_problem(r, MHD_HTTP_CONFLICT, "lane",
                  "batch %s holds an hour's runs of schedules, of several it may be: change the "
                  "schedule instead (POST /api/v1/schedules/{name}/pause, DELETE)",
                  b->uuid);
    return false;
}

enum step batch_purged(struct http_req *r, const struct batch_info *b)
{
    char text[WALL_TEXT_MAX] = "now";
    if (b->purged_at.us)
        wall_format(b->purged_at, text);
    return reply_problem(r, MHD_HTTP_GONE, "purged",
                         "the targets and results of batch %s were purged (%s): this master keeps "
                         "them as long as --retention-days and --retention-bytes say; its counts "
                         "are kept, see GET /api/v1/batches/%s",
                         b->uuid, text, b->uuid);
}

enum step batch_ask_core(struct http_req *r, enum core_req_op op, uint32_t batch)
{
    struct core_req *c = http_core_req(r, op);
    c->batch = batch;
    return http_ask_core(r, c);
}

enum step batch_wait(struct http_req *r, struct batch_wait *w, uint32_t batch, int64_t wait_ms)
{
    struct mono now = mono_now();
    REQUIRE(wait_ms >= 0 && wait_ms <= BATCH_WAIT_MAX_MS);
    if (!mono_is_set(w->until))
        w->until = mono_add_ms(now, wait_ms);
    else if (!r->core_ok || r->creq->found || atomic_load(&r->api->stopping))
        return STEP_MORE;
    int64_t left = mono_diff_ms(w->until, now);
    if (left <= 0)
        return STEP_MORE;
    struct core_req *c = http_core_req(r, REQ_WAIT);
    c->batch = batch;
    c->wait_ms = left < WAIT_SLICE_MS ? left : WAIT_SLICE_MS;
    return http_ask_core(r, c);
}

/* ---- GET /batches/{id} */

struct get_state {
    int64_t wait_ms;
    struct batch_wait wait;
    bool by_host;
    struct failed_hosts *hosts; /* once they are counted */
};
enum { GET_BEGIN, GET_FOUND, GET_WAIT, GET_HOSTS, GET_COUNTS, GET_AGAIN };

static void get_free(void *state)
{
    struct get_state *g = state;
    failed_hosts_destroy(&g->hosts);
    free(g);
}

static enum step get_begin(struct http_req *r)
{
    struct get_state *g = mem_zalloc(sizeof(*g));
    r->state = g;
    r->state_free = get_free;
    g->wait_ms = query_ms(&r->query, "wait", BATCH_WAIT_MAX_MS);
    const char *by = query_str(&r->query, "by");
    g->by_host = by && strcmp(by, "host") == 0;
    if (by && !g->by_host)
        query_fail(&r->query, "query parameter 'by' must be host, got \"%.40s\"", by);
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    r->phase = GET_FOUND;
    return batch_ask(r);
}

static void put_retries(struct json_out *w, const struct store_req *s)
{
    json_key(w, "retried_by");
    json_arr_begin(w);
    for (unsigned i = 0; i < s->batch_get.n_retries; i++)
        json_put_str(w, s->batch_get.retries[i]);
    json_arr_end(w);
}

static enum step get_reply(struct http_req *r, const struct core_counts *c)
{
    struct json_out w;
    const struct store_req *s = r->sreq;
    const struct get_state *g = r->state;
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    put_members(&w, &s->batch_get.info, c, s->batch_get.causes, s->batch_get.n_causes);
    put_retries(&w, s);
    if (g->hosts)
        failed_hosts_put(g->hosts, &w);
    json_obj_end(&w);
    return STEP_DONE;
}

/* The row was read before the core answered: a batch that ended in between is read again. */
static enum step get_counts(struct http_req *r)
{
    if (r->core_ok && r->creq->found)
        return get_reply(r, &r->creq->counts);
    r->phase = GET_AGAIN;
    return batch_ask(r);
}

/* Then the row is read again: it is older than what was counted. */
static enum step get_hosts(struct http_req *r)
{
    struct get_state *g = r->state;
    enum step s = failed_hosts_step(g->hosts, r);
    if (s != STEP_MORE)
        return s;
    r->phase = GET_FOUND;
    return batch_ask(r);
}

static enum step get_found(struct http_req *r)
{
    struct get_state *g = r->state;
    const struct batch_info *b = &r->sreq->batch_get.info;
    bool over = r->phase == GET_AGAIN || batch_is_ended(b);
    if (!over) {
        r->phase = GET_WAIT;
        if (g->wait_ms && batch_wait(r, &g->wait, b->num, g->wait_ms) == STEP_WAIT)
            return STEP_WAIT;
    }
    if (g->by_host && !g->hosts) {
        g->hosts = failed_hosts_create(b->num, over ? b->ended[OUTCOME_FAILED] : b->total);
        r->phase = GET_HOSTS;
        return get_hosts(r);
    }
    if (over)
        return get_reply(r, NULL);
    r->phase = GET_COUNTS;
    return batch_ask_core(r, REQ_BATCH_COUNTS, b->num);
}

enum step batches_get(struct http_req *r)
{
    switch (r->phase) {
    case GET_BEGIN:
        return get_begin(r);
    case GET_HOSTS:
        return get_hosts(r);
    case GET_COUNTS:
        return get_counts(r);
    default:
        return batch_answer(r) == STEP_DONE ? STEP_DONE : get_found(r);
    }
}

/* ---- GET /batches */

/* The core is asked for all open batches of the page at once; the last answer resumes. */
struct list_state {
    struct http_req *req;
    unsigned limit;
    struct core_req *asks; /* one a batch; op REQ_BATCH_COUNTS */
    atomic_uint left;
};
enum { LIST_BEGIN, LIST_ROWS, LIST_COUNTS };

static void list_free(void *state)
{
    struct list_state *l = state;
    free(l->asks);
    free(l);
}

static void list_answered(struct core_req *c)
{
    struct list_state *l = c->arg;
    REQUIRE(l != NULL && l->req != NULL);
    if (atomic_fetch_sub(&l->left, 1) == 1)
        http_resume(l->req);
}

/* "state" may be given many times: any of them. */
static unsigned take_phases(struct query *q)
{
    unsigned at = 0, phases = 0;
    for (const char *word; (word = query_next(q, "state", &at)) != NULL;) {
        int p = 0;
        while (p < PHASE_COUNT && strcmp(word, phase_words[p]) != 0)
            p++;
        if (p < PHASE_COUNT)
            phases |= 1u << p;
        else
            query_fail(q,
                       "query parameter 'state' must be running, paused, cancelling, expiring or "
                       "ended, got \"%.40s\"",
                       word);
    }
    return phases;
}

/* "label" too: all of them. */
static void take_labels(struct query *q, struct store_req *s)
{
    unsigned at = 0;
    for (const char *text; (text = query_next(q, "label", &at)) != NULL;) {
        const char *eq = strchr(text, '=');
        if (!eq || eq == text) {
            query_fail(q, "query parameter 'label' must be KEY=VALUE, got \"%.60s\"", text);
            return;
        }
        if (s->batch_list.n_labels == STORE_LABELS_MAX) {
            query_fail(q, "query parameter 'label' may be given %d times at most",
                       STORE_LABELS_MAX);
            return;
        }
        s->batch_list.labels[s->batch_list.n_labels++] =
            (struct store_label){.key = text,
                                 .key_len = (size_t)(eq - text),
                                 .value = eq + 1,
                                 .value_len = strlen(eq + 1)};
    }
}

static enum step list_begin(struct http_req *r)
{
    struct list_state *l = mem_zalloc(sizeof(*l));
    r->state = l;
    r->state_free = list_free;
    l->req = r;
    l->limit = (unsigned)query_int(&r->query, "limit", 1, LIST_LIMIT_MAX, LIST_LIMIT_DEFAULT);
    int64_t before = query_int(&r->query, "cursor", 1, UINT32_MAX, 0);
    struct store_req *s = http_store_req(r, STORE_BATCH_LIST);
    s->batch_list.before = (uint32_t)before;
    s->batch_list.limit = l->limit;
    s->batch_list.phases = take_phases(&r->query);
    take_labels(&r->query, s);
    if (query_end(&r->query) != ERR_NONE) {
        store_req_destroy(&s);
        return reply_bad_query(r);
    }
    r->phase = LIST_ROWS;
    return http_ask_store(r, s);
}

static enum step list_rows(struct http_req *r)
{
    struct list_state *l = r->state;
    struct store_req *s = r->sreq;
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    r->phase = LIST_COUNTS;
    l->asks = mem_array(s->batch_list.n + 1, sizeof(*l->asks));
    atomic_store(&l->left, s->batch_list.n + 1); /* one is ours, until all are posted */
    http_suspend(r);
    for (unsigned i = 0; i < s->batch_list.n; i++) {
        struct core_req *c = &l->asks[i];
        c->op = REQ_BATCH_COUNTS;
        c->done = list_answered;
        c->arg = l;
        c->batch = s->batch_list.infos[i].num;
        if (batch_is_ended(&s->batch_list.infos[i]) ||
            r->api->conf.ask_core(r->api->conf.ask_arg, c) != ERR_NONE)
            atomic_fetch_sub(&l->left, 1);
    }
    if (atomic_fetch_sub(&l->left, 1) == 1)
        http_resume(r);
    return STEP_WAIT;
}

static enum step list_reply(struct http_req *r)
{
    struct list_state *l = r->state;
    struct store_req *s = r->sreq;
    struct json_out w;
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_key(&w, "batches");
    json_arr_begin(&w);
    for (unsigned i = 0; i < s->batch_list.n; i++)
        batch_put(&w, &s->batch_list.infos[i], l->asks[i].found ? &l->asks[i].counts : NULL, NULL,
                  0);
    json_arr_end(&w);
    if (s->batch_list.more)
        json_id(&w, "next_cursor", s->batch_list.last);
    else
        json_null(&w, "next_cursor");
    json_obj_end(&w);
    return STEP_DONE;
}

enum step batches_list(struct http_req *r)
{
    switch (r->phase) {
    case LIST_BEGIN:
        return list_begin(r);
    case LIST_ROWS:
        return list_rows(r);
    case LIST_COUNTS:
        return list_reply(r);
    }
    UNREACHABLE("a list has three phases");
}
