/* SPDX-License-Identifier: MIT */
#include "agent/run/pool.h"

#include "agent/run/admission.h"
#include "common/mem.h"
#include "tests/support/check_main.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#define WORKERS  2
#define SLOTS    8
#define FOR_EVER 3600000
#define WAIT_MS  20000

/* A kind whose probes end when their time-out passes (max_total_ms of the target) or are cancelled.
 */
struct probe {
    struct probe_env *env;
    struct timer t;
    struct result *r;
    probe_done_f *done;
    void *arg;
    bool cancelled;
};

static void fake_end(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, t);
    result_end(p->r, p->cancelled ? CAUSE_cancelled_by_user : CAUSE_NONE, NULL);
    p->done(p, p->arg);
    free(p);
}

static struct probe *fake_start(struct probe_env *env, const struct target *t, struct result *r,
                                struct mono deadline, probe_done_f *done, void *arg)
{
    struct probe *p = mem_zalloc(sizeof(*p));
    *p = (struct probe){.env = env, .r = r, .done = done, .arg = arg};
    timer_arm(loop_timers(env->loop), &p->t, mono_add_ms(loop_now(env->loop), t->max_total_ms),
              fake_end);
    return p;
}

static void fake_cancel(struct probe *p)
{
    p->cancelled = true;
    timer_arm(loop_timers(p->env->loop), &p->t, loop_now(p->env->loop), fake_end);
}

static enum cause at_deadline = CAUSE_response_timeout;

static void fake_time_out(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, t);
    result_end(p->r, at_deadline, NULL);
    p->done(p, p->arg);
    free(p);
}

static struct probe *fake_hang(struct probe_env *env, const struct target *t, struct result *r,
                               struct mono deadline, probe_done_f *done, void *arg)
{
    struct probe *p = mem_zalloc(sizeof(*p));
    *p = (struct probe){.env = env, .r = r, .done = done, .arg = arg};
    timer_arm(loop_timers(env->loop), &p->t, deadline, fake_time_out);
    return p;
}

/* Stands with its loop, as a process that was stopped, and ends in the turn after it. */
static int64_t stands_ms;

static void fake_stand(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, t);
    usleep((useconds_t)stands_ms * 1000);
    timer_arm(loop_timers(p->env->loop), &p->t, now, fake_time_out);
}

static struct probe *fake_doze(struct probe_env *env, const struct target *t, struct result *r,
                               struct mono deadline, probe_done_f *done, void *arg)
{
    struct probe *p = mem_zalloc(sizeof(*p));
    *p = (struct probe){.env = env, .r = r, .done = done, .arg = arg};
    timer_arm(loop_timers(env->loop), &p->t, loop_now(env->loop), fake_stand);
    return p;
}

static const struct probe_kind dozing = {.start = fake_doze, .cancel = fake_cancel};
static const struct probe_kind fake = {.start = fake_start, .cancel = fake_cancel};
static const struct probe_kind hanging = {.start = fake_hang, .cancel = fake_cancel};

/* The first start waits until the test says so; what comes meanwhile comes in one piece. Counts how
 * many start at a stretch, before anything that is due gets its turn. */
static sem_t gate;
static unsigned stretch, longest_stretch, starts;

static void due(struct timer *t, struct mono now)
{
    stretch = 0;
    fake_end(t, now);
}

static struct probe *gated_start(struct probe_env *env, const struct target *t, struct result *r,
                                 struct mono deadline, probe_done_f *done, void *arg)
{
    while (starts == 0 && sem_wait(&gate) != 0)
        ck_assert_int_eq(errno, EINTR);
    starts++;
    stretch++;
    longest_stretch = stretch > longest_stretch ? stretch : longest_stretch;
    struct probe *p = fake_start(env, t, r, deadline, done, arg);
    timer_arm(loop_timers(env->loop), &p->t, mono_add_ms(loop_now(env->loop), t->max_total_ms),
              due);
    return p;
}

static const struct probe_kind gated = {.start = gated_start, .cancel = fake_cancel};

struct owner { /* where the pool's wake arrives */
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool wake;
    struct pool *pool;
    struct policy *policy;
    struct list done;
};

static void on_done(void *arg)
{
    struct owner *o = arg;
    pthread_mutex_lock(&o->lock);
    o->wake = true;
    pthread_cond_signal(&o->woken);
    pthread_mutex_unlock(&o->lock);
}

static void wait_wake(struct owner *o)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&o->lock);
    while (!o->wake)
        ck_assert_int_eq(pthread_cond_timedwait(&o->woken, &o->lock, &until), 0);
    o->wake = false;
    pthread_mutex_unlock(&o->lock);
}

static void owner_init(struct owner *o, unsigned workers, unsigned slots,
                       const struct probe_kind *kind)
{
    *o = (struct owner){.lock = PTHREAD_MUTEX_INITIALIZER, .woken = PTHREAD_COND_INITIALIZER};
    o->policy = policy_create(&(struct policy_config){.dev = true});
    list_init(&o->done);
    struct pool_config c = {.workers = workers,
                            .slots = slots,
                            .policy = o->policy,
                            .resolver = "127.0.0.1:9",
                            .kinds = {kind, kind},
                            .on_done = on_done,
                            .on_done_arg = o};
    ck_assert_int_eq(pool_create(&c, &o->pool), ERR_NONE);
}

static void owner_fini(struct owner *o)
{
    for (struct list_node *n; (n = list_pop_front(&o->done));) {
        struct job *j = CONTAINER_OF(n, struct job, letter.node);
        job_destroy(&j);
    }
    pool_destroy(&o->pool);
    ck_assert_ptr_null(o->pool);
    policy_destroy(&o->policy);
}

static enum err submit(struct owner *o, uint64_t task, enum task_class cls, int64_t lasts_ms)
{
    struct target *t = NULL;
    struct target_problem problem;
    ck_assert_int_eq(target_from_text("http://a.test/", 14, NULL, &t, &problem), ERR_NONE);
    t->max_total_ms = lasts_ms;
    struct mono now = mono_now();
    struct job *j = job_create(task, "ticket", cls, t, now, mono_add_ms(now, FOR_EVER));
    enum err e = pool_submit(o->pool, j, now);
    if (e != ERR_NONE)
        job_destroy(&j);
    return e;
}

static void take(struct owner *o, size_t want)
{
    while (o->done.count < want) {
        wait_wake(o);
        pool_take_done(o->pool, &o->done, mono_now());
    }
    ck_assert_uint_eq(o->done.count, want);
}

static struct pool_stats stats(struct owner *o)
{
    struct pool_stats s;
    pool_stats(o->pool, mono_now(), &s);
    return s;
}

static struct job *done_job(struct owner *o, uint64_t task)
{
    LIST_EACH (&o->done, n) {
        struct job *j = CONTAINER_OF(n, struct job, letter.node);
        if (j->task == task)
            return j;
    }
    ck_abort_msg("task did not come back");
    return NULL;
}

START_TEST(test_every_job_comes_back_once)
{
    struct owner o;
    bool seen[400] = {false};
    size_t back = 0;
    unsigned sent = 0;
    owner_init(&o, WORKERS, SLOTS, &fake);
    while (back < ARRAY_LEN(seen)) {
        for (; sent < ARRAY_LEN(seen) && pool_free_places(o.pool) > 0; sent++)
            ck_assert_int_eq(submit(&o, sent, (enum task_class)(sent % 3), sent % 4), ERR_NONE);
        wait_wake(&o);
        pool_take_done(o.pool, &o.done, mono_now());
        for (struct list_node *n; (n = list_pop_front(&o.done)); back++) {
            struct job *j = CONTAINER_OF(n, struct job, letter.node);
            ck_assert(!seen[j->task]);
            ck_assert_int_eq(j->end, JOB_DONE);
            ck_assert_int_eq(j->result->outcome, OUTCOME_OK);
            ck_assert(j->result->queue_ms >= 0);
            seen[j->task] = true;
            job_destroy(&j);
        }
    }
    ck_assert_uint_eq(stats(&o).ended, ARRAY_LEN(seen));
    ck_assert_uint_eq(stats(&o).running, 0);
    owner_fini(&o);
}
END_TEST

static unsigned fill(struct owner *o, enum task_class cls)
{
    unsigned n = 0;
    while (pool_free_places(o->pool) > 0)
        ck_assert_int_eq(submit(o, n++, cls, FOR_EVER), ERR_NONE);
    return n;
}

START_TEST(test_full_pool_refuses_and_leaves_the_job)
{
    struct owner o;
    owner_init(&o, WORKERS, SLOTS, &fake);
    unsigned n = fill(&o, CLASS_INTERACTIVE);
    ck_assert_uint_eq(n, WORKERS * SLOTS + stats(&o).queue_max);
    ck_assert_int_eq(submit(&o, n, CLASS_INTERACTIVE, 0), ERR_FULL);
    owner_fini(&o);
}
END_TEST

START_TEST(test_bulk_never_takes_the_last_slot)
{
    struct owner o;
    owner_init(&o, WORKERS, SLOTS, &fake);
    unsigned n = fill(&o, CLASS_BULK);
    ck_assert_uint_eq(stats(&o).running, WORKERS * SLOTS - 1);
    ck_assert_uint_eq(n, WORKERS * SLOTS + stats(&o).queue_max);
    owner_fini(&o);
}
END_TEST

START_TEST(test_one_shot_runs_beside_a_pool_full_of_tarpits)
{
    struct owner o;
    owner_init(&o, WORKERS, SLOTS, &fake);
    for (uint64_t task = 0; task < WORKERS * SLOTS + 4; task++)
        ck_assert_int_eq(submit(&o, task, CLASS_BULK, FOR_EVER), ERR_NONE);
    ck_assert_int_eq(submit(&o, 1000, CLASS_INTERACTIVE, 0), ERR_NONE);
    take(&o, 1);
    ck_assert_int_eq(done_job(&o, 1000)->end, JOB_DONE);
    owner_fini(&o);
}
END_TEST

START_TEST(test_cancel_ends_a_running_job)
{
    struct owner o;
    owner_init(&o, 1, SLOTS, &fake);
    ck_assert_int_eq(submit(&o, 7, CLASS_BULK, FOR_EVER), ERR_NONE);
    ck_assert(pool_cancel(o.pool, 7));
    take(&o, 1);
    ck_assert_int_eq(done_job(&o, 7)->end, JOB_CANCELLED);
    owner_fini(&o);
}
END_TEST

START_TEST(test_cancel_ends_a_waiting_job)
{
    struct owner o;
    owner_init(&o, 1, 1, &fake);
    ck_assert_int_eq(submit(&o, 1, CLASS_BULK, FOR_EVER), ERR_NONE);
    ck_assert_int_eq(submit(&o, 2, CLASS_BULK, FOR_EVER), ERR_NONE);
    ck_assert(pool_cancel(o.pool, 2));
    take(&o, 1);
    ck_assert_int_eq(done_job(&o, 2)->end, JOB_CANCELLED);
    owner_fini(&o);
}
END_TEST

START_TEST(test_cancel_of_an_unknown_task_is_false)
{
    struct owner o;
    owner_init(&o, 1, 1, &fake);
    ck_assert(!pool_cancel(o.pool, 99));
    owner_fini(&o);
}
END_TEST

START_TEST(test_release_hands_back_only_what_waits)
{
    struct owner o;
    owner_init(&o, 1, 2, &fake);
    for (uint64_t task = 0; task < 5; task++)
        ck_assert_int_eq(submit(&o, task, CLASS_INTERACTIVE, FOR_EVER), ERR_NONE);
    pool_release_waiting(o.pool);
    take(&o, 3);
    ck_assert_int_eq(done_job(&o, 4)->end, JOB_RELEASED);
    ck_assert_uint_eq(stats(&o).running, 2);
    ck_assert_uint_eq(stats(&o).queued, 0);
    owner_fini(&o);
}
END_TEST

START_TEST(test_destroy_ends_what_runs_and_waits)
{
    struct owner o;
    owner_init(&o, WORKERS, SLOTS, &fake);
    fill(&o, CLASS_SCHEDULE);
    owner_fini(&o);
}
END_TEST

#define MANY 200

static void fill_behind_the_gate(struct owner *o, int64_t each_lasts_ms)
{
    ck_assert_int_eq(sem_init(&gate, 0, 0), 0);
    starts = stretch = longest_stretch = 0;
    owner_init(o, 1, MANY, &gated);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(submit(o, i, CLASS_SCHEDULE, each_lasts_ms), ERR_NONE);
    ck_assert_int_eq(sem_post(&gate), 0);
}

START_TEST(test_many_starts_do_not_hold_up_what_is_due)
{
    struct owner o;
    fill_behind_the_gate(&o, 0);
    take(&o, MANY);
    ck_assert_uint_eq(starts, MANY);
    ck_assert_uint_lt(longest_stretch, MANY / 4);
    owner_fini(&o);
}
END_TEST

START_TEST(test_destroy_before_all_have_started)
{
    struct owner o;
    fill_behind_the_gate(&o, FOR_EVER);
    owner_fini(&o);
}
END_TEST

static struct job *submit_late(struct owner *o, int64_t deadline_in_ms)
{
    struct target *t = NULL;
    struct target_problem problem;
    ck_assert_int_eq(target_from_text("http://a.test/", 14, NULL, &t, &problem), ERR_NONE);
    struct mono now = mono_now();
    struct job *j = job_create(1, "t", CLASS_BULK, t, now, mono_add_ms(now, deadline_in_ms));
    ck_assert_int_eq(pool_submit(o->pool, j, now), ERR_NONE);
    take(o, 1);
    return done_job(o, 1);
}

START_TEST(test_job_past_its_deadline_is_handed_back)
{
    struct owner o;
    owner_init(&o, 1, 2, &fake);
    ck_assert_int_eq(submit_late(&o, -1)->end, JOB_RELEASED);
    owner_fini(&o);
}
END_TEST

START_TEST(test_time_out_that_the_task_deadline_cut_is_handed_back)
{
    struct owner o;
    owner_init(&o, 1, 2, &hanging);
    ck_assert_int_eq(submit_late(&o, 20)->end, JOB_RELEASED);
    owner_fini(&o);
    at_deadline = CAUSE_proxy_timeout;
    owner_init(&o, 1, 2, &hanging);
    ck_assert_int_eq(submit_late(&o, 20)->end, JOB_RELEASED);
    owner_fini(&o);
}
END_TEST

static enum cause ended_with(enum cause c, int64_t loop_stands_ms)
{
    struct owner o;
    at_deadline = c;
    stands_ms = loop_stands_ms;
    owner_init(&o, 1, 2, &dozing);
    const struct job *j = submit_late(&o, FOR_EVER);
    ck_assert_int_eq(j->end, JOB_DONE);
    ck_assert_int_eq(j->result->doubt.vital, VITAL_NONE);
    enum cause got = j->result->cause;
    owner_fini(&o);
    return got;
}

START_TEST(test_what_took_too_long_while_the_loop_stood_is_the_agents_own)
{
    ck_assert_int_eq(ended_with(CAUSE_response_timeout, LOOP_STOOD_MS + 50), CAUSE_agent_stood);
    ck_assert_int_eq(ended_with(CAUSE_too_slow, LOOP_STOOD_MS + 50), CAUSE_agent_stood);
}
END_TEST

START_TEST(test_what_else_came_while_the_loop_stood_is_the_targets)
{
    ck_assert_int_eq(ended_with(CAUSE_connect_refused, LOOP_STOOD_MS + 50), CAUSE_connect_refused);
}
END_TEST

START_TEST(test_time_out_of_a_loop_that_turned_is_the_targets)
{
    ck_assert_int_eq(ended_with(CAUSE_response_timeout, 1), CAUSE_response_timeout);
}
END_TEST

START_TEST(test_oldest_is_the_first_still_running)
{
    struct owner o;
    owner_init(&o, 1, 2, &fake);
    ck_assert_int_eq(stats(&o).oldest_ms, -1);
    ck_assert_int_eq(submit(&o, 1, CLASS_BULK, FOR_EVER), ERR_NONE);
    ck_assert_int_ge(stats(&o).oldest_ms, 0);
    owner_fini(&o);
}
END_TEST

TESTS(jobs, test_every_job_comes_back_once, test_full_pool_refuses_and_leaves_the_job,
      test_bulk_never_takes_the_last_slot, test_one_shot_runs_beside_a_pool_full_of_tarpits,
      test_oldest_is_the_first_still_running, test_many_starts_do_not_hold_up_what_is_due)
TESTS(ends, test_cancel_ends_a_running_job, test_cancel_ends_a_waiting_job,
      test_cancel_of_an_unknown_task_is_false, test_release_hands_back_only_what_waits,
      test_destroy_ends_what_runs_and_waits, test_destroy_before_all_have_started,
      test_job_past_its_deadline_is_handed_back,
      test_time_out_that_the_task_deadline_cut_is_handed_back,
      test_what_took_too_long_while_the_loop_stood_is_the_agents_own,
      test_what_else_came_while_the_loop_stood_is_the_targets,
      test_time_out_of_a_loop_that_turned_is_the_targets)
CHECK_MAIN("pool", jobs, ends)
