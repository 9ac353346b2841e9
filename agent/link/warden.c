/* SPDX-License-Identifier: MIT */
#include "agent/link/warden.h"

#include <errno.h>
#include <time.h>

#include "agent/run/watchdog.h"
#include "common/require.h"

#define LOOK_EVERY_MS (WATCHDOG_STEP_MS / 2) /* a later look was asleep itself */

/* By the wall clock, for the sanitizers know no other such join: one that is set back makes one
 * look late, and a late one counts for nothing. */
static bool join(pthread_t thread)
{
    int64_t us = wall_now().us + LOOK_EVERY_MS * 1000;
    struct timespec until = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    int e = pthread_timedjoin_np(thread, NULL, &until);
    REQUIRE(e == 0 || e == ETIMEDOUT);
    return e == 0;
}

bool warden_wait(pthread_t thread, const _Atomic int64_t *ticked_ns, int64_t limit_ms)
{
    struct watchdog d;
    struct watch_loop seen = {0};
    REQUIRE(limit_ms > 0);
    watchdog_init(&d, mono_now());
    while (seen.stood_ms < limit_ms) {
        if (join(thread))
            return true;
        struct mono ticked = {atomic_load_explicit(ticked_ns, memory_order_relaxed)};
        watch_loop_seen(&seen, ticked, watchdog_step(&d, mono_now()));
    }
    return false;
}
