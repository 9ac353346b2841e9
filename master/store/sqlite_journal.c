/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_timetable.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "master/store/incident_doc.h"
#include "master/store/snapshot.h"
#include "master/store/sqlite_db.h"

/* The journal of the scheduler: what happened to checks, entry by entry, and the snapshots that
 * shorten the reading of it at a start. */

static unsigned bounded(unsigned limit)
{
    return limit < 1 ? 1 : limit > STORE_PAGE_ROWS ? STORE_PAGE_ROWS : limit;
}

static sqlite3_int64 cursor(uint64_t before)
{
    return before == 0 || before > INT64_MAX ? INT64_MAX : (sqlite3_int64)before;
}

const void *sqlite_blob(sqlite3_stmt *st, int i, size_t *len)
{
    const void *p = sqlite3_column_blob(st, i);
    *len = (size_t)sqlite3_column_bytes(st, i);
    return p ? p : "";
}

/* ---- writing */

static enum err add_transition(struct sqlite_db *d, const struct store_entry *x)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_TRANSITION_ADD);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)x->check);
    sqlite3_bind_int64(st, 2, x->at.us);
    sqlite3_bind_int(st, 3, (int)x->from);
    sqlite3_bind_int(st, 4, (int)x->to);
    sqlite_bind_str(st, 5, cause_word(x->cause));
    sqlite3_bind_int64(st, 6, (sqlite3_int64)x->slot);
    sqlite3_bind_int64(st, 7, (sqlite3_int64)x->task);
    sqlite3_bind_int(st, 8, x->flapping);
    sqlite_bind_str(st, 9, x->advice && x->advice[0] ? x->advice : NULL);
    sqlite_bind_str(st, 10, x->schedule);
    sqlite_bind_str(st, 11, x->key);
    return sqlite_run(d, st);
}

static enum err put_miss(struct sqlite_db *d, const struct store_entry *x)
{
    const struct plan_gap *g = &x->gap;
    REQUIRE(g->why > PLAN_MISS_NONE && g->why < PLAN_MISS_COUNT && g->count > 0);
    sqlite3_stmt *st = sqlite_use(d, SQL_MISS_PUT);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)x->check);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)g->first_seq);
    sqlite3_bind_int(st, 3, (int)g->why);
    sqlite3_bind_int64(st, 4, (sqlite3_int64)g->count);
    sqlite3_bind_int64(st, 5, g->first_at.us);
    sqlite3_bind_int64(st, 6, (sqlite3_int64)g->last.seq);
    sqlite3_bind_int64(st, 7, g->last.at.us);
    return sqlite_run(d, st);
}

static enum err put_certificate(struct sqlite_db *d, const struct store_entry *x)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_CERTIFICATE_PUT);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)x->check);
    sqlite3_bind_int64(st, 2, x->at.us);
    sqlite3_bind_int(st, 3, x->threshold);
    sqlite3_bind_int64(st, 4, x->not_after.us);
    return sqlite_run(d, st);
}

static enum err put_incident(struct sqlite_db *d, const struct store_entry *x)
{
    const struct incident *i = &x->incident;
    struct strbuf doc;
    strbuf_init(&doc, INCIDENT_DOC_MAX);
    incident_doc_put(i, &doc);
    REQUIRE(i->id > 0 && i->id <= INT64_MAX && !doc.overflow);
    sqlite3_stmt *st = sqlite_use(d, SQL_INCIDENT_PUT);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)i->id);
    sqlite3_bind_int64(st, 2, x->at.us);
    sqlite3_bind_int(st, 3, (int)i->state);
    sqlite3_bind_int64(st, 4, i->ended_at.us);
    sqlite_bind_str(st, 5, x->schedule);
    sqlite_bind_bytes(st, 6, doc.data, doc.len);
    enum err e = sqlite_run(d, st);
    strbuf_fini(&doc);
    return e;
}

static enum err put_entry(struct sqlite_db *d, const struct store_entry *x)
{
    switch (x->kind) {
    case ENTRY_TRANSITION:
        return add_transition(d, x);
    case ENTRY_GAP:
        return put_miss(d, x);
    case ENTRY_INCIDENT:
        return put_incident(d, x);
    case ENTRY_CERTIFICATE:
        return put_certificate(d, x);
    }
    UNREACHABLE("an entry of no kind");
}

enum err sqlite_journal(struct sqlite_db *d, struct store_req *r, struct wall now)
{
    enum err e = ERR_NONE;
    r->journal.queued = 0;
    for (unsigned i = 0; !e && i < r->journal.n; i++) {
        e = put_entry(d, &r->journal.items[i]);
        if (!e && r->journal.items[i].n_alerts > 0)
            e = sqlite_deliveries_queue(d, &r->journal.items[i], now, &r->journal.queued);
    }
    return e;
}

/* ---- snapshots */

/* The requests of runs before this one are in the rows, and in what it saves. */
static enum err take_marks(struct sqlite_db *d, struct snapshot_mark **marks, size_t *n)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_LANES_LIVE);
    bool row = false;
    size_t cap = 0;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row && *n < SNAPSHOT_MARKS_MAX) {
        uint32_t num = (uint32_t)sqlite3_column_int64(st, 0);
        int64_t last = 0;
        e = sqlite_lane_last(d, num, &last);
        if (e)
            break;
        if (*n == cap) {
            cap = cap ? cap * 2 : 16;
            *marks = mem_realloc(*marks, cap * sizeof(**marks));
        }
        uint64_t tasks = last != 0 ? (uint64_t)(uint32_t)last + 1 : 0;
        (*marks)[(*n)++] = (struct snapshot_mark){num, tasks};
    }
    sqlite3_reset(st);
    return e;
}

static enum err write_snapshot(struct sqlite_db *d, const struct store_req *r,
                               const struct strbuf *marks, const struct strbuf *saved)
{
    REQUIRE(!marks->overflow && !saved->overflow);
    sqlite3_stmt *st = sqlite_use(d, SQL_SNAPSHOT_PUT);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)r->snapshot.chunk);
    sqlite3_bind_int64(st, 2, r->snapshot.at.us);
    sqlite3_bind_blob(st, 3, marks->data, (int)marks->len, SQLITE_STATIC);
    sqlite3_bind_blob(st, 4, saved->data, (int)saved->len, SQLITE_STATIC);
    return sqlite_run(d, st);
}

enum err sqlite_snapshot_put(struct sqlite_db *d, struct store_req *r)
{
    struct snapshot_mark *marks = NULL;
    struct strbuf bytes, saved;
    size_t n = 0;
    enum err e = take_marks(d, &marks, &n);
    strbuf_init(&bytes, SNAPSHOT_MARKS_MAX * 16);
    strbuf_init(&saved, SNAPSHOT_BYTES_MAX);
    if (!e) {
        snapshot_marks_encode(marks, n, &bytes);
        snapshot_encode(r->snapshot.items, r->snapshot.n, r->snapshot.at, &saved);
        e = write_snapshot(d, r, &bytes, &saved);
    }
    strbuf_fini(&bytes);
    strbuf_fini(&saved);
    free(marks);
    return e;
}

/* ---- reading */

static enum verdict_state state_column(struct sqlite_db *d, sqlite3_stmt *st, int i)
{
    unsigned s = (unsigned)sqlite3_column_int(st, i);
    d->damaged += s >= VERDICT_STATES;
    return s < VERDICT_STATES ? (enum verdict_state)s : VERDICT_UNKNOWN;
}

static void transition_row(struct sqlite_db *d, sqlite3_stmt *st, struct strbuf *arena,
                           struct store_transition *t)
{
    *t = (struct store_transition){
        .id = (uint64_t)sqlite3_column_int64(st, 0),
        .check = (uint64_t)sqlite3_column_int64(st, 1),
        .at = {sqlite3_column_int64(st, 2)},
        .from = state_column(d, st, 3),
        .to = state_column(d, st, 4),
        .cause = sqlite_cause(st, 5),
        .slot = (uint64_t)sqlite3_column_int64(st, 6),
        .task = (uint64_t)sqlite3_column_int64(st, 7),
        .flapping = sqlite3_column_int(st, 8) != 0,
        .advice = sqlite_put_text(d, arena, st, 9),
        .schedule = sqlite_put_text(d, arena, st, 10),
        .key = sqlite_put_text(d, arena, st, 11),
    };
}

enum err sqlite_transitions(struct sqlite_db *d, struct store_req *r)
{
    unsigned limit = bounded(r->transitions.limit);
    bool all = r->transitions.check == 0, row = false;
    sqlite3_stmt *st = sqlite_use(d, all ? SQL_TRANSITIONS : SQL_TRANSITIONS_OF);
    sqlite3_bind_int64(st, 1, cursor(r->transitions.before));
    sqlite3_bind_int64(st, 2, limit + INT64_C(1));
    if (!all)
        sqlite3_bind_int64(st, 3, cursor(r->transitions.check));
    r->transitions.items = mem_array(limit, sizeof(*r->transitions.items));
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        r->transitions.more = r->transitions.n == limit;
        if (r->transitions.more)
            break;
        transition_row(d, st, &r->arena, &r->transitions.items[r->transitions.n++]);
    }
    sqlite3_reset(st);
    for (unsigned i = 0; i < r->transitions.n; i++) {
        sqlite_rebase(&r->arena, &r->transitions.items[i].advice);
        sqlite_rebase(&r->arena, &r->transitions.items[i].schedule);
        sqlite_rebase(&r->arena, &r->transitions.items[i].key);
    }
    return e;
}

bool sqlite_miss_row(sqlite3_stmt *st, uint64_t *check, struct plan_gap *g)
{
    int64_t why = sqlite3_column_int64(st, 2), count = sqlite3_column_int64(st, 3);
    *check = (uint64_t)sqlite3_column_int64(st, 0);
    if (why <= PLAN_MISS_NONE || why >= PLAN_MISS_COUNT || count <= 0)
        return false;
    *g = (struct plan_gap){
        .why = (enum plan_miss)why,
        .first_seq = (uint64_t)sqlite3_column_int64(st, 1),
        .count = (uint64_t)count,
        .first_at = {sqlite3_column_int64(st, 4)},
        .last = {(uint64_t)sqlite3_column_int64(st, 5), {sqlite3_column_int64(st, 6)}},
    };
    return true;
}

enum err sqlite_misses(struct sqlite_db *d, struct store_req *r)
{
    unsigned limit = bounded(r->misses.limit);
    bool row = false;
    sqlite3_stmt *st = sqlite_use(d, SQL_MISSES_OF);
    sqlite3_bind_int64(st, 1, cursor(r->misses.before));
    sqlite3_bind_int64(st, 2, limit + INT64_C(1));
    sqlite3_bind_int64(st, 3, cursor(r->misses.check));
    r->misses.items = mem_array(limit, sizeof(*r->misses.items));
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        r->misses.more = r->misses.n == limit;
        if (r->misses.more)
            break;
        struct store_miss *m = &r->misses.items[r->misses.n];
        if (sqlite_miss_row(st, &m->check, &m->gap))
            r->misses.n++;
        else
            d->damaged++;
    }
    sqlite3_reset(st);
    return e;
}

bool sqlite_incident_row(sqlite3_stmt *st, struct incident *i)
{
    const char *doc = (const char *)sqlite3_column_text(st, 2);
    size_t len = (size_t)sqlite3_column_bytes(st, 2);
    return doc != NULL && incident_doc_read(doc, len, i) == ERR_NONE &&
           i->id == (uint64_t)sqlite3_column_int64(st, 0);
}

static sqlite3_stmt *incidents_statement(struct sqlite_db *d, const struct store_req *r)
{
    bool one = r->incidents.only != 0;
    int state = r->incidents.state;
    sqlite3_stmt *st = sqlite_use(d, one                                  ? SQL_INCIDENT_GET
                                     : state == STORE_INCIDENTS_NOT_ENDED ? SQL_INCIDENTS_OPEN
                                     : state < 0                          ? SQL_INCIDENTS
                                                                          : SQL_INCIDENTS_STATE);
    if (one) {
        sqlite3_bind_int64(st, 3, cursor(r->incidents.only));
        return st;
    }
    sqlite3_bind_int64(st, 1, cursor(r->incidents.before));
    sqlite3_bind_int64(st, 2, bounded(r->incidents.limit) + INT64_C(1));
    if (state >= 0)
        sqlite3_bind_int(st, 3, state);
    return st;
}

enum err sqlite_incidents(struct sqlite_db *d, struct store_req *r)
{
    unsigned limit = bounded(r->incidents.limit);
    bool row = false, whole = true;
    sqlite3_stmt *st = incidents_statement(d, r);
    r->incidents.items = mem_array(limit, sizeof(*r->incidents.items));
    r->incidents.schedules = mem_array(limit, sizeof(*r->incidents.schedules));
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        unsigned n = r->incidents.n;
        r->incidents.more = n == limit;
        if (r->incidents.more)
            break;
        if (!sqlite_incident_row(st, &r->incidents.items[n])) {
            d->damaged++;
            continue;
        }
        r->incidents.schedules[n] = sqlite_dup_column(st, 1, false, &whole);
        r->incidents.n++;
    }
    sqlite3_reset(st);
    d->damaged += !whole;
    return e;
}
