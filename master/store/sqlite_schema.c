/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_db.h"

#include <stdio.h>

/*
 * The schema as a list of steps: the store's version is the number of steps done. A step, once
 * released, is never edited; a change of the schema is a new step at the end.
 *
 * A task costs two row writes: its row here and its result. There is no state column: "ended" is a
 * row in results.
 */
#define APPLICATION_ID 0x536f6e64 /* "Sond" */

static const char *const STEPS[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE ticket_keys(id INTEGER PRIMARY KEY, bytes BLOB NOT NULL, created_at INTEGER NOT "
    "NULL);"
    /* AUTOINCREMENT: the number of a batch, hence the id of a task, is never used again. */
    "CREATE TABLE batches(num INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,"
    " uuid TEXT NOT NULL UNIQUE, trace TEXT NOT NULL, cls INTEGER NOT NULL,"
    " deadline_s INTEGER NOT NULL, per_host INTEGER NOT NULL, name TEXT, labels TEXT, agents TEXT,"
    " created_at INTEGER NOT NULL, opened_at INTEGER NOT NULL DEFAULT 0,"
    " deadline_at INTEGER NOT NULL DEFAULT 0, ended_at INTEGER NOT NULL DEFAULT 0,"
    " total INTEGER NOT NULL DEFAULT 0, rejected INTEGER NOT NULL DEFAULT 0,"
    " duplicates INTEGER NOT NULL DEFAULT 0, ok INTEGER NOT NULL DEFAULT 0,"
    " failed INTEGER NOT NULL DEFAULT 0, undetermined INTEGER NOT NULL DEFAULT 0,"
    " refused INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0,"
    " cancelled INTEGER NOT NULL DEFAULT 0, low_water INTEGER NOT NULL DEFAULT 0,"
    " last_seq INTEGER NOT NULL DEFAULT 0, mark INTEGER NOT NULL DEFAULT 0, mark_cause TEXT);"
    "CREATE INDEX batches_live ON batches(num) WHERE state < 2;"
    "CREATE TABLE tasks(task INTEGER PRIMARY KEY, host INTEGER NOT NULL, user_id TEXT,"
    " spec TEXT NOT NULL);"
    /* The record stands last: filters read the columns before it without touching its overflow
       pages. */
    "CREATE TABLE results(task INTEGER PRIMARY KEY, seq INTEGER NOT NULL, batch INTEGER NOT NULL,"
    " attempt INTEGER NOT NULL, outcome INTEGER NOT NULL, agent TEXT, cause TEXT NOT NULL,"
    " record TEXT NOT NULL);"
    "CREATE INDEX results_seq ON results(batch, seq);"
    "CREATE TABLE causes(batch INTEGER NOT NULL, cause TEXT NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY(batch, cause)) WITHOUT ROWID;"
    "CREATE TABLE agents(name TEXT PRIMARY KEY, instance TEXT, tags TEXT,"
    " first_seen INTEGER NOT NULL, last_seen INTEGER NOT NULL) WITHOUT ROWID;",
    /* Since its last HELLO the agent may hold tasks: after a restart it is waited for. */
    "ALTER TABLE agents ADD COLUMN holds INTEGER NOT NULL DEFAULT 0;",
    /* First answers to uploads with an Idempotency-Key; the index is for what has expired. */
    "CREATE TABLE idempotency(id INTEGER PRIMARY KEY, token TEXT NOT NULL, key TEXT NOT NULL,"
    " digest BLOB NOT NULL, batch INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " answer TEXT NOT NULL, UNIQUE(token, key));"
    "CREATE INDEX idempotency_age ON idempotency(created_at);",
    "ALTER TABLE batches ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE batches ADD COLUMN retry_of TEXT;"
    "CREATE INDEX batches_retries ON batches(retry_of, num) WHERE retry_of IS NOT NULL;",
    "ALTER TABLE batches ADD COLUMN purged_at INTEGER NOT NULL DEFAULT 0;"
    "CREATE INDEX batches_kept ON batches(ended_at, num) WHERE state = 2;"
    "CREATE INDEX batches_purging ON batches(num) WHERE state = 3;",
    /* Behind the record: only who asks for one task reads them. */
    "ALTER TABLE results ADD COLUMN history TEXT;"
    "ALTER TABLE results ADD COLUMN stored_at INTEGER NOT NULL DEFAULT 0;",
    "ALTER TABLE batches ADD COLUMN per_host_rate REAL NOT NULL DEFAULT 0;",
    /* The place of a task among those of its target; 0 and 1 take no room behind a long spec. */
    "ALTER TABLE batches ADD COLUMN slots INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE tasks ADD COLUMN slot INTEGER NOT NULL DEFAULT 0;",
    /* When the last lease of a task began and its result came: 0 = not known, and no byte. */
    "ALTER TABLE results ADD COLUMN leased_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE results ADD COLUMN arrived_at INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE batches ADD COLUMN log_tasks INTEGER NOT NULL DEFAULT 0;",
    /* The deadline by the time since that boot: it holds while the host is up, whatever is set. */
    "ALTER TABLE batches ADD COLUMN boot TEXT;"
    "ALTER TABLE batches ADD COLUMN deadline_boot INTEGER NOT NULL DEFAULT 0;",
    /* seq is dense, for only the oldest go: so it counts them. */
    "CREATE TABLE events(seq INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, number INTEGER NOT NULL,"
    " at INTEGER NOT NULL, kind TEXT NOT NULL, agent TEXT, cause TEXT, detail TEXT, evidence TEXT);"
    "CREATE UNIQUE INDEX events_name ON events(epoch, number);",
    /* Lanes: batches that grow. A task of one is a run of a check: its spec is '', for the check
       has it. NULLs of other tasks cost a byte each. run_at: of the slot, in microseconds as
       everywhere; run_deadline: milliseconds from there. Lanes go earlier than batches, so each
       kind has an index of what has ended. */
    "CREATE TABLE checks(id INTEGER PRIMARY KEY AUTOINCREMENT, schedule INTEGER NOT NULL,"
    " key TEXT NOT NULL, spec TEXT NOT NULL, user_id TEXT, host TEXT NOT NULL,"
    " host_hash INTEGER NOT NULL, created_at INTEGER NOT NULL,"
    " removed_at INTEGER NOT NULL DEFAULT 0);"
    "ALTER TABLE tasks ADD COLUMN run_check INTEGER;"
    "ALTER TABLE tasks ADD COLUMN run_seq INTEGER;"
    "ALTER TABLE tasks ADD COLUMN run_at INTEGER;"
    "ALTER TABLE tasks ADD COLUMN run_deadline INTEGER;"
    "ALTER TABLE batches ADD COLUMN growing INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE batches ADD COLUMN lane TEXT;"
    "DROP INDEX batches_kept;"
    "CREATE INDEX batches_kept ON batches(ended_at, num) WHERE state = 2 AND lane IS NULL;"
    "CREATE INDEX lanes_kept ON batches(ended_at, num) WHERE state = 2 AND lane IS NOT NULL;",
    /*
     * Schedules. What is written often is written in the order of its key: misses by when they
     * began (all that grow are told again in that order), hours and days by hour and check. What
     * asks for one check has an index that grows with events, never with runs.
     */
    "CREATE TABLE schedules(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    " version INTEGER NOT NULL, doc TEXT NOT NULL, owner TEXT, paused INTEGER NOT NULL,"
    " n_checks INTEGER NOT NULL, bytes INTEGER NOT NULL DEFAULT 0, created_at INTEGER NOT NULL,"
    " changed_at INTEGER NOT NULL);"
    "CREATE INDEX checks_of ON checks(schedule, id);"
    "CREATE INDEX checks_removed ON checks(removed_at) WHERE removed_at > 0;"
    "CREATE TABLE snapshots(chunk INTEGER PRIMARY KEY, at INTEGER NOT NULL,"
    " transition INTEGER NOT NULL, marks BLOB NOT NULL, saved BLOB NOT NULL);"
    "CREATE TABLE transitions(id INTEGER PRIMARY KEY AUTOINCREMENT, check_id INTEGER NOT NULL,"
    " at INTEGER NOT NULL, was INTEGER NOT NULL, now INTEGER NOT NULL, cause TEXT,"
    " slot INTEGER NOT NULL, task INTEGER NOT NULL, flapping INTEGER NOT NULL, advice TEXT,"
    " schedule TEXT, key TEXT);"
    "CREATE INDEX transitions_of ON transitions(check_id, id);"
    "CREATE INDEX transitions_at ON transitions(at, id);"
    "CREATE TABLE misses(first_at INTEGER NOT NULL, check_id INTEGER NOT NULL,"
    " first_seq INTEGER NOT NULL, why INTEGER NOT NULL, count INTEGER NOT NULL,"
    " last_seq INTEGER NOT NULL, last_at INTEGER NOT NULL,"
    " PRIMARY KEY(first_at, check_id, first_seq)) WITHOUT ROWID;"
    "CREATE INDEX misses_of ON misses(check_id, first_seq);"
    "CREATE INDEX misses_last ON misses(last_at);"
    "CREATE TABLE certificates(check_id INTEGER PRIMARY KEY, at INTEGER NOT NULL,"
    " warned INTEGER NOT NULL, not_after INTEGER NOT NULL);"
    "CREATE INDEX certificates_at ON certificates(at);"
    "CREATE TABLE incidents(id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,"
    " state INTEGER NOT NULL, ended_at INTEGER NOT NULL, schedule TEXT, doc TEXT NOT NULL);"
    "CREATE INDEX incidents_open ON incidents(id) WHERE state < 2;"
    "CREATE INDEX incidents_state ON incidents(state, id);"
    "CREATE INDEX incidents_ended ON incidents(ended_at) WHERE ended_at > 0;"
    "CREATE TABLE hours(hour INTEGER NOT NULL, check_id INTEGER NOT NULL, rollup BLOB NOT NULL,"
    " PRIMARY KEY(hour, check_id)) WITHOUT ROWID;"
    "CREATE TABLE days(hour INTEGER NOT NULL, check_id INTEGER NOT NULL, rollup BLOB NOT NULL,"
    " PRIMARY KEY(hour, check_id)) WITHOUT ROWID;"
    /* Of hours, apart from them: they go with the tasks that they name. */
    "CREATE TABLE hour_tasks(hour INTEGER NOT NULL, check_id INTEGER NOT NULL, tasks BLOB NOT NULL,"
    " PRIMARY KEY(hour, check_id)) WITHOUT ROWID;"
    "CREATE TABLE channels(name TEXT PRIMARY KEY, doc TEXT NOT NULL, created_at INTEGER NOT NULL,"
    " changed_at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE deliveries(id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL,"
    " incident INTEGER NOT NULL, dedup TEXT, facts TEXT NOT NULL, state INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, created_at INTEGER NOT NULL, next_at INTEGER NOT NULL,"
    " ended_at INTEGER NOT NULL, status INTEGER NOT NULL, error TEXT, UNIQUE(channel, dedup));"
    "CREATE INDEX deliveries_due ON deliveries(next_at, id) WHERE state = 0;"
    "CREATE INDEX deliveries_of ON deliveries(incident, id) WHERE incident > 0;"
    "CREATE INDEX deliveries_to ON deliveries(channel, id);"
    "CREATE INDEX deliveries_state ON deliveries(state, id);"
    "CREATE INDEX deliveries_ended ON deliveries(ended_at) WHERE ended_at > 0;",
};

enum err sqlite_schema_check(struct sqlite_db *d)
{
    int64_t version = 0, app = 0, tables = 0;
    enum err e = sqlite_int(d, "SELECT count(*) FROM sqlite_schema", 0, &tables);
    if (!e)
        e = sqlite_int(d, "PRAGMA user_version", 0, &version);
    if (!e)
        e = sqlite_int(d, "PRAGMA application_id", 0, &app);
    if (e)
        return e;
    bool fresh = tables == 0 && version == 0 && app == 0;
    if (fresh && d->writer)
        return ERR_NONE;
    if (app != APPLICATION_ID) {
        snprintf(d->why, sizeof(d->why), "its application id is not Sonde's");
        return ERR_CORRUPT;
    }
    if (version == (int64_t)ARRAY_LEN(STEPS) ||
        (d->writer && version > 0 && version < (int64_t)ARRAY_LEN(STEPS)))
        return ERR_NONE;
    snprintf(d->why, sizeof(d->why),
             "the store has schema version %lld and this sonde-master knows %zu: use the "
             "sonde-master that wrote it, or a newer one",
             (long long)version, ARRAY_LEN(STEPS));
    return ERR_VERSION;
}

static enum err finish_migration(struct sqlite_db *d)
{
    char sql[96];
    snprintf(sql, sizeof(sql), "PRAGMA user_version = %zu; PRAGMA application_id = %d;",
             ARRAY_LEN(STEPS), APPLICATION_ID);
    enum err e = sqlite_exec(d, sql);
    return e ? e : sqlite_commit(d);
}

enum err sqlite_schema_migrate(struct sqlite_db *d)
{
    int64_t version = 0;
    enum err e = sqlite_int(d, "PRAGMA user_version", 0, &version);
    if (e || version == (int64_t)ARRAY_LEN(STEPS))
        return e;
    REQUIRE(version >= 0 && version < (int64_t)ARRAY_LEN(STEPS));
    e = sqlite_begin(d);
    for (size_t i = (size_t)version; !e && i < ARRAY_LEN(STEPS); i++)
        e = sqlite_exec(d, STEPS[i]);
    if (!e)
        e = finish_migration(d);
    if (e)
        sqlite_rollback(d);
    return e;
}
