/* SPDX-License-Identifier: MIT */
#include "master/store/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/ids.h"
#include "common/json.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "master/store/sqlite_db.h"

/* A checkpoint every 16 MB is the best of those measured. */
#define CHECKPOINT_BYTES 16384000
/* How long to wait for another process (a shell, a backup) that holds the lock. */
#define BUSY_MS 5000

/*
 * Of a new store; one that is there keeps its own. Each page costs two writes into the WAL, a read
 * and a write at a checkpoint: with 4 KiB results cost 15 % more CPU, and a commit of one row costs
 * the same.
 */
#define PAGE_BYTES "16384"

#define WRITER_PRAGMAS                                                                             \
    "PRAGMA page_size = " PAGE_BYTES ";"                                                           \
    "PRAGMA journal_mode = WAL;"                                                                   \
    "PRAGMA synchronous = FULL;"                                                                   \
    "PRAGMA wal_autocheckpoint = 0;" /* ours, so that its errors are seen */                       \
    "PRAGMA journal_size_limit = 67108864;"                                                        \
    "PRAGMA secure_delete = FAST;"                                                                 \
    "PRAGMA cache_size = -16384;"                                                                  \
    "PRAGMA temp_store = MEMORY;"
#define READER_PRAGMAS                                                                             \
    "PRAGMA query_only = 1;"                                                                       \
    "PRAGMA cache_size = -4096;"                                                                   \
    "PRAGMA temp_store = MEMORY;"

enum { R = 1, W = 2, B = R | W }; /* who prepares it */
static const struct {
    const char *sql;
    unsigned who;
} STATEMENTS[] = {
#define X(id, who, sql) [id] = {sql, who},
    SQLITE_STATEMENTS(X)
#undef X
};

const char *sqlite_sql(unsigned i)
{
    return i < SQL_COUNT ? STATEMENTS[i].sql : NULL;
}

const char *sqlite_why(const struct sqlite_db *d)
{
    return d->why;
}

/* What the system said to the last write of the WAL: sqlite3_system_errno() has forgotten it by
 * now. */
static int wal_errno(sqlite3 *c)
{
    sqlite3_file *wal = NULL;
    int e = 0;
    sqlite3_file_control(c, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &wal);
    if (wal && wal->pMethods)
        wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &e);
    return e;
}

/*
 * SQLITE_FULL is ENOSPC alone. A quota answers EDQUOT, and the WAL's index, which is no part of
 * what is durable, has an error of its own when it cannot grow: both are "full" to us.
 */
static bool is_full(sqlite3 *c)
{
    int rc = sqlite3_extended_errcode(c);
    if ((rc & 0xff) == SQLITE_FULL || rc == SQLITE_IOERR_SHMSIZE)
        return true;
    return rc == SQLITE_IOERR_WRITE && wal_errno(c) == EDQUOT;
}

enum err sqlite_failed(struct sqlite_db *d, const char *doing)
{
    REQUIRE(d != NULL && doing != NULL);
    snprintf(d->why, sizeof(d->why), "%s: %s", doing, sqlite3_errmsg(d->c));
    if (is_full(d->c))
        return ERR_NO_SPACE;
    switch (sqlite3_errcode(d->c)) {
    case SQLITE_BUSY:
        return ERR_BUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

enum err sqlite_refuse(struct store_req *r, enum err e, const char *fmt, ...)
{
    va_list ap;
    REQUIRE(e != ERR_NONE);
    r->err = e;
    va_start(ap, fmt);
    vsnprintf(r->why, sizeof(r->why), fmt, ap);
    va_end(ap);
    return ERR_NONE;
}

enum err sqlite_exec(struct sqlite_db *d, const char *sql)
{
    if (sqlite3_exec(d->c, sql, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_failed(d, "store");
    return ERR_NONE;
}

enum err sqlite_prepare(struct sqlite_db *d, const char *sql, sqlite3_stmt **out)
{
    if (sqlite3_prepare_v3(d->c, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) != SQLITE_OK)
        return sqlite_failed(d, "preparing a statement");
    return ERR_NONE;
}

enum err sqlite_number(struct sqlite_db *d, sqlite3_stmt *st, int64_t dflt, int64_t *out)
{
    bool row = false;
    enum err e = sqlite_step(d, st, &row);
    if (!e)
        *out =
            row && sqlite3_column_type(st, 0) != SQLITE_NULL ? sqlite3_column_int64(st, 0) : dflt;
    sqlite3_reset(st);
    return e;
}

enum err sqlite_int(struct sqlite_db *d, const char *sql, int64_t dflt, int64_t *out)
{
    sqlite3_stmt *st = NULL;
    enum err e = sqlite_prepare(d, sql, &st);
    if (e)
        return e;
    e = sqlite_number(d, st, dflt, out);
    sqlite3_finalize(st);
    return e;
}

sqlite3_stmt *sqlite_use(struct sqlite_db *d, enum sqlite_statement id)
{
    REQUIRE(d != NULL && id < SQL_COUNT && d->st[id] != NULL);
    sqlite3_reset(d->st[id]);
    return d->st[id];
}

enum err sqlite_step(struct sqlite_db *d, sqlite3_stmt *st, bool *row)
{
    int rc = sqlite3_step(st);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return sqlite_failed(d, "store");
    *row = rc == SQLITE_ROW;
    return ERR_NONE;
}

enum err sqlite_run(struct sqlite_db *d, sqlite3_stmt *st)
{
    bool row = false;
    enum err e = sqlite_step(d, st, &row);
    REQUIRE(e || !row);
    sqlite3_reset(st);
    return e;
}

void sqlite_bind_str(sqlite3_stmt *st, int at, const char *s)
{
    REQUIRE(sqlite3_bind_text(st, at, s, -1, SQLITE_STATIC) == SQLITE_OK);
}

void sqlite_bind_bytes(sqlite3_stmt *st, int at, const char *p, size_t n)
{
    REQUIRE(n <= INT_MAX && sqlite3_bind_text(st, at, p, (int)n, SQLITE_STATIC) == SQLITE_OK);
}

enum outcome sqlite_outcome(sqlite3_stmt *st, int i)
{
    int v = sqlite3_column_int(st, i);
    return v >= 0 && v < OUTCOME_COUNT ? (enum outcome)v : OUTCOME_UNDETERMINED;
}

enum cause sqlite_cause(sqlite3_stmt *st, int i)
{
    enum cause cause;
    const char *word = (const char *)sqlite3_column_text(st, i);
    return word && cause_parse(word, &cause) == ERR_NONE ? cause : CAUSE_NONE;
}

char *sqlite_dup_column(sqlite3_stmt *st, int i, bool object, bool *whole)
{
    const char *s = (const char *)sqlite3_column_text(st, i);
    size_t n = (size_t)sqlite3_column_bytes(st, i);
    if (s == NULL || (object ? json_is_object(s, n) : utf8_valid(s, n)))
        return mem_strdup(s);
    *whole = false;
    return NULL;
}

static int in_range(int v, int end, bool *whole)
{
    if (v >= 0 && v < end)
        return v;
    *whole = false;
    return 0;
}

static void copy_column(sqlite3_stmt *st, int i, char *out, size_t max)
{
    const char *s = (const char *)sqlite3_column_text(st, i);
    snprintf(out, max, "%s", s ? s : "");
}

bool sqlite_batch_row(sqlite3_stmt *st, struct batch_info *b)
{
    bool whole = true;
    *b = (struct batch_info){
        .num = (uint32_t)sqlite3_column_int64(st, 0),
        .cls = (enum task_class)in_range(sqlite3_column_int(st, 3), TASK_CLASSES, &whole),
        .deadline_s = sqlite3_column_int64(st, 4),
        .per_host = sqlite3_column_int64(st, 5),
        .per_host_rate = sqlite3_column_double(st, 28),
        .slots = (uint32_t)sqlite3_column_int64(st, 29),
        .log_tasks = sqlite3_column_int(st, 30) != 0,
        .name = sqlite_dup_column(st, 6, false, &whole),
        .labels = sqlite_dup_column(st, 7, true, &whole),
        .agents = sqlite_dup_column(st, 8, true, &whole),
        .created_at = {sqlite3_column_int64(st, 9)},
        .opened_at = {sqlite3_column_int64(st, 10)},
        .deadline_at = {sqlite3_column_int64(st, 11)},
        .ended_at = {sqlite3_column_int64(st, 12)},
        .total = (uint64_t)sqlite3_column_int64(st, 13),
        .rejected = (uint64_t)sqlite3_column_int64(st, 14),
        .duplicates = (uint64_t)sqlite3_column_int64(st, 15),
        .low_water = (uint64_t)sqlite3_column_int64(st, 22),
        .mark = (enum batch_mark)in_range(sqlite3_column_int(st, 23), MARK_EXPIRE + 1, &whole),
        .purged_at = {sqlite3_column_int64(st, 27)},
        .paused = sqlite3_column_int(st, 25) != 0,
        .growing = sqlite3_column_int(st, 33) != 0,
        .lane = sqlite3_column_int(st, 34) != 0,
    };
    for (int o = 0; o < OUTCOME_COUNT; o++)
        b->ended[o] = (uint64_t)sqlite3_column_int64(st, 16 + o);
    copy_column(st, 1, b->uuid, sizeof(b->uuid));
    copy_column(st, 2, b->trace, sizeof(b->trace));
    copy_column(st, 26, b->retry_of, sizeof(b->retry_of));
    copy_column(st, 31, b->boot, sizeof(b->boot));
    b->deadline_boot_us = sqlite3_column_int64(st, 32);
    char word[CAUSE_MAX];
    copy_column(st, 24, word, sizeof(word));
    if (word[0] == '\0' || cause_parse(word, &b->mark_cause))
        b->mark_cause = CAUSE_NONE;
    return whole && uuid_valid(b->uuid) && utf8_valid(b->trace, strlen(b->trace));
}

static int on_wal(void *arg, sqlite3 *c, const char *name, int pages)
{
    struct sqlite_db *d = arg;
    REQUIRE(d != NULL && d->c == c);
    d->wal_pages = pages;
    return SQLITE_OK;
}

static enum err prepare_all(struct sqlite_db *d)
{
    for (unsigned i = 0; i < SQL_COUNT; i++) {
        if ((STATEMENTS[i].who & (d->writer ? W : R)) == 0)
            continue;
        enum err e = sqlite_prepare(d, STATEMENTS[i].sql, &d->st[i]);
        if (e)
            return e;
    }
    return ERR_NONE;
}

/* SQLite's count of its memory costs a lock for each piece; nobody reads it. Refused without harm
 * if SQLite runs already. */
static void forgo_memory_count(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum err connect_file(struct sqlite_db *d, const char *path)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    PTOK(pthread_once(&once, forgo_memory_count));
    int flags = SQLITE_OPEN_NOMUTEX | (d->writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
    int rc = sqlite3_open_v2(path, &d->c, flags, NULL);
    REQUIRE(d->c != NULL);
    if (rc != SQLITE_OK)
        return sqlite_failed(d, "opening it");
    sqlite3_extended_result_codes(d->c, 0);
    sqlite3_busy_timeout(d->c, BUSY_MS);
    enum err e = sqlite_schema_check(d);
    if (!e)
        e = sqlite_exec(d, d->writer ? WRITER_PRAGMAS : READER_PRAGMAS);
    if (!e && d->writer)
        e = sqlite_schema_migrate(d);
    if (!e)
        e = sqlite_int(d, "PRAGMA page_size", 0, &d->page_bytes);
    if (e)
        return e;
    if (d->writer)
        sqlite3_wal_hook(d->c, on_wal, d);
    return prepare_all(d);
}

static enum err open_db(const char *path, bool writer, struct sqlite_db **out, char *why,
                        size_t why_max)
{
    struct sqlite_db *d = mem_zalloc(sizeof(*d));
    d->writer = writer;
    enum err e = connect_file(d, path);
    if (!e) {
        *out = d;
        return ERR_NONE;
    }
    if (e == ERR_CORRUPT)
        snprintf(why, why_max,
                 "%s is damaged or no store of Sonde (%s): restore it from a backup, "
                 "or give another --data directory",
                 path, d->why);
    else if (e == ERR_NO_SPACE)
        snprintf(why, why_max,
                 "%s has no room beside it (%s): make room on its disk, or give another --data "
                 "directory",
                 path, d->why);
    else
        snprintf(why, why_max, "%s: %s", path, d->why);
    sqlite_close(&d);
    return e;
}

/* SQLite would make it readable to all; the WAL takes over the mode of the file. */
static enum err create_file(const char *path, char *why, size_t why_max)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return ERR_NONE;
    }
    enum err e = errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_DENIED;
    snprintf(why, why_max, "%s cannot be opened for writing: %s", path, strerror(errno));
    return e;
}

enum err sqlite_open_writer(const char *dir, struct sqlite_db **out, char *why, size_t why_max)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/sonde.db", dir);
    enum err e = create_file(path, why, why_max);
    return e ? e : open_db(path, true, out, why, why_max);
}

enum err sqlite_open_reader(const char *dir, struct sqlite_db **out, char *why, size_t why_max)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/sonde.db", dir);
    if (access(path, F_OK) != 0) {
        snprintf(why, why_max, "%s: %s", path, strerror(errno));
        return ERR_NOT_FOUND;
    }
    return open_db(path, false, out, why, why_max);
}

void sqlite_close(struct sqlite_db **dp)
{
    struct sqlite_db *d = *dp;
    if (!d)
        return;
    *dp = NULL;
    for (unsigned i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(d->st[i]);
    REQUIRE(sqlite3_close(d->c) == SQLITE_OK);
    free(d);
}

enum err sqlite_begin(struct sqlite_db *d)
{
    REQUIRE(sqlite3_get_autocommit(d->c));
    return sqlite_exec(d, d->writer ? "BEGIN IMMEDIATE" : "BEGIN");
}

enum err sqlite_commit(struct sqlite_db *d)
{
    REQUIRE(!sqlite3_get_autocommit(d->c));
    return sqlite_exec(d, "COMMIT");
}

void sqlite_rollback(struct sqlite_db *d)
{
    for (unsigned i = 0; i < SQL_COUNT; i++)
        sqlite3_reset(d->st[i]);
    if (!sqlite3_get_autocommit(d->c))
        sqlite3_exec(d->c, "ROLLBACK", NULL, NULL, NULL);
    REQUIRE(sqlite3_get_autocommit(d->c));
}

enum err sqlite_renew(struct sqlite_db *d)
{
    REQUIRE(!d->writer && !sqlite3_get_autocommit(d->c));
    sqlite_rollback(d);
    return sqlite_begin(d);
}

static int is_stopped(void *arg)
{
    return atomic_load((const _Atomic bool *)arg);
}

void sqlite_stop_on(struct sqlite_db *d, const _Atomic bool *stop)
{
    enum { STEPS = 10000 }; /* of SQLite's machine: some 100 µs */
    sqlite3_progress_handler(d->c, STEPS, is_stopped, (void *)stop);
}

enum err sqlite_checkpoint(struct sqlite_db *d, bool all)
{
    if (!all && d->wal_pages * d->page_bytes < CHECKPOINT_BYTES)
        return ERR_NONE;
    int mode = all ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
    int rc = sqlite3_wal_checkpoint_v2(d->c, NULL, mode, NULL, NULL);
    d->wal_pages = 0;
    if (rc == SQLITE_OK || rc == SQLITE_BUSY)
        return ERR_NONE;
    return sqlite_failed(d, "checkpoint");
}

enum err sqlite_try_room(struct sqlite_db *d)
{
    return sqlite_exec(d, "INSERT INTO meta(key, value) VALUES('room', zeroblob(65536)) "
                          "ON CONFLICT(key) DO UPDATE SET value = zeroblob(65536)");
}
