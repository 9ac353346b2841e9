/* SPDX-License-Identifier: MIT */
/*
 * bench_store - what the store costs: tasks and results through store_post(), durable commits.
 *
 *     bench_store [TASKS] [DIR]
 *
 * One line: rows a second and CPU seconds per 100,000 rows, for tasks (200-byte specs, 500 a
 * request), for results (400-byte records, 64 a request as an agent's frame brings them), and for
 * as many runs of checks added to a lane (500 a request) with requests always waiting. CPU is that
 * of the whole process, the posting side with its copies included.
 */
#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "master/store/store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPEC_BYTES    200
#define RECORD_BYTES  400
#define UPLOAD_ROWS   500
#define RESULT_ROWS   64
#define IN_FLIGHT     64 /* requests posted and not answered */
#define TASKS_DEFAULT 200000

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned in_flight;
    uint64_t refused;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static struct store *store;
static uint32_t batch;

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "bench_store: %s: %s\n", what, why);
    exit(2);
}

static void leave(void)
{
    PTOK(pthread_mutex_lock(&gate.lock));
    gate.in_flight--;
    PTOK(pthread_cond_signal(&gate.changed));
    PTOK(pthread_mutex_unlock(&gate.lock));
}

static void on_done(struct store_req *r)
{
    REQUIRE(r != NULL);
    if (r->err)
        stop("request", r->why);
    for (unsigned i = 0; r->op == STORE_RESULTS && i < r->results.n; i++)
        gate.refused += r->results.items[i].verdict != ACK_STORED;
    if (r->op == STORE_UPLOAD_BEGIN)
        batch = r->upload.info.num;
    if (r->op == STORE_LANE_OPEN)
        batch = r->lane.info.num;
    store_req_destroy(&r);
    leave();
}

static void wait_below(unsigned n)
{
    PTOK(pthread_mutex_lock(&gate.lock));
    while (gate.in_flight >= n)
        PTOK(pthread_cond_wait(&gate.changed, &gate.lock));
    PTOK(pthread_mutex_unlock(&gate.lock));
}

static void post(struct store_req *r)
{
    wait_below(IN_FLIGHT);
    PTOK(pthread_mutex_lock(&gate.lock));
    gate.in_flight++;
    PTOK(pthread_mutex_unlock(&gate.lock));
    enum err e = store_post(store, r);
    if (e)
        stop("store_post", err_text(e));
}

static void begin(void)
{
    struct store_req *r = store_req_create(STORE_UPLOAD_BEGIN, on_done, NULL);
    uint8_t bytes[16];
    random_bytes(bytes, sizeof(bytes));
    uuid7_format(wall_now(), bytes, r->upload.info.uuid);
    trace_format(bytes, r->upload.info.trace);
    r->upload.info.cls = CLASS_BULK;
    r->upload.info.deadline_s = 3600;
    post(r);
    wait_below(1);
}

static void commit(void)
{
    struct store_req *r = store_req_create(STORE_UPLOAD_COMMIT, on_done, NULL);
    r->upload.info.num = batch;
    post(r);
    wait_below(1);
}

/* n texts of `bytes` bytes each, in the arena; distinct by their number. */
static void fill_arena(struct store_req *r, unsigned from, unsigned n, size_t bytes)
{
    char text[RECORD_BYTES + 1];
    for (unsigned i = 0; i < n; i++) {
        int head = snprintf(text, sizeof(text), "{\"url\":\"http://host-%u.example/", from + i);
        memset(text + head, 'x', bytes - (size_t)head);
        strbuf_append(&r->arena, text, bytes);
    }
}

static void post_rows(unsigned from, unsigned n)
{
    struct store_req *r = store_req_create(STORE_UPLOAD_ROWS, on_done, NULL);
    r->upload.info.num = batch;
    r->upload.rows = mem_array(n, sizeof(*r->upload.rows));
    r->upload.n_rows = n;
    fill_arena(r, from, n, SPEC_BYTES);
    for (unsigned i = 0; i < n; i++)
        r->upload.rows[i] = (struct store_row){
            .spec = r->arena.data + (size_t)i * SPEC_BYTES,
            .spec_len = SPEC_BYTES,
            .host_hash = from + i,
        };
    post(r);
}

static void post_results(unsigned from, unsigned n)
{
    struct store_req *r = store_req_create(STORE_RESULTS, on_done, NULL);
    r->results.items = mem_array(n, sizeof(*r->results.items));
    r->results.n = n;
    fill_arena(r, from, n, RECORD_BYTES);
    for (unsigned i = 0; i < n; i++)
        r->results.items[i] = (struct store_result){
            .task = task_id(batch, from + i),
            .agent = "bench",
            .attempt = 1,
            .outcome = OUTCOME_OK,
            .cause = "",
            .record = r->arena.data + (size_t)i * RECORD_BYTES,
            .record_len = RECORD_BYTES,
        };
    post(r);
}

static void open_lane(void)
{
    struct store_req *r = store_req_create(STORE_LANE_OPEN, on_done, NULL);
    uint8_t bytes[16];
    random_bytes(bytes, sizeof(bytes));
    uuid7_format(wall_now(), bytes, r->lane.info.uuid);
    trace_format(bytes, r->lane.info.trace);
    r->lane.info.cls = CLASS_SCHEDULE;
    r->lane.lane = mem_strdup("bench");
    post(r);
    wait_below(1);
}

static void post_runs(unsigned from, unsigned n)
{
    struct store_req *r = store_req_create(STORE_RUNS_ADD, on_done, NULL);
    struct wall now = wall_now();
    r->runs.items = mem_array(n, sizeof(*r->runs.items));
    r->runs.n = n;
    for (unsigned i = 0; i < n; i++)
        r->runs.items[i] = (struct store_run){.batch = batch,
                                              .check = 1 + from + i,
                                              .seq = 1,
                                              .at = now,
                                              .deadline_at = {now.us + 60000000},
                                              .host_hash = from + i,
                                              .n = 1};
    post(r);
}

struct figures {
    double rows_per_s, cpu_s; /* CPU per 100,000 rows */
};

static double cpu_now(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static struct figures run(void (*one)(unsigned from, unsigned n), unsigned tasks, unsigned step)
{
    double cpu = cpu_now();
    struct mono start = mono_now();
    for (unsigned from = 0; from < tasks; from += step)
        one(from, tasks - from < step ? tasks - from : step);
    wait_below(1);
    double s = mono_diff_ms_f(mono_now(), start) / 1000;
    return (struct figures){tasks / s, (cpu_now() - cpu) * 100000 / tasks};
}

static void bench(unsigned tasks)
{
    begin();
    struct figures in = run(post_rows, tasks, UPLOAD_ROWS);
    commit();
    struct figures out = run(post_results, tasks, RESULT_ROWS);
    if (gate.refused)
        stop("results", "not all were stored");
    open_lane();
    struct figures runs = run(post_runs, tasks, UPLOAD_ROWS);
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    struct store_stats *st = store_stats(store);
    printf("store tasks=%u insert_rows_s=%.0f insert_cpu_s_100k=%.3f result_rows_s=%.0f "
           "result_cpu_s_100k=%.3f run_rows_s=%.0f run_cpu_s_100k=%.3f commits=%llu "
           "commit_p50_ms=%.1f commit_p99_ms=%.1f rss_mib=%ld\n",
           tasks, in.rows_per_s, in.cpu_s, out.rows_per_s, out.cpu_s, runs.rows_per_s, runs.cpu_s,
           (unsigned long long)counter_get(&st->commits), histogram_quantile(&st->commit_ms, 0.5),
           histogram_quantile(&st->commit_ms, 0.99), u.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    log_init(LOG_WARN, LOG_TEXT, STDERR_FILENO);
    uint64_t tasks = TASKS_DEFAULT;
    if (argc > 1 &&
        (u64_parse(argv[1], strlen(argv[1]), &tasks) || tasks == 0 || tasks > BATCH_TARGETS_MAX))
        stop(argv[1], "not a number of tasks");
    char dir[4096], why[512];
    snprintf(dir, sizeof(dir), "%s/bench-store-XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (!mkdtemp(dir))
        stop(dir, "cannot be made");
    struct store_config c = {.dir = dir};
    struct store_boot boot;
    if (store_open(&c, &store, &boot, why, sizeof(why)))
        stop("open", why);
    store_boot_fini(&boot);
    bench((unsigned)tasks);
    store_close(&store);
    const char *const names[] = {"sonde.db", "lock"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
        char path[4200];
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
    return 0;
}
