/* SPDX-License-Identifier: MIT */
#include "master/hub/courier.h"
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"
#include "master/hub/history.h"

#define REPLIES_MAX   65536 /* told in the mailbox's figures; replies pass it */
#define PARCEL_BYTES  (1024u * 1024)
#define ARENA_MAX     (PARCEL_BYTES + LINE_MAX_BYTES)
#define NO_TEXT       SIZE_MAX
#define PARCEL_GROWTH 64

/* A request of results. Its arena moves while it grows: the rows hold offsets until it is sealed.
 */
struct parcel_row {
    session_id session;
    size_t agent, cause, record, history;
};
struct parcel {
    struct courier *courier;
    struct mono begun; /* at this time … */
    struct wall wall;  /* … the clock on the wall said so */
    struct store_req *req;
    struct parcel_row *rows;
    unsigned cap;
};
struct swept {
    struct letter letter;
    uint32_t batch;
    enum outcome outcome;
    uint64_t count;
    bool finished;
};

void courier_init(struct courier *c, mailbox_wake_f *wake, void *arg)
{
    *c = (struct courier){0};
    c->replies = mailbox_create("hub-replies", REPLIES_MAX, SIZE_MAX, wake, arg);
    c->swept = mailbox_create("hub-swept", REPLIES_MAX, SIZE_MAX, wake, arg);
    list_init(&c->unsent);
    list_init(&c->failed);
}

void courier_start(struct courier *c, struct store *s)
{
    REQUIRE(c->store == NULL && s != NULL);
    c->store = s;
}

/* ---- requests out */

void courier_done(struct store_req *r)
{
    struct courier *c = r->arg;
    REQUIRE(mailbox_post_reply(c->replies, &r->letter) == ERR_NONE);
}

static void on_parcel_done(struct store_req *r)
{
    struct parcel *p = r->arg;
    REQUIRE(p != NULL && p->req == r);
    REQUIRE(mailbox_post_reply(p->courier->replies, &r->letter) == ERR_NONE);
}

static void parcel_destroy(struct parcel *p)
{
    store_req_destroy(&p->req);
    free(p->rows);
    free(p);
}

static void req_destroy(struct store_req *r)
{
    if (r->op == STORE_RESULTS)
        parcel_destroy(r->arg);
    else
        store_req_destroy(&r);
}

static struct store_req *req_of(struct list_node *n)
{
    return CONTAINER_OF(n, struct store_req, letter.node);
}

static void send_unsent(struct courier *c)
{
    struct list_node *n;
    if (c->store == NULL)
        return;
    while ((n = list_pop_front(&c->unsent)) != NULL) {
        struct store_req *r = req_of(n);
        r->err = ERR_NONE;
        if (store_post(c->store, r) == ERR_NONE)
            continue;
        list_push_front(&c->unsent, n);
        return;
    }
}

static void submit(struct courier *c, struct store_req *r)
{
    list_push_back(&c->unsent, &r->letter.node);
    send_unsent(c);
}

static struct parcel *parcel_create(struct courier *c)
{
    struct parcel *p = mem_zalloc(sizeof(*p));
    p->courier = c;
    p->begun = mono_now();
    p->wall = wall_now();
    p->req = store_req_create(STORE_RESULTS, on_parcel_done, p);
    strbuf_fini(&p->req->arena);
    strbuf_init(&p->req->arena, ARENA_MAX);
    return p;
}

static void parcel_grow(struct parcel *p)
{
    unsigned cap = p->cap == 0 ? PARCEL_GROWTH : p->cap * 2;
    if (cap > STORE_COMMIT_ROWS)
        cap = STORE_COMMIT_ROWS;
    p->rows = mem_realloc(p->rows, cap * sizeof(*p->rows));
    p->req->results.items = mem_realloc(p->req->results.items, cap * sizeof(struct store_result));
    p->cap = cap;
}

static size_t put_text(struct strbuf *b, const char *text, size_t len)
{
    size_t at = b->len;
    strbuf_append(b, text, len);
    strbuf_putc(b, '\0');
    return at;
}

static size_t put_history(struct parcel *p, const struct core_history *h)
{
    struct strbuf *b = &p->req->arena;
    size_t at = b->len;
    if (h == NULL)
        return NO_TEXT;
    history_encode(h, p->begun, p->wall, b);
    strbuf_putc(b, '\0');
    return at;
}

static struct wall wall_of(const struct parcel *p, struct mono at)
{
    int64_t since_us = (at.ns - p->begun.ns) / NS_PER_US;
    return (struct wall){mono_is_set(at) ? p->wall.us + since_us : 0};
}

static void parcel_add(struct parcel *p, const struct core_result *r)
{
    struct strbuf *b = &p->req->arena;
    unsigned i = p->req->results.n;
    REQUIRE(i < STORE_COMMIT_ROWS && r->record_len <= RESULT_MAX_BYTES);
    if (i == p->cap)
        parcel_grow(p);
    const char *cause = r->cause == NULL ? "" : r->cause;
    p->rows[i] = (struct parcel_row){
        .session = r->session,
        .agent = r->agent == NULL ? NO_TEXT : put_text(b, r->agent, strlen(r->agent)),
        .cause = put_text(b, cause, strlen(cause)),
        .record = put_text(b, r->record, r->record_len),
        .history = put_history(p, r->history),
    };
    p->req->results.items[i] = (struct store_result){.task = r->task,
                                                     .attempt = r->attempt,
                                                     .outcome = r->outcome,
                                                     .record_len = (uint32_t)r->record_len,
                                                     .leased_at = wall_of(p, r->leased_at),
                                                     .arrived_at = wall_of(p, r->arrived_at)};
    p->req->results.n = i + 1;
    REQUIRE(!b->overflow);
}

static void parcel_seal(struct parcel *p)
{
    const char *base = p->req->arena.data;
    for (unsigned i = 0; i < p->req->results.n; i++) {
        struct store_result *s = &p->req->results.items[i];
        const struct parcel_row *row = &p->rows[i];
        s->agent = row->agent == NO_TEXT ? NULL : base + row->agent;
        s->cause = base + row->cause;
        s->record = base + row->record;
        s->history = row->history == NO_TEXT ? NULL : base + row->history;
    }
}

static void send_filling(struct courier *c)
{
    struct parcel *p = c->filling;
    if (p == NULL)
        return;
    c->filling = NULL;
    parcel_seal(p);
    submit(c, p->req);
}

void courier_store(struct courier *c, const struct core_result *r)
{
    if (c->filling == NULL)
        c->filling = parcel_create(c);
    parcel_add(c->filling, r);
    struct store_req *req = c->filling->req;
    if (req->results.n == STORE_COMMIT_ROWS || req->arena.len >= PARCEL_BYTES)
        send_filling(c);
}

_Static_assert(CORE_REFILL_HOSTS <= STORE_REFILL_HOSTS, "what the core asks is answered");

void courier_refill(struct courier *c, const struct core_refill *q)
{
    struct store_req *r = store_req_create(STORE_REFILL, courier_done, c);
    r->refill.batch = q->batch;
    r->refill.after = q->after;
    r->refill.to = q->to;
    r->refill.limit = q->limit;
    r->refill.only = q->only;
    r->refill.n_hosts = q->n_hosts;
    memcpy(r->refill.hosts, q->hosts, q->n_hosts * sizeof(q->hosts[0]));
    submit(c, r);
}

void courier_mark(struct courier *c, uint32_t batch, bool cancel, enum cause cause, void *waiter)
{
    struct store_req *r = store_req_create(STORE_MARK, courier_done, c);
    r->mark.batch = batch;
    r->mark.mark = cancel ? MARK_CANCEL : MARK_EXPIRE;
    r->mark.cause = cause;
    r->mark.waiter = waiter;
    submit(c, r);
}

void courier_pause(struct courier *c, uint32_t batch, bool paused, void *waiter)
{
    struct store_req *r = store_req_create(STORE_PAUSE, courier_done, c);
    r->pause.batch = batch;
    r->pause.paused = paused;
    r->pause.waiter = waiter;
    submit(c, r);
}

void courier_agent_seen(struct courier *c, const char *name, const char *tags_json,
                        const char *instance)
{
    struct store_req *r = store_req_create(STORE_AGENT_SEEN, courier_done, c);
    r->agent.name = mem_strdup(name);
    r->agent.tags_json = mem_strdup(tags_json);
    r->agent.instance = mem_strdup(instance);
    r->agent.at = wall_now();
    submit(c, r);
}

void courier_agent_empty(struct courier *c, const char *name)
{
    struct store_req *r = store_req_create(STORE_AGENT_EMPTY, courier_done, c);
    r->agent.name = mem_strdup(name);
    r->agent.at = wall_now();
    submit(c, r);
}

void courier_send(struct courier *c, struct store_req *r)
{
    REQUIRE(r->done == courier_done && r->arg == c && c->on_answer != NULL);
    submit(c, r);
}

void courier_flush(struct courier *c)
{
    send_filling(c);
    if (!list_empty(&c->unsent))
        send_unsent(c);
}

void courier_retry(struct courier *c)
{
    list_splice_back(&c->unsent, &c->failed);
}

/* ---- answers back */

static void on_stored(struct courier *c, struct store_req *r, struct mono now)
{
    struct parcel *p = r->arg;
    for (unsigned i = 0; i < r->results.n; i++) {
        const struct store_result *s = &r->results.items[i];
        if (s->again) {
            core_stored_again(c->core, s->task, p->rows[i].session, s->agent, s->record_len, now);
            continue;
        }
        core_stored(c->core, s->task, p->rows[i].session, s->outcome, s->verdict, s->record_len,
                    now);
        if (s->lane && s->verdict == ACK_STORED && c->on_result != NULL)
            c->on_result(c->lane_arg, s);
    }
}

/* Of a run, by the time of day: nothing else is known after a restart. Not longer than it was, if
 * that was set back. */
static int64_t deadline_in_ms(const struct store_task *t, struct wall now)
{
    int64_t left = t->deadline_ms - (now.us - t->at.us) / 1000;
    if (t->deadline_ms == 0)
        return 0;
    return left < 1 ? -1 : left < t->deadline_ms ? left : t->deadline_ms;
}

static void on_refilled(struct courier *c, struct store_req *r, struct mono now)
{
    struct wall wall = wall_now();
    struct core_task *tasks = mem_array(r->refill.n + 1, sizeof(*tasks));
    for (unsigned i = 0; i < r->refill.n; i++) {
        const struct store_task *t = &r->refill.tasks[i];
        tasks[i] = (struct core_task){t->task,     t->host_hash, t->spec,
                                      t->spec_len, t->slot,      deadline_in_ms(t, wall)};
    }
    struct core_answer *answers = mem_array(r->refill.n_answers + 1, sizeof(*answers));
    for (unsigned i = 0; i < r->refill.n_answers; i++)
        answers[i] = (struct core_answer){r->refill.answers[i].task, r->refill.answers[i].agent,
                                          r->refill.answers[i].slot};
    struct core_refilled answer = {.batch = r->refill.batch,
                                   .tasks = tasks,
                                   .n = r->refill.n,
                                   .answers = answers,
                                   .n_answers = r->refill.n_answers,
                                   .last = r->refill.last,
                                   .exhausted = r->refill.exhausted};
    memcpy(answer.passed, r->refill.passed, r->refill.n_hosts * sizeof(answer.passed[0]));
    core_refilled(c->core, &answer, now);
    free(tasks);
    free(answers);
}

/* Answers that would be the same next time. */
static bool is_final(enum err e)
{
    return e == ERR_NOT_FOUND || e == ERR_EXISTS || e == ERR_INVALID || e == ERR_FULL;
}

/* Sent by another than the courier: the answer is for who did so. */
static bool is_sent(const struct store_req *r)
{
    switch (r->op) {
    case STORE_RESULTS:
    case STORE_REFILL:
    case STORE_MARK:
    case STORE_PAUSE:
    case STORE_AGENT_SEEN:
    case STORE_AGENT_EMPTY:
        return false;
    default:
        return true;
    }
}

/* Asked again until it is answered, but for the note on an agent: its next HELLO brings another. */
static bool must_succeed(const struct store_req *r)
{
    if (is_sent(r))
        return !is_final(r->err);
    return r->op != STORE_AGENT_SEEN && r->op != STORE_AGENT_EMPTY;
}

static void on_failed(struct courier *c, struct store_req *r)
{
    LOG(LOG_WARN, "hub", "store_refused", LERR("err", r->err), LS("why", r->why));
    if (r->op == STORE_REFILL) { /* what it brought so far is of no use */
        struct store_req *again = store_req_create(STORE_REFILL, courier_done, c);
        again->refill = r->refill;
        again->refill.tasks = NULL;
        again->refill.answers = NULL;
        again->refill.n = again->refill.n_answers = 0;
        memset(again->refill.passed, 0, sizeof(again->refill.passed));
        store_req_destroy(&r);
        r = again;
    }
    list_push_back(&c->failed, &r->letter.node);
}

static void on_reply(struct courier *c, struct store_req *r, struct mono now)
{
    if (r->err != ERR_NONE && must_succeed(r)) {
        on_failed(c, r);
        return;
    }
    if (r->op == STORE_RESULTS)
        on_stored(c, r, now);
    else if (r->op == STORE_REFILL)
        on_refilled(c, r, now);
    else if (r->op == STORE_PAUSE)
        c->on_committed(c->arg, r->pause.waiter);
    else if (r->op == STORE_MARK && r->mark.waiter)
        c->on_committed(c->arg, r->mark.waiter);
    else if (is_sent(r))
        c->on_answer(c->lane_arg, r);
    req_destroy(r);
}

/* What was swept is taken first and told last: whatever was added to a lane before it was swept is
 * told before. */
void courier_take(struct courier *c, struct mono now)
{
    struct list got, swept;
    struct list_node *n;
    list_init(&got);
    list_init(&swept);
    mailbox_take_all(c->swept, &swept);
    mailbox_take_all(c->replies, &got);
    while ((n = list_pop_front(&got)) != NULL)
        on_reply(c, req_of(n), now);
    while ((n = list_pop_front(&swept)) != NULL) {
        struct swept *s = CONTAINER_OF(n, struct swept, letter.node);
        core_swept(c->core, s->batch, s->outcome, s->count, s->finished, now);
        free(s);
    }
}

void courier_on_swept(struct courier *c, uint32_t batch, enum outcome outcome, uint64_t count,
                      bool finished)
{
    struct swept *s = mem_zalloc(sizeof(*s));
    s->batch = batch;
    s->outcome = outcome;
    s->count = count;
    s->finished = finished;
    REQUIRE(mailbox_post_reply(c->swept, &s->letter) == ERR_NONE);
}

/* ---- the end */

static void destroy_reqs(struct list *l)
{
    struct list_node *n;
    while ((n = list_pop_front(l)) != NULL)
        req_destroy(req_of(n));
}

void courier_fini(struct courier *c)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    if (c->filling != NULL)
        parcel_destroy(c->filling);
    destroy_reqs(&c->unsent);
    destroy_reqs(&c->failed);
    mailbox_take_all(c->replies, &got);
    destroy_reqs(&got);
    mailbox_take_all(c->swept, &got);
    while ((n = list_pop_front(&got)) != NULL)
        free(CONTAINER_OF(n, struct swept, letter.node));
    mailbox_destroy(&c->replies);
    mailbox_destroy(&c->swept);
}
