/* SPDX-License-Identifier: MIT */
#include "agent/run/ports.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/require.h"

#define TIME_WAIT_S 60 /* TCP_TIMEWAIT_LEN of Linux, not to be changed */

static bool closes_first(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
           info.tcpi_state == TCP_ESTABLISHED;
}

void ports_close(struct ports *p, int fd)
{
    REQUIRE(fd >= 0);
    if (p && atomic_load_explicit(&p->counting, memory_order_relaxed) && closes_first(fd)) {
        unsigned s = atomic_load_explicit(&p->second, memory_order_relaxed) % PORTS_SECONDS;
        atomic_fetch_add_explicit(&p->closed[s], 1, memory_order_relaxed);
    }
    close(fd);
}

/* The buckets of the seconds that have begun since the last look are emptied before they are used
 * again. */
static void move_on(struct ports *p, int64_t now_s)
{
    int64_t steps = now_s - p->ticked_s;
    REQUIRE(steps >= 0);
    for (int64_t i = 1; i <= steps && i <= PORTS_SECONDS; i++)
        atomic_store_explicit(&p->closed[(now_s - steps + i) % PORTS_SECONDS], 0,
                              memory_order_relaxed);
    p->ticked_s = now_s;
    atomic_store_explicit(&p->second, (unsigned)(now_s % PORTS_SECONDS), memory_order_relaxed);
}

void ports_tick(struct ports *p, int64_t time_wait, int64_t range, struct mono now)
{
    bool many = range > 0 && time_wait * PORTS_WATCH_SHARE > range;
    move_on(p, now.ns / NS_PER_SEC);
    atomic_store_explicit(&p->counting, many, memory_order_relaxed);
}

unsigned ports_used(const struct ports *p)
{
    unsigned sum = 0;
    for (int64_t s = p->ticked_s; s > p->ticked_s - TIME_WAIT_S; s--)
        sum += atomic_load_explicit(&p->closed[(s + PORTS_SECONDS) % PORTS_SECONDS],
                                    memory_order_relaxed);
    return sum;
}
