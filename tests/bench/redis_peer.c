/* SPDX-License-Identifier: MIT */
#include "tests/bench/bench_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * redis_peer - the master's work done by Redis streams: one producer XADDs tasks of 200 bytes in
 * pipelines of 1,000; four workers read windows of 64 as a group, XADD a result of 400 bytes for
 * each task and XACK it. Ends when the last result is acknowledged. The answers of a whole window
 * go out in one pipeline, or with `each` those of every task alone, when it is done, as a worker
 * does whose tasks do not end together.
 *
 *     redis_peer PORT [TASKS [each]]
 */
#define ME           "redis_peer"
#define TASK_BYTES   200
#define RESULT_BYTES 400
#define SUBMIT_ROWS  1000
#define WINDOW       64
#define WORKERS      4
#define ID_MAX       64
#define TASKS_MAX    10000000
#define IN_BYTES     65536
#define OUT_BYTES    (1 << 20)

struct peer { /* a connection with its buffers */
    int fd;
    size_t in_len, in_at, out_len;
    char in[IN_BYTES], out[OUT_BYTES];
};

static struct {
    long port, tasks;
    bool each;
    atomic_long done;
    char task[TASK_BYTES + 1], result[RESULT_BYTES + 1];
} b = {.tasks = 100000};

static struct peer *peer_open(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)b.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct peer *p = calloc(1, sizeof(*p));
    int one = 1;
    if (!p || (p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0 ||
        connect(p->fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
        bench_fail(ME, strerror(errno));
    return p;
}

static void peer_close(struct peer *p)
{
    close(p->fd);
    free(p);
}

static void flush(struct peer *p)
{
    for (size_t at = 0; at < p->out_len;) {
        ssize_t n = write(p->fd, p->out + at, p->out_len - at);
        if (n < 0)
            bench_fail(ME, strerror(errno));
        at += (size_t)n;
    }
    p->out_len = 0;
}

/* One command of n words, into the pipeline. */
static void put(struct peer *p, int n, ...)
{
    va_list words;
    va_start(words, n);
    p->out_len += (size_t)snprintf(p->out + p->out_len, OUT_BYTES - p->out_len, "*%d\r\n", n);
    for (int i = 0; i < n; i++) {
        const char *w = va_arg(words, const char *);
        p->out_len += (size_t)snprintf(p->out + p->out_len, OUT_BYTES - p->out_len,
                                       "$%zu\r\n%s\r\n", strlen(w), w);
    }
    va_end(words);
    if (p->out_len > OUT_BYTES - 4096)
        bench_fail(ME, "the pipeline is longer than its buffer");
}

static void fill(struct peer *p)
{
    memmove(p->in, p->in + p->in_at, p->in_len - p->in_at);
    p->in_len -= p->in_at;
    p->in_at = 0;
    ssize_t n = read(p->fd, p->in + p->in_len, IN_BYTES - p->in_len);
    if (n <= 0)
        bench_fail(ME, "redis hung up");
    p->in_len += (size_t)n;
}

/* A line without its end; stands in the buffer until the next read. */
static char *take_line(struct peer *p)
{
    char *end;
    while (!(end = memmem(p->in + p->in_at, p->in_len - p->in_at, "\r\n", 2)))
        fill(p);
    char *line = p->in + p->in_at;
    *end = '\0';
    p->in_at = (size_t)(end + 2 - p->in);
    if (*line == '-')
        bench_fail(ME, line + 1);
    return line;
}

static void take_bytes(struct peer *p, size_t n, char *out, size_t max)
{
    while (p->in_len - p->in_at < n + 2)
        fill(p);
    if (out)
        snprintf(out, max, "%.*s", (int)n, p->in + p->in_at);
    p->in_at += n + 2;
}

static long take_number(struct peer *p, char kind)
{
    char *line = take_line(p);
    if (*line != kind)
        bench_fail(ME, "an answer of another form was expected");
    return strtol(line + 1, NULL, 10);
}

static void take_string(struct peer *p, char *out, size_t max)
{
    take_bytes(p, (size_t)take_number(p, '$'), out, max);
}

static void skip_answers(struct peer *p, long n)
{
    while (n-- > 0) {
        char *line = take_line(p);
        if (*line == '$')
            take_bytes(p, (size_t)strtol(line + 1, NULL, 10), NULL, 0);
    }
}

static void *produce(void *arg)
{
    struct peer *p = peer_open();
    for (long sent = 0; sent < b.tasks;) {
        long n = b.tasks - sent < SUBMIT_ROWS ? b.tasks - sent : SUBMIT_ROWS;
        for (long i = 0; i < n; i++)
            put(p, 5, "XADD", "tasks", "*", "t", b.task);
        flush(p);
        skip_answers(p, n);
        sent += n;
    }
    peer_close(p);
    return NULL;
}

/* The ids of a window; 0: nothing came in time. */
static long read_window(struct peer *p, const char *name, char ids[WINDOW][ID_MAX])
{
    put(p, 11, "XREADGROUP", "GROUP", "g", name, "COUNT", "64", "BLOCK", "50", "STREAMS", "tasks",
        ">");
    flush(p);
    if (take_number(p, '*') < 1)
        return 0;
    (void)take_number(p, '*'); /* the stream: its name, its entries */
    take_string(p, NULL, 0);
    long n = take_number(p, '*');
    for (long i = 0; i < n; i++) {
        (void)take_number(p, '*');
        take_string(p, ids[i], ID_MAX);
        (void)take_number(p, '*');
        take_string(p, NULL, 0);
        take_string(p, NULL, 0);
    }
    return n;
}

static void *work(void *arg)
{
    struct peer *p = peer_open();
    char ids[WINDOW][ID_MAX], name[16];
    snprintf(name, sizeof(name), "w%d", (int)(intptr_t)arg);
    while (atomic_load(&b.done) < b.tasks) {
        long n = read_window(p, name, ids);
        for (long i = 0; i < n; i++) {
            put(p, 5, "XADD", "results", "*", "r", b.result);
            put(p, 4, "XACK", "tasks", "g", ids[i]);
            if (!b.each && i < n - 1)
                continue;
            flush(p);
            skip_answers(p, b.each ? 2 : 2 * n);
        }
        atomic_fetch_add(&b.done, n);
    }
    peer_close(p);
    return NULL;
}

static void check_results(struct peer *p)
{
    put(p, 2, "XLEN", "results");
    flush(p);
    if (take_number(p, ':') != b.tasks)
        bench_fail(ME, "not every task has a result");
}

int main(int argc, char **argv)
{
    pthread_t producer, workers[WORKERS];
    if (argc < 2 || argc > 4 || (argc > 3 && strcmp(argv[3], "each") != 0)) {
        fprintf(stderr, "usage: redis_peer PORT [TASKS [each]]\n");
        return 2;
    }
    b.port = bench_number(ME, argv[1], UINT16_MAX);
    if (argc > 2)
        b.tasks = bench_number(ME, argv[2], TASKS_MAX);
    b.each = argc > 3;
    memset(b.task, 't', TASK_BYTES);
    memset(b.result, 'r', RESULT_BYTES);
    struct peer *p = peer_open();
    put(p, 6, "XGROUP", "CREATE", "tasks", "g", "0", "MKSTREAM");
    flush(p);
    skip_answers(p, 1);
    struct mono start = mono_now();
    for (intptr_t i = 0; i < WORKERS; i++)
        if (pthread_create(&workers[i], NULL, work, (void *)i) != 0)
            bench_fail(ME, "no thread");
    if (pthread_create(&producer, NULL, produce, NULL) != 0)
        bench_fail(ME, "no thread");
    pthread_join(producer, NULL);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    double s = bench_seconds_since(start);
    check_results(p);
    peer_close(p);
    printf("tasks=%ld rate=%.0f/s seconds=%.2f client_cpu_s=%.2f\n", b.tasks, (double)b.tasks / s,
           s, bench_cpu_s());
    return 0;
}
