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
 * of the master, and both only rise, so a cursor holds over restarts. The newest events are in the
 * hub's memory; what that has forgotten is read from the store, which keeps more, until the cursor
 * has come to what memory has. A page behind whose cursor events are gone for good says `lost`; a
 * stream says it with the event `lost`.
 */
#define LIMIT_DEFAULT  100
#define WAIT_MS_MAX    60000
#define STREAM_WAIT_MS 1000 /* between two looks at the client: is it there, may it still */
#define STREAM_PAGE    100
#define CURSOR_MAX     44

struct fleet_stream {
    struct sse sse;
    char *agent, *kind; /* NULL = any */
    struct event_key after;
    unsigned limit;
    bool newest, asked, stored; /* stored: the store was asked last, not the hub */
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
           u64_parse(text, (size_t)(dash - text), &x->after.epoch) == ERR_NONE &&
           x->after.epoch != 0 && x->after.epoch <= INT64_MAX &&
           u64_parse(dash + 1, strlen(dash + 1), &x->after.id) == ERR_NONE &&
           x->after.id <= INT64_MAX;
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
    c->events.after = x->after;
    c->events.limit = limit;
    c->wait_ms = wait_ms;
    return c;
}

static enum step ask_store(struct http_req *r, unsigned limit)
{
    struct fleet_stream *x = r->state;
    struct store_req *s = http_store_req(r, STORE_EVENTS_PAGE);
    s->events_page.epoch = x->after.epoch;
    s->events_page.number = x->after.id;
    s->events_page.agent = mem_strdup(x->agent);
    s->events_page.kind = mem_strdup(x->kind);
    s->events_page.limit = limit;
    x->stored = true;
    return http_ask_store(r, s);
}

/* ---- an event */

static void put_id(struct event_key key, char out[CURSOR_MAX])
{
    snprintf(out, CURSOR_MAX, "%" PRIu64 "-%" PRIu64, key.epoch, key.id);
}

static void put_event(struct json_out *w, const struct event *e)
{
    char id[CURSOR_MAX], at[WALL_TEXT_MAX];
    put_id(e->key, id);
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

/* Texts stay the store's. */
static struct event of_store(const struct store_event *s)
{
    struct event e = {.key = {s->epoch, s->number},
                      .at = s->at,
                      .cause = s->cause,
                      .detail = s->detail,
                      .evidence = s->evidence};
    snprintf(e.kind, sizeof(e.kind), "%s", s->kind);
    snprintf(e.agent, sizeof(e.agent), "%s", s->agent ? s->agent : "");
    return e;
}

/* What the hub or the store answered, in one form: events are copies, their texts are not. */
struct answer {
    struct event *events; /* freed by the caller */
    unsigned n;
    struct event_key last;
    bool lost;
};

/* A store that has nothing behind the cursor, although memory has: it could not keep all. Then the
 * hub's page goes on, and says what is lost. */
static bool store_goes_on(const struct http_req *r)
{
    const struct fleet_stream *x = r->state;
    const struct store_req *s = r->sreq;
    bool moved = s->events_page.epoch != x->after.epoch || s->events_page.number != x->after.id;
    return s->events_page.n > 0 || moved;
}

static struct answer answer_of(const struct http_req *r)
{
    const struct fleet_stream *x = r->state;
    const struct event_page *p = &r->creq->events.page;
    struct answer a = {.n = p->n, .last = p->last, .lost = p->lost};
    if (!x->stored || !store_goes_on(r)) {
        a.events = mem_array(a.n + 1, sizeof(*a.events));
        memcpy(a.events, p->events, a.n * sizeof(*a.events));
        return a;
    }
    const struct store_req *s = r->sreq;
    a = (struct answer){.n = s->events_page.n,
                        .last = {s->events_page.epoch, s->events_page.number},
                        .lost = s->events_page.lost};
    a.events = mem_array(a.n + 1, sizeof(*a.events));
    for (unsigned i = 0; i < a.n; i++)
        a.events[i] = of_store(&s->events_page.items[i]);
    return a;
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
    struct answer a = answer_of(r);
    put_id(a.last, next);
    reply_begin(r, MHD_HTTP_OK, "application/json");
    json_out_init(&w, &r->reply.body);
    json_obj_begin(&w);
    json_bool(&w, "lost", a.lost);
    json_str(&w, "next_cursor", next);
    json_key(&w, "events");
    json_arr_begin(&w);
    for (unsigned i = 0; i < a.n; i++)
        put_event(&w, &a.events[i]);
    json_arr_end(&w);
    json_obj_end(&w);
    free(a.events);
    return STEP_DONE;
}

static enum step answer_page(struct http_req *r)
{
    struct fleet_stream *x = r->state;
    if (x->stored)
        return r->sreq->err ? reply_store_error(r, r->sreq->err, r->sreq->why) : put_page(r);
    if (!r->core_ok || !r->creq->events.served)
        return unavailable(r);
    return r->creq->events.page.older ? ask_store(r, x->limit) : put_page(r);
}

/* ---- as a stream */

static void say_lost(struct fleet_stream *x)
{
    sse_event_begin(&x->sse, NULL, "lost");
    strbuf_puts(&x->sse.out, "{\"detail\":\"events between the last one and the next are not "
                             "kept any more, or were not stored in time\"}");
    sse_event_end(&x->sse);
}

static void put_events(struct fleet_stream *x, const struct answer *a)
{
    struct json_out w;
    char id[CURSOR_MAX];
    if (a->lost)
        say_lost(x);
    for (unsigned i = 0; i < a->n; i++) {
        put_id(a->events[i].key, id);
        sse_event_begin(&x->sse, id, a->events[i].kind);
        json_out_init(&w, &x->sse.out);
        put_event(&w, &a->events[i]);
        sse_event_end(&x->sse);
    }
    x->after = a->last;
    x->newest = false;
    x->stored = false;
    sse_ping(&x->sse);
}

/* False: whoever was asked could not answer. *again: the store is to be asked for it instead. */
static bool take_events(struct http_req *r, bool *again)
{
    struct fleet_stream *x = r->state;
    bool served = x->stored ? !r->sreq->err : r->core_ok && r->creq->events.served;
    *again = served && !x->stored && r->creq->events.page.older;
    if (!served || *again)
        return served;
    struct answer a = answer_of(r);
    put_events(x, &a);
    free(a.events);
    return !x->sse.out.overflow;
}

static ssize_t read_stream(struct http_req *r, char *buf, size_t max)
{
    struct fleet_stream *x = r->state;
    ssize_t n;
    bool again = false;
    if (x->asked && !take_events(r, &again))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    x->asked = again;
    if (again) {
        ask_store(r, STREAM_PAGE);
        return 0;
    }
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
        return answer_page(r);
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
