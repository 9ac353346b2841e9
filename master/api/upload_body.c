/* SPDX-License-Identifier: MIT */
#include "master/api/upload_body.h"
#include "common/mem.h"
#include "master/api/gunzip.h"
#include "master/api/upload_columns.h"
#include "master/api/upload_json.h"
#include "master/api/upload_lines.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ROW_JSON_MAX (8 * CSV_RECORD_MAX) /* every byte of a record escaped, and the names */

struct upload_body {
    struct http_req *req;
    struct upload *upload;
    enum body_format format;
    struct gunzip *gunzip;
    const char *plain; /* decoded and not yet used; of the gunzip */
    size_t plain_len;
    uint64_t decoded;
    struct lines lines;
    struct split split;
    struct csv csv;
    struct columns columns;
    struct strbuf row;   /* of CSV, as JSON */
    struct strbuf small; /* JSON kept until it is whole, or too much */
    size_t small_off;
    struct idempotency *hashed; /* NULL = nobody asks; borrowed */
    bool streaming;             /* it was too much */
    bool head_known;            /* the options are in the upload */
    bool tail_done;
};

struct upload_body *upload_body_create(struct http_req *r, struct upload *u, enum body_format f,
                                       bool gzip)
{
    struct upload_body *b = mem_zalloc(sizeof(*b));
    b->req = r;
    b->upload = u;
    b->format = f;
    b->gunzip = gzip ? gunzip_create() : NULL;
    lines_init(&b->lines);
    split_init(&b->split, API_BODY_SMALL);
    csv_init(&b->csv);
    strbuf_init(&b->row, ROW_JSON_MAX);
    strbuf_init(&b->small, API_BODY_SMALL);
    return b;
}

void upload_body_hash(struct upload_body *b, struct idempotency *i)
{
    REQUIRE(b->decoded == 0);
    b->hashed = i;
}

void upload_body_destroy(struct upload_body **bp)
{
    struct upload_body *b = *bp;
    if (!b)
        return;
    gunzip_destroy(&b->gunzip);
    lines_fini(&b->lines);
    split_fini(&b->split);
    csv_fini(&b->csv);
    strbuf_fini(&b->row);
    strbuf_fini(&b->small);
    free(b);
    *bp = NULL;
}

/* ---- options */

enum step upload_body_options(struct http_req *r, struct upload *u, const char *text, size_t len)
{
    struct json_doc *d = NULL;
    struct target_problem p = {.code = "bad_option"};
    char why[JSON_PROBLEM_MAX];
    if (json_parse(text, len, &d, why, sizeof(why)) != ERR_NONE)
        return reply_problem(r, MHD_HTTP_BAD_REQUEST, "bad_json",
                             "the options of the batch are not good JSON: %s", why);
    enum err e = upload_options(u, json_root(d), &p);
    json_free(&d);
    if (e == ERR_NONE)
        return STEP_MORE;
    int status = e == ERR_DENIED ? MHD_HTTP_FORBIDDEN : MHD_HTTP_UNPROCESSABLE_CONTENT;
    return reply_problem(r, status, p.code, "%s", p.detail);
}

static enum step take_head(struct upload_body *b)
{
    size_t len;
    const char *text = split_head(&b->split, &len);
    b->head_known = true;
    b->split.skip_members = true;
    return upload_body_options(b->req, b->upload, text, len);
}

/* ---- JSON */

static enum step bad_split(struct upload_body *b)
{
    struct split *s = &b->split;
    if (s->misplaced)
        return reply_problem(b->req, MHD_HTTP_UNPROCESSABLE_CONTENT, "targets_not_last",
                             "in a body over %u MiB 'targets' must be the last member; move %.60s "
                             "before it",
                             API_BODY_SMALL >> 20, s->key.data);
    return reply_problem(b->req, MHD_HTTP_BAD_REQUEST, "bad_json",
                         "the body is not good JSON: %s (at byte %" PRIu64 ")", s->why, s->offset);
}

static void take_element(struct upload_body *b, enum split_event e)
{
    struct split *s = &b->split;
    char detail[100];
    if (e == SPLIT_ELEMENT) {
        upload_add(b->upload, UPLOAD_JSON, s->n_elements, s->element.data, s->element.len);
        return;
    }
    snprintf(detail, sizeof(detail), "the target is over %d KiB; shorten it",
             SPLIT_ELEMENT_MAX >> 10);
    upload_reject(b->upload, s->n_elements, "too_long", detail);
}

static enum step split_feed(struct upload_body *b, const char *p, size_t *n)
{
    while (*n > 0) {
        size_t used;
        enum step s = upload_pump(b->upload);
        if (s != STEP_MORE)
            return s;
        enum split_event e = split_next(&b->split, p, *n, &used);
        p += used;
        *n -= used;
        if (e == SPLIT_BAD)
            return bad_split(b);
        if (e == SPLIT_TARGETS && !b->head_known && take_head(b) == STEP_DONE)
            return STEP_DONE;
        if (e == SPLIT_ELEMENT || e == SPLIT_TOO_LONG)
            take_element(b, e);
    }
    return STEP_MORE;
}

static enum step small_feed(struct upload_body *b)
{
    size_t left = b->small.len - b->small_off;
    enum step s = split_feed(b, b->small.data + b->small_off, &left);
    b->small_off = b->small.len - left;
    return s;
}

static enum step json_feed(struct upload_body *b, const char *p, size_t *n)
{
    if (!b->streaming && b->small.len + *n <= API_BODY_SMALL) {
        strbuf_append(&b->small, p, *n);
        *n = 0;
        return STEP_MORE;
    }
    b->streaming = true;
    b->split.targets_last = true;
    if (b->small.len > 0) {
        enum step s = small_feed(b);
        if (s != STEP_MORE)
            return s;
        strbuf_fini(&b->small);
        strbuf_init(&b->small, API_BODY_SMALL);
        b->small_off = 0;
    }
    return split_feed(b, p, n);
}

/* Over the whole of a small body: only the options are taken; then the elements are gone through
 * from the start. */
static enum step small_head(struct upload_body *b)
{
    struct split *s = &b->split;
    enum split_event e = SPLIT_MORE;
    for (size_t at = 0, used; at < b->small.len; at += used) {
        e = split_next(s, b->small.data + at, b->small.len - at, &used);
        if (e == SPLIT_BAD)
            return bad_split(b);
    }
    if (!split_whole(s))
        return reply_problem(b->req, MHD_HTTP_BAD_REQUEST, "bad_json", "the body %s",
                             b->small.len ? "is not good JSON: it ends too soon"
                                          : "is empty: send {\"targets\": [...]}");
    if (take_head(b) == STEP_DONE)
        return STEP_DONE;
    split_fini(s);
    split_init(s, API_BODY_SMALL);
    s->skip_members = true;
    return STEP_MORE;
}

static enum step json_end(struct upload_body *b)
{
    if (!b->streaming) {
        if (!b->head_known && small_head(b) == STEP_DONE)
            return STEP_DONE;
        enum step s = small_feed(b);
        if (s != STEP_MORE)
            return s;
    }
    if (!split_whole(&b->split))
        return reply_problem(b->req, MHD_HTTP_BAD_REQUEST, "bad_json",
                             "the body is not good JSON: it ends too soon");
    if (!b->split.targets_seen)
        return reply_problem(b->req, MHD_HTTP_UNPROCESSABLE_CONTENT, "empty_batch",
                             "the body has no 'targets'; give an array of URIs or objects");
    return STEP_MORE;
}

/* ---- lines */

static void take_line(struct upload_body *b, enum line_event e)
{
    struct lines *l = &b->lines;
    char detail[100];
    if (e == LINE_TOO_LONG) {
        snprintf(detail, sizeof(detail), "the line is over %d KiB; shorten it",
                 LINES_TEXT_MAX >> 10);
        upload_reject(b->upload, l->number, "too_long", detail);
    } else if (b->format == BODY_TEXT || strspn(l->text, " \t") < l->len) {
        upload_add(b->upload, b->format == BODY_TEXT ? UPLOAD_TEXT : UPLOAD_JSON, l->number,
                   l->text, l->len);
    }
}

static enum step lines_feed(struct upload_body *b, const char *p, size_t *n)
{
    while (*n > 0) {
        size_t used;
        enum step s = upload_pump(b->upload);
        if (s != STEP_MORE)
            return s;
        enum line_event e = lines_next(&b->lines, p, *n, &used);
        if (e != LINE_MORE)
            take_line(b, e);
        p += used;
        *n -= used;
    }
    return STEP_MORE;
}

/* ---- CSV */

static enum step take_header(struct upload_body *b, enum csv_event e)
{
    struct columns_problem p;
    const char *code = "bad_header", *detail = b->csv.problem;
    if (e == CSV_TOO_LONG) {
        detail = "the header row is too long; it holds the names of the columns";
    } else if (e == CSV_RECORD) {
        if (columns_take(&b->columns, &b->csv, &p) == ERR_NONE)
            return STEP_MORE;
        code = p.code;
        detail = p.detail;
    }
    return reply_problem(b->req, MHD_HTTP_UNPROCESSABLE_CONTENT, code, "line %" PRIu64 ": %s",
                         b->csv.line, detail);
}

static void take_row(struct upload_body *b)
{
    struct columns_problem p;
    strbuf_reset(&b->row);
    if (columns_json(&b->columns, &b->csv, &b->row, &p) != ERR_NONE)
        upload_reject(b->upload, b->csv.line, p.code, p.detail);
    else
        upload_add(b->upload, UPLOAD_JSON, b->csv.line, b->row.data, b->row.len);
}

/* A quote that nothing closes may have swallowed any number of targets: nothing is taken. */
static enum step csv_never_closed(struct upload_body *b)
{
    return reply_problem(b->req, MHD_HTTP_UNPROCESSABLE_CONTENT, "bad_csv",
                         "the record that begins on line %" PRIu64
                         " has a '\"' that is never closed; close it and submit again",
                         b->csv.line);
}

static enum step take_record(struct upload_body *b, enum csv_event e)
{
    char detail[100];
    if (e == CSV_OPEN)
        return csv_never_closed(b);
    if (b->columns.n == 0)
        return take_header(b, e);
    if (e == CSV_RECORD) {
        take_row(b);
    } else if (e == CSV_BAD) {
        upload_reject(b->upload, b->csv.line, "bad_record", b->csv.problem);
    } else {
        snprintf(detail, sizeof(detail), "the record is over %d KiB; shorten it",
                 CSV_RECORD_MAX >> 10);
        upload_reject(b->upload, b->csv.line, "too_long", detail);
    }
    return STEP_MORE;
}

static enum step csv_feed(struct upload_body *b, const char *p, size_t *n)
{
    while (*n > 0) {
        size_t used;
        enum step s = upload_pump(b->upload);
        if (s != STEP_MORE)
            return s;
        enum csv_event e = csv_next(&b->csv, p, *n, &used);
        p += used;
        *n -= used;
        if (e != CSV_MORE && take_record(b, e) == STEP_DONE)
            return STEP_DONE;
    }
    return STEP_MORE;
}

/* ---- bytes */

static enum step format_feed(struct upload_body *b, const char *p, size_t *n)
{
    switch (b->format) {
    case BODY_JSON:
        return json_feed(b, p, n);
    case BODY_CSV:
        return csv_feed(b, p, n);
    case BODY_TEXT:
    case BODY_NDJSON:
        return lines_feed(b, p, n);
    }
    UNREACHABLE("a body has one of four formats");
}

static bool is_repeat(const struct upload_body *b)
{
    return b->hashed && idempotency_is_repeat(b->hashed);
}

static enum step plain_feed(struct upload_body *b, const char *p, size_t *n)
{
    size_t before = *n;
    enum step s = STEP_MORE;
    if (is_repeat(b))
        *n = 0;
    else
        s = format_feed(b, p, n);
    if (b->hashed)
        idempotency_hash(b->hashed, p, before - *n);
    return s;
}

static enum step too_large(struct upload_body *b)
{
    return reply_problem(b->req, MHD_HTTP_CONTENT_TOO_LARGE, "body_too_large",
                         "the body is larger than the limit of %lld bytes; split the batch",
                         (long long)b->req->api->conf.body_max_bytes);
}

/* Counted when it is first seen: a body that waits is not counted twice. */
static bool count(struct upload_body *b, size_t n)
{
    b->decoded += n;
    return b->decoded <= (uint64_t)b->req->api->conf.body_max_bytes;
}

static enum step gzip_feed(struct upload_body *b, const char *p, size_t *n)
{
    for (;;) {
        if (b->plain_len > 0) {
            size_t left = b->plain_len;
            enum step s = plain_feed(b, b->plain, &left);
            b->plain += b->plain_len - left;
            b->plain_len = left;
            if (s != STEP_MORE)
                return s;
        }
        if (gunzip_next(b->gunzip, &p, n, &b->plain, &b->plain_len) != ERR_NONE)
            return reply_problem(b->req, MHD_HTTP_BAD_REQUEST, "bad_gzip",
                                 "the body is not gzip, though Content-Encoding says so");
        if (!count(b, b->plain_len))
            return too_large(b);
        if (b->plain_len == 0 && *n == 0)
            return STEP_MORE;
    }
}

enum step upload_body_feed(struct upload_body *b, const char *p, size_t *n)
{
    if (b->gunzip)
        return gzip_feed(b, p, n);
    size_t before = *n;
    enum step s = plain_feed(b, p, n);
    if (!count(b, before - *n) && s == STEP_MORE)
        return too_large(b);
    return s;
}

static enum step tail(struct upload_body *b)
{
    size_t none = 0; /* more bytes: but some may wait in their decoded form */
    if (b->gunzip) {
        enum step z = gzip_feed(b, NULL, &none);
        if (z != STEP_MORE)
            return z;
    }
    if (b->gunzip && !gunzip_whole(b->gunzip))
        return reply_problem(b->req, MHD_HTTP_BAD_REQUEST, "bad_gzip",
                             "the gzip body ends too soon; send it again");
    if (is_repeat(b))
        return STEP_MORE;
    if (b->format == BODY_JSON)
        return json_end(b);
    enum step s = upload_pump(b->upload);
    if (s != STEP_MORE)
        return s;
    if (b->format == BODY_CSV) {
        enum csv_event c = csv_end(&b->csv);
        return c == CSV_MORE ? STEP_MORE : take_record(b, c);
    }
    enum line_event e = lines_end(&b->lines);
    if (e != LINE_MORE)
        take_line(b, e);
    return STEP_MORE;
}

enum step upload_body_end(struct upload_body *b)
{
    if (b->tail_done)
        return STEP_MORE;
    enum step s = tail(b);
    b->tail_done = s == STEP_MORE;
    return s;
}
