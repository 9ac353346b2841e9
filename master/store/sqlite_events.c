/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_db.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/mem.h"

/* Events: appended, the oldest trimmed, read by their names in order. */

#define BOOT_SQL                                                                                   \
    "SELECT epoch, number, at, kind, agent, cause, detail, evidence FROM (SELECT * FROM events "   \
    "ORDER BY epoch DESC, number DESC LIMIT 10001) ORDER BY epoch, number"
_Static_assert(STORE_EVENTS_BOOT == 10001, "the LIMIT above");

static enum err add(struct sqlite_db *d, const struct store_event *e)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_EVENT_ADD);
    REQUIRE(e->epoch != 0 && e->number != 0 && e->kind != NULL);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)e->epoch);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)e->number);
    sqlite3_bind_int64(st, 3, e->at.us);
    sqlite_bind_str(st, 4, e->kind);
    sqlite_bind_str(st, 5, e->agent);
    sqlite_bind_str(st, 6, end_word(e->cause));
    sqlite_bind_str(st, 7, e->detail);
    sqlite_bind_str(st, 8, e->evidence);
    return sqlite_run(d, st);
}

enum err sqlite_events_add(struct sqlite_db *d, const struct store_event *events, unsigned n)
{
    enum err e = ERR_NONE;
    REQUIRE(n <= STORE_EVENTS_ONCE);
    for (unsigned i = 0; !e && i < n; i++)
        e = add(d, &events[i]);
    if (e)
        return e;
    sqlite3_stmt *st = sqlite_use(d, SQL_EVENTS_TRIM);
    sqlite3_bind_int64(st, 1, STORE_EVENTS_KEPT);
    return sqlite_run(d, st);
}

/* ---- reading */

static const char *text(sqlite3_stmt *st, int column)
{
    return (const char *)sqlite3_column_text(st, column);
}

static bool is_word(const char *s)
{
    size_t n = s ? strlen(s) : 0;
    return n > 0 && n < EVENT_KIND_MAX && strspn(s, "abcdefghijklmnopqrstuvwxyz_") == n;
}

/* What the disk has changed is told of as far as it can be shown. */
static void read_event(struct sqlite_db *d, sqlite3_stmt *st, struct store_event *e)
{
    bool whole = true;
    *e = (struct store_event){.epoch = (uint64_t)sqlite3_column_int64(st, 0),
                              .number = (uint64_t)sqlite3_column_int64(st, 1),
                              .at = {sqlite3_column_int64(st, 2)}};
    const char *kind = text(st, 3), *agent = text(st, 4), *cause = text(st, 5);
    e->kind = mem_strdup(is_word(kind) ? kind : "damaged");
    e->agent = agent && agent_name_valid(agent) ? mem_strdup(agent) : NULL;
    if (!cause || end_parse(cause, &e->cause) != ERR_NONE)
        e->cause = END_NONE;
    e->detail = sqlite_dup_column(st, 6, false, &whole);
    e->evidence = sqlite_dup_column(st, 7, true, &whole);
    if (e->evidence && strlen(e->evidence) > EVENT_EVIDENCE_MAX) {
        free(e->evidence);
        e->evidence = NULL;
        whole = false;
    }
    d->damaged += !whole || !is_word(kind) || (agent && !e->agent);
}

static bool passes(const struct store_event *e, const struct store_req *r)
{
    const char *agent = r->events_page.agent, *kind = r->events_page.kind;
    return (!agent || (e->agent && strcmp(agent, e->agent) == 0)) &&
           (!kind || strcmp(kind, e->kind) == 0);
}

/* Numbers count by one, in every start anew. */
static bool follows(uint64_t epoch, uint64_t number, const struct store_event *e)
{
    return e->epoch == epoch ? e->number == number + 1 : e->epoch == epoch + 1 && e->number == 1;
}

static void take(struct store_req *r, struct store_event *e)
{
    r->events_page.epoch = e->epoch;
    r->events_page.number = e->number;
    if (passes(e, r))
        r->events_page.items[r->events_page.n++] = *e;
    else
        store_event_fini(e);
}

/* Does anything stand at the cursor or before it. False: what was there has been trimmed, or this
 * store is younger. */
static enum err is_known(struct sqlite_db *d, const struct store_req *r, bool *known)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_EVENTS_BEFORE);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)r->events_page.epoch);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)r->events_page.number);
    enum err e = sqlite_step(d, st, known);
    sqlite3_reset(st);
    return e;
}

enum err sqlite_events_page(struct sqlite_db *d, struct store_req *r)
{
    bool row = false, known = false;
    uint64_t epoch = r->events_page.epoch, number = r->events_page.number;
    unsigned looked = 0;
    REQUIRE(r->events_page.limit > 0 && r->events_page.items == NULL);
    r->events_page.items = mem_array(r->events_page.limit, sizeof(*r->events_page.items));
    enum err e = is_known(d, r, &known);
    sqlite3_stmt *st = sqlite_use(d, SQL_EVENTS_AFTER);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)r->events_page.epoch);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)r->events_page.number);
    sqlite3_bind_int64(st, 3, STORE_EVENTS_LOOKED);
    while (!e && r->events_page.n < r->events_page.limit && !(e = sqlite_step(d, st, &row)) &&
           row) {
        struct store_event event;
        read_event(d, st, &event);
        r->events_page.lost |= !follows(epoch, number, &event);
        r->events_page.lost |= looked++ == 0 && !known && event.epoch != epoch;
        epoch = event.epoch;
        number = event.number;
        take(r, &event);
    }
    r->events_page.more = row || looked == STORE_EVENTS_LOOKED;
    sqlite3_reset(st);
    return e;
}

enum err sqlite_events_boot(struct sqlite_db *d, struct store_boot *boot)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(d, BOOT_SQL, &st);
    if (e)
        return e;
    bool row = false;
    unsigned cap = 0;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        if (boot->n_events == cap) {
            cap = cap ? cap * 2 : 64;
            boot->events = mem_realloc(boot->events, cap * sizeof(*boot->events));
        }
        read_event(d, st, &boot->events[boot->n_events++]);
    }
    sqlite3_finalize(st);
    return e;
}
