/* SPDX-License-Identifier: MIT */
#include "common/sockinfo.h"
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <linux/tcp.h>

/* A dead peer is noticed after 20 + 3 · 5 s when idle, after 20 s with data on the way. */
#define KEEPALIVE_IDLE_S     20
#define KEEPALIVE_INTERVAL_S 3
#define KEEPALIVE_PROBES     5
#define USER_TIMEOUT_MS      20000
#define BEAR_MS              60000 /* longer than any verdict of ours takes */
/* Keeps what a stalled peer does not read in our own queue, where it is seen. */
#define NOTSENT_LOWAT_BYTES 16384

static int64_t queued_bytes(int fd, unsigned long request)
{
    int n = 0;
    return ioctl(fd, request, &n) == 0 ? n : -1;
}

bool sockinfo_read(int fd, struct sockinfo *out)
{
    struct tcp_info ti;
    socklen_t len = sizeof(ti);
    *out = (struct sockinfo){.recvq_bytes = queued_bytes(fd, SIOCINQ),
                             .sendq_bytes = queued_bytes(fd, SIOCOUTQ)};
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) != 0)
        return false;
    out->rtt_ms = ti.tcpi_rtt / 1000.0;
    out->rttvar_ms = ti.tcpi_rttvar / 1000.0;
    out->retransmits = ti.tcpi_total_retrans;
    out->unacked = ti.tcpi_unacked;
    return true;
}

bool sockinfo_bytes(int fd, uint64_t *in, uint64_t *out)
{
    struct tcp_info ti;
    socklen_t len = sizeof(ti);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) != 0)
        return false;
    *in = ti.tcpi_bytes_received;
    *out = ti.tcpi_bytes_acked;
    return true;
}

void sockinfo_tune_link(int fd)
{
    static const struct {
        int level, name, value;
    } all[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES},
        {IPPROTO_TCP, TCP_NODELAY, 1},
    };
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        (void)setsockopt(fd, all[i].level, all[i].name, &all[i].value, sizeof(all[i].value));
}

void sockinfo_bear(int fd, bool on)
{
    int ms = on ? BEAR_MS : USER_TIMEOUT_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}
