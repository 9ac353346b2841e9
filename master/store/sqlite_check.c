/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_db.h"

#include <stdio.h>

#include "master/store/sqlite_timetable.h"

/* Every rule is a statement that answers one text for each thing that breaks it. */
#define FIRST "(b.num << 32)"
#define LAST  "((b.num << 32) | 4294967295)"
#define WORDS                                                                                      \
    "CASE r.outcome WHEN 0 THEN 'ok' WHEN 1 THEN 'failed' WHEN 2 THEN 'undetermined' "             \
    "WHEN 3 THEN 'refused' WHEN 4 THEN 'expired' WHEN 5 THEN 'cancelled' END"

#define COUNT_RULE(number, column)                                                                 \
    "SELECT 'batch ' || b.uuid || ': counts " #column " = ' || b." #column                         \
    " || ', but its results say ' || n FROM (SELECT b.*, (SELECT count(*) FROM results r "         \
    "WHERE r.task BETWEEN " FIRST " AND " LAST " AND r.outcome = " #number ") AS n "               \
    "FROM batches b WHERE b.state BETWEEN 1 AND 2) b WHERE b." #column " <> n"

static const char *const RULES[] = {
    "SELECT 'integrity: ' || integrity_check FROM pragma_integrity_check(20) "
    "WHERE integrity_check <> 'ok'",
    "SELECT 'batch ' || uuid || ': total = ' || total || ', but it has ' || n || ' tasks' FROM "
    "(SELECT b.*, (SELECT count(*) FROM tasks t WHERE t.task BETWEEN " FIRST " AND " LAST
    ") AS n FROM batches b WHERE b.state BETWEEN 1 AND 2) WHERE total <> n",
    "SELECT 'task ' || t.task || ': belongs to no batch' FROM tasks t "
    "WHERE NOT EXISTS (SELECT 1 FROM batches b WHERE b.num = t.task >> 32)",
    "SELECT 'batch ' || b.uuid || ': its tasks are not numbered 0 to ' || (b.total - 1) "
    "FROM batches b WHERE b.state BETWEEN 1 AND 2 AND b.total > 0 AND "
    "(SELECT max(task) FROM tasks t WHERE t.task BETWEEN " FIRST " AND " LAST ") <> " FIRST
    " + b.total - 1",
    "SELECT 'task ' || r.task || ': has a result, but does not exist' FROM results r "
    "WHERE NOT EXISTS (SELECT 1 FROM tasks t WHERE t.task = r.task)",
    "SELECT 'task ' || r.task || ': its result is filed under batch number ' || r.batch "
    "FROM results r WHERE r.batch <> r.task >> 32",
    "SELECT 'batch number ' || batch || ': ' || count(*) || ' results share seq ' || seq "
    "FROM results GROUP BY batch, seq HAVING count(*) > 1",
    "SELECT 'batch ' || b.uuid || ': a result has seq ' || (SELECT max(seq) FROM results r WHERE "
    "r.batch = b.num) || ', past its last_seq ' || b.last_seq FROM batches b "
    "WHERE b.last_seq < (SELECT max(seq) FROM results r WHERE r.batch = b.num)",
    "SELECT 'task ' || r.task || ': outcome ' || r.outcome || ' does not exist' "
    "FROM results r WHERE " WORDS " IS NULL",
    "SELECT 'task ' || task || ': its record is damaged' FROM results "
    "WHERE NOT json_valid(record)",
    "SELECT 'task ' || task || ': what the user gave is damaged' FROM tasks "
    "WHERE run_check IS NULL AND NOT json_valid(spec)",
    "SELECT 'task ' || t.task || ': is a run of check ' || t.run_check || ', which does not exist' "
    "FROM tasks t WHERE t.run_check IS NOT NULL AND "
    "NOT EXISTS (SELECT 1 FROM checks c WHERE c.id = t.run_check)",
    "SELECT 'task ' || task || ': is a run without a slot, or with a target of its own' FROM tasks "
    "WHERE run_check IS NOT NULL AND "
    "(run_seq IS NULL OR run_at IS NULL OR run_at <= 0 OR run_deadline < 1 OR spec <> '')",
    "SELECT 'task ' || t.task || CASE WHEN b.lane IS NULL THEN ': is a run, but in no lane' "
    "ELSE ': is in a lane, but no run' END FROM tasks t CROSS JOIN batches b "
    "ON b.num = t.task >> 32 WHERE (t.run_check IS NOT NULL) <> (b.lane IS NOT NULL)",
    "SELECT 'batch ' || uuid || ': grows, but ' || CASE WHEN lane IS NULL THEN 'is no lane' "
    "WHEN mark <> 0 THEN 'is being ended' ELSE 'is not open' END FROM batches "
    "WHERE growing <> 0 AND (lane IS NULL OR mark <> 0 OR state <> 1)",
    "SELECT 'batch ' || uuid || ': its labels or its selection of agents are damaged' FROM batches "
    "WHERE (labels IS NOT NULL AND NOT json_valid(labels)) OR "
    "(agents IS NOT NULL AND NOT json_valid(agents))",
    COUNT_RULE(0, ok),
    COUNT_RULE(1, failed),
    COUNT_RULE(2, undetermined),
    COUNT_RULE(3, refused),
    COUNT_RULE(4, expired),
    COUNT_RULE(5, cancelled),
    "SELECT 'batch ' || b.uuid || ': has ended, but ' || n || ' of its tasks have no result' FROM "
    "(SELECT b.*, (SELECT count(*) FROM tasks t WHERE t.task BETWEEN " FIRST " AND " LAST
    " AND NOT EXISTS (SELECT 1 FROM results r WHERE r.task = t.task)) AS n "
    "FROM batches b WHERE b.state = 2) b WHERE n > 0",
    "SELECT 'batch ' || uuid || ': is open, but all of its tasks have ended' FROM batches "
    "WHERE state = 1 AND growing = 0 AND ok + failed + undetermined + refused + expired + "
    "cancelled = total",
    /* Of a purged batch the row is all there is: its counts must still add up. */
    "SELECT 'batch ' || uuid || ': was purged, but its counts make ' || "
    "(ok + failed + undetermined + refused + expired + cancelled) || ' of total = ' || total "
    "FROM batches WHERE state > 2 AND "
    "ok + failed + undetermined + refused + expired + cancelled <> total",
    "SELECT 'batch ' || uuid || ': was purged, but some of its tasks or results are left' "
    "FROM batches b WHERE state = 4 AND "
    "(EXISTS (SELECT 1 FROM tasks t WHERE t.task BETWEEN " FIRST " AND " LAST
    ") OR EXISTS (SELECT 1 FROM results r WHERE r.task BETWEEN " FIRST " AND " LAST "))",
    "SELECT 'batch ' || uuid || ': purged_at does not fit its state ' || state FROM batches "
    "WHERE (purged_at <> 0) <> (state > 2)",
    "SELECT 'batch ' || uuid || ': low_water = ' || low_water || ', but only ' || n || "
    "' tasks below it have ended' FROM (SELECT b.*, (SELECT count(*) FROM results r "
    "WHERE r.task >= " FIRST " AND r.task < " FIRST " + b.low_water) AS n "
    "FROM batches b WHERE b.state BETWEEN 1 AND 2) WHERE n <> low_water",
    "SELECT 'batch number ' || c.batch || ': counts ' || c.count || ' times ' || c.cause || "
    "', but its results say ' || n FROM (SELECT c.*, (SELECT count(*) FROM results r "
    "WHERE r.batch = c.batch AND r.cause = c.cause) AS n FROM causes c WHERE NOT EXISTS "
    "(SELECT 1 FROM batches b WHERE b.num = c.batch AND b.state > 2)) c WHERE c.count <> n",
    "SELECT 'batch number ' || r.batch || ': does not count the cause ' || r.cause FROM "
    "(SELECT DISTINCT batch, cause FROM results WHERE cause <> '') r WHERE NOT EXISTS "
    "(SELECT 1 FROM causes c WHERE c.batch = r.batch AND c.cause = r.cause)",
};

enum err sqlite_check_rule(struct sqlite_db *d, const char *sql, sqlite_finding_f *finding,
                           void *arg)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(d, sql, &st);
    bool row = false;
    for (unsigned n = 0; !e && n < SQLITE_FINDINGS_MAX; n++) {
        e = sqlite_step(d, st, &row);
        if (e || !row)
            break;
        const char *text = (const char *)sqlite3_column_text(st, 0);
        finding(arg, text ? text : "a finding without words");
    }
    sqlite3_finalize(st);
    return e;
}

enum err sqlite_check(struct sqlite_db *d, sqlite_finding_f *finding, void *arg)
{
    REQUIRE(d != NULL && finding != NULL);
    enum err e = sqlite_begin(d); /* one snapshot for all rules */
    for (unsigned i = 0; !e && i < ARRAY_LEN(RULES); i++)
        e = sqlite_check_rule(d, RULES[i], finding, arg);
    if (!e)
        e = sqlite_check_timetable(d, finding, arg);
    sqlite_rollback(d);
    return e;
}
