/* SPDX-License-Identifier: MIT */
#include "master/api/host_facts.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/timex.h>
#include <unistd.h>
#include "common/hostinfo.h"
#include "common/log.h"
#include "common/sockdiag.h"

#define PROC_TEXT_MAX 256
/* The two clocks are not read at one instant: what is less is noise. */
#define CLOCK_NOISE_MS 10

/* ---- threads */

static bool read_task(pid_t tid, const char *file, char text[PROC_TEXT_MAX])
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)tid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, PROC_TEXT_MAX - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return n > 0;
}

/* False: it has ended meanwhile, or the kernel does not say. */
static bool read_thread(pid_t tid, struct host_thread *t)
{
    char text[PROC_TEXT_MAX];
    if (!read_task(tid, "comm", text))
        return false;
    snprintf(t->name, sizeof(t->name), "%.*s", (int)sizeof(t->name) - 1, text);
    if (!read_task(tid, "schedstat", text)) /* the first figure: nanoseconds on a core */
        return false;
    t->tid = tid;
    t->cpu_ns = strtoll(text, NULL, 10);
    return true;
}

static void read_threads(struct host_sample *s)
{
    s->n_threads = 0;
    DIR *dir = opendir("/proc/self/task");
    if (dir == NULL)
        return;
    for (struct dirent *e; (e = readdir(dir)) != NULL && s->n_threads < HOST_THREADS_MAX;) {
        pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
        s->n_threads += tid > 0 && read_thread(tid, &s->threads[s->n_threads]);
    }
    closedir(dir);
}

void host_sample(struct api *a, struct host_sample *out)
{
    out->at = mono_now();
    read_threads(out);
    store_mailbox_stats(a->conf.store, &out->writer, &out->reader);
}

static int64_t cpu_before(const struct host_sample *s, pid_t tid)
{
    for (unsigned i = 0; i < s->n_threads; i++)
        if (s->threads[i].tid == tid)
            return s->threads[i].cpu_ns;
    return -1;
}

static void cpu_facts(const struct host_sample *before, const struct host_sample *now,
                      struct diag_facts *f)
{
    double ns = (double)(now->at.ns - before->at.ns);
    f->host.cpu_percent = f->host.busiest_percent = -1;
    f->host.cpus = sysconf(_SC_NPROCESSORS_ONLN);
    for (unsigned i = 0; i < now->n_threads && ns > 0; i++) {
        int64_t was = cpu_before(before, now->threads[i].tid);
        double percent = was < 0 ? 0 : 100.0 * (double)(now->threads[i].cpu_ns - was) / ns;
        f->host.cpu_percent = (i == 0 ? 0 : f->host.cpu_percent) + percent;
        if (percent <= f->host.busiest_percent)
            continue;
        f->host.busiest_percent = percent;
        memcpy(f->host.busiest, now->threads[i].name, sizeof(f->host.busiest));
    }
}

/* ---- the host */

static int64_t to_bytes(fsblkcnt_t blocks, unsigned long size)
{
    return (int64_t)blocks * (int64_t)size;
}

/* What the master may use: that kept for root does not count. */
static void disk_facts(const char *dir, struct diag_facts *f)
{
    struct statvfs v;
    f->host.dir = dir;
    f->host.disk_bytes = f->host.disk_free_bytes = f->host.inodes = f->host.inodes_free = -1;
    if (statvfs(dir, &v) != 0)
        return;
    f->host.disk_bytes = to_bytes(v.f_blocks, v.f_frsize);
    f->host.disk_free_bytes = to_bytes(v.f_bavail, v.f_frsize);
    f->host.inodes = (int64_t)v.f_files;
    f->host.inodes_free = (int64_t)v.f_favail;
}

static void process_facts(struct diag_facts *f)
{
    struct hostinfo h = {0};
    struct sysinfo si;
    hostinfo_read(&h);
    f->host.load1 = h.load1;
    f->host.mem_available_bytes = h.mem_available_bytes;
    f->host.mem_bytes = sysinfo(&si) == 0 ? (int64_t)si.totalram * si.mem_unit : -1;
    f->host.rss_bytes = h.rss_bytes;
    f->host.fds_used = h.fds_used;
    f->host.fds_max = h.fds_max;
    f->host.time_wait = h.sockets_time_wait;
    f->host.ephemeral_ports = h.ephemeral_ports;
}

static void socket_facts(const struct api *a, struct diag_facts *f)
{
    uint16_t ports[2];
    unsigned n = 0;
    if (a->port > 0)
        ports[n++] = (uint16_t)a->port;
    if (a->conf.agents_port > 0)
        ports[n++] = (uint16_t)a->conf.agents_port;
    f->host.close_wait = sockdiag_count(ports, n, SOCKDIAG_CLOSE_WAIT);
}

/* A unit's filter of system calls may forbid to ask. */
static enum diag_sync clock_sync(void)
{
    struct timex t = {.modes = 0};
    int state = adjtimex(&t);
    if (state < 0)
        return SYNC_UNKNOWN;
    return state == TIME_ERROR || (t.status & STA_UNSYNC) ? SYNC_NO : SYNC_YES;
}

static void clock_facts(const struct api *a, struct diag_facts *f)
{
    int64_t by_wall = (wall_now().us - a->started.wall.us) / 1000;
    int64_t step = by_wall - mono_diff_ms(mono_now(), a->started.mono);
    f->host.clock_step_ms = step / CLOCK_NOISE_MS * CLOCK_NOISE_MS;
    f->host.sync = clock_sync();
}

/* ---- the store */

static void queue_fact(struct diag_facts *f, const char *name, const struct mailbox_stats *before,
                       const struct mailbox_stats *now, bool waits)
{
    REQUIRE(f->store.n_queues < DIAG_QUEUES_MAX);
    f->store.queues[f->store.n_queues++] =
        (struct diag_queue){.name = name,
                            .letters = (int64_t)now->letters,
                            .letters_max = (int64_t)now->max_letters,
                            .bytes = (int64_t)now->bytes,
                            .bytes_max = now->max_bytes < INT64_MAX ? (int64_t)now->max_bytes : 0,
                            .refused = (int64_t)(now->refused - before->refused),
                            .waits = waits};
}

static void store_facts(const struct api *a, const struct host_sample *before,
                        const struct host_sample *now, struct diag_facts *f)
{
    struct core_stats *core = a->conf.core_stats;
    f->store.writable = store_writable(a->conf.store);
    f->store.commit_p99_ms = store_commit_p99_ms(a->conf.store, now->at);
    f->store.commit_ms_max = API_COMMIT_MS_MAX;
    f->store.open_tasks = core ? gauge_get(&core->open_tasks) : -1;
    f->store.open_tasks_max = a->conf.open_tasks_max;
    queue_fact(f, "store-writer", &before->writer, &now->writer, true);
    queue_fact(f, "store-reader", &before->reader, &now->reader, false);
}

void host_facts(struct api *a, const struct host_sample *before, struct diag_facts *f)
{
    struct host_sample now;
    host_sample(a, &now);
    cpu_facts(before, &now, f);
    disk_facts(a->conf.dir, f);
    process_facts(f);
    socket_facts(a, f);
    clock_facts(a, f);
    f->host.log_unwritten = (int64_t)log_unwritten();
    f->host.log_untold = (int64_t)log_untold();
    store_facts(a, before, &now, f);
}
