/* SPDX-License-Identifier: MIT */
#include "master/store/roller.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "master/store/roll.h"

#define HOUR_US      (ROLLUP_HOUR_MS * 1000)
#define DAY_US       (24 * HOUR_US)
#define LOOK_MS      10000
#define LOOK_MIN_MS  20     /* tests have a short grace */
#define PURGE_MS     600000 /* as much as is thrown away in ten minutes is soon thrown away */
#define PURGE_ROWS   1000
#define FULL_WAIT_MS 100
#define PUT_BYTES    (4u << 20) /* in one request, about: half of what a commit holds */
#define NICE         10
/* A check's last tasks are in a lane that others may still use for an hour, and that ends after it.
 */
#define LANE_HOURS 24
/* A mark further ahead than that was set by a clock that was wrong. */
#define AHEAD_US (2 * HOUR_US)

struct roller {
    int64_t grace_ms, history_days, retention_hours;
    struct store_stats *stats;
    struct writer *writer;
    struct sqlite_db *db;
    struct anchor born;
    struct mono purge_at;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    _Atomic bool stop;
    struct store_req *asked; /* at the writer */
    bool answered;
};

/* ---- the writer's part */

static void on_done(struct store_req *req)
{
    struct roller *r = req->arg;
    REQUIRE(r != NULL);
    PTOK(pthread_mutex_lock(&r->lock));
    bool wanted = r->asked == req;
    r->answered = wanted;
    PTOK(pthread_cond_signal(&r->changed));
    PTOK(pthread_mutex_unlock(&r->lock));
    if (!wanted)
        store_req_destroy(&req);
}

/* With the lock. */
static void wait_ms(struct roller *r, int64_t ms)
{
    struct mono until = mono_add_ms(mono_now(), ms);
    struct timespec t = {.tv_sec = until.ns / NS_PER_SEC, .tv_nsec = until.ns % NS_PER_SEC};
    pthread_cond_timedwait(&r->changed, &r->lock, &t);
}

/* ERR_CLOSED: it is time to go. A request that is under way then is its answer's to free. */
static enum err await(struct roller *r, struct store_req **reqp)
{
    PTOK(pthread_mutex_lock(&r->lock));
    while (!r->answered && !r->stop)
        wait_ms(r, LOOK_MS);
    enum err e = r->answered ? (*reqp)->err : ERR_CLOSED;
    if (!r->answered)
        *reqp = NULL;
    r->asked = NULL;
    PTOK(pthread_mutex_unlock(&r->lock));
    return e;
}

/* Takes *reqp, or leaves it with its answer. */
static enum err ask(struct roller *r, struct store_req **reqp)
{
    enum err e = ERR_FULL;
    while (e == ERR_FULL && !r->stop) {
        PTOK(pthread_mutex_lock(&r->lock));
        r->asked = *reqp;
        r->answered = false;
        PTOK(pthread_mutex_unlock(&r->lock));
        (*reqp)->letter.weight_bytes = sizeof(**reqp) + (*reqp)->arena.len;
        e = writer_post(r->writer, *reqp);
        PTOK(pthread_mutex_lock(&r->lock));
        if (e == ERR_FULL)
            wait_ms(r, FULL_WAIT_MS);
        PTOK(pthread_mutex_unlock(&r->lock));
    }
    if (e == ERR_NONE)
        return await(r, reqp);
    r->asked = NULL; /* nobody answers it */
    return e == ERR_FULL ? ERR_CLOSED : e;
}

/* ---- putting hours */

struct putting {
    struct roller *r;
    bool days;
    uint32_t hour;
    struct store_req *req;
    uint64_t rows;
};

static struct store_req *put_request(struct putting *p)
{
    struct store_req *req = store_req_create(STORE_HOURS_PUT, on_done, p->r);
    req->hours.days = p->days;
    req->hours.items = mem_array(STORE_HOURS_ONCE, sizeof(*req->hours.items));
    return req;
}

/* The offsets become pointers: the arena does not grow any more. */
static enum err send(struct putting *p)
{
    struct store_req *req = p->req;
    if (req == NULL)
        return ERR_NONE;
    for (unsigned i = 0; i < req->hours.n; i++) {
        struct store_hour *h = &req->hours.items[i];
        h->bytes = req->arena.data + (uintptr_t)h->bytes;
        h->tasks = req->arena.data + (uintptr_t)h->tasks;
    }
    p->rows += req->hours.n;
    enum err e = ask(p->r, &p->req);
    store_req_destroy(&p->req);
    return e;
}

static enum err put_one(struct putting *p, uint64_t check, const struct strbuf *rollup,
                        const struct strbuf *tasks)
{
    if (p->req == NULL)
        p->req = put_request(p);
    struct strbuf *arena = &p->req->arena;
    struct store_hour *h = &p->req->hours.items[p->req->hours.n++];
    *h = (struct store_hour){.check = check, .hour = p->hour};
    h->bytes = (const void *)(uintptr_t)arena->len;
    h->len = rollup->len;
    strbuf_append(arena, rollup->data, rollup->len);
    h->tasks = (const void *)(uintptr_t)arena->len;
    h->tasks_len = p->days ? 0 : tasks->len;
    strbuf_append(arena, tasks->data, h->tasks_len);
    REQUIRE(!arena->overflow);
    bool full = p->req->hours.n == STORE_HOURS_ONCE || arena->len >= PUT_BYTES;
    return full ? send(p) : ERR_NONE;
}

static enum err put_all(struct putting *p, const struct roll *roll)
{
    struct strbuf rollup, tasks;
    enum err e = ERR_NONE;
    strbuf_init(&rollup, ROLLUP_BYTES_MAX);
    strbuf_init(&tasks, ROLL_TASKS_MAX);
    for (size_t i = 0; !e && i < roll_count(roll); i++) {
        uint64_t check;
        strbuf_reset(&rollup);
        strbuf_reset(&tasks);
        if (roll_encode(roll, i, &check, &rollup, &tasks))
            e = put_one(p, check, &rollup, &tasks);
    }
    strbuf_fini(&rollup);
    strbuf_fini(&tasks);
    return e ? e : send(p);
}

/* ---- rolling */

static enum err roll_part(struct putting *p, uint64_t first, struct roll **out)
{
    struct roller *r = p->r;
    bool partial = false;
    struct roll_goal g = {
        .hour = p->hour, .end = {(p->hour + 1) * HOUR_US}, .most_rows = UINT64_MAX, .first = first};
    enum err e = sqlite_begin(r->db);
    if (!e)
        e = p->days ? roll_day(r->db, p->hour, first, out) : roll_hour(r->db, &g, out, &partial);
    sqlite_rollback(r->db);
    return e;
}

static enum err roll_all(struct putting *p)
{
    uint64_t first = 1;
    size_t n = ROLL_CHECKS;
    enum err e = ERR_NONE;
    while (!e && n == ROLL_CHECKS) {
        struct roll *roll = NULL;
        e = roll_part(p, first, &roll);
        if (e)
            break;
        n = roll_count(roll);
        if (n > 0) {
            first = roll_last(roll) + 1;
            e = put_all(p, roll);
        }
        roll_destroy(&roll);
    }
    store_req_destroy(&p->req); /* of a failure in the middle */
    return e;
}

static enum err set_mark(struct roller *r, uint32_t hour)
{
    struct store_req *req = store_req_create(STORE_HOURS_PUT, on_done, r);
    req->hours.until = hour;
    enum err e = ask(r, &req);
    store_req_destroy(&req);
    if (!e)
        gauge_set(&r->stats->rolled_until_s, hour * (ROLLUP_HOUR_MS / 1000));
    return e;
}

/* The hour, and with the last one of a day the day; then it counts as done. */
static enum err roll_one(struct roller *r, uint32_t hour)
{
    struct mono start = mono_now();
    struct putting hours = {.r = r, .hour = hour};
    struct putting day = {.r = r, .days = true, .hour = hour - hour % 24};
    enum err e = roll_all(&hours);
    if (!e && hour % 24 == 23)
        e = roll_all(&day);
    if (!e)
        e = set_mark(r, hour + 1);
    if (e)
        return e;
    int64_t took = mono_diff_ms(mono_now(), start);
    counter_add(&r->stats->hours_rolled, hours.rows + day.rows);
    gauge_set(&r->stats->roll_ms, took);
    if (hours.rows > 0)
        LOG(LOG_INFO, "store", "hour_rolled", LU("hour", hour), LU("checks", hours.rows),
            LU("days", day.rows), LI("took_ms", took));
    return ERR_NONE;
}

static enum err marked(struct roller *r, uint32_t *hour)
{
    enum err e = sqlite_begin(r->db);
    if (!e)
        e = sqlite_roll_mark(r->db, hour);
    sqlite_rollback(r->db);
    return e;
}

static enum err roll_due(struct roller *r)
{
    uint32_t hour = 0;
    int64_t grace_us = r->grace_ms * 1000;
    enum err e = marked(r, &hour);
    if (!e && hour > 0)
        gauge_set(&r->stats->rolled_until_s, hour * (ROLLUP_HOUR_MS / 1000));
    while (!e && hour > 0 && !r->stop) {
        struct wall now = anchor_patient(r->born);
        if (hour * HOUR_US > now.us + AHEAD_US)
            return set_mark(r, (uint32_t)(now.us / HOUR_US));
        if ((hour + 1) * HOUR_US + grace_us > now.us)
            break;
        e = roll_one(r, hour++);
    }
    return e;
}

/* ---- purge */

static struct wall before(struct roller *r, int64_t age_us)
{
    struct wall now = anchor_patient(r->born);
    return (struct wall){age_us > 0 && age_us < now.us ? now.us - age_us : 0};
}

static enum err purge(struct roller *r)
{
    bool more = true;
    enum err e = ERR_NONE;
    while (!e && more && !r->stop) {
        struct store_req *req = store_req_create(STORE_HISTORY_PURGE, on_done, r);
        req->history_purge.before = before(r, r->history_days * DAY_US);
        req->history_purge.runs_before = before(r, r->retention_hours * HOUR_US);
        req->history_purge.checks =
            r->retention_hours > 0 && r->retention_hours + LANE_HOURS <= r->history_days * 24;
        req->history_purge.limit = PURGE_ROWS;
        e = ask(r, &req);
        more = !e && req->history_purge.rows > 0;
        if (!e)
            counter_add(&r->stats->history_purged, req->history_purge.rows);
        store_req_destroy(&req);
    }
    return e;
}

/* ---- the thread */

static void tell_failure(struct roller *r, enum err e)
{
    if (e == ERR_NONE || r->stop)
        return;
    counter_add(&r->stats->rolls_failed, 1);
    LOG(LOG_WARN, "store", "roll_failed", LERR("err", e), LS("why", sqlite_why(r->db)),
        LS("meaning", "history stands still, and nothing of it is lost; it is tried again"));
}

static void work(struct roller *r)
{
    struct mono now = mono_now();
    enum err e = ERR_NONE;
    if (r->grace_ms >= 0 && mono_diff_ms(now, r->born.mono) >= r->grace_ms)
        e = roll_due(r);
    tell_failure(r, e);
    if (mono_before(now, r->purge_at) || e)
        return;
    r->purge_at = mono_add_ms(now, PURGE_MS);
    tell_failure(r, purge(r));
}

static void *roller_main(void *arg)
{
    struct roller *r = arg;
    REQUIRE(r != NULL && r->db != NULL);
    int64_t look_ms = r->grace_ms >= 0 && r->grace_ms < LOOK_MS ? r->grace_ms : LOOK_MS;
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread alone; without it, too */
    while (!r->stop) {
        work(r);
        PTOK(pthread_mutex_lock(&r->lock));
        if (!r->stop)
            wait_ms(r, look_ms > LOOK_MIN_MS ? look_ms : LOOK_MIN_MS);
        PTOK(pthread_mutex_unlock(&r->lock));
    }
    return NULL;
}

enum err roller_start(const struct store_config *c, struct store_stats *stats, struct writer *w,
                      struct roller **out, char *why, size_t why_max)
{
    struct sqlite_db *db = NULL;
    enum err e = sqlite_open_reader(c->dir, &db, why, why_max);
    if (e)
        return e;
    struct roller *r = mem_zalloc(sizeof(*r));
    r->grace_ms = c->roll_grace_ms ? c->roll_grace_ms : ROLLER_GRACE_MS;
    r->history_days = c->history_days;
    r->retention_hours = c->schedule_retention_hours;
    r->stats = stats;
    r->writer = w;
    r->db = db;
    r->born = anchor_now();
    r->purge_at = r->born.mono;
    sqlite_stop_on(db, &r->stop);
    pthread_condattr_t attr;
    PTOK(pthread_condattr_init(&attr));
    PTOK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
    PTOK(pthread_mutex_init(&r->lock, NULL));
    PTOK(pthread_cond_init(&r->changed, &attr));
    PTOK(pthread_condattr_destroy(&attr));
    PTOK(pthread_create(&r->thread, NULL, roller_main, r));
    pthread_setname_np(r->thread, "store-roller");
    *out = r;
    return ERR_NONE;
}

void roller_stop(struct roller *r)
{
    if (!r)
        return;
    PTOK(pthread_mutex_lock(&r->lock));
    r->stop = true;
    PTOK(pthread_cond_signal(&r->changed));
    PTOK(pthread_mutex_unlock(&r->lock));
    PTOK(pthread_join(r->thread, NULL));
    sqlite_close(&r->db);
}

void roller_destroy(struct roller **rp)
{
    struct roller *r = *rp;
    if (!r)
        return;
    *rp = NULL;
    REQUIRE(r->db == NULL && r->asked == NULL);
    PTOK(pthread_mutex_destroy(&r->lock));
    PTOK(pthread_cond_destroy(&r->changed));
    free(r);
}
