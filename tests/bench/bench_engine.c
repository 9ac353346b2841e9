/* SPDX-License-Identifier: MIT */
#include "agent/run/pool.h"
#include "common/mem.h"

#include <dirent.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * bench_engine - the agent's engine alone: COUNT probes of the targets given, in turn, with at most
 * WINDOW in the pool. One line of figures: probes a second, CPU seconds (user + system) per 1,000
 * probes, percentiles of the probes' total and of the lag of the workers' loops, memory,
 * descriptors and threads before and after, and the causes. With --warm-up, that many probes go
 * before all this.
 *
 * The lag: each loop carries a timer that is due every 5 ms; how late it fires is one sample.
 */
#define WORKERS_MAX   64
#define WATCH_MS      5
#define WATCH_SAMPLES 200000 /* a quarter of an hour */

struct watch {
    struct timer t;
    struct timers *timers;
    struct mono due;
    double *late_ms;
    size_t n;
};
static struct watch watches[WORKERS_MAX];
static unsigned n_watches;
static _Atomic bool watching;

struct bench {
    long workers, slots, window, count, warm_up;
    const char *resolver, *ca_file;
    struct target_defaults *defaults;
    char **targets;
    int n_targets;

    struct pool *pool;
    struct policy *policy;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool wake;
    long sent, ended;
    long causes[CAUSE_COUNT];
    double *total_ms; /* of each probe that ended */
};

struct holdings { /* what the process has */
    long fds, threads, rss_kib;
};

static void on_watch(struct timer *t, struct mono now)
{
    struct watch *w = CONTAINER_OF(t, struct watch, t);
    if (atomic_load(&watching) && w->n < WATCH_SAMPLES)
        w->late_ms[w->n++] = mono_diff_ms_f(mono_now(), w->due);
    w->due = mono_add_ms(mono_now(), WATCH_MS);
    timer_arm(w->timers, t, w->due, on_watch);
}

/* Stands in for the DNS kind, so as to come to each worker's loop. */
static bool watched_setup(struct probe_env *env, void **state)
{
    REQUIRE(n_watches < WORKERS_MAX);
    struct watch *w = &watches[n_watches++];
    w->timers = loop_timers(env->loop);
    w->late_ms = mem_array(WATCH_SAMPLES, sizeof(*w->late_ms));
    w->due = mono_add_ms(mono_now(), WATCH_MS);
    timer_arm(w->timers, &w->t, w->due, on_watch);
    return !probe_dns.setup || probe_dns.setup(env, state);
}

static void watched_teardown(struct probe_env *env, void *state)
{
    for (unsigned i = 0; i < n_watches; i++)
        if (watches[i].timers == loop_timers(env->loop))
            timer_disarm(watches[i].timers, &watches[i].t);
    if (probe_dns.teardown)
        probe_dns.teardown(env, state);
}

static void usage(void)
{
    fprintf(stderr, "usage: bench_engine [--workers N] [--slots N] [--window N] [--count N]\n"
                    "                    [--warm-up N] [--defaults JSON] [--resolver ADDR:PORT]\n"
                    "                    [--ca-file FILE] TARGET...\n");
    exit(2);
}

static long number(const char *text)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (*end || v <= 0)
        usage();
    return v;
}

static struct target_defaults *defaults(const char *text)
{
    struct json_doc *doc = NULL;
    struct target_defaults *d = NULL;
    struct target_problem p = {.detail = ""};
    if (json_parse(text, strlen(text), &doc, p.detail, sizeof(p.detail)) != ERR_NONE ||
        target_defaults_parse(json_root(doc), &d, &p) != ERR_NONE) {
        fprintf(stderr, "bench_engine: --defaults: %s\n", p.detail);
        exit(2);
    }
    json_free(&doc);
    return d;
}

static void read_options(struct bench *b, int argc, char **argv)
{
    static const struct option options[] = {
        {"workers", 1, NULL, 'w'}, {"slots", 1, NULL, 's'},    {"window", 1, NULL, 'n'},
        {"count", 1, NULL, 'c'},   {"resolver", 1, NULL, 'r'}, {"ca-file", 1, NULL, 'a'},
        {"warm-up", 1, NULL, 'u'}, {"defaults", 1, NULL, 'd'}, {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'w':
            b->workers = number(optarg);
            break;
        case 's':
            b->slots = number(optarg);
            break;
        case 'n':
            b->window = number(optarg);
            break;
        case 'c':
            b->count = number(optarg);
            break;
        case 'u':
            b->warm_up = number(optarg);
            break;
        case 'd':
            b->defaults = defaults(optarg);
            break;
        case 'r':
            b->resolver = optarg;
            break;
        case 'a':
            b->ca_file = optarg;
            break;
        default:
            usage();
        }
    }
    b->targets = argv + optind;
    b->n_targets = argc - optind;
    if (b->n_targets == 0)
        usage();
}

static void on_done(void *arg)
{
    struct bench *b = arg;
    PTOK(pthread_mutex_lock(&b->lock));
    b->wake = true;
    PTOK(pthread_mutex_unlock(&b->lock));
    PTOK(pthread_cond_signal(&b->woken)); /* behind the lock, or the woken would wait for it */
}

static void wait_wake(struct bench *b)
{
    PTOK(pthread_mutex_lock(&b->lock));
    while (!b->wake)
        PTOK(pthread_cond_wait(&b->woken, &b->lock));
    b->wake = false;
    PTOK(pthread_mutex_unlock(&b->lock));
}

static void submit(struct bench *b, struct mono now)
{
    const char *uri = b->targets[b->sent % b->n_targets];
    struct target *t = NULL;
    struct target_problem problem;
    if (target_from_text(uri, strlen(uri), b->defaults, &t, &problem) != ERR_NONE) {
        fprintf(stderr, "bench_engine: %s: %s\n", uri, problem.detail);
        exit(2);
    }
    struct job *j = job_create((uint64_t)b->sent++, "ticket", CLASS_INTERACTIVE, t, now,
                               mono_add_ms(now, 3600000));
    enum err e = pool_submit(b->pool, j, now);
    REQUIRE(e == ERR_NONE);
}

static void take(struct bench *b)
{
    struct list done;
    struct mono now = mono_now();
    list_init(&done);
    pool_take_done(b->pool, &done, now);
    for (struct list_node *n; (n = list_pop_front(&done)); b->ended++) {
        struct job *j = CONTAINER_OF(n, struct job, letter.node);
        b->causes[j->result->cause]++;
        b->total_ms[b->ended] = j->result->t.total_ms;
        job_destroy(&j);
    }
}

static void run(struct bench *b, long count)
{
    b->sent = b->ended = 0;
    memset(b->causes, 0, sizeof(b->causes));
    while (b->ended < count) {
        struct mono now = mono_now();
        while (b->sent < count && b->sent - b->ended < b->window && pool_free_places(b->pool))
            submit(b, now);
        wait_wake(b);
        take(b);
    }
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long entries(const char *dir)
{
    DIR *d = opendir(dir);
    long n = -2; /* . and .. */
    REQUIRE(d != NULL);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static struct holdings hold(void)
{
    struct holdings h = {entries("/proc/self/fd") - 1, entries("/proc/self/task"), 0};
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0;
    REQUIRE(f != NULL && fscanf(f, "%*d %ld", &pages) == 1);
    fclose(f);
    h.rss_kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
    return h;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report_times(struct bench *b)
{
    double sum = 0;
    for (long i = 0; i < b->count; i++)
        sum += b->total_ms[i];
    qsort(b->total_ms, (size_t)b->count, sizeof(*b->total_ms), compare);
    printf(" mean_ms=%.2f min_ms=%.2f p50_ms=%.2f p99_ms=%.2f max_ms=%.2f", sum / (double)b->count,
           b->total_ms[0], b->total_ms[b->count / 2], b->total_ms[b->count * 99 / 100],
           b->total_ms[b->count - 1]);
}

/* Of the worst loop. */
static void report_lag(void)
{
    double p99 = 0, max = 0;
    for (unsigned i = 0; i < n_watches; i++) {
        struct watch *w = &watches[i];
        qsort(w->late_ms, w->n, sizeof(*w->late_ms), compare);
        double late = w->n ? w->late_ms[w->n * 99 / 100] : 0;
        double latest = w->n ? w->late_ms[w->n - 1] : 0;
        p99 = late > p99 ? late : p99;
        max = latest > max ? latest : max;
    }
    printf(" lag_p99_ms=%.2f lag_max_ms=%.2f", p99, max);
}

static void report_holdings(const struct holdings *before, const struct holdings *after,
                            long window)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf(" peak_rss_mib=%.1f kib_each=%.1f fds=%ld fds_after=%ld threads=%ld threads_after=%ld"
           " rss_mib=%.1f rss_mib_after=%.1f",
           (double)u.ru_maxrss / 1024, (double)(u.ru_maxrss - before->rss_kib) / (double)window,
           before->fds, after->fds, before->threads, after->threads, (double)before->rss_kib / 1024,
           (double)after->rss_kib / 1024);
}

static void report(struct bench *b, double wall_s, double cpu_s, const struct holdings *before,
                   const struct holdings *after)
{
    printf("probes=%ld ok=%ld rate=%.0f/s cpu_s_per_1000=%.4f", b->count, b->causes[CAUSE_NONE],
           (double)b->count / wall_s, cpu_s * 1000 / (double)b->count);
    report_times(b);
    report_lag();
    report_holdings(before, after, b->window);
    for (int c = CAUSE_NONE + 1; c < CAUSE_COUNT; c++)
        if (b->causes[c])
            printf(" %s=%ld", cause_word((enum cause)c), b->causes[c]);
    printf("\n");
}

int main(int argc, char **argv)
{
    struct bench b = {.workers = 2,
                      .slots = 256,
                      .window = 64,
                      .count = 10000,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .woken = PTHREAD_COND_INITIALIZER};
    read_options(&b, argc, argv);
    signal(SIGPIPE, SIG_IGN);
    struct probe_kind watched = probe_dns;
    b.total_ms = mem_array((size_t)(b.count > b.warm_up ? b.count : b.warm_up), sizeof(double));
    b.policy = policy_create(&(struct policy_config){.dev = true});
    struct pool_config c = {.workers = (unsigned)b.workers,
                            .slots = (unsigned)b.slots,
                            .policy = b.policy,
                            .ca_file = b.ca_file,
                            .resolver = b.resolver,
                            .kinds = {&probe_http, &watched},
                            .on_done = on_done,
                            .on_done_arg = &b};
    watched.setup = watched_setup;
    watched.teardown = watched_teardown;
    if (pool_create(&c, &b.pool) != ERR_NONE)
        return 1;
    run(&b, b.warm_up);
    struct holdings before = hold();
    double cpu = cpu_seconds();
    struct mono start = mono_now();
    atomic_store(&watching, true);
    run(&b, b.count);
    double wall_s = mono_diff_ms_f(mono_now(), start) / 1000, cpu_s = cpu_seconds() - cpu;
    struct holdings after = hold();
    pool_destroy(&b.pool); /* the loops have ended: their samples are ours */
    report(&b, wall_s, cpu_s, &before, &after);
    policy_destroy(&b.policy);
    target_defaults_destroy(&b.defaults);
    free(b.total_ms);
    return 0;
}
