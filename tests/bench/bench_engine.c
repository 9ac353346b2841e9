/* SPDX-License-Identifier: MIT */
#include "agent/run/pool.h"
#include "common/mem.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/*
 * bench_engine - the agent's engine alone: COUNT probes of the targets given, in turn, with at most
 * WINDOW in the pool. One line of figures: probes a second, CPU seconds (user + system) per 1,000
 * probes, peak memory, and the causes.
 */
struct bench {
    long workers, slots, window, count;
    const char *resolver, *ca_file;
    char **targets;
    int n_targets;

    struct pool *pool;
    struct policy *policy;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool wake;
    long sent, ended;
    long causes[CAUSE_COUNT];
    double total_ms;
};

static void usage(void)
{
    fprintf(stderr, "usage: bench_engine [--workers N] [--slots N] [--window N] [--count N]\n"
                    "                    [--resolver ADDR:PORT] [--ca-file FILE] TARGET...\n");
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

static void read_options(struct bench *b, int argc, char **argv)
{
    static const struct option options[] = {
        {"workers", 1, NULL, 'w'}, {"slots", 1, NULL, 's'},    {"window", 1, NULL, 'n'},
        {"count", 1, NULL, 'c'},   {"resolver", 1, NULL, 'r'}, {"ca-file", 1, NULL, 'a'},
        {NULL, 0, NULL, 0},
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
    PTOK(pthread_cond_signal(&b->woken));
    PTOK(pthread_mutex_unlock(&b->lock));
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
    if (target_from_text(uri, strlen(uri), NULL, &t, &problem) != ERR_NONE) {
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
        b->total_ms += j->result->t.total_ms;
        job_destroy(&j);
    }
}

static void run(struct bench *b)
{
    while (b->ended < b->count) {
        struct mono now = mono_now();
        while (b->sent < b->count && b->sent - b->ended < b->window && pool_free_places(b->pool))
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

static void report(const struct bench *b, double wall_s, double cpu_s)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    printf("probes=%ld ok=%ld rate=%.0f/s cpu_s_per_1000=%.4f mean_ms=%.2f peak_rss_mib=%.1f",
           b->count, b->causes[CAUSE_NONE], (double)b->count / wall_s,
           cpu_s * 1000 / (double)b->count, b->total_ms / (double)b->count,
           (double)u.ru_maxrss / 1024);
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
    b.policy = policy_create(&(struct policy_config){.dev = true});
    struct pool_config c = {.workers = (unsigned)b.workers,
                            .slots = (unsigned)b.slots,
                            .policy = b.policy,
                            .ca_file = b.ca_file,
                            .resolver = b.resolver,
                            .kinds = {&probe_http, &probe_dns},
                            .on_done = on_done,
                            .on_done_arg = &b};
    if (pool_create(&c, &b.pool) != ERR_NONE)
        return 1;
    double cpu = cpu_seconds();
    struct mono start = mono_now();
    run(&b);
    report(&b, mono_diff_ms_f(mono_now(), start) / 1000, cpu_seconds() - cpu);
    pool_destroy(&b.pool);
    policy_destroy(&b.policy);
    return 0;
}
