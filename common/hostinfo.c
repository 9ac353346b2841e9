/* SPDX-License-Identifier: MIT */
#include "common/hostinfo.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "common/clock.h"

#define PROC_TEXT_MAX 4096
/* Fields of /proc/self/stat behind the ")" of the name, counted from 0 at the state. */
#define STAT_UTIME 11
#define STAT_STIME 12

/* At most PROC_TEXT_MAX − 1 bytes of a small file. */
static bool read_text(const char *path, char text[PROC_TEXT_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, PROC_TEXT_MAX - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The number behind a word such as "MemAvailable:" or " tw ", or -1. */
static int64_t number_after(const char *text, const char *word)
{
    const char *p = strstr(text, word);
    return p != NULL ? strtoll(p + strlen(word), NULL, 10) : -1;
}

static int64_t cpu_ticks(void)
{
    char text[PROC_TEXT_MAX];
    int64_t ticks = 0;
    char *p = read_text("/proc/self/stat", text) ? strrchr(text, ')') : NULL;
    if (p == NULL || p[1] == '\0')
        return -1;
    p += 2;
    for (int field = 0; p != NULL && field <= STAT_STIME; field++) {
        if (field == STAT_UTIME || field == STAT_STIME)
            ticks += strtoll(p, NULL, 10);
        p = strchr(p, ' ');
        p = p != NULL ? p + 1 : NULL;
    }
    return ticks;
}

static void read_cpu(struct hostinfo *h)
{
    int64_t ticks = cpu_ticks(), now_ns = mono_now().ns;
    double seconds = (double)(now_ns - h->last_ns) / NS_PER_SEC;
    h->cpu_percent = -1;
    if (ticks >= 0 && h->last_ns != 0 && seconds > 0)
        h->cpu_percent =
            100.0 * (double)(ticks - h->last_cpu_ticks) / (double)sysconf(_SC_CLK_TCK) / seconds;
    h->last_cpu_ticks = ticks;
    h->last_ns = ticks >= 0 ? now_ns : 0;
}

static void read_memory(struct hostinfo *h)
{
    char text[PROC_TEXT_MAX];
    h->rss_bytes = h->mem_available_bytes = -1;
    if (read_text("/proc/self/statm", text)) {
        char *resident = strchr(text, ' ');
        if (resident != NULL)
            h->rss_bytes = strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE);
    }
    struct sysinfo si;
    int64_t kib = read_text("/proc/meminfo", text) ? number_after(text, "MemAvailable:") : -1;
    if (kib >= 0)
        h->mem_available_bytes = kib * 1024;
    else if (sysinfo(&si) == 0) /* ProcSubset=pid hides meminfo; free memory is a lower bound */
        h->mem_available_bytes = (int64_t)(si.freeram + si.bufferram) * si.mem_unit;
}

static void read_load(struct hostinfo *h)
{
    struct sysinfo si;
    h->load1 = sysinfo(&si) == 0 ? (double)si.loads[0] / (1 << SI_LOAD_SHIFT) : -1;
}

static bool in_close_wait(int fd)
{
    struct tcp_info ti;
    socklen_t len = sizeof(ti);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) == 0 && ti.tcpi_state == TCP_CLOSE_WAIT;
}

/* One pass: a descriptor costs a microsecond, and limits bound how many there are. Another thread
 * may close one meanwhile, or open another in its place: no harm to a question. */
static void read_fds(struct hostinfo *h)
{
    struct rlimit limit;
    h->fds_used = h->fds_max = h->sockets_close_wait = -1;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        h->fds_max = (int64_t)limit.rlim_cur;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    int64_t n = 0, close_wait = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        close_wait += in_close_wait((int)strtol(e->d_name, NULL, 10));
    }
    closedir(dir);
    h->fds_used = n - 1; /* not the one that reads the directory */
    h->sockets_close_wait = close_wait;
}

/* CurrEstab of /proc/net/snmp: the ninth figure of its second "Tcp:" line. */
static int64_t current_established(void)
{
    char text[PROC_TEXT_MAX];
    const char *p = read_text("/proc/net/snmp", text) ? strstr(text, "\nTcp: ") : NULL;
    p = p != NULL ? strstr(p + 1, "\nTcp: ") : NULL;
    for (int i = 0; p != NULL && i < 9; i++) {
        p = strchr(p, ' ');
        p = p != NULL ? p + 1 : NULL;
    }
    return p != NULL ? strtoll(p, NULL, 10) : -1;
}

void hostinfo_ports(int64_t *time_wait, int64_t *range)
{
    char text[PROC_TEXT_MAX];
    int low, high;
    *time_wait = *range = -1;
    const char *tcp = read_text("/proc/net/sockstat", text) ? strstr(text, "TCP:") : NULL;
    if (tcp != NULL)
        *time_wait = number_after(tcp, " tw ");
    if (read_text("/proc/sys/net/ipv4/ip_local_port_range", text) &&
        sscanf(text, "%d %d", &low, &high) == 2 && high >= low)
        *range = high - low + 1;
}

static void read_sockets(struct hostinfo *h)
{
    h->sockets_established = current_established();
    hostinfo_ports(&h->sockets_time_wait, &h->ephemeral_ports);
}

void hostinfo_read(struct hostinfo *h)
{
    read_cpu(h);
    read_load(h);
    read_memory(h);
    read_fds(h);
    read_sockets(h);
}

int64_t hostinfo_thread_waited_ns(void)
{
    char text[128];
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *second = strchr(text, ' '); /* behind the time on a CPU */
    return second != NULL ? strtoll(second + 1, NULL, 10) : -1;
}
