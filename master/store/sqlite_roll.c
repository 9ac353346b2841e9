/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_timetable.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "master/store/sqlite_db.h"

/*
 * What rollups are made of.
 *
 * The rows of a lane stand in about the order of their slots' times, and a slot has no index: so a
 * lane is cut in stretches, and those are read whose ends are not both before or both after the
 * hour. A clock that was put back makes more of them read, and none be missed but what lies within
 * one stretch.
 */
#define HOUR_US      (ROLLUP_HOUR_MS * 1000)
#define STRETCH_ROWS 4096 /* some seconds of a busy master; a look costs as much as 10 rows */
/* A slot may be committed late, and is named by when it was due: a minute each, and to spare. */
#define SLACK_US (600 * INT64_C(1000000))
/* In one read transaction, for a long one keeps the log from being emptied. */
#define ONCE_ROWS (64 * STRETCH_ROWS)

enum err sqlite_roll_mark(struct sqlite_db *d, uint32_t *hour)
{
    struct wall until = {0};
    enum err e = sqlite_rolled_until(d, &until);
    int64_t hours = until.us / HOUR_US;
    *hour = hours > 0 && hours < ROLLUP_HOUR_MAX ? (uint32_t)hours : 0;
    return e;
}

/* ---- runs */

struct reading {
    struct sqlite_db *d;
    const struct roll_span *span;
    struct wall from, to; /* of the hour */
    uint64_t most, *looked;
    roll_run_f *f;
    void *arg;
};

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* By number: tasks are met by their ids. */
static enum err read_lanes(struct reading *r, uint32_t **lanes, size_t *n)
{
    sqlite3_stmt *st = sqlite_use(r->d, SQL_ROLL_LANES);
    bool row = false;
    size_t cap = 0;
    enum err e;
    sqlite3_bind_int64(st, 1, r->from.us - SLACK_US);
    sqlite3_bind_int64(st, 2, r->to.us + SLACK_US);
    while (!(e = sqlite_step(r->d, st, &row)) && row) {
        if (*n == cap) {
            cap = cap ? cap * 2 : 64;
            *lanes = mem_realloc(*lanes, cap * sizeof(**lanes));
        }
        (*lanes)[(*n)++] = (uint32_t)sqlite3_column_int64(st, 0);
    }
    sqlite3_reset(st);
    if (*n > 0)
        qsort(*lanes, *n, sizeof(**lanes), by_number);
    return e;
}

/* When the slot of the first row from this ordinal on was due; *at INT64_MAX: there is none. */
static enum err first_at(struct reading *r, uint32_t num, uint64_t ordinal, int64_t *at)
{
    sqlite3_stmt *st = sqlite_use(r->d, SQL_ROLL_FIRST);
    bool row = false;
    *at = INT64_MAX;
    if (ordinal > UINT32_MAX)
        return ERR_NONE;
    sqlite3_bind_int64(st, 1, first_task(num) + (sqlite3_int64)ordinal);
    sqlite3_bind_int64(st, 2, last_task(num));
    enum err e = sqlite_step(r->d, st, &row);
    if (!e && row)
        *at = sqlite3_column_int64(st, 1);
    sqlite3_reset(st);
    return e;
}

static enum err read_stretch(struct reading *r, int64_t first, int64_t last)
{
    sqlite3_stmt *st = sqlite_use(r->d, SQL_ROLL_RUNS);
    sqlite3_bind_int64(st, 1, first);
    sqlite3_bind_int64(st, 2, last);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)r->span->first);
    sqlite3_bind_int64(st, 4, (sqlite3_int64)r->span->last);
    sqlite3_bind_int64(st, 5, r->from.us);
    sqlite3_bind_int64(st, 6, r->to.us);
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(r->d, st, &row)) && row) {
        bool ended = sqlite3_column_type(st, 2) != SQLITE_NULL;
        struct roll_run run = {
            .task = (uint64_t)sqlite3_column_int64(st, 0),
            .check = (uint64_t)sqlite3_column_int64(st, 1),
            .outcome = ended ? (int)sqlite_outcome(st, 2) : -1,
        };
        run.record = ended ? sqlite_blob(st, 3, &run.record_len) : "";
        r->f(r->arg, &run);
    }
    sqlite3_reset(st);
    return e ? e : sqlite_renew(r->d);
}

/* Neighbouring stretches of interest are read as one. */
static enum err read_lane(struct reading *r, uint32_t num)
{
    int64_t here = 0, next = 0, low = r->from.us - SLACK_US, high = r->to.us + SLACK_US;
    int64_t begin = -1, base = first_task(num);
    enum err e = first_at(r, num, 0, &here);
    for (uint64_t at = 0; !e && here != INT64_MAX; at += STRETCH_ROWS, here = next) {
        e = first_at(r, num, at + STRETCH_ROWS, &next);
        if (e)
            return e;
        bool wanted = !(here < low && next < low) && !(here >= high && next >= high);
        if (wanted) {
            begin = begin < 0 ? base + (int64_t)at : begin;
            *r->looked += STRETCH_ROWS;
        }
        if (*r->looked > r->most)
            return ERR_TOO_BIG;
        int64_t end = base + (int64_t)at + (wanted ? STRETCH_ROWS : 0);
        if (begin >= 0 && (!wanted || next == INT64_MAX || end - begin >= ONCE_ROWS)) {
            e = read_stretch(r, begin, end - 1);
            begin = -1;
        }
    }
    return e;
}

enum err sqlite_roll_runs(struct sqlite_db *d, const struct roll_span *span, uint64_t most,
                          uint64_t *looked, roll_run_f *f, void *arg)
{
    struct reading r = {.d = d,
                        .span = span,
                        .from = {span->hour * HOUR_US},
                        .to = {(span->hour + 1) * HOUR_US},
                        .most = most,
                        .looked = looked,
                        .f = f,
                        .arg = arg};
    uint32_t *lanes = NULL;
    size_t n = 0;
    enum err e = read_lanes(&r, &lanes, &n);
    for (size_t i = 0; !e && i < n; i++)
        e = read_lane(&r, lanes[i]);
    free(lanes);
    return e;
}

/* ---- checks, states, misses */

static void check_row(sqlite3_stmt *st, struct roll_check *c)
{
    *c = (struct roll_check){.id = (uint64_t)sqlite3_column_int64(st, 0),
                             .created = {sqlite3_column_int64(st, 1)},
                             .removed = {sqlite3_column_int64(st, 2)}};
}

enum err sqlite_roll_checks(struct sqlite_db *d, uint32_t hour, uint64_t first,
                            struct roll_check *out, size_t *n)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_ROLL_CHECKS);
    size_t most = *n;
    bool row = false;
    enum err e;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)first);
    sqlite3_bind_int64(st, 2, hour * HOUR_US);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)most);
    *n = 0;
    while (!(e = sqlite_step(d, st, &row)) && row && *n < most)
        check_row(st, &out[(*n)++]);
    sqlite3_reset(st);
    return e;
}

enum err sqlite_roll_check(struct sqlite_db *d, uint64_t id, struct roll_check *out)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_ROLL_CHECK);
    bool row = false;
    sqlite3_bind_int64(st, 1, (sqlite3_int64)id);
    enum err e = sqlite_step(d, st, &row);
    if (!e && row)
        check_row(st, out);
    sqlite3_reset(st);
    return e ? e : row ? ERR_NONE : ERR_NOT_FOUND;
}

static enum verdict_state state_of(int v)
{
    return v >= 0 && v < VERDICT_STATES ? (enum verdict_state)v : VERDICT_UNKNOWN;
}

enum err sqlite_roll_state(struct sqlite_db *d, uint64_t check, struct wall at,
                           enum verdict_state *state, bool *known)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_ROLL_STATE);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)check);
    sqlite3_bind_int64(st, 2, at.us);
    enum err e = sqlite_step(d, st, known);
    if (!e && *known)
        *state = state_of(sqlite3_column_int(st, 0));
    sqlite3_reset(st);
    return e;
}

enum err sqlite_roll_changes(struct sqlite_db *d, uint64_t check, struct wall from, struct wall to,
                             roll_change_f *f, void *arg)
{
    sqlite3_stmt *st = sqlite_use(d, check ? SQL_ROLL_CHANGES : SQL_ROLL_CHANGED);
    int at = 1;
    if (check)
        sqlite3_bind_int64(st, at++, (sqlite3_int64)check);
    sqlite3_bind_int64(st, at, from.us);
    sqlite3_bind_int64(st, at + 1, to.us);
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row)
        f(arg, (uint64_t)sqlite3_column_int64(st, 0), (struct wall){sqlite3_column_int64(st, 1)},
          state_of(sqlite3_column_int(st, 2)));
    sqlite3_reset(st);
    return e;
}

enum err sqlite_roll_misses(struct sqlite_db *d, uint64_t first, uint64_t last, struct wall from,
                            struct wall to, roll_miss_f *f, void *arg)
{
    sqlite3_stmt *st = sqlite_use(d, first == last ? SQL_ROLL_MISSES_OF : SQL_ROLL_MISSES);
    sqlite3_bind_int64(st, 1, from.us);
    sqlite3_bind_int64(st, 2, to.us);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)first);
    if (first != last)
        sqlite3_bind_int64(st, 4, (sqlite3_int64)last);
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        uint64_t check = 0;
        struct plan_gap gap;
        if (sqlite_miss_row(st, &check, &gap))
            f(arg, check, &gap);
        else
            d->damaged++;
    }
    sqlite3_reset(st);
    return e;
}

enum err sqlite_roll_hours(struct sqlite_db *d, const struct roll_span *span, bool days,
                           roll_hour_f *f, void *arg)
{
    sqlite3_stmt *st = sqlite_use(d, days ? SQL_DAYS_OF_ALL : SQL_HOURS_OF_ALL);
    sqlite3_bind_int64(st, 1, span->hour);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)span->first);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)span->last);
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        size_t len = 0;
        const void *bytes = sqlite_blob(st, 1, &len);
        f(arg, (uint64_t)sqlite3_column_int64(st, 0), bytes, len);
    }
    sqlite3_reset(st);
    return e;
}
