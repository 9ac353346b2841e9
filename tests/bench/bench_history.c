/* SPDX-License-Identifier: MIT */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "master/store/store.h"

#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * bench_history - what the store does for schedules: puts them, starts with them, rolls an hour of
 * theirs up, and reads it.
 *
 *     bench_history [CHECKS] [DIR]
 *
 * One line. CHECKS checks, each run once a minute for an hour, with records of 700 bytes; days and
 * hours of 90 days of 10,000 of them at most. The rows of runs are written beside the store, in the
 * form in which it writes them. boot_ms: with what five minutes have added since the last snapshot.
 */
#define CHECKS_DEFAULT 100000
#define ROUNDS         60
#define SNAPSHOT_MIN   5
#define DAYS           90
#define DAYS_CHECKS    10000
#define TEXT_MAX       64
#define RECORD                                                                                     \
    "{\"outcome\":\"ok\",\"cause\":null,\"message\":null,\"started_at\":\"2026-11-22T04:05:06."    \
    "123456Z\",\"queue_ms\":3.1,\"timings\":{\"dns_ms\":%.3f,\"connect_ms\":%.3f,\"proxy_ms\":"    \
    "null,\"tls_ms\":%.3f,\"send_ms\":0.1,\"wait_ms\":%.3f,\"download_ms\":%.3f,\"total_ms\":"     \
    "%.3f},\"http\":{\"status\":200,\"body_sha256\":\"%s\"}}"

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answered;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static const char *dir;
static struct store *store;
static unsigned checks = CHECKS_DEFAULT;
static uint64_t first_check;
static int64_t begin_us; /* of the hour */
static struct rng rng;

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_history: %s: %s\n", what, why);
    exit(2);
}

static void on_done(struct store_req *r)
{
    PTOK(pthread_mutex_lock(&gate.lock));
    gate.answered = true;
    PTOK(pthread_cond_signal(&gate.changed));
    PTOK(pthread_mutex_unlock(&gate.lock));
    REQUIRE(r != NULL);
}

/* Milliseconds. */
static double run(struct store_req *r)
{
    struct mono start = mono_now();
    gate.answered = false;
    enum err e = store_post(store, r);
    if (e)
        stop("store_post", err_text(e));
    PTOK(pthread_mutex_lock(&gate.lock));
    while (!gate.answered)
        PTOK(pthread_cond_wait(&gate.changed, &gate.lock));
    PTOK(pthread_mutex_unlock(&gate.lock));
    if (r->err)
        stop("request", r->why);
    return mono_diff_ms_f(mono_now(), start);
}

/* Milliseconds. */
static double open_store(int64_t grace_ms, struct store_boot *boot)
{
    struct store_config c = {.dir = dir, .roll_grace_ms = grace_ms};
    struct mono start = mono_now();
    char why[512];
    if (store_open(&c, &store, boot, why, sizeof(why)))
        stop("store_open", why);
    return mono_diff_ms_f(mono_now(), start);
}

static double put_schedule(void)
{
    struct store_req *r = store_req_create(STORE_SCHEDULE_PUT, on_done, NULL);
    struct schedule_target *targets = mem_array(checks, sizeof(*targets));
    char(*texts)[3][TEXT_MAX] = mem_array(checks, sizeof(*texts));
    for (unsigned i = 0; i < checks; i++) {
        snprintf(texts[i][0], TEXT_MAX, "https://host-%u.example/health", i);
        snprintf(texts[i][1], TEXT_MAX, "{\"url\":\"https://host-%u.example/health\"}", i);
        snprintf(texts[i][2], TEXT_MAX, "host-%u.example", i);
        targets[i] = (struct schedule_target){.key = texts[i][0],
                                              .spec = texts[i][1],
                                              .spec_len = strlen(texts[i][1]),
                                              .host = texts[i][2],
                                              .host_hash = i};
    }
    r->put.name = "bench";
    r->put.doc = "{\"every\":\"60s\"}";
    r->put.targets = targets;
    r->put.n_targets = checks;
    double ms = run(r);
    first_check = r->put.ids[0];
    store_req_destroy(&r);
    free(targets);
    free(texts);
    return ms;
}

static void put_snapshot(void)
{
    for (uint64_t at = first_check; at < first_check + checks;) {
        struct store_req *r = store_req_create(STORE_SNAPSHOT, on_done, NULL);
        r->snapshot.items = mem_array(SCHEDULER_CHUNK, sizeof(*r->snapshot.items));
        r->snapshot.chunk = at / SCHEDULER_CHUNK;
        r->snapshot.at = (struct wall){begin_us};
        for (; at < first_check + checks && at / SCHEDULER_CHUNK == r->snapshot.chunk; at++)
            r->snapshot.items[r->snapshot.n++] =
                (struct scheduler_saved){.check = at,
                                         .last = {1000, {begin_us - 1000000}},
                                         .since = {begin_us - 2000000},
                                         .state = VERDICT_UP,
                                         .state_since = {begin_us - 1500000},
                                         .slot = 1000};
        run(r);
        store_req_destroy(&r);
    }
}

/* ---- rows beside the store */

static sqlite3 *db;

static void sql(const char *text)
{
    char *problem = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &problem) != SQLITE_OK)
        stop(text, problem);
}

static void open_db(void)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/sonde.db", dir);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        stop("open", sqlite3_errmsg(db));
    sql("PRAGMA synchronous = OFF");
}

static sqlite3_stmt *prepare(const char *text)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK)
        stop(text, sqlite3_errmsg(db));
    return st;
}

static void step(sqlite3_stmt *st)
{
    if (sqlite3_step(st) != SQLITE_DONE)
        stop("step", sqlite3_errmsg(db));
    sqlite3_reset(st);
}

static double log_normal(double median)
{
    double u = ((double)rng_below(&rng, 1000000) + 1) / 1000001;
    double v = (double)rng_below(&rng, 1000000) / 1000000;
    return median * exp(0.35 * sqrt(-2 * log(u)) * cos(2 * M_PI * v));
}

static void make_record(char *out, size_t max)
{
    double t[] = {log_normal(2), log_normal(12), log_normal(25), log_normal(60), log_normal(1.5)};
    static char filling[400];
    memset(filling, 'x', sizeof(filling) - 1);
    snprintf(out, max, RECORD, t[0], t[1], t[2], t[3], t[4], t[0] + t[1] + t[2] + t[3] + t[4],
             filling);
}

/* An hour, in one lane. */
static void write_runs(void)
{
    char text[512], record[1024];
    uint64_t n = (uint64_t)checks * ROUNDS;
    open_db();
    snprintf(text, sizeof(text),
             "INSERT INTO batches(num, state, uuid, trace, cls, deadline_s, per_host, created_at, "
             "opened_at, ended_at, total, ok, low_water, last_seq, lane) VALUES(1, 2, 'u', 't', 1, "
             "60, 8, %lld, %lld, %lld, %llu, %llu, %llu, %llu, '{}')",
             (long long)begin_us, (long long)begin_us, (long long)begin_us + INT64_C(3600000000),
             (unsigned long long)n, (unsigned long long)n, (unsigned long long)n,
             (unsigned long long)n);
    sql("BEGIN");
    sql(text);
    sqlite3_stmt *task = prepare("INSERT INTO tasks(task, host, spec, run_check, run_seq, run_at) "
                                 "VALUES(?1, 1, '', ?2, ?3, ?4)");
    sqlite3_stmt *result = prepare("INSERT INTO results(task, seq, batch, attempt, outcome, agent, "
                                   "cause, record) VALUES(?1, ?2, 1, 1, 0, 'bj-1', '', ?3)");
    for (uint64_t i = 0; i < n; i++) {
        sqlite3_bind_int64(task, 1, (sqlite3_int64)task_id(1, (uint32_t)i));
        sqlite3_bind_int64(task, 2, (sqlite3_int64)(first_check + i % checks));
        sqlite3_bind_int64(task, 3, (sqlite3_int64)(i / checks + 1));
        sqlite3_bind_int64(task, 4, begin_us + (int64_t)(i * 60000000 / checks));
        step(task);
        make_record(record, sizeof(record));
        sqlite3_bind_int64(result, 1, (sqlite3_int64)task_id(1, (uint32_t)i));
        sqlite3_bind_int64(result, 2, (sqlite3_int64)i + 1);
        sqlite3_bind_text(result, 3, record, -1, SQLITE_STATIC);
        step(result);
    }
    sqlite3_finalize(task);
    sqlite3_finalize(result);
    snprintf(text, sizeof(text),
             "UPDATE checks SET created_at = %lld; UPDATE meta SET value = %lld WHERE key = "
             "'rolled_until'; COMMIT",
             (long long)begin_us, (long long)begin_us);
    sql(text);
    sqlite3_close(db);
}

/* What is run between two snapshots: of the last two seconds nothing has come back. */
static void write_recent(void)
{
    char text[768];
    uint64_t n = (uint64_t)checks * SNAPSHOT_MIN, open = (uint64_t)checks / 30;
    open_db();
    snprintf(text, sizeof(text),
             "BEGIN; INSERT INTO batches(num, state, uuid, trace, cls, deadline_s, per_host, "
             "created_at, opened_at, deadline_at, total, ok, low_water, last_seq, growing, lane) "
             "VALUES(2, 1, '0190b5f0-0000-7000-8000-000000000001', "
             "'4bf92f3577b34da6a3ce929d0e0e4736', 1, 60, 8, 1, 1, %lld, %llu, %llu, %llu, %llu, 1, "
             "'{}')",
             (long long)INT64_MAX, (unsigned long long)n, (unsigned long long)(n - open),
             (unsigned long long)(n - open), (unsigned long long)n);
    sql(text);
    snprintf(text, sizeof(text),
             "INSERT INTO tasks(task, host, spec, run_check, run_seq, run_at) SELECT (2 << 32) + "
             "(task & 4294967295), host, '', run_check, 2000 + run_seq, %lld + "
             "(task & 4294967295) * 60000000 / %u FROM tasks WHERE task < (1 << 32) + %llu",
             (long long)begin_us + INT64_C(3600000000), checks, (unsigned long long)n);
    sql(text);
    snprintf(
        text, sizeof(text),
        "INSERT INTO results SELECT (2 << 32) + (task & 4294967295), seq, 2, attempt, outcome, "
        "agent, cause, record, history, stored_at, leased_at, arrived_at FROM results "
        "WHERE task < (1 << 32) + %llu; COMMIT",
        (unsigned long long)(n - open));
    sql(text);
    sqlite3_close(db);
}

/* The hour that was made, as 90 days of hours and days. */
static void write_history(void)
{
    char text[1024];
    open_db();
    snprintf(
        text, sizeof(text),
        "BEGIN; WITH RECURSIVE h(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM h WHERE i < %d) "
        "INSERT OR IGNORE INTO days SELECT d.hour - d.hour %% 24 - 24 * (i + 1), d.check_id, "
        "d.rollup FROM h CROSS JOIN hours d WHERE d.hour = %lld AND d.check_id < %llu ORDER BY "
        "1, 2; COMMIT",
        DAYS - 1, (long long)(begin_us / INT64_C(3600000000)),
        (unsigned long long)first_check + DAYS_CHECKS);
    sql(text);
    sqlite3_close(db);
}

static double bytes_per_row(const char *expression, const char *table)
{
    char text[160];
    open_db();
    snprintf(text, sizeof(text), "SELECT avg(length(%s)) FROM %s", expression, table);
    sqlite3_stmt *st = prepare(text);
    if (sqlite3_step(st) != SQLITE_ROW)
        stop("step", sqlite3_errmsg(db));
    double n = sqlite3_column_double(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}

/* ---- the figures */

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void roll(double *ms, double *cpu)
{
    struct store_boot boot = {0};
    double before = cpu_s();
    struct mono start = mono_now();
    open_store(1, &boot);
    while (gauge_get(&store_stats(store)->rolled_until_s) < begin_us / 1000000 + 3600)
        usleep(1000);
    *ms = mono_diff_ms_f(mono_now(), start);
    *cpu = cpu_s() - before;
    store_boot_fini(&boot);
    store_close(&store);
}

static double read_history(void)
{
    struct store_req *r = store_req_create(STORE_HISTORY, on_done, NULL);
    r->history.check = first_check + 17;
    r->history.to = (uint32_t)(begin_us / INT64_C(3600000000)) / 24 * 24;
    r->history.from = r->history.to - DAYS * 24;
    r->history.days = true;
    double ms = run(r);
    if (r->history.n != DAYS)
        stop("history", "not all days are there");
    store_req_destroy(&r);
    return ms;
}

static double read_overview(void)
{
    struct store_req *r = store_req_create(STORE_OVERVIEW, on_done, NULL);
    r->overview.to = (uint32_t)(begin_us / INT64_C(3600000000)) / 24 * 24;
    r->overview.from = r->overview.to - 7 * 24;
    r->overview.limit = DAYS_CHECKS;
    double ms = run(r);
    struct mono start = mono_now();
    for (unsigned i = 0; i < r->overview.n; i++) {
        struct rollup x;
        REQUIRE(rollup_decode_head(&x, r->overview.items[i].bytes, r->overview.items[i].len) ==
                ERR_NONE);
        rollup_fini(&x);
    }
    store_req_destroy(&r);
    return ms + mono_diff_ms_f(mono_now(), start);
}

int main(int argc, char **argv)
{
    struct store_boot boot = {0};
    double roll_ms, roll_cpu;
    checks = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : CHECKS_DEFAULT;
    dir = argc > 2 ? argv[2] : ".";
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    int64_t now = wall_now().us;
    begin_us = now - now % INT64_C(3600000000) - INT64_C(7200000000);
    rng_init(&rng, 7);
    open_store(-1, &boot);
    double put_ms = put_schedule();
    put_snapshot();
    store_boot_fini(&boot);
    store_close(&store);
    write_runs();
    roll(&roll_ms, &roll_cpu);
    write_history();
    write_recent();
    double boot_ms = open_store(-1, &boot);
    if (boot.timetable.n_saved != checks || boot.timetable.n_tasks != checks / 30)
        stop("boot", "not all checks, or runs under way, are there");
    store_boot_fini(&boot);
    double history_cold = read_history(), history_warm = read_history();
    double overview_cold = read_overview(), overview_warm = read_overview();
    store_close(&store);
    printf("history checks=%u put_ms=%.0f boot_ms=%.0f roll_ms=%.0f roll_cpu_s=%.1f "
           "hour_bytes=%.0f list_bytes=%.0f days90_cold_ms=%.1f days90_warm_ms=%.1f "
           "overview_cold_ms=%.0f overview_warm_ms=%.0f\n",
           checks, put_ms, boot_ms, roll_ms, roll_cpu, bytes_per_row("rollup", "hours"),
           bytes_per_row("tasks", "hour_tasks"), history_cold, history_warm, overview_cold,
           overview_warm);
    return 0;
}
