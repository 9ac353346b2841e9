/* SPDX-License-Identifier: MIT */
#include "master/diagnosis/checks.h"
#include <stdio.h>

/* The master's process and the host that it runs on. */

#define DISK_BAD_BYTES    (64ll << 20) /* the write-ahead log of a bulk upload grows to about this */
#define DISK_WARN_BYTES   (1ll << 30)
#define DISK_WARN_PERCENT 10           /* of a disk on which that is … */
#define DISK_PLENTY_BYTES (20ll << 30) /* … less than this */
#define INODES_WARN       5            /* percent that are free */
#define INODES_BAD        1
#define THREAD_WARN       90 /* percent of a core: what is above is one that never rests */
#define MEMORY_WARN       10 /* percent that are available; pages of files count as such */
#define MEMORY_BAD        4
#define USED_WARN         80 /* percent of a limit */
#define USED_BAD          95
#define PORTS_WARN        50 /* percent: from here on connect() searches, measured */
#define PORTS_BAD         90
#define CLOSE_WAIT_WARN   32 /* clients that hung up a moment ago are normal, so many are not */
#define CLOSE_WAIT_BAD    256
#define STEP_WARN_MS      1000 /* a leap second is none */

static const char *bytes(int64_t n, char buf[HUMAN_MAX])
{
    return n < 0 ? "?" : human_bytes((uint64_t)n, buf);
}

static const char *count(int64_t n, char buf[HUMAN_MAX])
{
    return n < 0 ? "?" : human_count((uint64_t)n, buf);
}

static enum diag_state disk_state(int64_t free_bytes, double percent)
{
    if (free_bytes < DISK_BAD_BYTES)
        return DIAG_BAD;
    if (free_bytes < DISK_WARN_BYTES ||
        (free_bytes < DISK_PLENTY_BYTES && percent < DISK_WARN_PERCENT))
        return DIAG_WARN;
    return DIAG_OK;
}

void check_disk(const struct diag_facts *f, struct diag_finding *out)
{
    char a[HUMAN_MAX], b[HUMAN_MAX];
    double percent = diag_percent(f->host.disk_free_bytes, f->host.disk_bytes);
    diag_figure(out, "free_bytes", (double)f->host.disk_free_bytes);
    diag_figure(out, "total_bytes", (double)f->host.disk_bytes);
    if (percent < 0) {
        diag_say(out, DIAG_UNKNOWN, "the file system of %s cannot be asked", f->host.dir);
        return;
    }
    diag_say(out, disk_state(f->host.disk_free_bytes, percent), "%s of %s free (%.0f %%) in %s",
             bytes(f->host.disk_free_bytes, a), bytes(f->host.disk_bytes, b), percent, f->host.dir);
}

void check_inodes(const struct diag_facts *f, struct diag_finding *out)
{
    char a[HUMAN_MAX], b[HUMAN_MAX];
    double percent = diag_percent(f->host.inodes_free, f->host.inodes);
    diag_figure(out, "free", (double)f->host.inodes_free);
    diag_figure(out, "total", (double)f->host.inodes);
    if (f->host.inodes == 0)
        diag_say(out, DIAG_OK, "this file system makes them as they are needed");
    else if (percent < 0)
        diag_say(out, DIAG_UNKNOWN, "the file system of %s cannot be asked", f->host.dir);
    else
        diag_say(out, diag_over(100 - percent, 100 - INODES_WARN, 100 - INODES_BAD),
                 "%s of %s free (%.0f %%)", count(f->host.inodes_free, a), count(f->host.inodes, b),
                 percent);
}

void check_cpu(const struct diag_facts *f, struct diag_finding *out)
{
    diag_figure(out, "process_percent", f->host.cpu_percent);
    diag_figure(out, "busiest_thread_percent", f->host.busiest_percent);
    diag_figure(out, "load1", f->host.load1);
    diag_figure(out, "cores", (double)f->host.cpus);
    if (f->host.busiest_percent < 0 || f->host.cpu_percent < 0) {
        diag_say(out, DIAG_UNKNOWN, "/proc/self/task cannot be read");
        return;
    }
    diag_say(out, f->host.busiest_percent >= THREAD_WARN ? DIAG_WARN : DIAG_OK,
             "%.0f %% of a core, %s %.0f %%; load %.1f on %lld %s", f->host.cpu_percent,
             f->host.busiest, f->host.busiest_percent, f->host.load1, (long long)f->host.cpus,
             f->host.cpus == 1 ? "core" : "cores");
}

void check_memory(const struct diag_facts *f, struct diag_finding *out)
{
    char a[HUMAN_MAX], b[HUMAN_MAX], r[HUMAN_MAX];
    double percent = diag_percent(f->host.mem_available_bytes, f->host.mem_bytes);
    diag_figure(out, "available_bytes", (double)f->host.mem_available_bytes);
    diag_figure(out, "total_bytes", (double)f->host.mem_bytes);
    diag_figure(out, "rss_bytes", (double)f->host.rss_bytes);
    if (percent < 0) {
        diag_say(out, DIAG_UNKNOWN, "the host's memory cannot be asked");
        return;
    }
    diag_say(out, diag_over(100 - percent, 100 - MEMORY_WARN, 100 - MEMORY_BAD),
             "%s of %s available (%.0f %%); the master has %s",
             bytes(f->host.mem_available_bytes, a), bytes(f->host.mem_bytes, b), percent,
             bytes(f->host.rss_bytes, r));
}

void check_descriptors(const struct diag_facts *f, struct diag_finding *out)
{
    char a[HUMAN_MAX], b[HUMAN_MAX];
    double percent = diag_percent(f->host.fds_used, f->host.fds_max);
    diag_figure(out, "used", (double)f->host.fds_used);
    diag_figure(out, "limit", (double)f->host.fds_max);
    if (percent < 0)
        diag_say(out, DIAG_UNKNOWN, "/proc/self/fd cannot be read, or there is no limit");
    else
        diag_say(out, diag_over(percent, USED_WARN, USED_BAD), "%s of %s open",
                 count(f->host.fds_used, a), count(f->host.fds_max, b));
}

void check_ports(const struct diag_facts *f, struct diag_finding *out)
{
    char a[HUMAN_MAX], b[HUMAN_MAX];
    double percent = diag_percent(f->host.time_wait, f->host.ephemeral_ports);
    diag_figure(out, "time_wait", (double)f->host.time_wait);
    diag_figure(out, "local_ports", (double)f->host.ephemeral_ports);
    if (percent < 0)
        diag_say(out, DIAG_UNKNOWN, "/proc/net/sockstat cannot be read");
    else
        diag_say(out, diag_over(percent, PORTS_WARN, PORTS_BAD),
                 "%s in TIME_WAIT, %s local ports (%.0f %%)", count(f->host.time_wait, a),
                 count(f->host.ephemeral_ports, b), percent);
}

void check_close_wait(const struct diag_facts *f, struct diag_finding *out)
{
    char a[HUMAN_MAX];
    diag_figure(out, "close_wait", (double)f->host.close_wait);
    if (f->host.close_wait < 0)
        diag_say(out, DIAG_UNKNOWN, "the kernel does not say which sockets there are");
    else
        diag_say(out, diag_over((double)f->host.close_wait, CLOSE_WAIT_WARN, CLOSE_WAIT_BAD),
                 "%s in CLOSE_WAIT at the master's ports", count(f->host.close_wait, a));
}

void check_clock(const struct diag_facts *f, struct diag_finding *out)
{
    int64_t step = f->host.clock_step_ms;
    diag_figure(out, "step_ms", (double)step);
    if (step >= STEP_WARN_MS || step <= -STEP_WARN_MS) {
        diag_say(out, DIAG_WARN, "it jumped %s by %.1f s since the master started",
                 step > 0 ? "forward" : "back", (double)(step > 0 ? step : -step) / 1000);
        return;
    }
    static const char *const how[] = {
        [SYNC_UNKNOWN] = "no jump since the start; whether a service disciplines it is not told",
        [SYNC_NO] = "no jump since the start, but no service disciplines it: it may be off",
        [SYNC_YES] = "disciplined by a service, no jump since the start"};
    diag_say(out, f->host.sync == SYNC_NO ? DIAG_UNKNOWN : DIAG_OK, "%s", how[f->host.sync]);
}

void check_log(const struct diag_facts *f, struct diag_finding *out)
{
    char a[HUMAN_MAX];
    diag_figure(out, "lost", (double)f->host.log_unwritten);
    diag_figure(out, "lost_now", (double)f->host.log_untold);
    if (f->host.log_untold > 0)
        diag_say(out, DIAG_WARN, "it cannot be written: %s lines were lost up to now",
                 count(f->host.log_untold, a));
    else
        diag_say(out, DIAG_OK, "it is written; %s lines were lost since the start",
                 count(f->host.log_unwritten, a));
}
