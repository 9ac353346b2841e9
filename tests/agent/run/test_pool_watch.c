/* SPDX-License-Identifier: MIT */
#include "agent/run/pool.h"

#include "common/mem.h"
#include "proto/limits.h"
#include "tests/support/check_main.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A pool whose work stands: it is seen, told, and nothing new is given to what stands. Time is
 * virtual for the pool's owner; only the workers live in the real one. */
#define STANDS   7 /* the task that keeps its worker in start() until the gate opens … */
#define ENDLESS  8 /* … and one whose probe never ends by itself; any other ends at once */
#define FOR_EVER 3600000
#define TURNS    20000 /* of a millisecond: no test waits longer */

struct probe {
    struct probe_env *env;
    struct timer t;
    struct result *r;
    probe_done_f *done;
    void *arg;
};

static sem_t gate, at_gate;
static struct pool *pool;
static struct policy *policy;
static struct mono now;

static void end(struct timer *t, struct mono at)
{
    struct probe *p = CONTAINER_OF(t, struct probe, t);
    result_end(p->r, CAUSE_NONE, NULL);
    p->done(p, p->arg);
    free(p);
}

static struct probe *start(struct probe_env *env, const struct target *t, struct result *r,
                           struct mono deadline, probe_done_f *done, void *arg)
{
    struct probe *p = mem_zalloc(sizeof(*p));
    *p = (struct probe){.env = env, .r = r, .done = done, .arg = arg};
    if (r->task == STANDS) {
        sem_post(&at_gate);
        while (sem_wait(&gate) != 0)
            ck_assert_int_eq(errno, EINTR);
    }
    if (r->task != ENDLESS)
        timer_arm(loop_timers(env->loop), &p->t, loop_now(env->loop), end);
    return p;
}

static void cancel(struct probe *p)
{
    if (!timer_armed(&p->t))
        timer_arm(loop_timers(p->env->loop), &p->t, loop_now(p->env->loop), end);
}

static const struct probe_kind kind = {.start = start, .cancel = cancel};

static void on_done(void *arg)
{
}

static void open_pool(unsigned workers, unsigned slots)
{
    sem_init(&gate, 0, 0);
    sem_init(&at_gate, 0, 0);
    policy = policy_create(&(struct policy_config){.dev = true});
    struct pool_config c = {.workers = workers,
                            .slots = slots,
                            .policy = policy,
                            .resolver = "127.0.0.1:9",
                            .kinds = {&kind, &kind},
                            .on_done = on_done};
    ck_assert_int_eq(pool_create(&c, &pool), ERR_NONE);
    now = mono_now();
}

static size_t take(void)
{
    struct list done;
    list_init(&done);
    size_t n = pool_take_done(pool, &done, now);
    for (struct list_node *l; (l = list_pop_front(&done));) {
        struct job *j = CONTAINER_OF(l, struct job, letter.node);
        job_destroy(&j);
    }
    return n;
}

static void close_pool(void)
{
    sem_post(&gate);
    pool_destroy(&pool);
    policy_destroy(&policy);
}

static void submit(uint64_t task, int timeout_ms)
{
    struct target *t = NULL;
    struct target_problem problem;
    ck_assert_int_eq(target_from_text("http://a.test/", 14, NULL, &t, &problem), ERR_NONE);
    t->timeout_ms = timeout_ms;
    struct job *j = job_create(task, "t", CLASS_INTERACTIVE, t, now, mono_add_ms(now, FOR_EVER));
    snprintf(j->trace, sizeof(j->trace), "trace-of-%u", (unsigned)task);
    ck_assert_int_eq(pool_submit(pool, j, now), ERR_NONE);
}

static enum watch_verdict look(int64_t after_ms, struct pool_fault *f)
{
    now = mono_add_ms(now, after_ms);
    return pool_watch(pool, now, f);
}

/* In steps of 100 ms, until the verdict is this one. */
static void look_until(enum watch_verdict want, struct pool_fault *f)
{
    for (int i = 0; look(100, f) != want; i++) {
        ck_assert_int_lt(i, TURNS);
        usleep(1000);
    }
}

static struct pool_stats stats(void)
{
    struct pool_stats s;
    pool_stats(pool, now, &s);
    return s;
}

START_TEST(a_worker_that_stands_is_named_with_its_task)
{
    struct pool_fault f;
    open_pool(2, 4);
    submit(STANDS, FOR_EVER);
    while (sem_wait(&at_gate) != 0)
        ck_assert_int_eq(errno, EINTR);
    look_until(WATCH_ILL, &f);
    ck_assert_int_eq(f.kind, FAULT_LOOP);
    ck_assert_int_ge(f.ms, WATCHDOG_ILL_MS);
    ck_assert_uint_eq(f.jobs, 1);
    ck_assert_uint_eq(f.task, STANDS);
    ck_assert_str_eq(f.phase, "start");
    ck_assert_str_eq(f.trace, "trace-of-7");
    look_until(WATCH_END, &f);
    ck_assert_int_ge(f.ms, WATCHDOG_END_MS);
    sem_post(&gate);
    look_until(WATCH_WELL, &f);
    close_pool();
}
END_TEST

/* It would be there for nothing, and be blamed for what holds the worker. */
START_TEST(a_worker_that_stands_gets_nothing_new)
{
    struct pool_fault f;
    open_pool(2, 8);
    submit(STANDS, FOR_EVER);
    while (sem_wait(&at_gate) != 0)
        ck_assert_int_eq(errno, EINTR);
    look_until(WATCH_ILL, &f);
    size_t ended = 0;
    for (unsigned i = 0; i < 12; i++)
        submit(100 + i, FOR_EVER); /* more than the other worker has slots */
    for (int i = 0; ended < 12; i++, usleep(1000)) {
        ck_assert_int_lt(i, TURNS);
        ended += take();
    }
    look(100, &f);
    ck_assert_int_eq(f.kind, FAULT_LOOP);
    ck_assert_uint_eq(f.jobs, 1);
    close_pool();
}
END_TEST

START_TEST(what_waits_for_a_worker_that_stands_starts_when_it_turns)
{
    struct pool_fault f;
    open_pool(1, 8);
    submit(STANDS, FOR_EVER);
    while (sem_wait(&at_gate) != 0)
        ck_assert_int_eq(errno, EINTR);
    look_until(WATCH_ILL, &f);
    submit(100, FOR_EVER);
    look(100, &f);
    ck_assert_uint_eq(stats().queued, 1);
    sem_post(&gate);
    for (int i = 0; stats().queued > 0; i++, usleep(1000)) {
        ck_assert_int_lt(i, TURNS);
        look(100, &f);
    }
    close_pool();
}
END_TEST

START_TEST(a_probe_beyond_its_time_out_is_overdue)
{
    struct pool_fault f;
    open_pool(1, 4);
    ck_assert_int_eq(stats().overdue_ms, -1);
    submit(ENDLESS, 2000);
    for (int i = 0; i < 19; i++)
        ck_assert_int_eq(look(100, &f), WATCH_WELL);
    ck_assert_int_eq(stats().overdue_ms, -1);
    for (int i = 0; i < WATCHDOG_OVERDUE_MS / 100; i++)
        ck_assert_int_eq(look(100, &f), WATCH_WELL);
    ck_assert_int_eq(stats().overdue_ms, WATCHDOG_OVERDUE_MS - 100);
    ck_assert_int_eq(look(100, &f), WATCH_ILL);
    ck_assert_int_eq(f.kind, FAULT_PROBE);
    ck_assert_uint_eq(f.task, ENDLESS);
    ck_assert_str_eq(f.trace, "trace-of-8");
    look_until(WATCH_END, &f);
    ck_assert_int_eq(f.ms, WATCHDOG_END_MS);
    close_pool();
}
END_TEST

/* Whatever started first: the shortest time-out is due first, and of several the most overdue
 * counts. */
START_TEST(the_most_overdue_counts)
{
    struct pool_fault f;
    open_pool(1, 4);
    submit(ENDLESS, 9000);
    look(1000, &f);
    submit(100, 500); /* ends at once */
    for (int i = 0; stats().ended == 0; i++, usleep(1000)) {
        ck_assert_int_lt(i, TURNS);
        take();
    }
    for (int i = 0; i < 60; i++)
        ck_assert_int_eq(look(100, &f), WATCH_WELL);
    ck_assert_int_eq(stats().overdue_ms, -1);
    look_until(WATCH_ILL, &f);
    ck_assert_uint_eq(f.task, ENDLESS);
    ck_assert_int_eq(f.ms, WATCHDOG_OVERDUE_MS);
    close_pool();
}
END_TEST

START_TEST(a_queue_that_does_not_move_is_still)
{
    struct pool_fault f;
    open_pool(1, 1);
    submit(ENDLESS, FOR_EVER);
    ck_assert_int_eq(stats().still_ms, -1);
    for (int i = 0; i < 50; i++)
        look(100, &f);
    submit(100, FOR_EVER); /* waits: counted from now on */
    for (int i = 0; i < 50; i++)
        ck_assert_int_eq(look(100, &f), WATCH_WELL);
    ck_assert_int_eq(stats().still_ms, 5000);
    submit(101, FOR_EVER); /* another one that waits moves nothing */
    look_until(WATCH_ILL, &f);
    ck_assert_int_eq(f.kind, FAULT_QUEUE);
    ck_assert_int_eq(f.ms, STALLED_STILL_MS);
    ck_assert(pool_cancel(pool, ENDLESS));
    for (int i = 0; stats().ended == 0; i++, usleep(1000)) {
        ck_assert_int_lt(i, TURNS);
        take();
    }
    ck_assert_int_eq(look(100, &f), WATCH_WELL);
    close_pool();
}
END_TEST

START_TEST(after_a_stop_of_the_process_all_have_a_little_time)
{
    struct pool_fault f;
    open_pool(1, 1);
    submit(ENDLESS, 2000);
    submit(100, FOR_EVER);
    look(100, &f);
    ck_assert_int_eq(look(600000, &f), WATCH_WELL);
    ck_assert_int_eq(stats().overdue_ms, 0);
    ck_assert_int_eq(stats().still_ms, 0);
    look_until(WATCH_ILL, &f);
    ck_assert_int_eq(f.kind, FAULT_PROBE);
    ck_assert_int_eq(f.ms, WATCHDOG_OVERDUE_MS);
    close_pool();
}
END_TEST

TESTS(watch, a_worker_that_stands_is_named_with_its_task, a_worker_that_stands_gets_nothing_new,
      what_waits_for_a_worker_that_stands_starts_when_it_turns,
      a_probe_beyond_its_time_out_is_overdue, the_most_overdue_counts,
      a_queue_that_does_not_move_is_still, after_a_stop_of_the_process_all_have_a_little_time)
CHECK_MAIN("pool_watch", watch)
