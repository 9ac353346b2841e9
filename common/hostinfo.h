/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>

/*
 * hostinfo - what this process and this host use: for heartbeats and metrics. Reads /proc and
 * sysinfo(2); one struct per caller, called at most once a second from one thread. A figure that
 * cannot be had is −1.
 */
struct hostinfo {
    double cpu_percent; /* of one core, since the last call */
    double load1;
    int64_t rss_bytes, mem_available_bytes;
    int64_t fds_used, fds_max;
    /* Of the host's namespace. The kernel's figure for "established" has those in CLOSE_WAIT in it.
     */
    int64_t sockets_established, sockets_time_wait;
    int64_t sockets_close_wait; /* of this process: hung up by their peers, and not by it */
    int64_t ephemeral_ports;    /* size of ip_local_port_range */
    /* private to hostinfo */
    int64_t last_cpu_ticks, last_ns;
};
void hostinfo_read(struct hostinfo *h);

/* Only these two, which cost little: the host's TIME_WAITs and the size of its local port range. */
void hostinfo_ports(int64_t *time_wait, int64_t *range);

/* How long the calling thread has wanted a CPU and got none since it began, by the kernel's count:
 * other programs, or the quota of its cgroup. −1: not known. */
int64_t hostinfo_thread_waited_ns(void);
