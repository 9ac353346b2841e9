/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_db.h"

#include "common/mem.h"

enum err sqlite_lane_open(struct sqlite_db *d, uint32_t num, const char *lane)
{
    REQUIRE(num != 0 && lane != NULL);
    sqlite3_stmt *st = sqlite_use(d, SQL_LANE_OPEN);
    sqlite3_bind_int64(st, 1, num);
    sqlite_bind_str(st, 2, lane);
    return sqlite_run(d, st);
}

/* At least a millisecond: 0 would be none. */
static int64_t deadline_ms(const struct store_run *run)
{
    int64_t ms = (run->deadline_at.us - run->at.us) / 1000;
    return ms > 1 ? ms : 1;
}

enum err sqlite_run_insert(struct sqlite_db *d, uint64_t task, const struct store_run *run,
                           uint32_t slot)
{
    REQUIRE(run->check != 0 && run->at.us > 0 && slot < run->n);
    sqlite3_stmt *st = sqlite_use(d, SQL_RUN_INSERT);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)task);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)run->host_hash);
    sqlite3_bind_int64(st, 3, slot);
    sqlite3_bind_int64(st, 4, (sqlite3_int64)run->check);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)run->seq);
    sqlite3_bind_int64(st, 6, run->at.us);
    if (run->deadline_at.us != 0)
        sqlite3_bind_int64(st, 7, deadline_ms(run));
    else
        sqlite3_bind_null(st, 7);
    return sqlite_run(d, st);
}

enum err sqlite_lanes_boot(struct sqlite_db *d, struct store_boot *boot)
{
    struct store_timetable *t = &boot->timetable;
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(d,
                                "SELECT num, lane, opened_at FROM batches WHERE state < 2 AND "
                                "state > 0 AND growing = 1 ORDER BY num",
                                &st);
    if (e)
        return e;
    bool row = false, whole = true;
    size_t cap = 0;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        if (t->n_lanes == cap) {
            cap = cap ? cap * 2 : 16;
            t->lanes = mem_realloc(t->lanes, cap * sizeof(*t->lanes));
        }
        t->lanes[t->n_lanes].batch = (uint32_t)sqlite3_column_int64(st, 0);
        t->lanes[t->n_lanes].lane = sqlite_dup_column(st, 1, false, &whole);
        t->lanes[t->n_lanes].opened_at.us = sqlite3_column_int64(st, 2);
        t->n_lanes +=
            t->lanes[t->n_lanes].lane != NULL; /* one that is damaged is not gone on with */
    }
    sqlite3_finalize(st);
    d->damaged += !whole;
    return e;
}

enum err sqlite_rolled_until(struct sqlite_db *d, struct wall *out)
{
    return sqlite_number(d, sqlite_use(d, SQL_ROLLED_UNTIL), 0, &out->us);
}

enum err sqlite_lane_last(struct sqlite_db *d, uint32_t num, int64_t *task)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_LANE_LAST);
    sqlite3_bind_int64(st, 1, first_task(num));
    sqlite3_bind_int64(st, 2, last_task(num));
    return sqlite_number(d, st, 0, task);
}

enum err sqlite_lane_purge(struct sqlite_db *d, uint32_t num)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_CAUSES_PURGE);
    sqlite3_bind_int64(st, 1, num);
    enum err e = sqlite_run(d, st);
    if (e)
        return e;
    st = sqlite_use(d, SQL_LANE_PURGE);
    sqlite3_bind_int64(st, 1, num);
    return sqlite_run(d, st);
}
