/* SPDX-License-Identifier: MIT */
#include "agent/run/loop.h"

#include "tests/support/check_main.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct pair {
    struct loop_fd f;
    struct loop *l;
    struct pair *other;
    int fds[2];
    int events;
};

static void pair_open(struct pair *p, struct loop *l)
{
    *p = (struct pair){.l = l};
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
}

static void pair_close(struct pair *p)
{
    loop_remove(p->l, &p->f);
    close(p->fds[0]);
    close(p->fds[1]);
}

static void poke(struct pair *p)
{
    ck_assert_int_eq(write(p->fds[1], "x", 1), 1);
}

static void stop_timer(struct timer *t, struct mono now);
struct stopper {
    struct timer t;
    struct loop *l;
};
static void stop_timer(struct timer *t, struct mono now)
{
    loop_stop(CONTAINER_OF(t, struct stopper, t)->l);
}

/* Runs the loop for a while: long enough for what is ready already. */
static void run_for(struct loop *l, int ms)
{
    struct stopper s = {.l = l};
    timer_arm(loop_timers(l), &s.t, mono_add_ms(mono_now(), ms), stop_timer);
    loop_run(l);
}

static void count_event(struct loop_fd *f, uint32_t events)
{
    struct pair *p = CONTAINER_OF(f, struct pair, f);
    char c;
    p->events++;
    ck_assert(events & EPOLLIN);
    ck_assert_int_eq(read(p->fds[0], &c, 1), 1);
}

static void count_and_stop(struct loop_fd *f, uint32_t events)
{
    count_event(f, events);
    loop_stop(CONTAINER_OF(f, struct pair, f)->l);
}

START_TEST(test_delivers_readable)
{
    struct loop *l = loop_create(NULL, NULL);
    struct pair p;
    pair_open(&p, l);
    ck_assert(loop_add(l, &p.f, p.fds[0], EPOLLIN, count_and_stop));
    poke(&p);
    loop_run(l);
    ck_assert_int_eq(p.events, 1);
    pair_close(&p);
    loop_destroy(&l);
    ck_assert_ptr_null(l);
}
END_TEST

static void remove_other(struct loop_fd *f, uint32_t events)
{
    struct pair *p = CONTAINER_OF(f, struct pair, f);
    p->events++;
    loop_remove(p->l, &p->other->f);
    loop_remove(p->l, &p->f);
}

START_TEST(test_removed_in_same_turn_gets_no_event)
{
    struct loop *l = loop_create(NULL, NULL);
    struct pair a, b;
    pair_open(&a, l);
    pair_open(&b, l);
    a.other = &b;
    b.other = &a;
    ck_assert(loop_add(l, &a.f, a.fds[0], EPOLLIN, remove_other));
    ck_assert(loop_add(l, &b.f, b.fds[0], EPOLLIN, remove_other));
    poke(&a);
    poke(&b);
    run_for(l, 5);
    ck_assert_int_eq(a.events + b.events, 1);
    pair_close(&a);
    pair_close(&b);
    loop_destroy(&l);
}
END_TEST

START_TEST(test_modify_silences_readable)
{
    struct loop *l = loop_create(NULL, NULL);
    struct pair p;
    pair_open(&p, l);
    ck_assert(loop_add(l, &p.f, p.fds[0], EPOLLIN, count_and_stop));
    ck_assert(loop_modify(l, &p.f, 0));
    poke(&p);
    run_for(l, 5);
    ck_assert_int_eq(p.events, 0);
    pair_close(&p);
    loop_destroy(&l);
}
END_TEST

/* What the first owner was told, and who is told what comes next. */
static struct pair heir;

static void let_go(struct loop_fd *f, uint32_t events)
{
    struct pair *p = CONTAINER_OF(f, struct pair, f);
    p->events++;
    loop_let_go(p->l, f);
}

static void take_over(struct timer *t, struct mono now)
{
    ck_assert(loop_take_over(heir.l, &heir.f, heir.fds[0], EPOLLIN, count_and_stop));
}

START_TEST(test_descriptor_let_go_sleeps_until_it_is_taken_over)
{
    struct loop *l = loop_create(NULL, NULL);
    struct timer t = {0};
    struct pair p;
    pair_open(&p, l);
    heir = p;
    ck_assert(loop_add(l, &p.f, p.fds[0], EPOLLIN | EPOLLONESHOT, let_go));
    poke(&p);
    run_for(l, 5);
    ck_assert_int_eq(p.events, 1); /* although it is readable all the time */
    timer_arm(loop_timers(l), &t, mono_add_ms(mono_now(), 1), take_over);
    loop_run(l);
    ck_assert_int_eq(p.events, 1);
    ck_assert_int_eq(heir.events, 1);
    loop_remove(l, &heir.f);
    pair_close(&p);
    loop_destroy(&l);
}
END_TEST

START_TEST(test_taking_over_what_nobody_let_go_adds_it)
{
    struct loop *l = loop_create(NULL, NULL);
    struct pair p;
    pair_open(&p, l);
    ck_assert(loop_take_over(l, &p.f, p.fds[0], EPOLLIN, count_and_stop));
    poke(&p);
    loop_run(l);
    ck_assert_int_eq(p.events, 1);
    pair_close(&p);
    loop_destroy(&l);
}
END_TEST

START_TEST(test_descriptor_closed_before_remove_is_tolerated)
{
    struct loop *l = loop_create(NULL, NULL);
    struct pair p;
    pair_open(&p, l);
    ck_assert(loop_add(l, &p.f, p.fds[0], EPOLLIN, count_and_stop));
    close(p.fds[0]);
    loop_remove(l, &p.f);
    ck_assert(!p.f.added);
    close(p.fds[1]);
    loop_destroy(&l);
}
END_TEST

START_TEST(test_second_watch_of_one_descriptor_takes_it_over)
{
    struct loop *l = loop_create(NULL, NULL);
    struct pair p;
    struct loop_fd stale = {0};
    pair_open(&p, l);
    ck_assert(loop_add(l, &stale, p.fds[0], EPOLLIN, remove_other));
    ck_assert(loop_add(l, &p.f, p.fds[0], EPOLLIN, count_and_stop));
    poke(&p);
    loop_run(l);
    ck_assert_int_eq(p.events, 1);
    pair_close(&p);
    loop_destroy(&l);
}
END_TEST

struct waker {
    struct loop *l;
    int wakes;
    pthread_t owner;
};

static void on_wake(void *arg)
{
    struct waker *w = arg;
    w->wakes++;
    ck_assert(pthread_equal(w->owner, pthread_self()));
    loop_stop(w->l);
}

static void *wake_from_thread(void *arg)
{
    loop_wake(arg);
    return NULL;
}

START_TEST(test_wake_from_another_thread_runs_on_loop_thread)
{
    struct waker w = {.owner = pthread_self()};
    pthread_t t;
    w.l = loop_create(on_wake, &w);
    PTOK(pthread_create(&t, NULL, wake_from_thread, w.l));
    loop_run(w.l);
    PTOK(pthread_join(t, NULL));
    ck_assert_int_eq(w.wakes, 1);
    loop_destroy(&w.l);
}
END_TEST

START_TEST(test_wakes_before_a_turn_are_coalesced)
{
    struct waker w = {.owner = pthread_self()};
    w.l = loop_create(on_wake, &w);
    for (int i = 0; i < 5; i++)
        loop_wake(w.l);
    loop_run(w.l);
    ck_assert_int_eq(w.wakes, 1);
    loop_wake(w.l);
    loop_run(w.l);
    ck_assert_int_eq(w.wakes, 2);
    loop_destroy(&w.l);
}
END_TEST

static void slow_timer(struct timer *t, struct mono now)
{
    struct mono until = mono_add_ms(now, 20);
    while (mono_before(mono_now(), until))
        ;
    stop_timer(t, now);
}

#define STANDS_MS (4 * LOOP_STOOD_MS)

static void standing_timer(struct timer *t, struct mono now)
{
    usleep(STANDS_MS * 1000);
    stop_timer(t, now);
}

START_TEST(test_lag_shows_a_slow_turn)
{
    struct loop *l = loop_create(NULL, NULL);
    struct stopper s = {.l = l};
    timer_arm(loop_timers(l), &s.t, loop_now(l), slow_timer);
    loop_run(l);
    ck_assert(loop_lag_ms(l) >= 19.0);
    loop_destroy(&l);
}
END_TEST

START_TEST(test_what_it_stood_is_counted)
{
    struct loop *l = loop_create(NULL, NULL);
    struct stopper s = {.l = l};
    run_for(l, 1);
    ck_assert_int_eq(loop_stood_ms(l), 0);
    timer_arm(loop_timers(l), &s.t, loop_now(l), standing_timer);
    loop_run(l);
    ck_assert_int_ge(loop_stood_ms(l), STANDS_MS);
    ck_assert_int_lt(loop_stood_ms(l), 10 * STANDS_MS);
    loop_destroy(&l);
}
END_TEST

/* A SIGSTOP ends epoll_wait() as any signal does; here it is a handler that lasts. */
static struct pair *stopped;
static volatile sig_atomic_t written;

static void stand_in_signal(int sig)
{
    struct mono until = mono_add_ms(mono_now(), STANDS_MS);
    written = (sig_atomic_t)write(stopped->fds[1], "x", 1);
    while (mono_before(mono_now(), until))
        ;
}

static void time_is_up(struct timer *t, struct mono now)
{
    struct stopper *s = CONTAINER_OF(t, struct stopper, t);
    ck_assert_int_eq(written, 1);
    ck_assert_int_eq(stopped->events, 1);
    loop_stop(s->l);
}

START_TEST(test_what_came_while_it_stood_is_heard_before_time_is_up)
{
    struct loop *l = loop_create(NULL, NULL);
    struct pair p;
    struct stopper s = {.l = l};
    pair_open(&p, l);
    stopped = &p;
    ck_assert(loop_add(l, &p.f, p.fds[0], EPOLLIN, count_event));
    signal(SIGALRM, stand_in_signal);
    struct itimerval soon = {.it_value.tv_usec = 10000};
    ck_assert_int_eq(setitimer(ITIMER_REAL, &soon, NULL), 0);
    timer_arm(loop_timers(l), &s.t, mono_add_ms(mono_now(), STANDS_MS / 2), time_is_up);
    loop_run(l);
    ck_assert_int_ge(loop_stood_ms(l), STANDS_MS / 4);
    pair_close(&p);
    loop_destroy(&l);
}
END_TEST

TESTS(descriptors, test_delivers_readable, test_removed_in_same_turn_gets_no_event,
      test_modify_silences_readable, test_descriptor_let_go_sleeps_until_it_is_taken_over,
      test_taking_over_what_nobody_let_go_adds_it,
      test_descriptor_closed_before_remove_is_tolerated,
      test_second_watch_of_one_descriptor_takes_it_over)
TESTS(waking, test_wake_from_another_thread_runs_on_loop_thread,
      test_wakes_before_a_turn_are_coalesced, test_lag_shows_a_slow_turn)
TESTS(standing, test_what_it_stood_is_counted,
      test_what_came_while_it_stood_is_heard_before_time_is_up)
CHECK_MAIN("loop", descriptors, waking, standing)
