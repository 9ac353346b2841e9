/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include <stdatomic.h>
#include <stdbool.h>

/*
 * ports - local ports that our own connections have left in TIME_WAIT.
 *
 * The end that closes first keeps its port for a minute (RFC 9293 §3.6.1; 60 s in Linux). The
 * kernel's count is the whole host's, servers included; so workers close their connections here,
 * and those that close first are counted by the second. That costs a system call each, and is done
 * only while the host's count is a notable share of the range. Close: any thread; tick and used:
 * the link thread.
 */
#define PORTS_SECONDS     64 /* more than TIME_WAIT lasts; a power of two */
#define PORTS_WATCH_SHARE 16 /* counted while the host has more than a sixteenth of the range */

struct ports { /* zeroed at the start */
    _Atomic bool counting;
    _Atomic unsigned second; /* whose bucket is filled now */
    _Atomic unsigned closed[PORTS_SECONDS];
    int64_t ticked_s; /* the link thread's */
};

/* Closes a TCP socket of a probe. p NULL: nobody counts. */
void ports_close(struct ports *p, int fd);

/* A few times a second: the host's TIME_WAITs and the size of its range; −1 = not known. */
void ports_tick(struct ports *p, int64_t time_wait, int64_t range, struct mono now);

/* Ours, of the last 60 s. */
unsigned ports_used(const struct ports *p);
