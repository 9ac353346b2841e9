/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "common/random.h"
#include "master/store/sqlite_timetable.h"

static enum err make_store_id(struct sqlite_db *d)
{
    uint8_t bytes[10];
    random_bytes(bytes, sizeof(bytes));
    char id[UUID_TEXT_MAX], sql[128];
    uuid7_format(wall_now(), bytes, id);
    snprintf(sql, sizeof(sql), "INSERT OR IGNORE INTO meta(key, value) VALUES('store_id', '%s')",
             id);
    return sqlite_exec(d, sql);
}

static enum err make_first_key(struct sqlite_db *d)
{
    int64_t n = 0;
    enum err e = sqlite_int(d, "SELECT count(*) FROM ticket_keys", 0, &n);
    if (e || n > 0)
        return e;
    sqlite3_stmt *st = NULL;
    e = sqlite_prepare(d, "INSERT INTO ticket_keys(id, bytes, created_at) VALUES(1, ?1, ?2)", &st);
    if (e)
        return e;
    uint8_t key[TICKET_KEY_BYTES];
    random_bytes(key, sizeof(key));
    REQUIRE(sqlite3_bind_blob(st, 1, key, sizeof(key), SQLITE_STATIC) == SQLITE_OK);
    sqlite3_bind_int64(st, 2, wall_now().us);
    e = sqlite_run(d, st);
    sqlite3_finalize(st);
    explicit_bzero(key, sizeof(key));
    return e;
}

/* Everything that a start writes, in one commit. */
static enum err write_start(struct sqlite_db *d)
{
    enum err e = sqlite_begin(d);
    if (!e)
        e = make_store_id(d);
    if (!e)
        e = make_first_key(d);
    if (!e)
        e = sqlite_exec(d, "INSERT INTO meta(key, value) VALUES('boot_epoch', 1) "
                           "ON CONFLICT(key) DO UPDATE SET value = value + 1");
    if (!e)
        e = sqlite_commit(d);
    if (e)
        sqlite_rollback(d);
    return e;
}

/* Nothing may be dispatched, and nobody sent away, by what is not what was written. */
static enum err damaged(struct sqlite_db *d, const char *what)
{
    snprintf(d->why, sizeof(d->why),
             "%s is damaged, see `sonde-master check`: restore it from a backup", what);
    return ERR_CORRUPT;
}

static enum err read_store_id(struct sqlite_db *d, struct store_boot *boot)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(d, "SELECT value FROM meta WHERE key = 'store_id'", &st);
    if (e)
        return e;
    bool row = false;
    e = sqlite_step(d, st, &row);
    if (!e && row)
        snprintf(boot->store_id, sizeof(boot->store_id), "%s",
                 (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    if (!e && !uuid_valid(boot->store_id))
        e = damaged(d, "its id");
    return e;
}

/* The newest TICKET_KEYS_MAX, oldest first. */
static enum err read_keys(struct sqlite_db *d, struct store_boot *boot)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(
        d,
        "SELECT id, bytes FROM (SELECT id, bytes FROM ticket_keys ORDER BY id DESC LIMIT 32) "
        "ORDER BY id",
        &st);
    if (e)
        return e;
    _Static_assert(TICKET_KEYS_MAX == 32, "the LIMIT above");
    bool row = false;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        if (sqlite3_column_bytes(st, 1) != TICKET_KEY_BYTES)
            continue;
        struct ticket_key *k = &boot->keys[boot->n_keys++];
        k->id = (uint32_t)sqlite3_column_int64(st, 0);
        memcpy(k->bytes, sqlite3_column_blob(st, 1), TICKET_KEY_BYTES);
    }
    sqlite3_finalize(st);
    return e;
}

static enum err read_open(struct sqlite_db *d, struct store_boot *boot)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(
        d, "SELECT " BATCH_COLUMNS " FROM batches WHERE state < 2 AND state > 0 ORDER BY num", &st);
    if (e)
        return e;
    bool row = false;
    unsigned cap = 0;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        if (boot->n_open == cap) {
            cap = cap ? cap * 2 : 16;
            boot->open = mem_realloc(boot->open, cap * sizeof(*boot->open));
        }
        struct batch_info *b = &boot->open[boot->n_open++];
        if (!sqlite_batch_row(st, b)) {
            e = damaged(d, "the row of an open batch");
            break;
        }
    }
    sqlite3_finalize(st);
    return e;
}

static enum err read_holders(struct sqlite_db *d, struct store_boot *boot)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(d, "SELECT name FROM agents WHERE holds = 1 ORDER BY name", &st);
    if (e)
        return e;
    bool row = false;
    unsigned cap = 0;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        if (boot->n_holders == cap) {
            cap = cap ? cap * 2 : 16;
            boot->holders = mem_realloc(boot->holders, cap * sizeof(*boot->holders));
        }
        boot->holders[boot->n_holders++] = mem_strdup((const char *)sqlite3_column_text(st, 0));
    }
    sqlite3_finalize(st);
    return e;
}

enum err sqlite_boot(struct sqlite_db *d, struct store_boot *boot)
{
    REQUIRE(d != NULL && d->writer && boot != NULL);
    enum err e = write_start(d);
    int64_t epoch = 0;
    if (!e)
        e = sqlite_int(d, "SELECT value FROM meta WHERE key = 'boot_epoch'", 0, &epoch);
    if (!e)
        e = read_store_id(d, boot);
    if (!e)
        e = read_keys(d, boot);
    if (!e)
        e = read_open(d, boot);
    if (!e)
        e = read_holders(d, boot);
    if (!e)
        e = sqlite_lanes_boot(d, boot);
    if (!e)
        e = sqlite_events_boot(d, boot);
    if (!e)
        e = sqlite_boot_timetable(d, &boot->timetable);
    boot->boot_epoch = (uint64_t)epoch;
    return e;
}

enum err sqlite_last_seq(struct sqlite_db *d, uint64_t *out)
{
    int64_t seq = 0;
    enum err e = sqlite_int(d, "SELECT max(last_seq) FROM batches", 0, &seq);
    if (!e)
        *out = (uint64_t)seq;
    return e;
}

enum err sqlite_receiving(struct sqlite_db *d, uint32_t **out, unsigned *n)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(d, "SELECT num FROM batches WHERE state < 2 AND state = 0", &st);
    if (e)
        return e;
    bool row = false;
    uint32_t *nums = NULL;
    unsigned count = 0;
    while (!(e = sqlite_step(d, st, &row)) && row) {
        nums = mem_realloc(nums, (count + 1) * sizeof(*nums));
        nums[count++] = (uint32_t)sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    *out = nums;
    *n = count;
    return e;
}
