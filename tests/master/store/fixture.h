/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/store.h"
#include "tests/support/check_main.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "proto/result.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * fixture - a store in a directory of its own, and requests that wait for their answer (60 s at
 * most).
 *
 * Every test runs in a process of its own (Check forks), so the statics here are one test's.
 */
#define FIXTURE_UNUSED __attribute__((unused))
#define FIXTURE_WAIT_S 60

static char fx_dir[64];
static struct store *fx;
static struct store_boot fx_boot;
static char fx_why[512];
static int64_t fx_days, fx_lane_hours, fx_bytes, fx_grace_s; /* retention of the next fx_open() */
static int64_t fx_roll_grace_ms, fx_history_days;            /* likewise */
static _Atomic unsigned fx_rooms;

static pthread_mutex_t fx_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t fx_changed = PTHREAD_COND_INITIALIZER;
static struct {
    unsigned calls;
    uint32_t batch;
    enum outcome outcome;
    uint64_t count;
    unsigned finished;
} fx_swept;

static void fx_done(struct store_req *r)
{
    PTOK(pthread_mutex_lock(&fx_lock));
    (*(unsigned *)r->arg)++;
    PTOK(pthread_cond_broadcast(&fx_changed));
    PTOK(pthread_mutex_unlock(&fx_lock));
}

static void fx_on_swept(void *arg, uint32_t batch, enum outcome outcome, uint64_t count,
                        bool finished)
{
    PTOK(pthread_mutex_lock(&fx_lock));
    fx_swept.calls++;
    fx_swept.batch = batch;
    fx_swept.outcome = outcome;
    fx_swept.count += count;
    fx_swept.finished += finished;
    PTOK(pthread_cond_broadcast(&fx_changed));
    PTOK(pthread_mutex_unlock(&fx_lock));
}

static void fx_on_room(void *arg)
{
    fx_rooms++;
}

/* Waits until *counter has reached n. */
static FIXTURE_UNUSED void fx_wait(unsigned *counter, unsigned n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += FIXTURE_WAIT_S;
    int rc = 0;
    PTOK(pthread_mutex_lock(&fx_lock));
    while (*counter < n && rc == 0)
        rc = pthread_cond_timedwait(&fx_changed, &fx_lock, &until);
    unsigned got = *counter;
    PTOK(pthread_mutex_unlock(&fx_lock));
    ck_assert_msg(got >= n, "waited in vain: %u of %u", got, n);
}

static FIXTURE_UNUSED enum err fx_try_open(const char *dir, struct store **out,
                                           struct store_boot *boot)
{
    struct store_config c = {.dir = dir,
                             .on_swept = fx_on_swept,
                             .on_room = fx_on_room,
                             .retention_days = fx_days,
                             .schedule_retention_hours = fx_lane_hours,
                             .retention_bytes = fx_bytes,
                             .retention_grace_s = fx_grace_s,
                             .roll_grace_ms = fx_roll_grace_ms,
                             .history_days = fx_history_days};
    return store_open(&c, out, boot, fx_why, sizeof(fx_why));
}

static FIXTURE_UNUSED void fx_open(void)
{
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    enum err e = fx_try_open(fx_dir, &fx, &fx_boot);
    ck_assert_msg(e == ERR_NONE, "open: %s", fx_why);
}

static FIXTURE_UNUSED void fx_close(void)
{
    store_boot_fini(&fx_boot);
    store_close(&fx);
}

static FIXTURE_UNUSED void fx_reopen(void)
{
    fx_close();
    fx_open();
}

static FIXTURE_UNUSED void fx_setup(void)
{
    snprintf(fx_dir, sizeof(fx_dir), "/tmp/sonde-store-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fx_dir));
    fx_open();
}

static FIXTURE_UNUSED void fx_teardown(void)
{
    fx_close();
    char cmd[96];
    snprintf(cmd, sizeof(cmd), "rm -rf %s", fx_dir);
    ck_assert_int_eq(system(cmd), 0);
}

/* ---- requests */

static FIXTURE_UNUSED struct store_req *fx_req(enum store_op op)
{
    return store_req_create(op, fx_done, NULL);
}

/* Posts, waiting for room, and waits for the answer. */
static FIXTURE_UNUSED enum err fx_run(struct store_req *r)
{
    unsigned answered = 0;
    r->arg = &answered;
    enum err e;
    while ((e = store_post(fx, r)) == ERR_FULL)
        usleep(1000);
    ck_assert_int_eq(e, ERR_NONE);
    fx_wait(&answered, 1);
    return r->err;
}

static FIXTURE_UNUSED enum err fx_run_free(struct store_req *r)
{
    enum err e = fx_run(r);
    store_req_destroy(&r);
    return e;
}

static FIXTURE_UNUSED struct store_req *fx_begin_req(enum task_class cls)
{
    struct store_req *r = fx_req(STORE_UPLOAD_BEGIN);
    uint8_t bytes[16];
    random_bytes(bytes, sizeof(bytes));
    uuid7_format(wall_now(), bytes, r->upload.info.uuid);
    trace_format(bytes, r->upload.info.trace);
    r->upload.info.cls = cls;
    r->upload.info.deadline_s = 3600;
    r->upload.info.per_host = 8;
    r->upload.info.per_host_rate = 0.25;
    return r;
}

static FIXTURE_UNUSED uint32_t fx_begin(enum task_class cls)
{
    struct store_req *r = fx_begin_req(cls);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint32_t num = r->upload.info.num;
    store_req_destroy(&r);
    return num;
}

/* n rows whose user_id tells the ordinal, counted from `from`. */
static FIXTURE_UNUSED struct store_req *fx_rows_req(uint32_t num, unsigned from, unsigned n)
{
    struct store_req *r = fx_req(STORE_UPLOAD_ROWS);
    r->upload.info.num = num;
    r->upload.rows = mem_array(n, sizeof(*r->upload.rows));
    r->upload.n_rows = n;
    size_t at[STORE_COMMIT_ROWS][2];
    for (unsigned i = 0; i < n; i++) {
        at[i][0] = r->arena.len;
        strbuf_printf(&r->arena, "{\"url\":\"http://host-%u.example/\"}%c", from + i, 0);
        at[i][1] = r->arena.len;
        strbuf_printf(&r->arena, "row-%u%c", from + i, 0);
    }
    for (unsigned i = 0; i < n; i++) {
        struct store_row *row = &r->upload.rows[i];
        row->spec = r->arena.data + at[i][0];
        row->spec_len = (uint32_t)strlen(row->spec);
        row->user_id = r->arena.data + at[i][1];
        row->host_hash = UINT64_MAX - (from + i);
    }
    return r;
}

static FIXTURE_UNUSED void fx_rows(uint32_t num, unsigned from, unsigned n)
{
    for (unsigned done = 0; done < n;) {
        unsigned some = n - done < STORE_COMMIT_ROWS ? n - done : STORE_COMMIT_ROWS;
        ck_assert_int_eq(fx_run_free(fx_rows_req(num, from + done, some)), ERR_NONE);
        done += some;
    }
}

static FIXTURE_UNUSED enum err fx_end_upload(uint32_t num, enum store_op op)
{
    struct store_req *r = fx_req(op);
    r->upload.info.num = num;
    return fx_run_free(r);
}

/* An open batch of n tasks. */
static FIXTURE_UNUSED uint32_t fx_batch(unsigned n)
{
    uint32_t num = fx_begin(CLASS_BULK);
    fx_rows(num, 0, n);
    ck_assert_int_eq(fx_end_upload(num, STORE_UPLOAD_COMMIT), ERR_NONE);
    return num;
}

#define FX_RECORD "{\"outcome\":\"ok\"}"

static FIXTURE_UNUSED struct store_req *fx_results_req(uint32_t num, unsigned from, unsigned n,
                                                       enum cause cause)
{
    struct store_req *r = fx_req(STORE_RESULTS);
    r->results.items = mem_array(n, sizeof(*r->results.items));
    r->results.n = n;
    for (unsigned i = 0; i < n; i++)
        r->results.items[i] = (struct store_result){
            .task = task_id(num, from + i),
            .agent = i % 2 ? "odd" : "even",
            .attempt = 1,
            .outcome = cause_outcome(cause),
            .cause = cause == CAUSE_NONE ? "" : cause_word(cause),
            .record = FX_RECORD,
            .record_len = sizeof(FX_RECORD) - 1,
        };
    return r;
}

/* How many of them got this verdict. */
static FIXTURE_UNUSED unsigned fx_results(uint32_t num, unsigned from, unsigned n, enum cause cause,
                                          enum ack_verdict v)
{
    unsigned count = 0;
    for (unsigned done = 0; done < n;) {
        unsigned some = n - done < STORE_COMMIT_ROWS ? n - done : STORE_COMMIT_ROWS;
        struct store_req *r = fx_results_req(num, from + done, some, cause);
        ck_assert_int_eq(fx_run(r), ERR_NONE);
        for (unsigned i = 0; i < some; i++)
            count += r->results.items[i].verdict == v;
        store_req_destroy(&r);
        done += some;
    }
    return count;
}

static FIXTURE_UNUSED enum err fx_mark(uint32_t num, enum batch_mark mark, enum cause cause)
{
    struct store_req *r = fx_req(STORE_MARK);
    r->mark.batch = num;
    r->mark.mark = mark;
    r->mark.cause = cause;
    return fx_run_free(r);
}

/* The batch as a reader sees it; by its number, which the list is asked for. */
static FIXTURE_UNUSED struct batch_info fx_info(uint32_t num)
{
    struct store_req *r = fx_req(STORE_BATCH_LIST);
    r->batch_list.before = num + 1;
    r->batch_list.limit = 1;
    r->batch_list.lanes = true;
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    ck_assert_uint_eq(r->batch_list.n, 1);
    struct batch_info info = r->batch_list.infos[0];
    ck_assert_uint_eq(info.num, num);
    info.name = info.labels = info.agents = NULL;
    store_req_destroy(&r);
    return info;
}

/* store_check's word, its findings in buf. */
static FIXTURE_UNUSED bool fx_check(char *buf, size_t max)
{
    FILE *f = fmemopen(buf, max, "w");
    ck_assert_ptr_nonnull(f);
    bool ok = store_check(fx_dir, f);
    fclose(f);
    return ok;
}

static FIXTURE_UNUSED void fx_check_green(void)
{
    char text[4096] = "";
    ck_assert_msg(fx_check(text, sizeof(text)), "check: %s", text);
}

/* SQL behind the store's back. */
static FIXTURE_UNUSED void fx_sql(const char *sql)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/sonde.db", fx_dir);
    sqlite3 *c = NULL;
    char *problem = NULL;
    ck_assert_int_eq(sqlite3_open(path, &c), SQLITE_OK);
    sqlite3_busy_timeout(c, 10000);
    int rc = sqlite3_exec(c, sql, NULL, NULL, &problem);
    ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, problem);
    sqlite3_close(c);
}

/* ---- lanes */

/* Checks 1 … n of http://check-ID.example/, and the schedule that they are of. */
static FIXTURE_UNUSED void fx_checks(unsigned n)
{
    char sql[768];
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO schedules(id, name, version, doc, paused, n_checks, created_at, changed_at) "
        "VALUES(1, 'fixture', 1, '{\"every\":\"60s\"}', 0, %u, 1, 1); "
        "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < %u) "
        "INSERT INTO checks(id, schedule, key, spec, user_id, host, host_hash, created_at) "
        "SELECT n, 1, 'http://check-' || n || '.example/', "
        "'{\"url\":\"http://check-' || n || '.example/\"}', 'user-' || n, "
        "'check-' || n || '.example', n * 1000, 1 FROM i",
        n, n);
    fx_sql(sql);
}

static FIXTURE_UNUSED struct store_req *fx_lane_req(uint32_t slots)
{
    struct store_req *r = fx_req(STORE_LANE_OPEN);
    uint8_t bytes[16];
    random_bytes(bytes, sizeof(bytes));
    uuid7_format(wall_now(), bytes, r->lane.info.uuid);
    trace_format(bytes, r->lane.info.trace);
    r->lane.info.cls = CLASS_SCHEDULE;
    r->lane.info.per_host = 8;
    r->lane.info.slots = slots;
    r->lane.lane = mem_strdup("{\"count\":1}");
    return r;
}

static FIXTURE_UNUSED uint32_t fx_lane(uint32_t slots)
{
    struct store_req *r = fx_lane_req(slots);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint32_t num = r->lane.info.num;
    store_req_destroy(&r);
    return num;
}

static FIXTURE_UNUSED enum err fx_lane_close(uint32_t num)
{
    struct store_req *r = fx_req(STORE_LANE_CLOSE);
    r->lane.info.num = num;
    return fx_run_free(r);
}

#define FX_SLOT_US INT64_C(1790000000000000) /* of slot 0; one a second */

/* A run of each of n checks from `check` on, of so many tasks. */
static FIXTURE_UNUSED struct store_req *fx_runs_req(uint32_t num, uint64_t check, unsigned n,
                                                    uint32_t tasks)
{
    struct store_req *r = fx_req(STORE_RUNS_ADD);
    r->runs.items = mem_array(n, sizeof(*r->runs.items));
    r->runs.n = n;
    for (unsigned i = 0; i < n; i++)
        r->runs.items[i] = (struct store_run){
            .batch = num,
            .check = check + i,
            .seq = i,
            .at = {FX_SLOT_US + i * INT64_C(1000000)},
            .host_hash = (check + i) * 1000,
            .n = tasks,
        };
    return r;
}

/* The id of the first task. */
static FIXTURE_UNUSED uint64_t fx_runs(uint32_t num, uint64_t check, unsigned n, uint32_t tasks)
{
    struct store_req *r = fx_runs_req(num, check, n, tasks);
    ck_assert_int_eq(fx_run(r), ERR_NONE);
    uint64_t first = r->runs.items[0].first;
    for (unsigned i = 0; i < n; i++)
        ck_assert_uint_eq(r->runs.items[i].first, first + (uint64_t)i * tasks);
    store_req_destroy(&r);
    return first;
}
