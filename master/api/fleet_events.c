/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "common/mem.h"
#include "master/api/handlers.h"
#include "master/api/sse.h"

/*
 * GET /events: what happened to the fleet and the master, oldest first; as JSON pages, or as
 * server-sent events with Accept: text/event-stream.
 *
 * A cursor, which is also the id of an event, is "START-NUMBER": the number counts within one start
 * of the master. A page whose cursor is of another start, or of events that are forgotten already,
 * says `lost`; a stream says it with the event `lost`.
 */
#define LIMIT_DEFAULT  100
#define WAIT_MS_MAX    60000
#define STREAM_WAIT_MS 1000 /* between two looks at the client: is it there, may it still */
#define STREAM_PAGE    100
#define CURSOR_MAX     44

struct fleet_stream {
    struct sse sse;
    char *agent, *kind; /* NULL = any */
    uint64_t epoch, after;
    unsigned limit;
    bool newest, asked;
};

static void stream_free(void *state)
{
    struct fleet_stream *x = state;
    sse_fini(&x->sse);
    free(x->agent);
    free(x->kind);
    free(x);
}

/* ---- the request */

static bool is_word(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n < EVENT_KIND_MAX && strspn(s, "abcdefghijklmnopqrstuvwxyz_") == n;
}

static void take_filter(struct http_req *r, struct fleet_stream *x)
{
    const char *agent = query_str(&r->query, "agent"), *kind = query_str(&r->query, "kind");
    if (agent && !agent_name_valid(agent))
        query_fail(&r->query, "'agent' must be the name of an agent, got \"%.80s\"", agent);
    if (kind && !is_word(kind))
        query_fail(
            &r->query,
            "'kind' must be one word like agent_disconnected or proxy_timeout, got \"%.40s\"",
            kind);
    x->agent = mem_strdup(agent);
    x->kind = mem_strdup(kind);
}

static bool parse_cursor(const char *text, struct fleet_stream *x)
{
    const char *dash = strchr(text, '-');
    return dash && strlen(text) < CURSOR_MAX &&
           u64_parse(text, (size_t)(dash - text), &x->epoch) == ERR_NONE && x->epoch != 0 &&
           u64_parse(dash + 1, strlen(dash + 1), &x->after) == ERR_NONE;
}

static void take_cursor(struct http_req *r, struct fleet_stream *x, bool stream)
{
    const char *cursor = query_str(&r->query, "cursor"), *id = stream ? sse_last_id(r) : NULL;
    const char *text = id ? id : cursor;
    x->newest = !text;
    if (text && !parse_cursor(text, x))
        query_fail(&r->query,
                   "a cursor must be a 'next_cursor' or the 'id' of an event of this API, like "
                   "\"7-123\", got \"%.40s\"",
                   text);
}

static struct core_req *question(struct http_req *r, unsigned limit, int64_t wait_ms)
{
    struct fleet_stream *x = r->state;
    struct core_req *c = http_core_req(r, REQ_EVENTS);
    c->agent = mem_strdup(x->agent);
    c->events.kind = mem_strdup(x->kind);
    c->events.newest = x->newest;
    c->events.epoch = x->epoch;
    c->events.after = x->after;
    c->events.limit = limit;
    c->wait_ms = wait_ms;
    return c;
}

/* ---- an event */

static void put_id(const struct core_req *c, uint64_t id, char out[CURSOR_MAX])
{
    snprintf(out, CURSOR_MAX, "%" PRIu64 "-%" PRIu64, c->events.epoch, id);
}

static void put_event(struct json_out *w, const struct core_req *c, const struct event *e)
{
    char id[CURSOR_MAX], at[WALL_TEXT_MAX];
    put_id(c, e->id, id);
    json_obj_begin(w);
    json_str(w, "id", id);
    json_str(w, "at", wall_format(e->at, at));
    json_str(w, "kind", e->kind);
    json_str(w, "agent", e->agent[0] ? e->agent : NULL);
    json_str(w, "cause", end_word(e->cause));
    json_str(w, "who", end_who_word(e->cause));
    json_str(w, "text", end_text(e->cause));
    json_str(w, "detail", e->detail);
    json_str(w, "fix", end_fix(e->cause));
    if (e->evidence)
        json_raw(w, "evidence", e->evidence, strlen(e->evidence));
    else
        json_null(w, "evidence");
    json_obj_end(w);
}

/* ---- as a page */

static enum step unavailable(struct http_req *r)
{
    return reply_problem(r, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                         "the master's hub cannot be asked now; try again");
}

static enum step put_page(struct http_req *r)
{
    struct json_out w;
    char next[CURSOR_MAX];
    const struct core_req *c = r->creq;
    if (!r->core_ok || !c->events.served)
        return unavailable(r);
    put_id(c, c->events.page.last, next);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_bool(&w, "lost", c->events.page.lost);
    json_str(&w, "next_cursor", next);
    json_key(&w, "events");
    json_arr_begin(&w);
    for (unsigned i = 0; i < c->events.page.n; i++)
        put_event(&w, c, &c->events.page.events[i]);
    json_arr_end(&w);
    json_obj_end(&w);
    return STEP_DONE;
}

/* ---- as a stream */

static void say_lost(struct fleet_stream *x)
{
    sse_event_begin(&x->sse, NULL, "lost");
    strbuf_puts(&x->sse.out, "{\"detail\":\"events between the last one and the next are not "
                             "remembered: too many came since, or the master was restarted\"}");
    sse_event_end(&x->sse);
}

static bool take_events(struct fleet_stream *x, const struct core_req *c)
{
    struct json_out w;
    char id[CURSOR_MAX];
    const struct event_page *p = &c->events.page;
    if (!c->events.served)
        return false; /* the hub ended before it looked */
    if (p->lost)
        say_lost(x);
    for (unsigned i = 0; i < p->n; i++) {
        put_id(c, p->events[i].id, id);
        sse_event_begin(&x->sse, id, p->events[i].kind);
        json_out_init(&w, &x->sse.out);
        put_event(&w, c, &p->events[i]);
        sse_event_end(&x->sse);
    }
    x->newest = false;
    x->epoch = c->events.epoch;
    x->after = p->last;
    sse_ping(&x->sse);
    return !x->sse.out.overflow;
}

static ssize_t read_stream(struct http_req *r, char *buf, size_t max)
{
    struct fleet_stream *x = r->state;
    ssize_t n;
    if (x->asked && (!r->core_ok || !take_events(x, r->creq)))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    x->asked = false;
    if (sse_pump(&x->sse, r, buf, max, &n))
        return n;
    x->asked = true;
    http_ask_core(r, question(r, x->newest ? x->limit : STREAM_PAGE, STREAM_WAIT_MS));
    return 0;
}

enum step fleet_events_get(struct http_req *r)
{
    const char *accept = http_header(r, "Accept");
    bool stream = accept && strstr(accept, "text/event-stream");
    if (r->phase++ > 0)
        return put_page(r);
    struct fleet_stream *x = mem_zalloc(sizeof(*x));
    sse_init(&x->sse, r->api);
    r->state = x;
    r->state_free = stream_free;
    take_filter(r, x);
    take_cursor(r, x, stream);
    x->limit = (unsigned)query_int(&r->query, "limit", stream ? 0 : 1, EVENTS_PAGE_MAX,
                                   stream ? 0 : LIMIT_DEFAULT);
    int64_t wait_ms = stream ? 0 : query_ms(&r->query, "wait", WAIT_MS_MAX);
    if (query_end(&r->query) != ERR_NONE)
        return reply_bad_query(r);
    if (!stream)
        return http_ask_core(r, question(r, x->limit, wait_ms));
    sse_begin(&x->sse, r, read_stream, "GET /api/v1/events");
    return STEP_DONE;
}
