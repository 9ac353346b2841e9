/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"

/*
 * The result window of a session: what an agent may have sent beyond what has come, and beyond what
 * is stored.
 *
 * Beyond what has come: two seconds of what its path carries, so that a heartbeat never waits long
 * behind results, whatever the queues on the way could hold. Beyond what is stored: a share of what
 * the master can keep. The first follows the path and the second the store, which is why it is not
 * one rule: a window that opened with the commits alone could not tell a slow disk from a slow
 * path, and would starve the disk.
 *
 * So the window opens when results come in, and the agent must hear of it before they are stored.
 * It does by a RESULTS_ACK of nothing, each time half of the window is new to it.
 */
#define RESULTS_SHARED       65536u /* result windows of all sessions together */
#define RESULTS_SHARED_BYTES (64u * 1024 * 1024)
#define RESULTS_LEAST        64u
#define RESULTS_LEAST_BYTES  (2u * RESULT_MAX_BYTES)
/* An agent gives its master up when nothing is acknowledged for DEAD_MS. One that sends a line for
 * longer than that, over a slow path, is told before then. */
#define ANSWER_MS (2 * HEARTBEAT_MS)

static uint64_t share_of(uint64_t all, uint64_t least, uint64_t most, size_t n)
{
    uint64_t share = all / (n ? n : 1);
    return share < least ? least : share > most ? most : share;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static struct window window_now(struct core *c, struct session *s, struct mono now)
{
    size_t n = c->session_list.count;
    uint64_t count = s->settled.count + share_of(RESULTS_SHARED, RESULTS_LEAST, c->results_max, n);
    uint64_t bytes = s->settled.bytes +
                     share_of(RESULTS_SHARED_BYTES, RESULTS_LEAST_BYTES, c->result_bytes_max, n);
    uint64_t path = s->received.bytes + byte_window_size(&s->path, now);
    return (struct window){max_u64(count, s->granted.count),
                           max_u64(path < bytes ? path : bytes, s->granted.bytes)};
}

struct window flow_grant(struct core *c, struct session *s, struct mono now)
{
    s->granted = window_now(c, s, now);
    s->answered_at = now;
    s->tell_window = false;
    return s->granted;
}

static void tell(struct core *c, struct session *s)
{
    s->tell_window = true;
    fleet_want_write(c, s);
}

bool flow_take(struct core *c, struct session *s, size_t record_len, struct mono now)
{
    if (s->received.count >= s->granted.count || s->received.bytes >= s->granted.bytes)
        return false;
    s->received.count++;
    s->received.bytes += record_len;
    byte_window_add(&s->path, record_len, now);
    uint64_t end = window_now(c, s, now).bytes;
    if (end > s->granted.bytes && (end - s->granted.bytes) * 2 >= end - s->received.bytes)
        tell(c, s);
    return true;
}

static void put_ack(struct core *c, struct session *s, struct msg_ack *acks, size_t n,
                    struct mono now)
{
    s->settled.count += n; /* not before: so the window bounds the acks that wait, too */
    msg_put_results_ack(&s->control, &(struct msg_results_ack){.acks = acks,
                                                               .n = (unsigned)n,
                                                               .results = flow_grant(c, s, now)});
}

void flow_put_acks(struct core *c, struct session *s, struct mono now)
{
    for (size_t at = 0; at < s->n_acks; at += ACK_TASKS_MAX) {
        size_t n = s->n_acks - at < ACK_TASKS_MAX ? s->n_acks - at : ACK_TASKS_MAX;
        put_ack(c, s, s->acks + at, n, now);
    }
    s->n_acks = 0;
    if (s->tell_window && s->state == SESSION_READY)
        put_ack(c, s, NULL, 0, now);
}

void flow_heard(struct core *c, struct session *s, struct mono now)
{
    if (s->state == SESSION_READY && mono_diff_ms(now, s->answered_at) >= ANSWER_MS)
        tell(c, s);
}
