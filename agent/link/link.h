/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/link/work.h"

/*
 * link - the agent's connection to its master: an lws client on a libuv loop on a thread of its
 * own, which drives session and pool.
 *
 * It never blocks: probes run in the pool, names are looked up on another thread. It connects again
 * for ever, with full jitter, and says in one line why an attempt failed and what to do.
 */
struct link_config {         /* borrowed during link_run() */
    const char *master;      /* a valid master_url */
    const char *token_file;  /* read again at each connect */
    const char *ca_file;     /* NULL = the system's */
    struct page *page;       /* is given the figures once a second; NULL = none */
    struct work_config work; /* what the pool and the spool call is the link's own */
};

/* Of a process that its watchdog has ended: EX_SOFTWARE of sysexits.h, which nothing else here
 * gives. */
#define LINK_EXIT_STALLED 70

/*
 * Runs until SIGTERM or SIGINT (blocked in all threads before) and the drain that follows; a second
 * signal ends the process at once. 0, or 1 when it could not start (logged). When the pool, or the
 * link's own loop, stands for good, the process ends from here with LINK_EXIT_STALLED.
 */
int link_run(const struct link_config *c);
