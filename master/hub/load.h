/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include "common/clock.h"

/*
 * load - can the master keep up? By the time that its loop loses: ticks that come late, and waiting
 * for a CPU.
 *
 * Pure. Lost time is a debt that is paid off at LOAD_PAID of the time: so one long stall (a
 * SIGSTOP, a suspended machine) is no overload, and a loop that loses more than that part of the
 * time is one within seconds. Shedding begins long before an agent could be suspected.
 *
 *   FINE ──debt ≥ LOAD_ON_MS──► OVERLOADED ──debt ≤ LOAD_OFF_MS──► FINE
 */
#define LOAD_PAID     0.5  /* a host that is merely busy costs less */
#define LOAD_STALL_MS 1000 /* a tick adds this at most … */
#define LOAD_ON_MS    1500 /* … so it takes two stalls */
#define LOAD_OFF_MS   300
#define LOAD_MAX_MS   4000 /* 8 s of a loop that keeps up pay it off */

struct load {
    double debt_ms;
    bool overloaded;
    struct mono at;    /* the last tick; unset: there was none */
    struct mono since; /* when overloaded last changed */
};
/* lost_ms: since the last tick. True: overloaded has changed. */
bool load_tick(struct load *l, double lost_ms, struct mono now);
