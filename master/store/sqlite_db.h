/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/sqlite.h"
#include "master/store/sqlite_timetable_db.h"
#include <sqlite3.h>

/* sqlite_db - the connection behind sqlite.h, shared by the sqlite*.c files and by nothing else. */

#define BATCH_COLUMNS                                                                              \
    "num, uuid, trace, cls, deadline_s, per_host, name, labels, agents, created_at, opened_at, "   \
    "deadline_at, ended_at, total, rejected, duplicates, ok, failed, undetermined, refused, "      \
    "expired, cancelled, low_water, mark, mark_cause, paused, retry_of, purged_at, "               \
    "per_host_rate, slots, log_tasks, boot, deadline_boot, growing, lane IS NOT NULL"

/* What is asked of a task whose target may be its check's. */
#define TASK_SPEC    "coalesce(c.spec, t.spec)"
#define TASK_USER_ID "coalesce(t.user_id, c.user_id)"
#define WITH_CHECK   "LEFT JOIN checks c ON c.id = t.run_check "

/* X(id, who prepares it: W writer, R reader, B both, text). */
#define SQLITE_STATEMENTS(X)                                                                       \
    X(SQL_BATCH_INSERT, W,                                                                         \
      "INSERT INTO batches(uuid, trace, cls, deadline_s, per_host, name, labels, agents, "         \
      "created_at, retry_of, per_host_rate, slots, log_tasks, state) "                             \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0)")                         \
    X(SQL_BATCH_OPEN, W,                                                                           \
      "UPDATE batches SET state = ?2, total = ?3, rejected = ?4, duplicates = ?5, "                \
      "opened_at = ?6, deadline_at = ?7, ended_at = ?8, boot = ?9, deadline_boot = ?10 WHERE num " \
      "= ?1")                                                                                      \
    X(SQL_BATCH_PROGRESS, W,                                                                       \
      "UPDATE batches SET ok = ?2, failed = ?3, undetermined = ?4, refused = ?5, expired = ?6, "   \
      "cancelled = ?7, low_water = ?8, last_seq = ?9, ended_at = ?10, state = ?11, total = ?12, "  \
      "growing = ?13 WHERE num = ?1")                                                              \
    X(SQL_BATCH_MARK, W, "UPDATE batches SET mark = ?2, mark_cause = ?3 WHERE num = ?1")           \
    X(SQL_BATCH_PAUSE, W, "UPDATE batches SET paused = ?2 WHERE num = ?1")                         \
    X(SQL_BATCH_DELETE, W, "DELETE FROM batches WHERE num = ?1 AND state = 0")                     \
    X(SQL_TASK_INSERT, W,                                                                          \
      "INSERT INTO tasks(task, host, user_id, spec, slot) VALUES(?1, ?2, ?3, ?4, ?5)")             \
    X(SQL_LANE_OPEN, W, "UPDATE batches SET growing = 1, lane = ?2 WHERE num = ?1")                \
    X(SQL_RUN_INSERT, W,                                                                           \
      "INSERT INTO tasks(task, host, spec, slot, run_check, run_seq, run_at, run_deadline) "       \
      "VALUES(?1, ?2, '', ?3, ?4, ?5, ?6, ?7)")                                                    \
    X(SQL_TASKS_DELETE, W,                                                                         \
      "DELETE FROM tasks WHERE task IN "                                                           \
      "(SELECT task FROM tasks WHERE task >= ?1 AND task <= ?2 LIMIT ?3)")                         \
    X(SQL_RESULT_INSERT, W,                                                                        \
      "INSERT INTO results(task, seq, batch, attempt, outcome, agent, cause, record, history, "    \
      "stored_at, leased_at, arrived_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "    \
      "?12) ON CONFLICT(task) DO NOTHING")                                                         \
    X(SQL_RESULT_EXISTS, B, "SELECT 1 FROM results WHERE task = ?1")                               \
    X(SQL_TARGET_ANSWERED, W,                                                                      \
      "SELECT 1 FROM tasks m CROSS JOIN results r ON r.task >= m.task - m.slot "                   \
      "AND r.task < m.task - m.slot + ?2 CROSS JOIN tasks t ON t.task = r.task "                   \
      "WHERE m.task = ?1 AND m.slot < ?2 AND r.agent = ?3 AND t.task - t.slot = m.task - m.slot "  \
      "LIMIT 1")                                                                                   \
    X(SQL_AGENTS_SEEN, W,                                                                          \
      "SELECT name, tags FROM agents WHERE name > '' AND (holds = 1 OR last_seen >= ?1)")          \
    X(SQL_CAUSE_ADD, W,                                                                            \
      "INSERT INTO causes(batch, cause, count) VALUES(?1, ?2, ?3) "                                \
      "ON CONFLICT(batch, cause) DO UPDATE SET count = count + excluded.count")                    \
    X(SQL_LOW_WATER, W,                                                                            \
      "SELECT task FROM results WHERE task >= ?1 AND task <= ?2 ORDER BY task LIMIT ?3")           \
    X(SQL_AGENT_SEEN, W,                                                                           \
      "INSERT INTO agents(name, instance, tags, first_seen, last_seen, holds) "                    \
      "VALUES(?1, ?2, ?3, ?4, ?4, 1) ON CONFLICT(name) DO UPDATE SET holds = 1, "                  \
      "instance = excluded.instance, tags = excluded.tags, last_seen = excluded.last_seen")        \
    X(SQL_AGENT_EMPTY, W, "UPDATE agents SET holds = 0, last_seen = ?2 WHERE name = ?1")           \
    X(SQL_BATCH_KEPT, W, "SELECT 1 FROM batches WHERE uuid = ?1 AND state BETWEEN 1 AND 2")        \
    X(SQL_BATCH_OVER, W, "SELECT 1 FROM batches WHERE num = ?1 AND total > ?2 AND state > 2")      \
    X(SQL_PURGE_BEGUN, W, "SELECT num FROM batches WHERE state = 3 AND num > 0 LIMIT 1")           \
    X(SQL_PURGE_PICK, W,                                                                           \
      "SELECT num, ended_at FROM batches b WHERE state = 2 AND lane IS NULL AND ended_at <= ?1 "   \
      "AND NOT EXISTS (SELECT 1 FROM batches r WHERE r.retry_of = b.uuid AND r.state = 0) "        \
      "ORDER BY ended_at, num LIMIT 1")                                                            \
    X(SQL_PURGE_LANE, W,                                                                           \
      "SELECT num, ended_at FROM batches WHERE state = 2 AND lane IS NOT NULL AND ended_at <= ?1 " \
      "ORDER BY ended_at, num LIMIT 1")                                                            \
    X(SQL_ROLLED_UNTIL, B, "SELECT value FROM meta WHERE key = 'rolled_until'")                    \
    X(SQL_PURGE_BEGIN, W,                                                                          \
      "UPDATE batches SET state = 3, purged_at = ?2 WHERE num = ?1 AND state = 2")                 \
    X(SQL_PURGE_END, W,                                                                            \
      "UPDATE batches SET state = 4 WHERE num = ?1 AND state = 3 RETURNING uuid, lane IS NOT "     \
      "NULL")                                                                                      \
    X(SQL_CAUSES_PURGE, W, "DELETE FROM causes WHERE batch = ?1")                                  \
    X(SQL_LANE_PURGE, W, "DELETE FROM batches WHERE num = ?1 AND state = 4")                       \
    X(SQL_TASK_FIRST, W,                                                                           \
      "SELECT task FROM tasks WHERE task >= ?1 AND task <= ?2 ORDER BY task LIMIT 1")              \
    X(SQL_RESULTS_PURGE, W, "DELETE FROM results WHERE task >= ?1 AND task < ?2")                  \
    X(SQL_TASKS_PURGE, W, "DELETE FROM tasks WHERE task >= ?1 AND task < ?2")                      \
    X(SQL_EVENT_ADD, W,                                                                            \
      "INSERT INTO events(epoch, number, at, kind, agent, cause, detail, evidence) "               \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(epoch, number) DO NOTHING")              \
    X(SQL_EVENTS_TRIM, W, "DELETE FROM events WHERE seq <= (SELECT max(seq) FROM events) - ?1")    \
    X(SQL_EVENTS_AFTER, R,                                                                         \
      "SELECT epoch, number, at, kind, agent, cause, detail, evidence FROM events "                \
      "WHERE (epoch, number) > (?1, ?2) ORDER BY epoch, number LIMIT ?3")                          \
    X(SQL_EVENTS_BEFORE, R, "SELECT 1 FROM events WHERE (epoch, number) <= (?1, ?2) LIMIT 1")      \
    X(SQL_IDEMPOTENCY_PURGE, W,                                                                    \
      "DELETE FROM idempotency WHERE id IN (SELECT id FROM idempotency "                           \
      "WHERE created_at <= ?1 ORDER BY created_at LIMIT ?2)")                                      \
    X(SQL_IDEMPOTENCY_ADD, W,                                                                      \
      "INSERT INTO idempotency(token, key, digest, batch, created_at, answer) "                    \
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(token, key) DO UPDATE SET "                      \
      "digest = excluded.digest, batch = excluded.batch, created_at = excluded.created_at, "       \
      "answer = excluded.answer WHERE created_at <= ?7")                                           \
    X(SQL_IDEMPOTENCY_GET, R,                                                                      \
      "SELECT i.digest, i.batch, b.uuid, i.answer FROM idempotency i "                             \
      "CROSS JOIN batches b ON b.num = i.batch "                                                   \
      "WHERE i.token = ?1 AND i.key = ?2 AND i.created_at > ?3")                                   \
    X(SQL_REFILL, R,                                                                               \
      "SELECT t.task, t.host, " TASK_SPEC                                                          \
      ", t.slot, t.run_at, t.run_deadline FROM tasks t " WITH_CHECK                                \
      "WHERE t.task > ?1 AND t.task <= ?2 AND "                                                    \
      "NOT EXISTS (SELECT 1 FROM results r WHERE r.task = t.task) ORDER BY t.task LIMIT ?3")       \
    X(SQL_REFILL_HOSTS, R,                                                                         \
      "SELECT t.task, t.host, " TASK_SPEC                                                          \
      ", t.slot, t.run_at, t.run_deadline FROM tasks t " WITH_CHECK                                \
      "WHERE t.task > ?1 AND t.task <= ?2 ORDER BY t.task")                                        \
    X(SQL_TARGET_ANSWERS, R,                                                                       \
      "SELECT r.task, r.agent, t.slot FROM results r CROSS JOIN tasks t ON t.task = r.task "       \
      "WHERE r.task >= ?1 AND r.task < ?1 + ?2 AND t.task - t.slot = ?1 "                          \
      "AND r.agent IS NOT NULL ORDER BY r.task")                                                   \
    X(SQL_BATCH_TOTAL, R,                                                                          \
      "SELECT total, slots FROM batches WHERE num = ?1 AND state BETWEEN 1 AND 2")                 \
    X(SQL_BATCH_BY_UUID, R, "SELECT " BATCH_COLUMNS " FROM batches WHERE uuid = ?1 AND state > 0") \
    X(SQL_CAUSES, R,                                                                               \
      "SELECT cause, count FROM causes WHERE batch = ?1 ORDER BY count DESC, cause LIMIT ?2")      \
    X(SQL_RETRIES, R,                                                                              \
      "SELECT uuid FROM batches WHERE retry_of = ?1 AND state > 0 ORDER BY num DESC LIMIT ?2")     \
    X(SQL_ENDED_TASKS, R,                                                                          \
      "SELECT r.task, t.host, " TASK_SPEC ", " TASK_USER_ID                                        \
      ", t.slot FROM results r CROSS JOIN tasks t "                                                \
      "ON t.task = r.task " WITH_CHECK                                                             \
      "WHERE r.task >= ?1 AND r.task < ?2 AND (?3 >> r.outcome) & 1 "                              \
      "ORDER BY r.task LIMIT ?4")                                                                  \
    X(SQL_FAILED_HOSTS, R,                                                                         \
      "SELECT t.host, count(*), min(r.task), r.cause FROM results r CROSS JOIN tasks t "           \
      "ON t.task = r.task WHERE r.task >= ?1 AND r.task < ?2 AND r.outcome = ?3 "                  \
      "GROUP BY t.host, r.cause")                                                                  \
    X(SQL_BATCH_LIST, R,                                                                           \
      "SELECT " BATCH_COLUMNS                                                                      \
      " FROM batches WHERE num < ?1 AND state > 0 ORDER BY num DESC LIMIT ?2")                     \
    X(SQL_BATCH_LIST_OPEN, R,                                                                      \
      "SELECT " BATCH_COLUMNS                                                                      \
      " FROM batches WHERE num < ?1 AND state < 2 AND state > 0 ORDER BY num DESC LIMIT ?2")       \
    X(SQL_RESULTS_PAGE, R,                                                                         \
      "SELECT seq, task, attempt, outcome, agent, cause, record FROM results "                     \
      "WHERE batch = ?1 AND seq > ?2 ORDER BY seq")                                                \
    X(SQL_RESULT_GET, R,                                                                           \
      "SELECT seq, task, attempt, outcome, agent, cause, record, history, stored_at, leased_at, "  \
      "arrived_at FROM results WHERE task = ?1")                                                   \
    X(SQL_TASK_GET, R,                                                                             \
      "SELECT " TASK_SPEC ", " TASK_USER_ID " FROM tasks t " WITH_CHECK "WHERE t.task = ?1")       \
    X(SQL_TASK_HOST, R, "SELECT host FROM tasks WHERE task = ?1")                                  \
    TIMETABLE_STATEMENTS(X)

enum sqlite_statement {
#define X(id, who, sql) id,
    SQLITE_STATEMENTS(X)
#undef X
        SQL_COUNT
};

struct sqlite_db {
    sqlite3 *c;
    bool writer;
    sqlite3_stmt *st[SQL_COUNT];
    int64_t page_bytes;
    int wal_pages;    /* of the last commit's WAL */
    unsigned damaged; /* columns that held no JSON or no UTF-8; whoever asked takes them away */
    char why[200];
};

/* Remembers the sentence, answers the class of error. rc is not SQLITE_OK. */
enum err sqlite_failed(struct sqlite_db *d, const char *doing);
MUST_USE enum err sqlite_exec(struct sqlite_db *d, const char *sql);
/* The integer that a statement answers, which is reset then; `dflt` when there is no row or it is
 * NULL. */
MUST_USE enum err sqlite_number(struct sqlite_db *d, sqlite3_stmt *st, int64_t dflt, int64_t *out);
/* That of a one-off statement. */
MUST_USE enum err sqlite_int(struct sqlite_db *d, const char *sql, int64_t dflt, int64_t *out);
MUST_USE enum err sqlite_prepare(struct sqlite_db *d, const char *sql, sqlite3_stmt **out);

/* The prepared statement, reset and ready to bind. */
sqlite3_stmt *sqlite_use(struct sqlite_db *d, enum sqlite_statement id);
/* Runs a statement that answers no row. */
MUST_USE enum err sqlite_run(struct sqlite_db *d, sqlite3_stmt *st);
/* *row: there is one, to be read before the next step. */
MUST_USE enum err sqlite_step(struct sqlite_db *d, sqlite3_stmt *st, bool *row);

/* Borrowed until the statement runs; NULL binds NULL. */
void sqlite_bind_str(sqlite3_stmt *st, int at, const char *s);
void sqlite_bind_bytes(sqlite3_stmt *st, int at, const char *p, size_t n);

/* What a disk has changed, or another release wrote: UNDETERMINED, and none. */
enum outcome sqlite_outcome(sqlite3_stmt *st, int i);
enum cause sqlite_cause(sqlite3_stmt *st, int i);

/* A text of its own, or a JSON object. NULL: none. Nor when it is damaged; then *whole is false. */
char *sqlite_dup_column(sqlite3_stmt *st, int i, bool object, bool *whole);
/* A row of BATCH_COLUMNS as a struct with its own strings. False: something in it was damaged, and
 * is left out. */
bool sqlite_batch_row(sqlite3_stmt *st, struct batch_info *b);

/* sqlite_schema.c: ERR_VERSION newer than us, ERR_CORRUPT not ours. */
MUST_USE enum err sqlite_schema_check(struct sqlite_db *d);
MUST_USE enum err sqlite_schema_migrate(struct sqlite_db *d);

static inline sqlite3_int64 first_task(uint32_t num)
{
    return (sqlite3_int64)task_id(num, 0);
}
static inline sqlite3_int64 last_task(uint32_t num)
{
    return (sqlite3_int64)task_id(num, UINT32_MAX);
}

/*
 * Columns into a request's arena. While it grows its bytes move, so a pointer into it is first kept
 * as its offset + 1 (0 = NULL) and turned into a pointer by sqlite_rebase() at the end.
 *
 * Bytes that a disk has changed are the world's: what is no UTF-8 is left out, and in the place of
 * what is no JSON object stands another; both are counted in d->damaged.
 */
const char *sqlite_put_text(struct sqlite_db *d, struct strbuf *arena, sqlite3_stmt *st, int i);
const char *sqlite_put_object(struct sqlite_db *d, struct strbuf *arena, sqlite3_stmt *st, int i,
                              const char *instead, uint32_t *len);
void sqlite_rebase(const struct strbuf *arena, const char **p);

/* A statement that answers one text for each finding (sqlite_check.c). */
MUST_USE enum err sqlite_check_rule(struct sqlite_db *d, const char *sql, sqlite_finding_f *finding,
                                    void *arg);

/* ---- rows of schedules */
/* A row of SCHEDULE_COLUMNS with its own strings. False: something in it was damaged, and has been
 * replaced. */
bool sqlite_schedule_row(sqlite3_stmt *st, struct store_schedule *s);
/* A row of CHECK_COLUMNS; once the arena does not grow any more its strings are rebased. */
void sqlite_check_row(struct sqlite_db *d, sqlite3_stmt *st, struct strbuf *arena,
                      struct store_check *c);
void sqlite_rebase_check(const struct strbuf *arena, struct store_check *c);
/* A row of MISS_COLUMNS; false: it is damaged. */
bool sqlite_miss_row(sqlite3_stmt *st, uint64_t *check, struct plan_gap *g);
/* A row of id, schedule, doc; false: it is damaged. */
bool sqlite_incident_row(sqlite3_stmt *st, struct incident *i);
/* Where a column's bytes are; never NULL. */
const void *sqlite_blob(sqlite3_stmt *st, int i, size_t *len);

/* A result with what the user gave (sqlite_read.c): the strings are rebased later. */
MUST_USE enum err sqlite_task_row(struct sqlite_db *d, struct strbuf *arena,
                                  struct store_result_row *row);
void sqlite_rebase_row(const struct strbuf *arena, struct store_result_row *row);
