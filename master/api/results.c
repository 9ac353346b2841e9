/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/batches.h"
#include "master/api/handlers.h"
#include "master/api/host_filter.h"
#include "master/api/result_put.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_LIMIT_DEFAULT 100
/* What each slow reader may hold: a reply of one page, and what of a stream waits to be sent. */
#define PAGE_BYTES   (1u << 20)
#define STREAM_BYTES (128u << 10)

enum format { FORMAT_JSON, FORMAT_NDJSON, FORMAT_CSV };

/* A read of results: one page as JSON, or all of them page by page as a stream that ends with their
 * count. */
struct reading {
    enum format format;
    char uuid[UUID_TEXT_MAX], trace[TRACE_TEXT_MAX];
    uint32_t batch;
    uint64_t after, count;
    unsigned limit;
    int outcome;
    char cause[CAUSE_MAX], agent[AGENT_NAME_MAX + 1];
    uint64_t hosts[HOST_HASHES_MAX];
    unsigned n_hosts;
    struct strbuf out; /* of a stream: what is formatted and not sent yet */
    size_t off;
    bool asked, ended;
};
enum { READ_BEGIN, READ_BATCH, READ_PAGE };

static void reading_free(void *state)
{
    struct reading *x = state;
    strbuf_fini(&x->out);
    free(x);
}

_Static_assert(HOST_HASHES_MAX <= STORE_HOSTS_MAX, "the store takes all hashes of a host");

/* ---- the query */

static void take_word(struct query *q, const char *name, char *out, size_t max)
{
    const char *v = query_str(q, name);
    if (v && (v[0] == '\0' || strlen(v) >= max))
        query_fail(q, "query parameter '%s' must be 1 to %zu characters", name, max - 1);
    else if (v)
        snprintf(out, max, "%s", v);
}

static void take_host(struct query *q, struct reading *x)
{
    const char *host = query_str(q, "host");
    if (!host)
        return;
    x->n_hosts = host_filter_hashes(host, x->hosts);
    if (x->n_hosts == 0)
        query_fail(q,
                   "query parameter 'host' must be a host name or an address like example.com or "
                   "192.0.2.1, got \"%.60s\"",
                   host);
}

static enum err parse(struct http_req *r, struct reading *x)
{
    struct query *q = &r->query;
    enum outcome o;
    const char *word = query_str(q, "outcome");
    x->outcome = -1;
    if (word && outcome_parse(word, &o) == ERR_NONE)
        x->outcome = (int)o;
    else if (word)
        query_fail(q,
                   "query parameter 'outcome' must be ok, failed, undetermined, refused, expired "
                   "or cancelled, got \"%.40s\"",
                   word);
    take_word(q, "cause", x->cause, sizeof(x->cause));
    take_word(q, "agent", x->agent, sizeof(x->agent));
    take_host(q, x);
    x->after = (uint64_t)query_int(q, "cursor", 0, INT64_MAX, 0);
    x->limit = STORE_PAGE_ROWS;
    if (x->format == FORMAT_JSON)
        x->limit = (unsigned)query_int(q, "limit", 1, STORE_PAGE_ROWS, PAGE_LIMIT_DEFAULT);
    return query_end(q);
}

static enum step begin(struct http_req *r, enum format f)
{
    struct reading *x = mem_zalloc(sizeof(*x));
    x->format = f;
    strbuf_init(&x->out, REPLY_BODY_MAX);
    r->state = x;
    r->state_free = reading_free;
    if (parse(r, x) != ERR_NONE)
        return reply_bad_query(r);
    r->phase = READ_BATCH;
    return batch_ask(r);
}

static void ask_page(struct http_req *r)
{
    struct reading *x = r->state;
    struct store_req *s = http_store_req(r, STORE_RESULTS_PAGE);
    s->results_page.batch = x->batch;
    s->results_page.after = x->after;
    s->results_page.limit = x->limit;
    s->results_page.max_bytes = x->format == FORMAT_JSON ? PAGE_BYTES : STREAM_BYTES;
    s->results_page.outcome = x->outcome;
    memcpy(s->results_page.cause, x->cause, sizeof(x->cause));
    memcpy(s->results_page.agent, x->agent, sizeof(x->agent));
    memcpy(s->results_page.hosts, x->hosts, sizeof(x->hosts));
    s->results_page.n_hosts = x->n_hosts;
    http_ask_store(r, s);
}

/* ---- a page */

static enum step page_reply(struct http_req *r)
{
    struct reading *x = r->state;
    struct store_req *s = r->sreq;
    struct json_out w;
    if (s->err == ERR_NOT_FOUND) { /* meanwhile */
        struct batch_info gone = {0};
        memcpy(gone.uuid, x->uuid, sizeof(gone.uuid));
        return batch_purged(r, &gone);
    }
    if (s->err != ERR_NONE)
        return reply_store_error(r, s->err, s->why);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_str(&w, "batch", x->uuid);
    json_key(&w, "results");
    json_arr_begin(&w);
    for (unsigned i = 0; i < s->results_page.n; i++)
        result_put_json(&w, &s->results_page.rows[i], x->uuid, x->trace);
    json_arr_end(&w);
    json_id(&w, "cursor", s->results_page.last);
    if (s->results_page.more)
        json_id(&w, "next_cursor", s->results_page.last);
    else
        json_null(&w, "next_cursor");
    json_obj_end(&w);
    store_req_destroy(&r->sreq);
    return STEP_DONE;
}

/* ---- a stream */

static void put_end(struct reading *x)
{
    if (x->format == FORMAT_NDJSON)
        strbuf_printf(&x->out, "{\"end\":true,\"count\":%" PRIu64 "}\n", x->count);
    else
        strbuf_printf(&x->out, "# end count=%" PRIu64 "\r\n", x->count);
}

static void put_row(struct reading *x, const struct store_result_row *row)
{
    struct json_out w;
    x->count++;
    if (x->format == FORMAT_CSV) {
        result_put_csv(&x->out, row, x->uuid);
        return;
    }
    json_out_init(&w, &x->out);
    result_put_json(&w, row, x->uuid, x->trace);
    strbuf_putc(&x->out, '\n');
}

/* False: the page could not be read, so the stream breaks off without its last line. */
static bool take_page(struct http_req *r)
{
    struct reading *x = r->state;
    struct store_req *s = r->sreq;
    x->asked = false;
    if (s->err != ERR_NONE)
        return false;
    for (unsigned i = 0; i < s->results_page.n; i++)
        put_row(x, &s->results_page.rows[i]);
    x->after = s->results_page.last;
    x->ended = !s->results_page.more;
    if (x->ended)
        put_end(x);
    store_req_destroy(&r->sreq);
    return !x->out.overflow;
}

static ssize_t read_stream(struct http_req *r, char *buf, size_t max)
{
    struct reading *x = r->state;
    if (x->asked && !take_page(r))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (x->out.len > x->off)
        return reply_copy(r, &x->out, &x->off, buf, max);
    if (x->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!client_still_may(r))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    x->asked = true;
    ask_page(r);
    return 0;
}

static enum step stream_begin(struct http_req *r)
{
    struct reading *x = r->state;
    bool csv = x->format == FORMAT_CSV;
    reply_begin(r, MHD_HTTP_OK, csv ? "text/csv; charset=utf-8" : "application/x-ndjson");
    r->reply.reader = read_stream;
    if (csv)
        result_put_csv_head(&x->out);
    return STEP_DONE;
}

/* ---- GET /batches/{id}/results */

static enum step read_results(struct http_req *r, enum format f)
{
    struct reading *x = r->state;
    if (r->phase == READ_BEGIN)
        return begin(r, f);
    if (r->phase == READ_PAGE)
        return page_reply(r);
    if (batch_answer(r) == STEP_DONE)
        return STEP_DONE;
    const struct batch_info *b = &r->sreq->batch_get.info;
    if (b->purged_at.us != 0)
        return batch_purged(r, b);
    x->batch = b->num;
    memcpy(x->uuid, b->uuid, sizeof(x->uuid));
    memcpy(x->trace, b->trace, sizeof(x->trace));
    if (x->format != FORMAT_JSON)
        return stream_begin(r);
    r->phase = READ_PAGE;
    ask_page(r);
    return STEP_WAIT;
}

enum step results_ndjson(struct http_req *r)
{
    return read_results(r, FORMAT_NDJSON);
}

enum step results_csv(struct http_req *r)
{
    return read_results(r, FORMAT_CSV);
}

enum step results_by_accept(struct http_req *r)
{
    const char *accept = http_header(r, "Accept");
    if (accept && strstr(accept, "ndjson"))
        return read_results(r, FORMAT_NDJSON);
    if (accept && strstr(accept, "text/csv"))
        return read_results(r, FORMAT_CSV);
    return read_results(r, FORMAT_JSON);
}
