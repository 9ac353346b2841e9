/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"

/*
 * slow - does a client of the API get on, or does it hold its connection with next to nothing?
 *
 * Pure; one struct a connection. libmicrohttpd's own time-out begins anew with every byte, so a
 * drip would never end. Here a head has SLOW_HEAD_MS as a whole, and a request under way must move
 * SLOW_BYTES, either way, in every SLOW_WINDOW_MS in which it is the client that is waited for: an
 * upload over the slowest modem does.
 *
 *   HEAD ──whole──► BUSY ──answered──► IDLE ──a byte──► HEAD        BUSY ──a stream──► LASTING
 */
#define SLOW_HEAD_MS   8000 /* cut within 10 s: it is looked at once a second */
#define SLOW_WINDOW_MS 30000
#define SLOW_BYTES     1024

enum slow_phase { SLOW_HEAD, SLOW_IDLE, SLOW_BUSY, SLOW_LASTING };
struct slow_look {    /* at its socket */
    bool known;       /* false: no TCP, the bytes are not known */
    bool ours;        /* it waits for us */
    uint64_t in, out; /* received; sent and acknowledged, since it was opened */
};
struct slow {
    enum slow_phase phase;
    struct mono since; /* HEAD: the deadline's begin; BUSY: of the window */
    uint64_t in, out;  /* … then */
};
void slow_enter(struct slow *s, enum slow_phase phase, const struct slow_look *l, struct mono now);

enum slow_verdict { SLOW_FINE, SLOW_NO_HEAD, SLOW_NO_PROGRESS };
/* Once a second. */
enum slow_verdict slow_judge(struct slow *s, const struct slow_look *l, struct mono now);
