/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "master/api/http.h"

/*
 * sse - what every stream of server-sent events shares: what is said and not sent yet, pings, the
 * number of streams at once, and the end.
 *
 * Api thread. One thing is asked of others at a time, and only when all that was said before is in
 * the socket: a reader that does not read holds one page, and MHD hangs up on it after API_IDLE_S.
 */
struct sse {
    struct api *api;
    struct strbuf out; /* what is said and not sent yet */
    size_t off;        /* … from here on */
    bool done;         /* nothing more is said */
    bool counted;      /* in api->streams */
    struct mono said_at;
    size_t data; /* where the data of the event that is being written begins */
};
void sse_init(struct sse *e, struct api *a);
void sse_fini(struct sse *e);

/* The header is the client's own and newer than the URL that it was opened with. NULL: none. */
const char *sse_last_id(struct http_req *r);

/* Begins the answer, which `reader` gives. False: there are too many, and the refusal is set;
 * instead: what to ask instead of a stream. */
bool sse_begin(struct sse *e, struct http_req *r,
               ssize_t (*reader)(struct http_req *r, char *buf, size_t max), const char *instead);

/* One event: begin (id NULL = none), its data into e->out, end. */
void sse_event_begin(struct sse *e, const char *id, const char *event);
void sse_event_end(struct sse *e);
void sse_ping(struct sse *e); /* a comment, when nothing else was said for long */

/* For readers, in this order. True: *n is the answer; false: ask for what comes next. */
bool sse_pump(struct sse *e, struct http_req *r, char *buf, size_t max, ssize_t *n);
