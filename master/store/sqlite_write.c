/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_db.h"

/* Task ids are signed in SQLite, so half the numbers of batches can be used. */
#define BATCH_NUM_MAX INT32_MAX

static enum batch_state state_of(const struct batch_info *b)
{
    return b->ended_at.us != 0 ? BATCH_ENDED : BATCH_OPEN;
}

enum err sqlite_batch_insert(struct sqlite_db *d, struct batch_info *b)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_INSERT);
    sqlite_bind_str(st, 1, b->uuid);
    sqlite_bind_str(st, 2, b->trace);
    sqlite3_bind_int(st, 3, (int)b->cls);
    sqlite3_bind_int64(st, 4, b->deadline_s);
    sqlite3_bind_int64(st, 5, b->per_host);
    sqlite_bind_str(st, 6, b->name);
    sqlite_bind_str(st, 7, b->labels);
    sqlite_bind_str(st, 8, b->agents);
    sqlite3_bind_int64(st, 9, b->created_at.us);
    sqlite_bind_str(st, 10, b->retry_of[0] ? b->retry_of : NULL);
    sqlite3_bind_double(st, 11, b->per_host_rate);
    sqlite3_bind_int64(st, 12, b->slots);
    sqlite3_bind_int(st, 13, b->log_tasks);
    enum err e = sqlite_run(d, st);
    if (e && sqlite3_extended_errcode(d->c) == SQLITE_CONSTRAINT_UNIQUE)
        return ERR_EXISTS;
    if (e)
        return e;
    sqlite3_int64 num = sqlite3_last_insert_rowid(d->c);
    REQUIRE(num > 0 && num <= BATCH_NUM_MAX);
    b->num = (uint32_t)num;
    return ERR_NONE;
}

enum err sqlite_batch_open(struct sqlite_db *d, const struct batch_info *b)
{
    REQUIRE(b->num != 0 && b->opened_at.us != 0);
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_OPEN);
    sqlite3_bind_int64(st, 1, b->num);
    sqlite3_bind_int(st, 2, state_of(b));
    sqlite3_bind_int64(st, 3, (sqlite3_int64)b->total);
    sqlite3_bind_int64(st, 4, (sqlite3_int64)b->rejected);
    sqlite3_bind_int64(st, 5, (sqlite3_int64)b->duplicates);
    sqlite3_bind_int64(st, 6, b->opened_at.us);
    sqlite3_bind_int64(st, 7, b->deadline_at.us);
    sqlite3_bind_int64(st, 8, b->ended_at.us);
    sqlite_bind_str(st, 9, b->boot[0] ? b->boot : NULL);
    sqlite3_bind_int64(st, 10, b->deadline_boot_us);
    return sqlite_run(d, st);
}

enum err sqlite_batch_progress(struct sqlite_db *d, const struct batch_info *b, uint64_t last_seq)
{
    REQUIRE(b->num != 0 && batch_info_ended(b) <= b->total);
    REQUIRE(!b->growing || b->ended_at.us == 0);
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_PROGRESS);
    sqlite3_bind_int64(st, 1, b->num);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        sqlite3_bind_int64(st, 2 + o, (sqlite3_int64)b->ended[o]);
    sqlite3_bind_int64(st, 8, (sqlite3_int64)b->low_water);
    sqlite3_bind_int64(st, 9, (sqlite3_int64)last_seq);
    sqlite3_bind_int64(st, 10, b->ended_at.us);
    sqlite3_bind_int(st, 11, state_of(b));
    sqlite3_bind_int64(st, 12, (sqlite3_int64)b->total);
    sqlite3_bind_int(st, 13, b->growing);
    return sqlite_run(d, st);
}

enum err sqlite_batch_mark(struct sqlite_db *d, uint32_t num, enum batch_mark mark,
                           enum cause cause)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_MARK);
    sqlite3_bind_int64(st, 1, num);
    sqlite3_bind_int(st, 2, (int)mark);
    sqlite_bind_str(st, 3, cause_word(cause));
    return sqlite_run(d, st);
}

enum err sqlite_batch_pause(struct sqlite_db *d, uint32_t num, bool paused)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_PAUSE);
    sqlite3_bind_int64(st, 1, num);
    sqlite3_bind_int(st, 2, paused);
    return sqlite_run(d, st);
}

enum err sqlite_batch_delete(struct sqlite_db *d, uint32_t num)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_DELETE);
    sqlite3_bind_int64(st, 1, num);
    return sqlite_run(d, st);
}

enum err sqlite_task_insert(struct sqlite_db *d, uint64_t task, const struct store_row *row,
                            uint32_t slot)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_TASK_INSERT);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)task);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)row->host_hash);
    sqlite_bind_str(st, 3, row->user_id);
    sqlite_bind_bytes(st, 4, row->spec, row->spec_len);
    sqlite3_bind_int64(st, 5, slot);
    return sqlite_run(d, st);
}

enum err sqlite_tasks_delete(struct sqlite_db *d, uint32_t num, unsigned limit, unsigned *n)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_TASKS_DELETE);
    sqlite3_bind_int64(st, 1, first_task(num));
    sqlite3_bind_int64(st, 2, last_task(num));
    sqlite3_bind_int64(st, 3, limit);
    enum err e = sqlite_run(d, st);
    if (!e)
        *n = (unsigned)sqlite3_changes(d->c);
    return e;
}

enum err sqlite_result_insert(struct sqlite_db *d, uint64_t seq, struct wall now,
                              const struct store_result *r, bool *inserted)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_RESULT_INSERT);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)r->task);
    sqlite3_bind_int64(st, 2, (sqlite3_int64)seq);
    sqlite3_bind_int64(st, 3, task_batch(r->task));
    sqlite3_bind_int64(st, 4, r->attempt);
    sqlite3_bind_int(st, 5, (int)r->outcome);
    sqlite_bind_str(st, 6, r->agent);
    sqlite_bind_str(st, 7, r->cause ? r->cause : "");
    sqlite_bind_bytes(st, 8, r->record, r->record_len);
    sqlite_bind_str(st, 9, r->history);
    sqlite3_bind_int64(st, 10, now.us);
    sqlite3_bind_int64(st, 11, r->leased_at.us);
    sqlite3_bind_int64(st, 12, r->arrived_at.us);
    enum err e = sqlite_run(d, st);
    if (!e)
        *inserted = sqlite3_changes(d->c) > 0;
    return e;
}

enum err sqlite_result_exists(struct sqlite_db *d, uint64_t task, bool *out)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_RESULT_EXISTS);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)task);
    enum err e = sqlite_step(d, st, out);
    sqlite3_reset(st);
    return e;
}

enum err sqlite_target_answered(struct sqlite_db *d, uint64_t task, uint32_t slots,
                                const char *agent, bool *out)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_TARGET_ANSWERED);
    sqlite3_bind_int64(st, 1, (sqlite3_int64)task);
    sqlite3_bind_int64(st, 2, slots);
    sqlite_bind_str(st, 3, agent);
    enum err e = sqlite_step(d, st, out);
    sqlite3_reset(st);
    return e;
}

enum err sqlite_agents_seen(struct sqlite_db *d, struct wall since, sqlite_agent_f *f, void *arg)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_AGENTS_SEEN);
    sqlite3_bind_int64(st, 1, since.us);
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row)
        f(arg, (const char *)sqlite3_column_text(st, 0), (const char *)sqlite3_column_text(st, 1));
    sqlite3_reset(st);
    return e;
}

enum err sqlite_batch_kept(struct sqlite_db *d, const char *uuid, bool *out)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_KEPT);
    sqlite_bind_str(st, 1, uuid);
    enum err e = sqlite_step(d, st, out);
    sqlite3_reset(st);
    return e;
}

enum err sqlite_task_purged(struct sqlite_db *d, uint64_t task, bool *out)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_BATCH_OVER);
    sqlite3_bind_int64(st, 1, task_batch(task));
    sqlite3_bind_int64(st, 2, (uint32_t)task);
    enum err e = sqlite_step(d, st, out);
    sqlite3_reset(st);
    return e;
}

enum err sqlite_cause_add(struct sqlite_db *d, uint32_t num, const char *cause, uint64_t n)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_CAUSE_ADD);
    sqlite3_bind_int64(st, 1, num);
    sqlite_bind_str(st, 2, cause);
    sqlite3_bind_int64(st, 3, (sqlite3_int64)n);
    return sqlite_run(d, st);
}

enum err sqlite_low_water(struct sqlite_db *d, uint32_t num, uint64_t from, unsigned limit,
                          uint64_t *out)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_LOW_WATER);
    sqlite3_int64 next = first_task(num) + (sqlite3_int64)from;
    sqlite3_bind_int64(st, 1, next);
    sqlite3_bind_int64(st, 2, last_task(num));
    sqlite3_bind_int64(st, 3, limit);
    bool row = false;
    enum err e;
    while (!(e = sqlite_step(d, st, &row)) && row && sqlite3_column_int64(st, 0) == next)
        next++;
    sqlite3_reset(st);
    if (!e)
        *out = (uint64_t)(next - first_task(num));
    return e;
}

/* More than the one that is added, so that what has expired never piles up. */
#define PURGE_ROWS 16

static sqlite3_int64 expired_before(struct wall now)
{
    return now.us - IDEMPOTENCY_KEEP_S * INT64_C(1000000);
}

static enum err idempotency_purge(struct sqlite_db *d, struct wall now)
{
    sqlite3_stmt *st = sqlite_use(d, SQL_IDEMPOTENCY_PURGE);
    sqlite3_bind_int64(st, 1, expired_before(now));
    sqlite3_bind_int64(st, 2, PURGE_ROWS);
    return sqlite_run(d, st);
}

enum err sqlite_idempotency_add(struct sqlite_db *d, uint32_t num,
                                const struct store_idempotency *x, struct wall now,
                                struct wall patient, bool *added)
{
    REQUIRE(num != 0 && x->token[0] && x->key[0] && x->answer != NULL);
    enum err e = idempotency_purge(d, patient);
    if (e)
        return e;
    sqlite3_stmt *st = sqlite_use(d, SQL_IDEMPOTENCY_ADD);
    sqlite_bind_str(st, 1, x->token);
    sqlite_bind_str(st, 2, x->key);
    sqlite3_bind_blob(st, 3, x->digest, sizeof(x->digest), SQLITE_STATIC);
    sqlite3_bind_int64(st, 4, num);
    sqlite3_bind_int64(st, 5, now.us);
    sqlite_bind_str(st, 6, x->answer);
    sqlite3_bind_int64(st, 7, expired_before(patient));
    e = sqlite_run(d, st);
    if (!e)
        *added = sqlite3_changes(d->c) > 0;
    return e;
}

enum err sqlite_agent_seen(struct sqlite_db *d, const char *name, const char *instance,
                           const char *tags_json, struct wall at)
{
    REQUIRE(name != NULL);
    sqlite3_stmt *st = sqlite_use(d, SQL_AGENT_SEEN);
    sqlite_bind_str(st, 1, name);
    sqlite_bind_str(st, 2, instance);
    sqlite_bind_str(st, 3, tags_json);
    sqlite3_bind_int64(st, 4, at.us);
    return sqlite_run(d, st);
}

enum err sqlite_agent_empty(struct sqlite_db *d, const char *name, struct wall at)
{
    REQUIRE(name != NULL);
    sqlite3_stmt *st = sqlite_use(d, SQL_AGENT_EMPTY);
    sqlite_bind_str(st, 1, name);
    sqlite3_bind_int64(st, 2, at.us);
    return sqlite_run(d, st);
}
