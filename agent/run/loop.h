/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/timers.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * loop - one worker's epoll loop: descriptors, timers, one wake, and `now`, read once per turn.
 *
 * Belongs to its worker thread; only loop_wake(), loop_lag_ms(), loop_silent_ms() and loop_doing()
 * may be called from others. A callback may add, change and remove any descriptor, its own
 * included: what was removed gets no event any more, even from the same epoll_wait.
 */
struct loop;
struct loop_fd;
/* events: EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP */
typedef void loop_fd_f(struct loop_fd *f, uint32_t events);

struct loop_fd { /* caller-owned, zeroed before the first add */
    int fd;
    uint32_t events; /* with EPOLLONESHOT: one event, then none until the next modify */
    loop_fd_f *on_event;
    bool added;
};

struct loop *loop_create(void (*on_wake)(void *arg), void *arg); /* NULL: no descriptors left */
void loop_destroy(struct loop **lp);

/* false with errno: out of descriptors or memory (the agent's fault). EEXIST, ENOENT and EBADF are
 * tolerated (libcurl closes first). */
bool loop_add(struct loop *l, struct loop_fd *f, int fd, uint32_t events, loop_fd_f *on_event);
bool loop_modify(struct loop *l, struct loop_fd *f, uint32_t events);
void loop_remove(struct loop *l, struct loop_fd *f); /* does not close; no effect when not added */

/* A descriptor goes from one owner to the next in one system call instead of two: after the event
 * of a oneshot, let_go() leaves it asleep in the kernel's set, where take_over() finds it (or adds
 * it, when it is not there). Whoever does not pass it on closes it. */
void loop_let_go(struct loop *l, struct loop_fd *f);
bool loop_take_over(struct loop *l, struct loop_fd *f, int fd, uint32_t events,
                    loop_fd_f *on_event); /* as loop_add() */

struct timers *loop_timers(struct loop *l);
struct mono loop_now(const struct loop *l); /* of this turn */
struct mono loop_now_fresh(struct loop *l); /* read anew: for stamps that must be exact */
/* The longest turn of the last 5 s, or that under way. Any thread. */
double loop_lag_ms(const struct loop *l);

/* How long it has stood in all, in pieces of LOOP_STOOD_MS and longer: the process was stopped, the
 * machine paused, or a turn took so long. It heard nothing meanwhile. Own thread. */
#define LOOP_STOOD_MS 250
int64_t loop_stood_ms(const struct loop *l);

/* Since it last began or ended a turn: idle loops turn once a second. Any thread. */
int64_t loop_silent_ms(const struct loop *l, struct mono now);
/* What its thread is at, for whoever finds it standing; phase: static text. Good until the loop
 * turns to the next event. */
void loop_at(struct loop *l, const char *phase, uint64_t task);
struct loop_doing {
    struct mono turn;  /* when this turn began; unset: it waits */
    const char *phase; /* "" = it waits */
    uint64_t task;     /* 0: of no task, or not known */
};
void loop_doing(const struct loop *l, struct loop_doing *out); /* any thread */

void loop_run(struct loop *l);  /* until loop_stop() */
void loop_stop(struct loop *l); /* own thread */
void loop_wake(struct loop *l); /* any thread: on_wake runs soon on the loop's thread, coalesced */
