/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_timetable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mem.h"
#include "master/store/incident_doc.h"
#include "master/store/snapshot.h"
#include "master/store/sqlite_db.h"

/* Every rule is a statement that answers one text for each thing that breaks it. */
static const char *const RULES[] = {
    "SELECT 'check ' || c.id || ': belongs to no schedule, and was not removed' FROM checks c "
    "WHERE c.removed_at = 0 AND NOT EXISTS (SELECT 1 FROM schedules s WHERE s.id = c.schedule)",
    "SELECT 'schedule ' || s.name || ': says it has ' || s.n_checks || ' checks, but has ' || n "
    "FROM (SELECT s.*, (SELECT count(*) FROM checks c WHERE c.schedule = s.id AND "
    "c.removed_at = 0) AS n FROM schedules s) s WHERE n <> n_checks",
    "SELECT 'schedule ' || name || ': its definition is damaged' FROM schedules "
    "WHERE NOT json_valid(doc)",
    "SELECT 'check ' || id || ': its target is damaged' FROM checks WHERE NOT json_valid(spec)",
    "SELECT 'schedule ' || schedule || ': has the check ' || key || ' ' || count(*) || ' times' "
    "FROM checks GROUP BY schedule, key HAVING count(*) > 1",
    "SELECT 'transition ' || id || ': has a state that does not exist' FROM transitions "
    "WHERE was NOT BETWEEN 0 AND 3 OR now NOT BETWEEN 0 AND 3",
    "SELECT 'check ' || check_id || ': the slots missed from ' || first_seq || ' on are damaged' "
    "FROM misses WHERE count < 1 OR why NOT BETWEEN 1 AND 6 OR last_seq - first_seq + 1 <> count "
    "OR last_at < first_at",
    "SELECT 'check ' || check_id || ': hour ' || hour || ' names tasks, but has no rollup' "
    "FROM hour_tasks t WHERE NOT EXISTS (SELECT 1 FROM hours h WHERE h.hour = t.hour AND "
    "h.check_id = t.check_id)",
    "SELECT 'channel ' || name || ': its definition is damaged' FROM channels "
    "WHERE NOT json_valid(doc)",
    "SELECT 'delivery ' || id || ': state ' || state || ' does not fit its end' FROM deliveries "
    "WHERE state NOT BETWEEN 0 AND 3 OR (state = 0) <> (ended_at = 0)",
    "SELECT 'delivery ' || id || ': its facts are damaged' FROM deliveries "
    "WHERE NOT json_valid(facts)",
};
_Static_assert(PLAN_MISS_COUNT == 7 && VERDICT_STATES == 4 && DELIVERY_SKIPPED == 3,
               "the numbers in the rules");

/* ---- what only its decoder can judge */

/* A row's sentence into `out`; false: it is whole. */
typedef bool judge_f(sqlite3_stmt *st, char *out, size_t max);

static enum err judge_rows(struct sqlite_db *d, const char *sql, judge_f *judge,
                           sqlite_finding_f *finding, void *arg)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(d, sql, &st);
    bool row = false;
    char text[160];
    for (unsigned n = 0; !e && n < SQLITE_FINDINGS_MAX;) {
        e = sqlite_step(d, st, &row);
        if (e || !row)
            break;
        if (judge(st, text, sizeof(text))) {
            finding(arg, text);
            n++;
        }
    }
    sqlite3_finalize(st);
    return e;
}

/* hours, hour, check_id, rollup */
static bool bad_rollup(sqlite3_stmt *st, char *out, size_t max)
{
    struct rollup r;
    size_t len = 0;
    int64_t hours = sqlite3_column_int64(st, 0), first = sqlite3_column_int64(st, 1);
    const void *p = sqlite_blob(st, 3, &len);
    enum err e = rollup_decode(&r, p, len);
    bool bad = e != ERR_NONE || r.first_hour < first || r.end_hour > first + hours;
    if (!e)
        rollup_fini(&r);
    if (bad)
        snprintf(out, max, "check %lld: the rollup of the %s %lld is damaged",
                 sqlite3_column_int64(st, 2), hours == 1 ? "hour" : "day that begins with hour",
                 (long long)first);
    return bad;
}

/* check_id, hour, tasks */
static bool bad_tasks(sqlite3_stmt *st, char *out, size_t max)
{
    size_t len = 0;
    const uint8_t *p = sqlite_blob(st, 2, &len);
    struct sketch_cursor c = {p, p + len, false};
    uint64_t task = 0;
    while (c.p < c.end && !c.bad)
        task += sketch_varint(&c, INT64_MAX - task);
    if (c.bad)
        snprintf(out, max, "check %lld: the list of its runs of hour %lld is damaged",
                 sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1));
    return c.bad;
}

/* chunk, at, marks, saved */
static bool bad_snapshot(sqlite3_stmt *st, char *out, size_t max)
{
    struct scheduler_saved *items = mem_array(SCHEDULER_CHUNK, sizeof(*items));
    struct snapshot_mark *marks = NULL;
    size_t len = 0, n = 0;
    const void *p = sqlite_blob(st, 2, &len);
    enum err e = snapshot_marks_decode(p, len, &marks, &n);
    p = sqlite_blob(st, 3, &len);
    if (!e)
        e = snapshot_decode(p, len, (struct wall){sqlite3_column_int64(st, 1)}, items, &n);
    for (size_t i = 0; !e && i < n; i++)
        if ((int64_t)(items[i].check / SCHEDULER_CHUNK) != sqlite3_column_int64(st, 0))
            e = ERR_CORRUPT;
    free(marks);
    free(items);
    if (e)
        snprintf(out, max, "the saved state of checks %lld to %lld is damaged",
                 sqlite3_column_int64(st, 0) * SCHEDULER_CHUNK,
                 (sqlite3_column_int64(st, 0) + 1) * SCHEDULER_CHUNK - 1);
    return e != ERR_NONE;
}

/* id, schedule, doc, state, ended_at */
static bool bad_incident(sqlite3_stmt *st, char *out, size_t max)
{
    struct incident i;
    bool good = sqlite_incident_row(st, &i) && (int)i.state == sqlite3_column_int(st, 3) &&
                i.ended_at.us == sqlite3_column_int64(st, 4) &&
                (i.state >= INCIDENT_RESOLVED) == (i.ended_at.us != 0);
    if (!good)
        snprintf(out, max, "incident %lld: is damaged, or its columns say something else",
                 sqlite3_column_int64(st, 0));
    return !good;
}

enum err sqlite_check_timetable(struct sqlite_db *d, sqlite_finding_f *finding, void *arg)
{
    static const struct {
        const char *sql;
        judge_f *judge;
    } rows[] = {
        {"SELECT 1, hour, check_id, rollup FROM hours", bad_rollup},
        {"SELECT 24, hour, check_id, rollup FROM days", bad_rollup},
        {"SELECT check_id, hour, tasks FROM hour_tasks", bad_tasks},
        {"SELECT chunk, at, marks, saved FROM snapshots", bad_snapshot},
        {"SELECT id, schedule, doc, state, ended_at FROM incidents", bad_incident},
    };
    enum err e = ERR_NONE;
    for (unsigned i = 0; !e && i < ARRAY_LEN(RULES); i++)
        e = sqlite_check_rule(d, RULES[i], finding, arg);
    for (unsigned i = 0; !e && i < ARRAY_LEN(rows); i++)
        e = judge_rows(d, rows[i].sql, rows[i].judge, finding, arg);
    return e;
}
