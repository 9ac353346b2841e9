/* SPDX-License-Identifier: MIT */
#include "master/hub/runs.h"
#include <stdlib.h>
#include <string.h>
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/ids.h"
#include "master/hub/desk.h"

#define uthash_fatal(msg) UNREACHABLE("uthash: " msg)
#include <uthash.h>

#define BACK_MAX 65536 /* told in the mailbox's figures; answers pass it */

/*
 * (none) ──expected, or its first run──► OPENING ──committed──► OPEN ──older than LANE_MS──► its
 * follower is OPENING, then it is CLOSING ──committed──► (none)
 */
struct lane {
    char *text;
    uint32_t batch;               /* 0: not open yet */
    bool opening;                 /* it, or its follower */
    bool closed;                  /* asked for */
    const struct store_req *rows; /* CLOSING: on their way to it; NULL = none */
    struct mono opened_at, used_at;
    struct store_req *open; /* refused: to be sent again */
    struct list waiting;    /* pending, until it is open */
    char *agents;           /* of its schedules, as batch_info has it */
    uint32_t slots;
    int64_t per_host;
    double per_host_rate;
    struct list_node node; /* in runs->closing */
    UT_hash_handle hh;
};

struct pending {
    struct list_node node;
    struct lane *lane;
    uint64_t check, seq, host_hash;
    struct wall at;
    struct mono deadline_at;
    uint32_t n;
    char *spec;
    size_t spec_len;
    uint64_t *shun;
    unsigned n_shun;
};

static struct pending *pending_of(struct list_node *n)
{
    return CONTAINER_OF(n, struct pending, node);
}

static void pending_free(struct pending *p)
{
    free(p->spec);
    free(p->shun);
    free(p);
}

static void pendings_free(struct list *l)
{
    struct list_node *n;
    while ((n = list_pop_front(l)) != NULL)
        pending_free(pending_of(n));
}

/* ---- life */

void runs_init(struct runs *r, struct core *core, mailbox_wake_f *wake, void *wake_arg)
{
    *r = (struct runs){.core = core};
    list_init(&r->closing);
    list_init(&r->waiting);
    list_init(&r->sent);
    r->answers = mailbox_create("hub-runs", BACK_MAX, SIZE_MAX, wake, wake_arg);
}

static void lane_free(struct lane *l)
{
    pendings_free(&l->waiting);
    if (l->open != NULL)
        store_req_destroy(&l->open);
    free(l->text);
    free(l->agents);
    free(l);
}

void runs_fini(struct runs *r)
{
    struct list got;
    struct list_node *n;
    struct lane *l, *tmp;
    list_init(&got);
    mailbox_take_all(r->answers, &got);
    while ((n = list_pop_front(&got)) != NULL) {
        struct store_req *q = CONTAINER_OF(n, struct store_req, letter.node);
        store_req_destroy(&q);
    }
    mailbox_destroy(&r->answers);
    pendings_free(&r->waiting);
    pendings_free(&r->sent);
    HASH_ITER(hh, r->lanes, l, tmp)
    {
        HASH_DEL(r->lanes, l);
        lane_free(l);
    }
    while ((n = list_pop_front(&r->closing)) != NULL)
        lane_free(CONTAINER_OF(n, struct lane, node));
}

void runs_start(struct runs *r, struct store *s)
{
    REQUIRE(r->store == NULL && s != NULL);
    r->store = s;
}

/* ---- lanes */

static struct lane *lane_new(struct runs *r, const char *text, struct mono now)
{
    struct lane *l = mem_zalloc(sizeof(*l));
    l->text = mem_strdup(text);
    l->used_at = l->opened_at = now;
    list_init(&l->waiting);
    HASH_ADD_KEYPTR(hh, r->lanes, l->text, strlen(l->text), l);
    return l;
}

static struct lane *lane_find(struct runs *r, const char *text)
{
    struct lane *l = NULL;
    HASH_FIND_STR(r->lanes, text, l);
    return l;
}

void runs_load(struct runs *r, uint32_t batch, const char *text, struct wall opened_at,
               struct mono now)
{
    int64_t age_ms = (wall_now().us - opened_at.us) / 1000;
    struct lane *l = lane_find(r, text);
    if (l != NULL) { /* two of one text: its follower was open already */
        struct lane *old = mem_zalloc(sizeof(*old));
        list_init(&old->waiting);
        old->batch = batch < l->batch ? batch : l->batch;
        l->batch = batch < l->batch ? l->batch : batch;
        list_push_back(&r->closing, &old->node);
        return;
    }
    l = lane_new(r, text, now);
    l->batch = batch;
    l->opened_at = mono_add_ms(now, age_ms > 0 && age_ms < LANE_MS ? -age_ms : -LANE_MS);
}

static struct lane *lane_of(struct runs *r, const struct schedule *s, struct mono now)
{
    struct strbuf text;
    strbuf_init(&text, SCHEDULE_LANE_MAX);
    schedule_lane(s, &text);
    strbuf_putc(&text, '\0');
    REQUIRE(!text.overflow);
    struct lane *l = lane_find(r, text.data);
    if (l == NULL)
        l = lane_new(r, text.data, now);
    strbuf_fini(&text);
    if (l->slots == 0) { /* of a process before this one, too */
        l->agents = s->agents ? mem_strdup(s->agents) : NULL;
        l->slots = s->count ? s->count : AGENTS_COUNT_MAX;
        l->per_host = s->per_host;
        l->per_host_rate = s->per_host_rate;
    }
    return l;
}

static void on_answer(struct store_req *q)
{
    struct runs *r = q->arg;
    REQUIRE(mailbox_post_reply(r->answers, &q->letter) == ERR_NONE);
}

/* What finds no room stays with the caller, and is sent again at the next tick. */
static bool post(struct runs *r, struct store_req *q)
{
    q->err = ERR_NONE;
    if (store_post(r->store, q) == ERR_NONE)
        return true;
    r->held = true;
    return false;
}

static struct store_req *open_request(struct runs *r, const struct lane *l)
{
    struct store_req *q = store_req_create(STORE_LANE_OPEN, on_answer, r);
    struct batch_info *b = &q->lane.info;
    uint8_t random[16];
    random_bytes(random, sizeof(random));
    uuid7_format(wall_now(), random, b->uuid);
    random_bytes(random, sizeof(random));
    trace_format(random, b->trace);
    b->cls = CLASS_SCHEDULE;
    b->deadline_s = DEADLINE_S_MAX;
    b->per_host = l->per_host;
    b->per_host_rate = l->per_host_rate;
    b->slots = l->slots;
    b->agents = l->agents ? mem_strdup(l->agents) : NULL;
    q->lane.lane = mem_strdup(l->text);
    return q;
}

static void lane_open(struct runs *r, struct lane *l)
{
    if (l->opening || r->store == NULL || r->stopping)
        return;
    struct store_req *q = l->open ? l->open : open_request(r, l);
    l->opening = post(r, q);
    l->open = l->opening ? NULL : q;
}

static void lane_close(struct runs *r, struct lane *l)
{
    if (l->closed || r->store == NULL)
        return;
    struct store_req *q = store_req_create(STORE_LANE_CLOSE, on_answer, r);
    q->lane.info.num = l->batch;
    l->closed = post(r, q);
    if (!l->closed)
        store_req_destroy(&q);
}

void runs_expect(struct runs *r, const struct schedule *s, struct mono now)
{
    struct lane *l = lane_of(r, s, now);
    l->used_at = now;
    if (l->batch == 0)
        lane_open(r, l);
}

/* ---- room, and what is added */

enum plan_miss runs_room(struct runs *r, const struct schedule *s, unsigned *agents)
{
    struct lane *l = lane_of(r, s, mono_now());
    struct core_room room;
    *agents = 1;
    if (r->n_waiting >= RUNS_WAITING_MAX)
        return PLAN_MISS_overloaded;
    if (l->batch == 0 || !core_batch_room(r->core, l->batch, &room))
        return PLAN_MISS_NONE; /* it is being opened: this takes a commit */
    *agents = room.matching;
    if (room.able == 0)
        return PLAN_MISS_no_agent;
    return room.ready >= RUNS_READY_MAX ? PLAN_MISS_overloaded : PLAN_MISS_NONE;
}

void runs_add(struct runs *r, const struct scheduler_run *run, struct mono now)
{
    struct lane *l = lane_of(r, run->schedule, now);
    struct pending *p = mem_zalloc(sizeof(*p));
    p->check = run->check;
    p->seq = run->seq;
    p->host_hash = run->host_hash;
    p->at = run->at;
    p->deadline_at = mono_add_ms(now, run->deadline_ms);
    p->n = run->n;
    p->spec = mem_dup(run->spec, run->spec_len);
    p->spec_len = run->spec_len;
    p->n_shun = run->n_shun;
    p->shun = run->n_shun ? mem_dup(run->shun, run->n_shun * sizeof(*run->shun)) : NULL;
    p->lane = l;
    l->used_at = now;
    list_push_back(l->batch ? &r->waiting : &l->waiting, &p->node);
    r->n_waiting++;
    if (l->batch == 0 || mono_diff_ms(now, l->opened_at) >= LANE_MS)
        lane_open(r, l);
}

/* ---- to the store */

static void fill(struct runs *r, struct store_req *q)
{
    struct list_node *n;
    q->runs.items = mem_array(STORE_RUNS_ONCE, sizeof(*q->runs.items));
    while (q->runs.n < STORE_RUNS_ONCE && (n = list_pop_front(&r->waiting)) != NULL) {
        struct pending *p = pending_of(n);
        q->runs.items[q->runs.n++] = (struct store_run){.batch = p->lane->batch,
                                                        .check = p->check,
                                                        .seq = p->seq,
                                                        .at = p->at,
                                                        .host_hash = p->host_hash,
                                                        .n = p->n,
                                                        .arg = p};
        list_push_back(&r->sent, n);
    }
}

static void take_back(struct runs *r)
{
    list_splice_back(&r->sent, &r->waiting);
    list_splice_back(&r->waiting, &r->sent);
}

void runs_flush(struct runs *r)
{
    if (r->under_way != NULL || r->held || r->store == NULL || list_empty(&r->waiting))
        return;
    struct store_req *q = store_req_create(STORE_RUNS_ADD, on_answer, r);
    fill(r, q);
    if (post(r, q)) {
        r->under_way = q;
        return;
    }
    take_back(r);
    store_req_destroy(&q);
}

/* ---- the answers */

static void give(struct runs *r, const struct store_run *run, struct mono now)
{
    struct pending *p = run->arg;
    struct core_added *tasks = mem_array(run->n, sizeof(*tasks));
    int64_t left_ms = mono_diff_ms(p->deadline_at, now);
    for (uint32_t i = 0; i < run->n; i++)
        tasks[i] = (struct core_added){.task = run->first + i,
                                       .host_hash = p->host_hash,
                                       .spec = p->spec,
                                       .spec_len = p->spec_len,
                                       .slot = i,
                                       .shun = p->shun,
                                       .n_shun = p->n_shun,
                                       .deadline_in_ms = left_ms > 1 ? left_ms : 1};
    core_batch_add(r->core, run->batch, tasks, run->n, now);
    free(tasks);
    r->on_began(r->arg, p->check, p->seq, run->first, run->n, now);
    list_remove(&r->sent, &p->node);
    pending_free(p);
    r->n_waiting--;
}

static void on_runs(struct runs *r, struct store_req *q, struct mono now)
{
    REQUIRE(q == r->under_way);
    r->under_way = NULL;
    LIST_EACH (&r->closing, n) {
        struct lane *l = CONTAINER_OF(n, struct lane, node);
        l->rows = l->rows == q ? NULL : l->rows;
    }
    if (q->err) {
        LOG(LOG_WARN, "hub", "runs_not_stored", LERR("err", q->err), LS("why", q->why));
        take_back(r);
        r->held = true;
        return;
    }
    for (unsigned i = 0; i < q->runs.n; i++)
        give(r, &q->runs.items[i], now);
    REQUIRE(list_empty(&r->sent));
}

static void on_opened(struct runs *r, struct store_req *q, struct mono now)
{
    struct lane *l = lane_find(r, q->lane.lane);
    REQUIRE(l != NULL && l->opening);
    l->opening = false;
    if (q->err) {
        LOG(LOG_WARN, "hub", "lane_not_opened", LERR("err", q->err), LS("why", q->why));
        return; /* asked for again at the next tick */
    }
    desk_open_batch(r->core, &q->lane.info, false, now);
    if (l->batch != 0) {
        struct lane *old = mem_zalloc(sizeof(*old));
        list_init(&old->waiting);
        old->batch = l->batch;
        old->rows = r->under_way;
        list_push_back(&r->closing, &old->node);
    }
    l->batch = q->lane.info.num;
    l->opened_at = now;
    list_splice_back(&r->waiting, &l->waiting);
}

static void on_closed(struct runs *r, struct store_req *q, struct mono now)
{
    LIST_EACH_SAFE (&r->closing, n, tmp) {
        struct lane *l = CONTAINER_OF(n, struct lane, node);
        if (l->batch != q->lane.info.num)
            continue;
        l->closed = q->err == ERR_NONE;
        if (q->err)
            return;
        list_remove(&r->closing, n);
        core_batch_close(r->core, l->batch, now);
        lane_free(l);
        return;
    }
}

void runs_take(struct runs *r, struct mono now)
{
    struct list got;
    struct list_node *n;
    list_init(&got);
    mailbox_take_all(r->answers, &got);
    while ((n = list_pop_front(&got)) != NULL) {
        struct store_req *q = CONTAINER_OF(n, struct store_req, letter.node);
        if (q->op == STORE_RUNS_ADD)
            on_runs(r, q, now);
        else if (q->op == STORE_LANE_OPEN)
            on_opened(r, q, now);
        else
            on_closed(r, q, now);
        store_req_destroy(&q);
    }
}

/* ---- clockwork */

/* Rows that are on their way to it go first. */
static void close_old(struct runs *r)
{
    LIST_EACH (&r->closing, n) {
        struct lane *l = CONTAINER_OF(n, struct lane, node);
        if (l->rows == NULL)
            lane_close(r, l);
    }
}

static void tick_lane(struct runs *r, struct lane *l, struct mono now)
{
    bool old = l->batch != 0 && mono_diff_ms(now, l->opened_at) >= LANE_MS;
    if (l->batch == 0 && (!list_empty(&l->waiting) || l->open != NULL))
        lane_open(r, l);
    if (!old || l->opening || r->n_waiting > 0 || mono_diff_ms(now, l->used_at) < LANE_IDLE_MS)
        return;
    HASH_DEL(r->lanes, l);
    list_push_back(&r->closing, &l->node);
}

void runs_tick(struct runs *r, struct mono now)
{
    struct lane *l, *tmp;
    r->held = false;
    HASH_ITER(hh, r->lanes, l, tmp)
    {
        tick_lane(r, l, now);
    }
    close_old(r);
}

void runs_stop(struct runs *r)
{
    r->stopping = true;
}

bool runs_idle(const struct runs *r)
{
    return r->n_waiting == 0 && r->under_way == NULL;
}
