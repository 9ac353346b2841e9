/* SPDX-License-Identifier: MIT */
#include "common/mem.h"
#include "master/api/batch_options.h"
#include "master/api/batches.h"
#include "master/api/handlers.h"
#include "master/api/upload_body.h"
#include "master/api/whole_body.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define OPTIONS_TEXT_MAX (64u << 10)
#define TYPES_TAKEN                                                                                \
    "application/json, text/plain (one URI a line), application/x-ndjson or text/csv"

struct post {
    enum body_format format;
    struct idempotency *idempotency; /* NULL = without a key */
    struct upload *upload;
    struct upload_body *body;
    bool kept;
    int64_t wait_ms;
    struct batch_wait wait;
};

static void post_free(void *state)
{
    struct post *p = state;
    upload_body_destroy(&p->body);
    upload_destroy(&p->upload);
    idempotency_destroy(&p->idempotency);
    free(p);
}

/* ---- before the body */

static bool format_of(struct http_req *r, enum body_format *out)
{
    static const struct {
        const char *type;
        enum body_format format;
    } types[] = {{"application/json", BODY_JSON},
                 {"text/plain", BODY_TEXT},
                 {"application/x-ndjson", BODY_NDJSON},
                 {"application/ndjson", BODY_NDJSON},
                 {"text/csv", BODY_CSV}};
    const char *given = http_header(r, "Content-Type");
    size_t n = given ? strcspn(given, "; \t") : 0;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (n == strlen(types[i].type) && strncasecmp(given, types[i].type, n) == 0) {
            *out = types[i].format;
            return true;
        }
    if (given)
        reply_problem(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_type",
                      "Content-Type '%.60s' is not taken; send " TYPES_TAKEN, given);
    else
        reply_problem(r, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_type",
                      "the request has no Content-Type; send " TYPES_TAKEN);
    return false;
}

/* What the answer depends on besides the body. wait is no part of it. */
static void hash_options(struct post *p, bool strict, const char *text, size_t len)
{
    char head[32];
    int n = snprintf(head, sizeof(head), "%d strict=%d ", (int)p->format, strict);
    if (!p->idempotency)
        return;
    idempotency_hash(p->idempotency, head, (size_t)n);
    idempotency_hash(p->idempotency, text, len + 1); /* with its NUL: where the body begins */
}

static enum step options_of_query(struct http_req *r, struct post *p, bool strict)
{
    struct strbuf text;
    strbuf_init(&text, OPTIONS_TEXT_MAX);
    batch_options_from_query(&r->query, &text);
    hash_options(p, strict, text.data, text.len);
    enum step s = query_end(&r->query) != ERR_NONE
                      ? reply_bad_query(r)
                      : upload_body_options(r, p->upload, text.data, text.len);
    strbuf_fini(&text);
    return s;
}

enum step batches_post_begin(struct http_req *r)
{
    enum body_format f;
    bool gzip;
    if (!upload_may_begin(r) || !format_of(r, &f) || !body_encoding(r, &gzip))
        return STEP_DONE;
    struct post *p = mem_zalloc(sizeof(*p));
    r->state = p;
    r->state_free = post_free;
    p->format = f;
    if (idempotency_begin(r, &p->idempotency) == STEP_DONE)
        return STEP_DONE;
    p->wait_ms = query_ms(&r->query, "wait", BATCH_WAIT_MAX_MS);
    bool strict = query_bool(&r->query, "strict", false);
    p->upload = upload_create(r, strict);
    p->body = upload_body_create(r, p->upload, f, gzip);
    upload_body_hash(p->body, p->idempotency);
    if (f != BODY_JSON)
        return options_of_query(r, p, strict);
    hash_options(p, strict, "", 0);
    return query_end(&r->query) != ERR_NONE ? reply_bad_query(r) : STEP_MORE;
}

/* ---- the body, and behind it */

static enum step look_up(struct post *p)
{
    return p->idempotency ? idempotency_look_up(p->idempotency) : STEP_MORE;
}

enum step batches_post_body(struct http_req *r, const char *bytes, size_t *n)
{
    struct post *p = r->state;
    enum step s = look_up(p);
    return s == STEP_MORE ? upload_body_feed(p->body, bytes, n) : s;
}

static bool has_ended(const struct http_req *r)
{
    return r->core_ok && r->creq->op == REQ_WAIT && r->creq->found;
}

static enum step post_reply(struct http_req *r, struct post *p)
{
    struct json_out w;
    reply_accepted(r, upload_info(p->upload)->uuid);
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    upload_put(p->upload, &w);
    if (p->wait_ms)
        json_bool(&w, "ended", has_ended(r));
    json_obj_end(&w);
    return STEP_DONE;
}

/* The first answer as it was; only the wait is this request's own. */
static enum step repeat_reply(struct http_req *r, struct post *p)
{
    const char *answer = idempotency_answer(p->idempotency);
    size_t n = strlen(answer);
    REQUIRE(n > 2 && answer[n - 1] == '}');
    reply_accepted(r, idempotency_uuid(p->idempotency));
    strbuf_append(&r->reply.body, answer, p->wait_ms ? n - 1 : n);
    if (p->wait_ms)
        strbuf_printf(&r->reply.body, ",\"ended\":%s}", has_ended(r) ? "true" : "false");
    return STEP_DONE;
}

static enum step repeat_run(struct http_req *r, struct post *p)
{
    enum step s = idempotency_check(p->idempotency);
    if (s == STEP_MORE && p->wait_ms)
        s = batch_wait(r, &p->wait, idempotency_batch(p->idempotency), p->wait_ms);
    return s == STEP_MORE ? repeat_reply(r, p) : s;
}

/* The body is whole: its answer is to be kept with the batch. */
static void keep_answer(struct post *p)
{
    if (!p->idempotency || p->kept)
        return;
    upload_keep_answer(p->upload, idempotency_record(p->idempotency));
    p->kept = true;
}

enum step batches_post_run(struct http_req *r)
{
    struct post *p = r->state;
    enum step s = look_up(p);
    if (s == STEP_MORE)
        s = upload_body_end(p->body);
    if (s != STEP_MORE)
        return s;
    if (p->idempotency && idempotency_is_repeat(p->idempotency))
        return repeat_run(r, p);
    keep_answer(p);
    s = upload_finish(p->upload);
    if (s == STEP_MORE && p->idempotency)
        idempotency_stored(p->idempotency);
    if (s == STEP_MORE && p->wait_ms)
        s = batch_wait(r, &p->wait, upload_info(p->upload)->num, p->wait_ms);
    return s == STEP_MORE ? post_reply(r, p) : s;
}
