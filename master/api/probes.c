/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/batch_options.h"
#include "master/api/batches.h"
#include "master/api/handlers.h"
#include "master/api/result_put.h"
#include "master/api/upload_body.h"
#include <stdlib.h>

#define OPTIONS_TEXT_MAX (64u << 10)
/* Unless the query says otherwise. What runs is given 5 s more: the end comes within the wait, and
 * with its cause. */
#define PROBE_DEADLINE_S  "50"
#define PROBE_WAIT_MS     60000
#define PROBE_RESULTS_MAX AGENTS_COUNT_MAX

/* POST /probes: an interactive batch of one through the same gates, then its result. */
struct probe {
    struct upload *upload;
    struct strbuf body;
    struct batch_wait wait;
};
enum { PROBE_BEGIN, PROBE_UPLOAD, PROBE_WAIT, PROBE_RESULTS };

static void probe_free(void *state)
{
    struct probe *p = state;
    upload_destroy(&p->upload);
    strbuf_fini(&p->body);
    free(p);
}

/* The query says which agents may run it, the body what to probe. */
static enum step take_options(struct http_req *r, struct probe *p)
{
    struct strbuf text;
    strbuf_init(&text, OPTIONS_TEXT_MAX);
    if (!query_has(&r->query, "deadline_s"))
        query_add(&r->query, "deadline_s", strlen("deadline_s"), PROBE_DEADLINE_S,
                  strlen(PROBE_DEADLINE_S));
    batch_options_from_query(&r->query, &text);
    enum step s = query_end(&r->query) != ERR_NONE
                      ? reply_bad_query(r)
                      : upload_body_options(r, p->upload, text.data, text.len);
    strbuf_fini(&text);
    upload_set_class(p->upload, CLASS_INTERACTIVE);
    return s;
}

enum step probes_begin(struct http_req *r)
{
    if (reply_no_new_work(r))
        return STEP_DONE;
    struct probe *p = mem_zalloc(sizeof(*p));
    r->state = p;
    r->state_free = probe_free;
    strbuf_init(&p->body, TASK_MAX_BYTES);
    p->upload = upload_create(r, true);
    upload_set_single(p->upload);
    return take_options(r, p);
}

enum step probes_body(struct http_req *r, const char *bytes, size_t *n)
{
    struct probe *p = r->state;
    strbuf_append(&p->body, bytes, *n);
    *n = 0;
    if (p->body.overflow)
        return reply_problem(r, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
                             "a target and its options are at most %d KiB", TASK_MAX_BYTES >> 10);
    return STEP_MORE;
}

/* A target as in a batch: a URI string or an object. */
static enum step take_target(struct http_req *r)
{
    struct probe *p = r->state;
    struct json_doc *d = NULL;
    char why[JSON_PROBLEM_MAX];
    if (json_parse(p->body.data, p->body.len, &d, why, sizeof(why)) != ERR_NONE)
        return reply_problem(r, MHD_HTTP_BAD_REQUEST, "bad_json",
                             "the body must be one target in JSON, like {\"url\": "
                             "\"https://example.com/\"}: %s",
                             why);
    upload_add_node(p->upload, 1, json_root(d));
    json_free(&d);
    r->phase = PROBE_UPLOAD;
    return STEP_MORE;
}

static enum step ask_results(struct http_req *r, uint32_t batch)
{
    struct store_req *s = http_store_req(r, STORE_RESULTS_PAGE);
    s->results_page.batch = batch;
    s->results_page.limit = PROBE_RESULTS_MAX;
    r->phase = PROBE_RESULTS;
    return http_ask_store(r, s);
}

/* The wait was long enough, or it was cut short. */
static enum step no_result(struct http_req *r, const struct batch_info *b)
{
    if (!r->core_ok || atomic_load(&r->api->stopping))
        return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                             "the master cannot wait for the result now; batch %s is accepted and "
                             "goes on: ask for its results",
                             b->uuid);
    return reply_problem(r, MHD_HTTP_GATEWAY_TIMEOUT, "no_result_yet",
                         "no result within %d s; batch %s goes on, its deadline ends it",
                         PROBE_WAIT_MS / 1000, b->uuid);
}

static enum step probe_reply(struct http_req *r, const struct batch_info *b)
{
    struct store_req *s = r->sreq;
    struct json_out w;
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    if (s->results_page.n == 0)
        return no_result(r, b);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_str(&w, "batch", b->uuid);
    json_key(&w, "results");
    json_arr_begin(&w);
    for (unsigned i = 0; i < s->results_page.n; i++)
        result_put_json(&w, &s->results_page.rows[i], b->uuid, b->trace);
    json_arr_end(&w);
    json_obj_end(&w);
    return STEP_DONE;
}

enum step probes_run(struct http_req *r)
{
    struct probe *p = r->state;
    enum step s = STEP_MORE;
    if (r->phase == PROBE_BEGIN)
        s = take_target(r);
    if (s == STEP_MORE && r->phase == PROBE_UPLOAD)
        s = upload_finish(p->upload);
    if (s != STEP_MORE)
        return s;
    const struct batch_info *b = upload_info(p->upload);
    if (r->phase == PROBE_RESULTS)
        return probe_reply(r, b);
    r->phase = PROBE_WAIT;
    s = batch_wait(r, &p->wait, b->num, PROBE_WAIT_MS);
    return s == STEP_MORE ? ask_results(r, b->num) : s;
}
