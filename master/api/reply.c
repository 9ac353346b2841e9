/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "common/utf8.h"
#include "master/api/http.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DETAIL_MAX    700
#define RETRY_AFTER_S "2"
#define STREAM_BLOCK  (32u << 10)
#define PROBLEM_TYPE  "application/problem+json"

void reply_fini(struct reply *p)
{
    if (p->status)
        strbuf_fini(&p->body);
    for (unsigned i = 0; i < p->n_headers; i++)
        free(p->headers[i].value);
    *p = (struct reply){.status = 0};
}

void reply_begin(struct http_req *r, int status, const char *type)
{
    REQUIRE(!r->reply.sent && status >= 100 && status < 600);
    reply_fini(&r->reply);
    r->reply.status = status;
    r->reply.type = type;
    strbuf_init(&r->reply.body, REPLY_BODY_MAX);
}

void reply_header(struct http_req *r, const char *name, const char *value)
{
    REQUIRE(r->reply.status && r->reply.n_headers < REPLY_HEADERS_MAX);
    r->reply.headers[r->reply.n_headers].name = name;
    r->reply.headers[r->reply.n_headers++].value = mem_strdup(value);
}

static const char *title_of(int status)
{
    const char *t = MHD_get_reason_phrase_for((unsigned)status);
    return t ? t : "Error";
}

void reply_problem_open(struct http_req *r, struct json_out *w, int status, const char *code,
                        const char *detail)
{
    struct strbuf clean;
    strbuf_init(&clean, 4 * DETAIL_MAX);
    utf8_sanitize(&clean, detail, strlen(detail), DETAIL_MAX);
    reply_begin(r, status, PROBLEM_TYPE);
    json_out_init(w, &r->reply.body);
    json_obj_begin(w);
    json_str(w, "type", "about:blank");
    json_str(w, "title", title_of(status));
    json_int(w, "status", status);
    json_str(w, "code", code);
    json_str(w, "detail", clean.data);
    json_str(w, "trace", r->trace);
    strbuf_fini(&clean);
}

enum step reply_problem(struct http_req *r, int status, const char *code, const char *fmt, ...)
{
    char detail[DETAIL_MAX];
    struct json_out w;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof(detail), fmt, ap);
    va_end(ap);
    reply_problem_open(r, &w, status, code, detail);
    json_obj_end(&w);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE || status == MHD_HTTP_TOO_MANY_REQUESTS)
        reply_header(r, "Retry-After", RETRY_AFTER_S);
    return STEP_DONE;
}

enum step reply_store_error(struct http_req *r, enum err e, const char *why)
{
    REQUIRE(e != ERR_NONE);
    switch (e) {
    case ERR_NO_SPACE:
        return reply_problem(r, MHD_HTTP_INSUFFICIENT_STORAGE, "no_space",
                             "the master's disk is full, so nothing was accepted; make room under "
                             "its data directory and submit again");
    case ERR_FULL:
    case ERR_CLOSED:
        return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                             "the master's store cannot take the request now; try again");
    default:
        return reply_problem(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "store_error",
                             "the master's store failed: %s", why[0] ? why : err_text(e));
    }
}

bool reply_no_new_work(struct http_req *r)
{
    struct api *a = r->api;
    if (atomic_load(&a->draining)) {
        reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "draining",
                      "the master is shutting down and takes no new work; try again");
        return true;
    }
    if (!a->conf.overloaded || !a->conf.overloaded(a->conf.hub_arg))
        return false;
    counter_add(&a->stats.shed, 1);
    reply_problem(r, MHD_HTTP_TOO_MANY_REQUESTS, "overloaded",
                  "the master cannot keep up and takes no new work, so that its agents do not "
                  "suffer; wait as Retry-After says and try again (GET /diagnosis says why)");
    return true;
}

void reply_accepted(struct http_req *r, const char *uuid)
{
    char location[sizeof("/api/v1/batches/") + UUID_TEXT_MAX];
    snprintf(location, sizeof(location), "/api/v1/batches/%s", uuid);
    reply_begin(r, MHD_HTTP_ACCEPTED, "application/json");
    reply_header(r, "Location", location);
}

enum step reply_bad_query(struct http_req *r)
{
    REQUIRE(r->query.err != ERR_NONE);
    return reply_problem(r, MHD_HTTP_BAD_REQUEST, "bad_query", "%s", r->query.problem);
}

ssize_t reply_copy(struct http_req *r, struct strbuf *out, size_t *off, char *buf, size_t max)
{
    REQUIRE(*off <= out->len);
    size_t n = out->len - *off;
    n = n < max ? n : max;
    memcpy(buf, out->data + *off, n);
    *off += n;
    r->bytes_out += (int64_t)n;
    if (*off == out->len) {
        strbuf_reset(out);
        *off = 0;
    }
    return (ssize_t)n;
}

static ssize_t on_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct http_req *r = cls;
    struct api *a = r->api;
    REQUIRE(r->state != NULL && pos == (uint64_t)r->bytes_out);
    if (!http_enter(a))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    ssize_t n = r->reply.reader(r, buf, max);
    http_leave(a);
    return n;
}

static struct MHD_Response *response_of(struct http_req *r)
{
    struct reply *p = &r->reply;
    if (p->reader)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_read, r, NULL);
    size_t n;
    char *bytes = strbuf_take(&p->body, &n);
    r->bytes_out = (int64_t)n;
    struct MHD_Response *m = MHD_create_response_from_buffer(n, bytes, MHD_RESPMEM_MUST_FREE);
    if (!m)
        free(bytes);
    return m;
}

/* A page that outgrew its bound is our fault, and is said. */
static void check_overflow(struct http_req *r)
{
    if (r->reply.body.overflow)
        reply_problem(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "too_big",
                      "the answer is too large; ask for a smaller limit");
}

enum MHD_Result reply_send(struct http_req *r)
{
    struct reply *p = &r->reply;
    REQUIRE(p->status && !p->sent);
    if (p->lasting)
        guard_lasting(&r->api->guard, http_guard_conn(r));
    check_overflow(r);
    struct MHD_Response *m = response_of(r);
    if (!m)
        return MHD_NO;
    if (p->type)
        MHD_add_response_header(m, "Content-Type", p->type);
    MHD_add_response_header(m, "Cache-Control", "no-store");
    MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(m, "X-Trace-Id", r->trace);
    for (unsigned i = 0; i < p->n_headers; i++)
        MHD_add_response_header(m, p->headers[i].name, p->headers[i].value);
    enum MHD_Result ok = MHD_queue_response(r->conn, (unsigned)p->status, m);
    MHD_destroy_response(m);
    p->sent = true;
    return ok;
}
