/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/schedule/schedule.h"

/*
 * schedule_read - a definition out of the bytes of a request.
 *
 * Small ones are read at once. A large one (60,000 targets are 0.6 s of work) is read on a
 * thread of its own, so that the api thread goes on; only one change has its turn (turn.h), so
 * there is one such thread at most.
 */
#define SCHEDULE_READ_HERE (64u << 10) /* about 900 targets: 2 ms */

struct schedule_read {
    /* in; borrowed until it is done */
    const char *text, *name;
    size_t len;
    bool admin;
    int64_t now_s;
    void (*done)(void *arg); /* of a large one, on its thread: quick */
    void *arg;
    /* out */
    enum err err;
    bool no_json; /* and problem.why says where */
    struct schedule *schedule;
    struct schedule_targets targets;
    struct schedule_problem problem;
    /* its own */
    bool threaded;
    unsigned long thread; /* pthread_t */
};

/* True: it is read. False: done() follows; then schedule_read_join(). */
bool schedule_read_start(struct schedule_read *x);
/* Waits for the thread, which is at its end when done() was called; harmless without one. */
void schedule_read_join(struct schedule_read *x);
void schedule_read_fini(struct schedule_read *x); /* joins, and frees what came out */
