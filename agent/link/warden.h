/* SPDX-License-Identifier: MIT */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * warden - waits for a thread with a loop to end, and sees when the loop stands.
 *
 * For the main thread, which has nothing else to do while the link's thread watches the workers.
 */

/*
 * ticked_ns: set by the loop's thread with each of its ticks to CLOCK_MONOTONIC, 0 before the
 * first. True: the thread has ended and is joined. False: it lives, and has not ticked for limit_ms
 * in which this process was awake.
 */
bool warden_wait(pthread_t thread, const _Atomic int64_t *ticked_ns, int64_t limit_ms);
