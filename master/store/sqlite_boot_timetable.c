/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_timetable.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "master/store/join.h"
#include "master/store/snapshot.h"
#include "master/store/sqlite_db.h"

/*
 * What a start reads of schedules: the state of each check as of its last snapshot, and on it what
 * was journalled and run since. One pass over each table, none for each check.
 *
 * A snapshot marks, in the commit that keeps it, up to where the lanes' rows and the transitions
 * are in it; so no clock decides what came after. Of misses the time of the last slot does, with
 * room for a clock that was put back an hour: an older one says nothing new by its seq.
 */
/* What was put, and a stand-in for what is damaged of it. */
#define ARENA_MAX     (STORE_TARGETS_BYTES + (1u << 20))
#define MISS_SLACK_US (3600 * INT64_C(1000000))
/* A check's id may be older than itself (a key that came back): its former life does not count. */
#define BORN_SLACK_US (60 * INT64_C(1000000))
/* Tasks that began before what is left open, of whose run they may be. */
#define SIBLINGS_US (180 * INT64_C(1000000))
/* A lane's open tasks are looked for among its newest: ten minutes of the busiest master. */
#define OPEN_ROWS 1000000

struct lane {
    uint32_t num;
    uint64_t mark, low_water; /* ordinals */
    bool live;
};
struct boot_read {
    struct sqlite_db *d;
    struct store_timetable *t;
    struct scheduler_saved *saved; /* as the checks; check 0: nothing is known of it */
    struct wall snapshot_at;       /* the oldest chunk's */
    int64_t transition;            /* likewise */
    bool any_snapshot;
    struct lane *lanes;
    size_t n_lanes, cap_lanes;
    uint64_t *open; /* as the checks: the seq of a run under way, 0 = none */
    size_t cap_tasks;
};

/* The first check whose id is not less. */
static size_t place_of(const struct boot_read *b, uint64_t check)
{
    size_t low = 0, high = b->t->n_checks;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (b->t->checks[mid].id < check)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static size_t index_of(const struct boot_read *b, uint64_t check)
{
    size_t i = place_of(b, check);
    return i < b->t->n_checks && b->t->checks[i].id == check ? i : SIZE_MAX;
}

/* Of the check as it is now: what is older than it is another life's. NULL: not of one that is. */
static struct scheduler_saved *saved_of(struct boot_read *b, uint64_t check, struct wall at)
{
    size_t i = index_of(b, check);
    if (i == SIZE_MAX || at.us < b->t->checks[i].created.us - BORN_SLACK_US)
        return NULL;
    struct scheduler_saved *s = &b->saved[i];
    if (s->check == 0)
        *s = (struct scheduler_saved){.check = check, .since = b->t->checks[i].created};
    return s;
}

static enum err damaged(struct sqlite_db *d, const char *what)
{
    snprintf(d->why, sizeof(d->why),
             "%s is damaged, see `sonde-master check`: restore it from a backup", what);
    return ERR_CORRUPT;
}

/* ---- schedules and checks */

static enum err read_schedules(struct boot_read *b)
{
    struct store_timetable *t = b->t;
    sqlite3_stmt *st = NULL;
    enum err e =
        sqlite_prepare(b->d, "SELECT " SCHEDULE_COLUMNS " FROM schedules ORDER BY id", &st);
    bool row = false;
    size_t cap = 0;
    while (!e && !(e = sqlite_step(b->d, st, &row)) && row) {
        if (t->n_schedules == cap) {
            cap = cap ? cap * 2 : 16;
            t->schedules = mem_realloc(t->schedules, cap * sizeof(*t->schedules));
        }
        if (!sqlite_schedule_row(st, &t->schedules[t->n_schedules++]))
            e = damaged(b->d, "a schedule");
    }
    sqlite3_finalize(st);
    return e;
}

static enum err read_checks(struct boot_read *b)
{
    struct store_timetable *t = b->t;
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(
        b->d, "SELECT " CHECK_COLUMNS " FROM checks WHERE removed_at = 0 ORDER BY id", &st);
    bool row = false;
    size_t cap = 0;
    strbuf_init(&t->arena, ARENA_MAX);
    while (!e && !(e = sqlite_step(b->d, st, &row)) && row) {
        if (t->n_checks == cap) {
            cap = cap ? cap * 2 : 1024;
            t->checks = mem_realloc(t->checks, cap * sizeof(*t->checks));
        }
        sqlite_check_row(b->d, st, &t->arena, &t->checks[t->n_checks++]);
    }
    sqlite3_finalize(st);
    if (!e && t->arena.overflow)
        e = damaged(b->d, "a check");
    for (size_t i = 0; !e && i < t->n_checks; i++)
        sqlite_rebase_check(&t->arena, &t->checks[i]);
    return e;
}

/* ---- snapshots */

static struct lane *lane_of(struct boot_read *b, uint32_t num)
{
    for (size_t i = 0; i < b->n_lanes; i++)
        if (b->lanes[i].num == num)
            return &b->lanes[i];
    if (b->n_lanes == b->cap_lanes) {
        b->cap_lanes = b->cap_lanes ? b->cap_lanes * 2 : 16;
        b->lanes = mem_realloc(b->lanes, b->cap_lanes * sizeof(*b->lanes));
    }
    b->lanes[b->n_lanes] = (struct lane){.num = num};
    return &b->lanes[b->n_lanes++];
}

/* Chunks are kept one after the other: what the first of them has not seen counts as new. */
static void take_marks(struct boot_read *b, const struct snapshot_mark *marks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t had = b->n_lanes;
        struct lane *l = lane_of(b, marks[i].batch);
        if (b->n_lanes > had)
            l->mark = b->any_snapshot ? 0 : marks[i].tasks;
        else if (marks[i].tasks < l->mark)
            l->mark = marks[i].tasks;
    }
}

static void take_saved(struct boot_read *b, const struct scheduler_saved *items, size_t n,
                       struct wall at)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = index_of(b, items[i].check);
        if (k != SIZE_MAX && b->t->checks[k].created.us <= at.us)
            b->saved[k] = items[i];
    }
}

static enum err snapshot_row(struct boot_read *b, sqlite3_stmt *st, struct scheduler_saved *items)
{
    size_t n_marks = 0, n = 0, len = 0;
    struct snapshot_mark *marks = NULL;
    struct wall at = {sqlite3_column_int64(st, 0)};
    int64_t transition = sqlite3_column_int64(st, 1);
    const void *p = sqlite_blob(st, 2, &len);
    enum err e = snapshot_marks_decode(p, len, &marks, &n_marks);
    if (!e) {
        p = sqlite_blob(st, 3, &len);
        e = snapshot_decode(p, len, at, items, &n);
    }
    if (!e) {
        take_marks(b, marks, n_marks);
        take_saved(b, items, n, at);
        if (!b->any_snapshot || at.us < b->snapshot_at.us)
            b->snapshot_at = at;
        if (!b->any_snapshot || transition < b->transition)
            b->transition = transition;
        b->any_snapshot = true;
    }
    free(marks);
    return e ? damaged(b->d, "the saved state of checks") : ERR_NONE;
}

/* A chunk whose checks are all gone is not kept any more, and grows old. */
static bool is_used(const struct boot_read *b, uint64_t chunk)
{
    size_t i = place_of(b, chunk * SCHEDULER_CHUNK);
    return i < b->t->n_checks && b->t->checks[i].id / SCHEDULER_CHUNK == chunk;
}

/* Oldest first, so that a lane which only later ones know was opened between them. */
static enum err read_snapshots(struct boot_read *b)
{
    struct scheduler_saved *items = mem_array(SCHEDULER_CHUNK, sizeof(*items));
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(
        b->d, "SELECT at, transition, marks, saved, chunk FROM snapshots ORDER BY at, chunk", &st);
    bool row = false;
    while (!e && !(e = sqlite_step(b->d, st, &row)) && row)
        if (is_used(b, (uint64_t)sqlite3_column_int64(st, 4)))
            e = snapshot_row(b, st, items);
    sqlite3_finalize(st);
    free(items);
    return e;
}

/* ---- the journal since */

static enum err read_transitions(struct boot_read *b)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(
        b->d, "SELECT " TRANSITION_COLUMNS " FROM transitions WHERE id > ?1 ORDER BY id", &st);
    if (e)
        return e;
    sqlite3_bind_int64(st, 1, b->transition);
    bool row = false;
    while (!(e = sqlite_step(b->d, st, &row)) && row) {
        struct wall at = {sqlite3_column_int64(st, 2)};
        struct scheduler_saved *s = saved_of(b, (uint64_t)sqlite3_column_int64(st, 1), at);
        int state = sqlite3_column_int(st, 4);
        if (s == NULL || state < 0 || state >= VERDICT_STATES)
            continue;
        if ((int)s->state != state)
            s->state_since = at;
        s->state = (enum verdict_state)state;
        if (sqlite3_column_int64(st, 6) > 0)
            s->slot = (uint64_t)sqlite3_column_int64(st, 6);
        s->cause = sqlite_cause(st, 5);
    }
    sqlite3_finalize(st);
    return e;
}

static enum err read_misses(struct boot_read *b)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(
        b->d, "SELECT " MISS_COLUMNS " FROM misses WHERE last_at >= ?1 ORDER BY last_at", &st);
    if (e)
        return e;
    sqlite3_bind_int64(st, 1, b->any_snapshot ? b->snapshot_at.us - MISS_SLACK_US : INT64_MIN);
    bool row = false;
    while (!(e = sqlite_step(b->d, st, &row)) && row) {
        uint64_t check = 0;
        struct plan_gap gap;
        struct scheduler_saved *s = NULL;
        if (sqlite_miss_row(st, &check, &gap))
            s = saved_of(b, check, gap.last.at);
        if (s == NULL || gap.last.seq <= s->last.seq)
            continue;
        s->last = gap.last;
        s->gap = gap;
    }
    sqlite3_finalize(st);
    return e;
}

static enum err read_certificates(struct boot_read *b)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(
        b->d, "SELECT check_id, at, warned, not_after FROM certificates WHERE at >= ?1", &st);
    if (e)
        return e;
    sqlite3_bind_int64(st, 1, b->any_snapshot ? b->snapshot_at.us : INT64_MIN);
    bool row = false;
    while (!(e = sqlite_step(b->d, st, &row)) && row) {
        struct scheduler_saved *s = saved_of(b, (uint64_t)sqlite3_column_int64(st, 0),
                                             (struct wall){sqlite3_column_int64(st, 1)});
        if (s == NULL)
            continue;
        s->cert_warned = (uint16_t)sqlite3_column_int(st, 2);
        s->cert_not_after = sqlite3_column_int64(st, 3) / 1000000;
    }
    sqlite3_finalize(st);
    return e;
}

/* ---- incidents */

static enum err read_incidents(struct boot_read *b)
{
    struct store_timetable *t = b->t;
    sqlite3_stmt *st = NULL;
    int64_t last = 0;
    enum err e =
        sqlite_int(b->d, "SELECT seq FROM sqlite_sequence WHERE name = 'incidents'", 0, &last);
    t->last_incident = (uint64_t)last;
    if (!e)
        e = sqlite_prepare(
            b->d, "SELECT id, schedule, doc FROM incidents WHERE id > 0 AND state < 2 ORDER BY id",
            &st);
    bool row = false;
    size_t cap = 0;
    while (!e && !(e = sqlite_step(b->d, st, &row)) && row) {
        if (t->n_incidents == cap) {
            cap = cap ? cap * 2 : 16;
            t->incidents = mem_realloc(t->incidents, cap * sizeof(*t->incidents));
        }
        if (sqlite_incident_row(st, &t->incidents[t->n_incidents]))
            t->n_incidents++;
        else
            b->d->damaged++; /* it is told again when its checks fall again */
    }
    sqlite3_finalize(st);
    return e;
}

/* ---- rows of lanes */

static enum err read_lanes(struct boot_read *b)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(b->d,
                                "SELECT num, low_water FROM batches WHERE state < 2 AND state > 0 "
                                "AND lane IS NOT NULL ORDER BY num",
                                &st);
    bool row = false;
    while (!e && !(e = sqlite_step(b->d, st, &row)) && row) {
        struct lane *l = lane_of(b, (uint32_t)sqlite3_column_int64(st, 0));
        l->low_water = (uint64_t)sqlite3_column_int64(st, 1);
        l->live = true;
    }
    sqlite3_finalize(st);
    return e;
}

/* The newest slot that was run of each check. */
static enum err read_runs(struct boot_read *b, sqlite3_stmt *st, const struct lane *l)
{
    bool row = false;
    enum err e;
    sqlite3_reset(st);
    sqlite3_bind_int64(st, 1, first_task(l->num) + (sqlite3_int64)l->mark);
    sqlite3_bind_int64(st, 2, last_task(l->num));
    while (!(e = sqlite_step(b->d, st, &row)) && row) {
        struct wall at = {sqlite3_column_int64(st, 3)};
        uint64_t seq = (uint64_t)sqlite3_column_int64(st, 2);
        struct scheduler_saved *s = saved_of(b, (uint64_t)sqlite3_column_int64(st, 1), at);
        if (s == NULL || seq <= s->last.seq)
            continue;
        s->last = (struct plan_slot){seq, at};
        s->gap = (struct plan_gap){0};
    }
    return e;
}

#define RUNS_SQL                                                                                   \
    "SELECT task, run_check, run_seq, run_at FROM tasks WHERE task >= ?1 AND task <= ?2 "          \
    "AND run_check IS NOT NULL ORDER BY task"
#define OPEN_SQL                                                                                   \
    "SELECT t.task, t.run_check, t.run_seq, t.run_at FROM tasks t WHERE t.task >= ?1 AND "         \
    "t.task <= ?2 AND t.run_check IS NOT NULL AND NOT EXISTS (SELECT 1 FROM results r WHERE "      \
    "r.task = t.task) ORDER BY t.task"
#define BACK_SQL                                                                                   \
    "SELECT task, run_check, run_seq, run_at FROM tasks WHERE task >= ?1 AND task < ?2 "           \
    "AND run_check IS NOT NULL ORDER BY task DESC"
#define RESULT_SQL "SELECT outcome, cause, agent FROM results WHERE task = ?1"

static enum err each_lane_runs(struct boot_read *b)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(b->d, RUNS_SQL, &st);
    for (size_t i = 0; !e && i < b->n_lanes; i++)
        e = read_runs(b, st, &b->lanes[i]);
    sqlite3_finalize(st);
    return e;
}

/* ---- runs under way */

/* Marks the runs that have a task without a result; since when the first of them is. */
static enum err mark_open(struct boot_read *b, sqlite3_stmt *st, const struct lane *l,
                          int64_t *since)
{
    bool row = false;
    int64_t last = 0;
    enum err e = sqlite_lane_last(b->d, l->num, &last);
    int64_t begin = first_task(l->num) + (int64_t)l->low_water;
    if (last - OPEN_ROWS > begin)
        begin = last - OPEN_ROWS;
    sqlite3_reset(st);
    sqlite3_bind_int64(st, 1, begin);
    sqlite3_bind_int64(st, 2, last);
    while (!e && last && !(e = sqlite_step(b->d, st, &row)) && row) {
        size_t i = index_of(b, (uint64_t)sqlite3_column_int64(st, 1));
        if (i == SIZE_MAX)
            continue;
        uint64_t seq = (uint64_t)sqlite3_column_int64(st, 2);
        b->open[i] = seq > b->open[i] ? seq : b->open[i];
        if (sqlite3_column_int64(st, 3) < *since)
            *since = sqlite3_column_int64(st, 3);
    }
    return e;
}

static enum err add_task(struct boot_read *b, sqlite3_stmt *st, sqlite3_stmt *result)
{
    struct store_timetable *t = b->t;
    bool there = false;
    if (t->n_tasks == b->cap_tasks) {
        b->cap_tasks = b->cap_tasks ? b->cap_tasks * 2 : 256;
        t->tasks = mem_realloc(t->tasks, b->cap_tasks * sizeof(*t->tasks));
    }
    struct store_open_task *x = &t->tasks[t->n_tasks++];
    *x = (struct store_open_task){.task = (uint64_t)sqlite3_column_int64(st, 0),
                                  .check = (uint64_t)sqlite3_column_int64(st, 1),
                                  .seq = (uint64_t)sqlite3_column_int64(st, 2),
                                  .at = {sqlite3_column_int64(st, 3)},
                                  .outcome = -1};
    sqlite3_reset(result);
    sqlite3_bind_int64(result, 1, (sqlite3_int64)x->task);
    enum err e = sqlite_step(b->d, result, &there);
    if (e || !there)
        return e;
    const char *agent = (const char *)sqlite3_column_text(result, 2);
    x->outcome = (int)sqlite_outcome(result, 0);
    x->cause = sqlite_cause(result, 1);
    snprintf(x->agent, sizeof(x->agent), "%s", agent ? agent : "");
    return ERR_NONE;
}

/* All tasks of those runs, from the newest back to where none of them can be. */
static enum err read_open(struct boot_read *b, sqlite3_stmt *st, sqlite3_stmt *result,
                          const struct lane *l, int64_t since)
{
    bool row = false;
    enum err e;
    uint64_t low = l->live ? l->low_water : l->mark;
    sqlite3_reset(st);
    sqlite3_bind_int64(st, 1, first_task(l->num));
    sqlite3_bind_int64(st, 2, last_task(l->num));
    while (!(e = sqlite_step(b->d, st, &row)) && row) {
        size_t i = index_of(b, (uint64_t)sqlite3_column_int64(st, 1));
        uint64_t ordinal = (uint32_t)sqlite3_column_int64(st, 0);
        if (ordinal < low && sqlite3_column_int64(st, 3) < since - SIBLINGS_US)
            break;
        if (i == SIZE_MAX || b->open[i] == 0 || b->open[i] != (uint64_t)sqlite3_column_int64(st, 2))
            continue;
        e = add_task(b, st, result);
        if (e)
            break;
    }
    return e;
}

static int by_check_and_task(const void *a, const void *b)
{
    const struct store_open_task *x = a, *y = b;
    if (x->check != y->check)
        return x->check < y->check ? -1 : 1;
    return x->task < y->task ? -1 : x->task > y->task;
}

static enum err read_tasks(struct boot_read *b)
{
    sqlite3_stmt *open = NULL, *back = NULL, *result = NULL;
    int64_t since = INT64_MAX;
    enum err e = sqlite_prepare(b->d, OPEN_SQL, &open);
    if (!e)
        e = sqlite_prepare(b->d, BACK_SQL, &back);
    if (!e)
        e = sqlite_prepare(b->d, RESULT_SQL, &result);
    for (size_t i = 0; !e && i < b->n_lanes; i++)
        if (b->lanes[i].live)
            e = mark_open(b, open, &b->lanes[i], &since);
    for (size_t i = 0; !e && i < b->n_lanes && since != INT64_MAX; i++)
        e = read_open(b, back, result, &b->lanes[i], since);
    sqlite3_finalize(open);
    sqlite3_finalize(back);
    sqlite3_finalize(result);
    if (b->t->n_tasks > 0)
        qsort(b->t->tasks, b->t->n_tasks, sizeof(*b->t->tasks), by_check_and_task);
    return e;
}

/* ---- the whole */

static int by_id(const void *a, const void *b)
{
    const struct store_schedule *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* A definition that changed, or was resumed, since the snapshot: slots before that are settled. */
static void move_since(struct boot_read *b)
{
    struct store_timetable *t = b->t;
    for (size_t i = 0; i < t->n_checks && t->n_schedules > 0; i++) {
        struct scheduler_saved *s = &b->saved[i];
        struct store_schedule wanted = {.id = t->checks[i].schedule};
        const struct store_schedule *of =
            bsearch(&wanted, t->schedules, t->n_schedules, sizeof(wanted), by_id);
        if (of == NULL || s->check == 0 || of->changed_at.us <= b->snapshot_at.us)
            continue;
        if (of->changed_at.us > s->since.us)
            s->since = of->changed_at;
    }
}

static void keep_known(struct boot_read *b)
{
    for (size_t i = 0; i < b->t->n_checks; i++)
        if (b->saved[i].check != 0)
            b->saved[b->t->n_saved++] = b->saved[i];
    b->t->saved = b->saved;
}

static enum err read_states(struct boot_read *b)
{
    enum err e = read_snapshots(b);
    if (!e)
        e = read_lanes(b);
    if (!e)
        e = read_transitions(b);
    if (!e)
        e = read_misses(b);
    if (!e)
        e = read_certificates(b);
    if (!e)
        e = each_lane_runs(b);
    if (!e)
        e = read_incidents(b);
    return e ? e : read_tasks(b);
}

enum err sqlite_boot_timetable(struct sqlite_db *d, struct store_timetable *t)
{
    struct boot_read b = {.d = d, .t = t};
    enum err e = read_schedules(&b);
    if (!e)
        e = read_checks(&b);
    if (e)
        return e;
    b.saved = mem_array(t->n_checks + 1, sizeof(*b.saved));
    b.open = mem_array(t->n_checks + 1, sizeof(*b.open));
    e = read_states(&b);
    if (!e) {
        join_incidents(t, b.saved);
        move_since(&b);
    }
    keep_known(&b);
    free(b.lanes);
    free(b.open);
    return e;
}
