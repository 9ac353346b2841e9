/* SPDX-License-Identifier: MIT */
#include "master/api/sse.h"

#define PING_MS    15000       /* under every time-out */
#define RETRY_MS   2000        /* told to the client: when to come again after a cut */
#define KEPT_BYTES (64u << 10) /* a buffer that one large event made larger is given back */

void sse_init(struct sse *e, struct api *a)
{
    *e = (struct sse){.api = a};
    strbuf_init(&e->out, REPLY_BODY_MAX);
}

void sse_fini(struct sse *e)
{
    if (e->counted)
        atomic_fetch_sub(&e->api->streams, 1);
    strbuf_fini(&e->out);
}

const char *sse_last_id(struct http_req *r)
{
    const char *in_query = query_str(&r->query, "last_event_id");
    const char *in_header = http_header(r, "Last-Event-ID");
    return in_header && in_header[0] ? in_header : in_query;
}

static void too_many(struct http_req *r, const char *instead)
{
    counter_add(&r->api->stats.streams_refused, 1);
    reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "too_many_streams",
                  "%d streams of events are open, as many as this master serves: close one, "
                  "try again later, or ask %s from time to time",
                  API_STREAMS_MAX, instead);
}

bool sse_begin(struct sse *e, struct http_req *r,
               ssize_t (*reader)(struct http_req *r, char *buf, size_t max), const char *instead)
{
    if (atomic_fetch_add(&r->api->streams, 1) >= API_STREAMS_MAX) {
        atomic_fetch_sub(&r->api->streams, 1);
        too_many(r, instead);
        return false;
    }
    e->counted = true;
    e->said_at = mono_now();
    counter_add(&r->api->stats.streams, 1);
    reply_begin(r, MHD_HTTP_OK, "text/event-stream; charset=utf-8");
    reply_header(r, "X-Accel-Buffering", "no");
    r->reply.reader = reader;
    r->reply.lasting = true;
    strbuf_printf(&e->out, "retry: %d\n\n", RETRY_MS);
    return true;
}

/* ---- what is said */

void sse_event_begin(struct sse *e, const char *id, const char *event)
{
    if (id)
        strbuf_printf(&e->out, "id: %s\n", id);
    strbuf_printf(&e->out, "event: %s\ndata: ", event);
    e->data = e->out.len;
}

/* Records are as agents wrote them: a line break between two members would end the field. */
void sse_event_end(struct sse *e)
{
    for (size_t i = e->data; i < e->out.len; i++)
        if (e->out.data[i] == '\n' || e->out.data[i] == '\r')
            e->out.data[i] = ' ';
    strbuf_puts(&e->out, "\n\n");
    counter_add(&e->api->stats.stream_events, 1);
    e->said_at = mono_now();
}

void sse_ping(struct sse *e)
{
    struct mono now = mono_now();
    if (e->out.len > 0 || mono_diff_ms(now, e->said_at) < PING_MS)
        return;
    strbuf_puts(&e->out, ": ping\n\n");
    e->said_at = now;
}

/* ---- the stream */

static ssize_t send_some(struct sse *e, struct http_req *r, char *buf, size_t max)
{
    ssize_t n = reply_copy(r, &e->out, &e->off, buf, max);
    if (e->out.len == 0 && e->out.cap > KEPT_BYTES) {
        strbuf_fini(&e->out);
        strbuf_init(&e->out, REPLY_BODY_MAX);
    }
    return n;
}

bool sse_pump(struct sse *e, struct http_req *r, char *buf, size_t max, ssize_t *n)
{
    if (e->out.len > e->off)
        *n = send_some(e, r, buf, max);
    else if (e->done || client_is_gone(r))
        *n = MHD_CONTENT_READER_END_OF_STREAM;
    else if (atomic_load(&r->api->stopping) || !client_still_may(r))
        *n = MHD_CONTENT_READER_END_WITH_ERROR;
    else
        return false;
    return true;
}
