/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_db.h"

#include <stdio.h>

/* Free pages are used again before the file grows: they do not count. */
enum err sqlite_used_bytes(struct sqlite_db *d, uint64_t *out)
{
    int64_t pages = 0, free_pages = 0, size = 0;
    enum err e = sqlite_int(d, "PRAGMA page_count", 0, &pages);
    if (!e)
        e = sqlite_int(d, "PRAGMA freelist_count", 0, &free_pages);
    if (!e)
        e = sqlite_int(d, "PRAGMA page_size", 0, &size);
    if (!e)
        *out = (uint64_t)(pages - free_pages) * (uint64_t)size;
    return e;
}

/* Of one kind: the one that ended first, by then and before `ended_at` of another kind's. */
static enum err pick_older(struct sqlite_db *d, enum sqlite_statement kind, struct wall ended_by,
                           int64_t *num, int64_t *ended_at)
{
    sqlite3_stmt *st = sqlite_use(d, kind);
    sqlite3_bind_int64(st, 1, ended_by.us);
    bool row = false;
    enum err e = sqlite_step(d, st, &row);
    if (!e && row && (*num == 0 || sqlite3_column_int64(st, 1) < *ended_at)) {
        *num = sqlite3_column_int64(st, 0);
        *ended_at = sqlite3_column_int64(st, 1);
    }
    sqlite3_reset(st);
    return e;
}

enum err sqlite_purge_pick(struct sqlite_db *d, struct wall ended_by, struct wall lanes_ended_by,
                           uint32_t *num)
{
    int64_t found = 0, ended_at = 0;
    enum err e = sqlite_number(d, sqlite_use(d, SQL_PURGE_BEGUN), 0, &found);
    if (!e && found == 0) {
        e = pick_older(d, SQL_PURGE_PICK, ended_by, &found, &ended_at);
        if (!e)
            e = pick_older(d, SQL_PURGE_LANE, lanes_ended_by, &found, &ended_at);
    }
    *num = (uint32_t)found;
    return e;
}

enum err sqlite_purge_begin(struct sqlite_db *d, uint32_t num, struct wall now)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_PURGE_BEGIN);
    sqlite3_bind_int64(st, 1, num);
    sqlite3_bind_int64(st, 2, now.us);
    return sqlite_run(d, st);
}

static enum err delete_range(struct sqlite_db *d, enum sqlite_statement id, int64_t first,
                             int64_t end)
{
    sqlite3_stmt *st = sqlite_use(d, id);
    sqlite3_bind_int64(st, 1, first);
    sqlite3_bind_int64(st, 2, end);
    return sqlite_run(d, st);
}

/* The ordinals of a batch are dense. */
enum err sqlite_purge_tasks(struct sqlite_db *d, uint32_t num, unsigned limit, unsigned *n)
{
    REQUIRE(num != 0 && limit > 0);
    int64_t first = 0;
    sqlite3_stmt *st = sqlite_use(d, SQL_TASK_FIRST);
    sqlite3_bind_int64(st, 1, first_task(num));
    sqlite3_bind_int64(st, 2, last_task(num));
    enum err e = sqlite_number(d, st, 0, &first);
    *n = 0;
    if (e || first == 0)
        return e;
    int64_t end = first + limit;
    e = delete_range(d, SQL_RESULTS_PURGE, first, end <= last_task(num) ? end : last_task(num) + 1);
    if (!e)
        e = delete_range(d, SQL_TASKS_PURGE, first,
                         end <= last_task(num) ? end : last_task(num) + 1);
    if (!e)
        *n = (unsigned)sqlite3_changes(d->c);
    return e;
}

enum err sqlite_purge_end(struct sqlite_db *d, uint32_t num, char uuid[UUID_TEXT_MAX])
{
    sqlite3_stmt *st = sqlite_use(d, SQL_PURGE_END);
    sqlite3_bind_int64(st, 1, num);
    bool row = false, lane = false;
    enum err e = sqlite_step(d, st, &row);
    if (!e && row) {
        snprintf(uuid, UUID_TEXT_MAX, "%s", (const char *)sqlite3_column_text(st, 0));
        lane = sqlite3_column_int(st, 1) != 0;
    }
    sqlite3_reset(st);
    return e || !lane ? e : sqlite_lane_purge(d, num);
}
