/* SPDX-License-Identifier: MIT */
#include "agent/run/loop.h"

#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_PER_TURN 64   /* libcurl begins all of a turn in one call, 0.3 ms each with TLS */
#define WAIT_MAX_MS     1000 /* so that the lag windows roll on an idle loop */
#define LAG_SECONDS     5

struct loop {
    int epfd, wakefd;
    struct timers timers;
    struct mono now;
    int64_t stood_ms;
    bool running, stopping;
    struct epoll_event events[EVENTS_PER_TURN]; /* of this turn; data.ptr NULL = taken out */
    int n_events;
    void (*on_wake)(void *arg);
    void *arg;
    _Atomic bool wake_pending;
    _Atomic int64_t turn_since_ns; /* 0 = waiting */
    _Atomic int64_t seen_ns;       /* when it last began or ended a turn */
    _Atomic(const char *) phase;
    _Atomic uint64_t task;
    _Atomic int64_t lag_ns[LAG_SECONDS]; /* the longest turn of each of the last seconds */
    _Atomic int64_t lag_second[LAG_SECONDS];
};

static char wake_mark; /* data.ptr of the wake descriptor */

static bool wake_init(struct loop *l)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &wake_mark};
    return epoll_ctl(l->epfd, EPOLL_CTL_ADD, l->wakefd, &e) == 0;
}

struct loop *loop_create(void (*on_wake)(void *arg), void *arg)
{
    struct loop *l = mem_zalloc(sizeof(*l));
    l->epfd = epoll_create1(EPOLL_CLOEXEC);
    l->wakefd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    l->on_wake = on_wake;
    l->arg = arg;
    l->now = mono_now();
    l->seen_ns = l->now.ns;
    timers_init(&l->timers);
    loop_at(l, "", 0);
    if (l->epfd < 0 || l->wakefd < 0 || !wake_init(l))
        loop_destroy(&l);
    return l;
}

void loop_destroy(struct loop **lp)
{
    struct loop *l = *lp;
    if (!l)
        return;
    REQUIRE(!l->running);
    if (l->epfd >= 0)
        close(l->epfd);
    if (l->wakefd >= 0)
        close(l->wakefd);
    timers_fini(&l->timers);
    free(l);
    *lp = NULL;
}

static bool tolerated(int errnum)
{
    return errnum == EBADF || errnum == ENOENT || errnum == EEXIST;
}

static bool control(struct loop *l, struct loop_fd *f, int op, int other_op)
{
    struct epoll_event e = {.events = f->events, .data.ptr = f};
    if (epoll_ctl(l->epfd, op, f->fd, &e) == 0)
        return true;
    if ((errno == EEXIST || errno == ENOENT) && epoll_ctl(l->epfd, other_op, f->fd, &e) == 0)
        return true;
    return tolerated(errno);
}

static void describe(struct loop_fd *f, int fd, uint32_t events, loop_fd_f *on_event)
{
    REQUIRE(!f->added && on_event != NULL);
    f->fd = fd;
    f->events = events;
    f->on_event = on_event;
}

bool loop_add(struct loop *l, struct loop_fd *f, int fd, uint32_t events, loop_fd_f *on_event)
{
    describe(f, fd, events, on_event);
    f->added = control(l, f, EPOLL_CTL_ADD, EPOLL_CTL_MOD);
    return f->added;
}

bool loop_take_over(struct loop *l, struct loop_fd *f, int fd, uint32_t events, loop_fd_f *on_event)
{
    describe(f, fd, events, on_event);
    f->added = control(l, f, EPOLL_CTL_MOD, EPOLL_CTL_ADD);
    return f->added;
}

bool loop_modify(struct loop *l, struct loop_fd *f, uint32_t events)
{
    REQUIRE(f->added);
    if (f->events == events)
        return true;
    f->events = events;
    return control(l, f, EPOLL_CTL_MOD, EPOLL_CTL_ADD);
}

static void drop_events(struct loop *l, const struct loop_fd *f)
{
    for (int i = 0; i < l->n_events; i++)
        if (l->events[i].data.ptr == f)
            l->events[i].data.ptr = NULL;
}

void loop_remove(struct loop *l, struct loop_fd *f)
{
    if (!f->added)
        return;
    f->added = false;
    if (epoll_ctl(l->epfd, EPOLL_CTL_DEL, f->fd, NULL) != 0)
        REQUIRE(tolerated(errno));
    drop_events(l, f);
}

void loop_let_go(struct loop *l, struct loop_fd *f)
{
    REQUIRE(f->added && (f->events & EPOLLONESHOT));
    f->added = false;
    drop_events(l, f);
}

struct timers *loop_timers(struct loop *l)
{
    return &l->timers;
}

struct mono loop_now(const struct loop *l)
{
    return l->now;
}

struct mono loop_now_fresh(struct loop *l)
{
    return mono_now();
}

static void lag_note(struct loop *l, int64_t second, int64_t ns)
{
    unsigned i = (unsigned)(second % LAG_SECONDS);
    if (atomic_load_explicit(&l->lag_second[i], memory_order_relaxed) != second) {
        atomic_store_explicit(&l->lag_ns[i], 0, memory_order_relaxed);
        atomic_store_explicit(&l->lag_second[i], second, memory_order_relaxed);
    }
    if (ns > atomic_load_explicit(&l->lag_ns[i], memory_order_relaxed))
        atomic_store_explicit(&l->lag_ns[i], ns, memory_order_relaxed);
}

double loop_lag_ms(const struct loop *l)
{
    int64_t now_ns = mono_now().ns, oldest = now_ns / NS_PER_SEC - LAG_SECONDS;
    int64_t since = atomic_load_explicit(&l->turn_since_ns, memory_order_relaxed);
    int64_t worst = since && now_ns > since ? now_ns - since : 0;
    for (unsigned i = 0; i < LAG_SECONDS; i++) {
        int64_t ns = atomic_load_explicit(&l->lag_ns[i], memory_order_relaxed);
        if (atomic_load_explicit(&l->lag_second[i], memory_order_relaxed) > oldest && ns > worst)
            worst = ns;
    }
    return (double)worst / 1e6;
}

void loop_at(struct loop *l, const char *phase, uint64_t task)
{
    atomic_store_explicit(&l->phase, phase, memory_order_relaxed);
    atomic_store_explicit(&l->task, task, memory_order_relaxed);
}

void loop_doing(const struct loop *l, struct loop_doing *out)
{
    out->turn.ns = atomic_load_explicit(&l->turn_since_ns, memory_order_relaxed);
    out->phase = atomic_load_explicit(&l->phase, memory_order_relaxed);
    out->task = atomic_load_explicit(&l->task, memory_order_relaxed);
}

static void take_wake(struct loop *l)
{
    uint64_t n;
    if (read(l->wakefd, &n, sizeof(n)) < 0)
        REQUIRE(errno == EAGAIN || errno == EINTR);
    /* Cleared before the call: what is posted while on_wake runs wakes again. */
    atomic_store_explicit(&l->wake_pending, false, memory_order_seq_cst);
    loop_at(l, "orders", 0);
    if (l->on_wake)
        l->on_wake(l->arg);
}

static void dispatch(struct loop *l)
{
    for (int i = 0; i < l->n_events; i++) {
        void *p = l->events[i].data.ptr;
        if (!p)
            continue; /* removed by a callback of this turn */
        if (p == &wake_mark) {
            take_wake(l);
            continue;
        }
        struct loop_fd *f = p;
        REQUIRE(f->added && f->on_event != NULL);
        loop_at(l, "socket event", 0);
        f->on_event(f, l->events[i].events);
    }
    l->n_events = 0;
}

static void note_stood(struct loop *l, struct mono due, struct mono now)
{
    int64_t late_ms = mono_diff_ms(now, due);
    if (late_ms >= LOOP_STOOD_MS)
        l->stood_ms += late_ms;
}

int64_t loop_stood_ms(const struct loop *l)
{
    return l->stood_ms;
}

static void turn_end(struct loop *l)
{
    struct mono end = mono_now();
    note_stood(l, l->now, end);
    lag_note(l, end.ns / NS_PER_SEC, end.ns - l->now.ns);
    atomic_store_explicit(&l->turn_since_ns, 0, memory_order_relaxed);
    atomic_store_explicit(&l->seen_ns, end.ns, memory_order_relaxed);
    l->now = end;
}

static void turn(struct loop *l)
{
    int wait_ms = l->stopping ? 0 : timers_wait_ms(&l->timers, l->now, WAIT_MAX_MS);
    struct mono due = mono_add_ms(l->now, wait_ms);
    int n = epoll_wait(l->epfd, l->events, EVENTS_PER_TURN, wait_ms);
    REQUIRE(n >= 0 || errno == EINTR);
    if (n < 0) /* so ends a SIGSTOP, too: what has come meanwhile is heard before time is up */
        n = epoll_wait(l->epfd, l->events, EVENTS_PER_TURN, 0);
    l->now = mono_now();
    note_stood(l, due, l->now);
    atomic_store_explicit(&l->turn_since_ns, l->now.ns, memory_order_relaxed);
    atomic_store_explicit(&l->seen_ns, l->now.ns, memory_order_relaxed);
    l->n_events = n > 0 ? n : 0;
    dispatch(l);
    loop_at(l, "timers", 0);
    timers_run(&l->timers, l->now);
    loop_at(l, "", 0);
    turn_end(l);
}

int64_t loop_silent_ms(const struct loop *l, struct mono now)
{
    int64_t seen = atomic_load_explicit(&l->seen_ns, memory_order_relaxed);
    return mono_diff_ms(now, (struct mono){seen});
}

void loop_run(struct loop *l)
{
    REQUIRE(!l->running);
    l->running = true;
    l->stopping = false;
    l->now = mono_now();
    while (!l->stopping)
        turn(l);
    l->running = false;
}

void loop_stop(struct loop *l)
{
    REQUIRE(l->running);
    l->stopping = true;
}

void loop_wake(struct loop *l)
{
    if (atomic_exchange_explicit(&l->wake_pending, true, memory_order_seq_cst))
        return;
    uint64_t one = 1;
    ssize_t n = write(l->wakefd, &one, sizeof(one));
    REQUIRE(n == sizeof(one) || errno == EAGAIN); /* EAGAIN: the counter is full, so it is awake */
}
