/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_timetable.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "master/store/roll.h"
#include "master/store/sqlite_db.h"

/* The history of checks: hours and days as they are kept, and what of it is still raw. */

#define HOUR_US      (ROLLUP_HOUR_MS * 1000)
#define HOURS_OF_DAY 24
/* Of a rollup's head: 6 + 7 counts of 6 bytes, 4 times of 9, and what stands before them. */
#define HEAD_BYTES      160
#define OVERVIEW_CHECKS 10000
#define OVERVIEW_DAYS   400
#define OVERVIEW_HEADS                                                                             \
    200000               /* 32 MB of them: of many days there are fewer checks in an answer        \
                          */
#define CURRENT_HOURS 48 /* not rolled up yet: more than that is a roller that does not keep up */

/* ---- writing */

static enum err put_bytes(struct sqlite_db *d, enum sqlite_statement id, const struct store_hour *h,
                          const void *p, size_t len)
{
    sqlite3_stmt *st = sqlite_use(d, id);
    sqlite3_bind_int64(st, 1, h->hour);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)h->check);
    sqlite3_bind_blob(st, 3, p, (int)len, SQLITE_STATIC);
    return sqlite_run(d, st);
}

enum err sqlite_hours_put(struct sqlite_db *d, struct store_req *r)
{
    enum err e = ERR_NONE;
    REQUIRE(r->hours.n <= STORE_HOURS_ONCE);
    for (unsigned i = 0; !e && i < r->hours.n; i++) {
        const struct store_hour *h = &r->hours.items[i];
        REQUIRE(h->len > 0 && h->len <= ROLLUP_BYTES_MAX);
        e = put_bytes(d, r->hours.days ? SQL_DAY_PUT : SQL_HOUR_PUT, h, h->bytes, h->len);
        if (!e && h->tasks_len > 0)
            e = put_bytes(d, SQL_HOUR_TASKS_PUT, h, h->tasks, h->tasks_len);
    }
    if (e || r->hours.until == 0)
        return e;
    sqlite3_stmt *st = sqlite_use(d, SQL_ROLLED_PUT);
    sqlite3_bind_int64(st, 1, r->hours.until * HOUR_US);
    return sqlite_run(d, st);
}

static enum err too_big(struct sqlite_db *d)
{
    snprintf(d->why, sizeof(d->why), "the history asked for is over the bound of an answer");
    return ERR_TOO_BIG;
}

/* ---- reading: one check */

static enum err first_hour(struct sqlite_db *d, enum sqlite_statement id, uint32_t *hour)
{
    int64_t first = ROLLUP_HOUR_MAX;
    enum err e = sqlite_number(d, sqlite_use(d, id), ROLLUP_HOUR_MAX, &first);
    *hour = (uint32_t)first;
    return e;
}

static struct store_hour *room_for(struct store_req *r)
{
    enum { BEGIN = 128 };
    unsigned n = r->history.n;
    if (n == 0 || (n >= BEGIN && (n & (n - 1)) == 0))
        r->history.items =
            mem_realloc(r->history.items, (n ? 2 * n : BEGIN) * sizeof(*r->history.items));
    return &r->history.items[r->history.n++];
}

/* bytes: for now where they are in the arena, and one more. */
static void add_item(struct store_req *r, uint64_t check, uint32_t hour, const void *p, size_t len)
{
    struct store_hour *h = room_for(r);
    uintptr_t at = r->arena.len + 1;
    strbuf_append(&r->arena, p, len);
    *h = (struct store_hour){.check = check, .hour = hour, .bytes = (const void *)at, .len = len};
}

static void rebase(const struct strbuf *arena, struct store_hour *items, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const char *p = items[i].bytes;
        sqlite_rebase(arena, &p);
        items[i].bytes = p;
    }
}

static enum err one_row(struct sqlite_db *d, enum sqlite_statement id, uint32_t hour,
                        struct store_req *r, bool *there)
{
    sqlite3_stmt *st = sqlite_use(d, id);
    sqlite3_bind_int64(st, 1, hour);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)r->history.check);
    enum err e = sqlite_step(d, st, there);
    if (!e && *there) {
        size_t len = 0;
        const void *p = sqlite_blob(st, 0, &len);
        add_item(r, r->history.check, hour, p, len);
    }
    sqlite3_reset(st);
    return e;
}

/* Whole days where there are any, hours for the rest. */
static enum err kept(struct sqlite_db *d, struct store_req *r, uint32_t from, uint32_t to)
{
    enum err e = ERR_NONE;
    while (!e && from < to) {
        bool day = r->history.days && from % HOURS_OF_DAY == 0 && from + HOURS_OF_DAY <= to;
        bool there = false;
        if (day)
            e = one_row(d, SQL_DAY_GET, from, r, &there);
        if (day && there) {
            from += HOURS_OF_DAY;
            continue;
        }
        if (!e)
            e = one_row(d, SQL_HOUR_GET, from, r, &there);
        from++;
    }
    return e;
}

/* An hour out of what is raw. */
static enum err current(struct sqlite_db *d, struct store_req *r, uint32_t hour, struct wall now)
{
    struct roll *roll = NULL;
    struct wall end = {(hour + 1) * HOUR_US};
    struct roll_goal g = {.hour = hour,
                          .end = now.us < end.us ? now : end,
                          .most_rows = STORE_CURRENT_ROWS,
                          .first = r->history.check,
                          .one = true};
    enum err e = roll_hour(d, &g, &roll, &r->history.partial);
    if (e)
        return e == ERR_NOT_FOUND ? ERR_NONE : e;
    struct strbuf bytes, tasks;
    uint64_t check;
    strbuf_init(&bytes, ROLLUP_BYTES_MAX);
    strbuf_init(&tasks, ROLL_TASKS_MAX);
    if (roll_encode(roll, 0, &check, &bytes, &tasks))
        add_item(r, check, hour, bytes.data, bytes.len);
    strbuf_fini(&bytes);
    strbuf_fini(&tasks);
    roll_destroy(&roll);
    return ERR_NONE;
}

static uint32_t greater(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}
static uint32_t lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

enum err sqlite_history(struct sqlite_db *d, struct store_req *r)
{
    struct wall now = wall_now();
    uint32_t rolled = 0, hours = 0, days = 0, from = r->history.from, to = r->history.to;
    enum err e = sqlite_roll_mark(d, &rolled);
    if (!e)
        e = first_hour(d, SQL_HOURS_OLDEST, &hours);
    if (!e)
        e = first_hour(d, SQL_DAYS_OLDEST, &days);
    if (!e)
        e = kept(d, r, greater(from, lesser(hours, days)), lesser(to, rolled));
    uint32_t end = lesser(to, (uint32_t)(now.us / HOUR_US) + 1);
    if (rolled == 0 || !r->history.current)
        end = 0;
    for (uint32_t h = greater(greater(from, rolled), end > CURRENT_HOURS ? end - CURRENT_HOURS : 0);
         !e && h < end; h++)
        e = current(d, r, h, now);
    if (!e && r->arena.overflow)
        e = too_big(d);
    if (!e)
        rebase(&r->arena, r->history.items, r->history.n);
    return e;
}

/* ---- reading: many checks */

struct collecting {
    struct store_req *r;
    uint32_t hour;
    const uint64_t *ids; /* by number */
    size_t n, at;
    unsigned cap;
};

static void on_day(void *arg, uint64_t check, const void *bytes, size_t len)
{
    struct collecting *c = arg;
    REQUIRE(c != NULL);
    while (c->at < c->n && c->ids[c->at] < check)
        c->at++;
    if (c->at == c->n || c->ids[c->at] != check)
        return;
    struct store_req *r = c->r;
    if (r->overview.n == c->cap) {
        c->cap = c->cap ? c->cap * 2 : 1024;
        r->overview.items = mem_realloc(r->overview.items, c->cap * sizeof(*r->overview.items));
    }
    len = len < HEAD_BYTES ? len : HEAD_BYTES;
    uintptr_t at = r->arena.len + 1;
    strbuf_append(&r->arena, bytes, len);
    r->overview.items[r->overview.n++] =
        (struct store_hour){.check = check, .hour = c->hour, .bytes = (const void *)at, .len = len};
}

static int by_check(const void *a, const void *b)
{
    const struct store_hour *x = a, *y = b;
    if (x->check != y->check)
        return x->check < y->check ? -1 : 1;
    return x->hour < y->hour ? -1 : x->hour > y->hour;
}

static enum err overview_checks(struct sqlite_db *d, struct store_req *r, uint64_t *ids,
                                unsigned limit, size_t *n)
{
    bool all = r->overview.schedule == 0, row = false;
    sqlite3_stmt *st = sqlite_use(d, all ? SQL_OVERVIEW_CHECKS : SQL_OVERVIEW_CHECKS_OF);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)r->overview.after);
    sqlite3_bind_int64(st, 2, limit + INT64_C(1));
    if (!all)
        sqlite3_bind_int64(st, 3, (sqlite3_int64)r->overview.schedule);
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        r->overview.more = *n == limit;
        if (r->overview.more)
            break;
        ids[(*n)++] = (uint64_t)sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    return e;
}

static enum err overview_days(struct sqlite_db *d, struct collecting *c)
{
    struct store_req *r = c->r;
    struct roll_span span = {0, c->ids[0], c->ids[c->n - 1]};
    uint32_t from = (r->overview.from + HOURS_OF_DAY - 1) / HOURS_OF_DAY * HOURS_OF_DAY;
    uint32_t to = lesser(r->overview.to, from + OVERVIEW_DAYS * HOURS_OF_DAY);
    enum err e = ERR_NONE;
    for (uint32_t h = from; !e && h + HOURS_OF_DAY <= to; h += HOURS_OF_DAY) {
        span.hour = c->hour = h;
        c->at = 0;
        e = sqlite_roll_hours(d, &span, true, on_day, c);
    }
    return e;
}

enum err sqlite_overview(struct sqlite_db *d, struct store_req *r)
{
    if (r->overview.from > r->overview.to)
        r->overview.from = r->overview.to;
    uint32_t days = lesser(r->overview.to - r->overview.from, OVERVIEW_DAYS * HOURS_OF_DAY);
    uint32_t most = OVERVIEW_HEADS / (days / HOURS_OF_DAY + 1);
    unsigned limit = lesser(r->overview.limit, lesser(most, OVERVIEW_CHECKS));
    limit = limit < 1 ? 1 : limit;
    uint64_t *ids = mem_array(limit, sizeof(*ids));
    struct collecting c = {.r = r, .ids = ids};
    enum err e = overview_checks(d, r, ids, limit, &c.n);
    r->overview.last = c.n ? ids[c.n - 1] : r->overview.after;
    if (!e && c.n > 0)
        e = overview_days(d, &c);
    free(ids);
    if (!e && r->arena.overflow)
        e = too_big(d);
    if (e)
        return e;
    rebase(&r->arena, r->overview.items, r->overview.n);
    if (r->overview.n > 0)
        qsort(r->overview.items, r->overview.n, sizeof(*r->overview.items), by_check);
    return ERR_NONE;
}

/* ---- reading: runs */

/* Of one hour, its newest first. */
static enum err hour_tasks(struct sqlite_db *d, struct store_req *r, uint32_t hour)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_HOUR_TASKS_OF);
    bool row = false;
    sqlite3_bind_int64(st, 1, hour);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)r->check_runs.check);
    enum err e = sqlite_step(d, st, &row);
    if (!e && row) {
        size_t len = 0;
        const uint8_t *p = sqlite_blob(st, 0, &len);
        struct sketch_cursor c = {p, p + len, false};
        unsigned begin = r->check_runs.n;
        uint64_t task = 0;
        r->check_runs.tasks =
            mem_realloc(r->check_runs.tasks, (begin + len + 1) * sizeof(*r->check_runs.tasks));
        while (c.p < c.end && !c.bad) {
            task += sketch_varint(&c, INT64_MAX - task);
            if (!c.bad)
                r->check_runs.tasks[r->check_runs.n++] = task;
        }
        d->damaged += c.bad;
        for (unsigned a = begin, b = r->check_runs.n; a + 1 < b; a++) {
            uint64_t swap = r->check_runs.tasks[a];
            r->check_runs.tasks[a] = r->check_runs.tasks[--b];
            r->check_runs.tasks[b] = swap;
        }
    }
    sqlite3_reset(st);
    return e;
}

enum err sqlite_check_runs(struct sqlite_db *d, struct store_req *r)
{
    uint32_t rolled = 0, first = 0;
    unsigned limit = r->check_runs.limit > STORE_PAGE_ROWS ? STORE_PAGE_ROWS : r->check_runs.limit;
    enum err e = sqlite_roll_mark(d, &rolled);
    if (!e)
        e = first_hour(d, SQL_HOUR_TASKS_OLDEST, &first);
    uint32_t at = r->check_runs.before ? lesser(r->check_runs.before, rolled) : rolled;
    while (!e && at > first && r->check_runs.n < limit)
        e = hour_tasks(d, r, --at);
    r->check_runs.last = at;
    r->check_runs.more = !e && at > first;
    return e;
}

enum err sqlite_tasks_results(struct sqlite_db *d, struct store_req *r)
{
    enum err e = ERR_NONE;
    REQUIRE(r->tasks_results.n_tasks <= STORE_PAGE_ROWS);
    r->tasks_results.rows =
        mem_array(r->tasks_results.n_tasks + 1, sizeof(struct store_result_row));
    for (unsigned i = 0; !e && i < r->tasks_results.n_tasks; i++) {
        struct store_result_row *row = &r->tasks_results.rows[r->tasks_results.n];
        size_t before = r->arena.len;
        if (before >= STORE_PAGE_BYTES)
            break;
        r->tasks_results.looked = i + 1;
        *row = (struct store_result_row){.task = r->tasks_results.tasks[i]};
        e = sqlite_task_row(d, &r->arena, row);
        if (!e && row->record != NULL)
            r->tasks_results.n++;
        else
            strbuf_truncate(&r->arena, before);
        e = e == ERR_NOT_FOUND ? ERR_NONE : e;
    }
    for (unsigned i = 0; i < r->tasks_results.n; i++)
        sqlite_rebase_row(&r->arena, &r->tasks_results.rows[i]);
    return e;
}

/* ---- purge */

/* The oldest hour of a table kept by hour and check, or a part of it. */
static enum err purge_oldest(struct sqlite_db *d, enum sqlite_statement oldest,
                             enum sqlite_statement bound, enum sqlite_statement purge,
                             struct wall before, unsigned limit, unsigned *rows)
{
    int64_t hour = 0, check = 0;
    enum err e = sqlite_number(d, sqlite_use(d, oldest), ROLLUP_HOUR_MAX, &hour);
    if (e || (hour + 1) * HOUR_US > before.us)
        return e;
    sqlite3_stmt *st = sqlite_use(d, bound);
    sqlite3_bind_int64(st, 1, hour);
    sqlite3_bind_int64(st, 2, limit);
    e = sqlite_number(d, st, INT64_MAX, &check);
    if (e)
        return e;
    st = sqlite_use(d, purge);
    sqlite3_bind_int64(st, 1, hour);
    sqlite3_bind_int64(st, 2, check);
    e = sqlite_run(d, st);
    *rows += e ? 0 : (unsigned)sqlite3_changes(d->c);
    return e;
}

static enum err purge_before(struct sqlite_db *d, enum sqlite_statement id, struct wall before,
                             unsigned limit, unsigned *rows)
{
    sqlite3_stmt *st = sqlite_use(d, id);
    sqlite3_bind_int64(st, 1, before.us);
    sqlite3_bind_int64(st, 2, limit);
    enum err e = sqlite_run(d, st);
    *rows += e ? 0 : (unsigned)sqlite3_changes(d->c);
    return e;
}

/* A day goes with its last hour. */
enum err sqlite_history_purge(struct sqlite_db *d, struct store_req *r)
{
    static const enum sqlite_statement events[] = {
        SQL_TRANSITIONS_PURGE,  SQL_MISSES_PURGE,    SQL_INCIDENTS_PURGE, SQL_DELIVERIES_PURGE,
        SQL_CERTIFICATES_PURGE, SQL_SNAPSHOTS_PURGE, SQL_CHECKS_PURGE};
    _Static_assert(SCHEDULER_CHUNK == 4096, "the number in SQL_SNAPSHOTS_PURGE");
    /* The target of a task is in its check's row. */
    unsigned n_events = ARRAY_LEN(events) - !r->history_purge.checks;
    struct wall before = r->history_purge.before, runs = r->history_purge.runs_before;
    unsigned limit = r->history_purge.limit, n = 0;
    struct wall day = {before.us - (HOURS_OF_DAY - 1) * HOUR_US};
    REQUIRE(limit > 0);
    if (runs.us < before.us)
        runs = before;
    enum err e = purge_oldest(d, SQL_HOUR_TASKS_OLDEST, SQL_HOUR_TASKS_BOUND, SQL_HOUR_TASKS_PURGE,
                              runs, limit, &n);
    if (!e && n < limit)
        e = purge_oldest(d, SQL_HOURS_OLDEST, SQL_HOURS_BOUND, SQL_HOURS_PURGE, before, limit - n,
                         &n);
    if (!e && n < limit)
        e = purge_oldest(d, SQL_DAYS_OLDEST, SQL_DAYS_BOUND, SQL_DAYS_PURGE, day, limit - n, &n);
    for (unsigned i = 0; !e && n < limit && i < n_events; i++)
        e = purge_before(d, events[i], before, limit - n, &n);
    r->history_purge.rows = n;
    return e;
}
