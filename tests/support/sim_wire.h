/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/list.h"
#include "common/mem.h"
#include "common/random.h"
#include "tests/support/sim_seen.h"
#include <stdlib.h>
#include <string.h>

/*
 * sim_wire - one direction of a connection in virtual time: a byte stream with delay and order,
 * whose frames arrive in pieces, and which can be cut at any byte of what is under way. TCP keeps
 * the order within it; between connections there is none.
 */
#define SIM_PIECES     3             /* of one frame, at most */
#define SIM_JITTER_MS  60            /* on top of the connection's own delay */
#define SIM_FAR_ONE_IN 12            /* connections have seconds of delay: queues on the path */
#define SIM_FLIGHT_MAX (1024 * 1024) /* under way: over it, or less, the socket is not writable */

struct sim_piece {
    struct list_node node;
    struct mono at;
    size_t len;
    bool final, close;
    char data[];
};
struct sim_wire {
    struct list under_way;
    struct rng *rng;
    size_t bytes, flight_max;
    int64_t delay_ms;
    struct mono last, stalled_until;
    bool dead; /* what is written now goes nowhere */
};

static void sim_wire_init(struct sim_wire *d, struct rng *rng)
{
    bool far = rng_below(rng, SIM_FAR_ONE_IN) == 0;
    size_t narrow = (size_t)1024 << rng_below(rng, 8);
    *d = (struct sim_wire){.rng = rng,
                           .delay_ms = 1 + (int64_t)rng_below(rng, far ? 8000 : 100),
                           .flight_max = rng_below(rng, 2) ? SIM_FLIGHT_MAX : narrow};
    SEEN_IF(far, far);
    list_init(&d->under_way);
}

static void sim_wire_drop(struct sim_wire *d)
{
    struct list_node *n;
    while ((n = list_pop_front(&d->under_way)))
        free(CONTAINER_OF(n, struct sim_piece, node));
    d->bytes = 0;
    d->dead = true;
}

static bool sim_wire_writable(const struct sim_wire *d)
{
    SEEN_IF(d->bytes >= d->flight_max, path_full);
    return d->bytes < d->flight_max;
}

static struct sim_piece *sim_wire_push(struct sim_wire *d, const char *p, size_t len,
                                       struct mono now)
{
    struct sim_piece *piece = mem_zalloc(sizeof(*piece) + len);
    piece->at = mono_add_ms(now, d->delay_ms + (int64_t)rng_below(d->rng, SIM_JITTER_MS));
    if (mono_before(piece->at, d->last))
        piece->at = d->last;
    d->last = piece->at;
    piece->len = len;
    if (len)
        memcpy(piece->data, p, len);
    list_push_back(&d->under_way, &piece->node);
    d->bytes += len;
    return piece;
}

static void sim_wire_frame(struct sim_wire *d, const char *p, size_t len, struct mono now)
{
    if (d->dead)
        return;
    for (uint64_t left = 1 + rng_below(d->rng, SIM_PIECES); left > 0; left--) {
        size_t n = left == 1 ? len : rng_below(d->rng, len + 1);
        struct sim_piece *piece = sim_wire_push(d, p, n, now);
        piece->final = left == 1;
        p += n;
        len -= n;
    }
}

/* The last thing that the reader sees. */
static void sim_wire_close(struct sim_wire *d, struct mono now)
{
    if (d->dead)
        return;
    sim_wire_push(d, NULL, 0, now)->close = true;
    d->dead = true;
}

/* The next piece that has arrived, to be freed; NULL: none yet. */
static struct sim_piece *sim_wire_take(struct sim_wire *d, struct mono now)
{
    struct list_node *n = list_first(&d->under_way);
    struct sim_piece *piece = n ? CONTAINER_OF(n, struct sim_piece, node) : NULL;
    if (!piece || mono_before(now, piece->at) || mono_before(now, d->stalled_until))
        return NULL;
    list_remove(&d->under_way, n);
    d->bytes -= piece->len;
    return piece;
}

/* Some of what is under way still arrives, the last of it in part; the rest never does. */
static void sim_wire_cut(struct sim_wire *d)
{
    uint64_t keep = rng_below(d->rng, d->under_way.count + 1);
    LIST_EACH_SAFE (&d->under_way, n, tmp) {
        struct sim_piece *piece = CONTAINER_OF(n, struct sim_piece, node);
        if (keep > 1 && keep--)
            continue;
        if (keep == 1 && keep-- && piece->len) {
            size_t part = rng_below(d->rng, piece->len);
            d->bytes -= piece->len - part;
            piece->len = part;
            piece->final = false;
            SEEN(cut_frame);
            continue;
        }
        list_remove(&d->under_way, n);
        d->bytes -= piece->len;
        free(piece);
        SEEN(lost_on_path);
    }
    d->dead = true;
}
