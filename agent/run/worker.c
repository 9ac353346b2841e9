/* SPDX-License-Identifier: MIT */
#include "agent/run/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/run/curl_loop.h"
#include "common/log.h"
#include "common/mem.h"

#define CANCELS_PER_SLOT                                                                           \
    2 /* a cancel crosses with the job's end at most once before the owner knows */

/* Orders obeyed in one turn; what then waits goes on in the next. A thousand starts at a stretch,
 * and their thousand connects behind them, would make everyone else's time-outs a tenth of a second
 * late, and later all end at the same moment. */
#define ORDERS_PER_TURN 32

/* While names wait for their turn to be asked, starts wait too: the clock of a probe that can only
 * stand in a queue would run, and all their time-outs would fall due faster than the loop can end
 * them. Never longer than this between two turns, so that a dead resolver holds up nobody else. */
#define PACE_MS 2

/* A probe that ran out of time is not believed when the loop stood for this part of it or more:
 * less would hardly have made the difference. */
#define STOOD_PART 4

struct worker {
    struct worker_config c;
    pthread_t thread;
    struct mailbox *inbox; /* struct job_order */
    struct list orders;    /* taken from the inbox, not yet obeyed */
    struct probe_env env;
    struct slot *slots;
    struct list idle, busy; /* slots */
    struct list ended;      /* job.letter.node: of this turn, not yet handed back */
    struct timer hand_back, pace;
    bool stopping;
};

struct slot {
    struct list_node node;
    struct worker *w;
    struct job *job;
    struct probe *probe;
    const struct probe_kind *kind;
    struct timer late;      /* ends a job whose deadline has passed before its start */
    bool cancelled, capped; /* capped: the task's deadline comes before the probe's own time-out */
    struct mono began;
    int64_t stood_ms; /* the loop, in all, until then */
};

static void slot_release(struct slot *s)
{
    struct worker *w = s->w;
    s->job = NULL;
    s->probe = NULL;
    list_remove(&w->busy, &s->node);
    list_push_front(&w->idle, &s->node);
    if (w->stopping && list_empty(&w->busy))
        loop_stop(w->env.loop);
}

/* Jobs go back together, once a turn: a wake of the owner for each would cost as much as its
 * connect(). */
static void hand_back(struct worker *w)
{
    if (list_empty(&w->ended))
        return;
    enum err e = mailbox_post_replies(w->c.ended, &w->ended); /* they are the owner's now */
    REQUIRE(e == ERR_NONE);
}

static void on_hand_back(struct timer *t, struct mono now)
{
    hand_back(CONTAINER_OF(t, struct worker, hand_back));
}

static void slot_end(struct slot *s, enum job_end end)
{
    struct worker *w = s->w;
    struct job *j = s->job;
    REQUIRE(j != NULL && w != NULL);
    j->end = end;
    slot_release(s);
    if (list_empty(&w->ended))
        timer_arm(loop_timers(w->env.loop), &w->hand_back, loop_now(w->env.loop), on_hand_back);
    list_push_back(&w->ended, &j->letter.node);
}

static bool is_timeout(enum cause c)
{
    return c == CAUSE_dns_timeout || c == CAUSE_connect_timeout || c == CAUSE_tls_timeout ||
           c == CAUSE_response_timeout || c == CAUSE_body_timeout || c == CAUSE_proxy_timeout;
}

/* Who did not listen may not speak of silence. */
static void judge_stood(struct slot *s)
{
    struct result *r = s->job->result;
    const struct loop *l = s->w->env.loop;
    int64_t stood_ms = loop_stood_ms(l) - s->stood_ms;
    bool of_time = is_timeout(r->cause) || r->cause == CAUSE_too_slow;
    if (!of_time || stood_ms == 0 || stood_ms * STOOD_PART < mono_diff_ms(loop_now(l), s->began))
        return;
    result_end(r, CAUSE_agent_stood, "%s here, while this agent itself stood for %lld ms",
               cause_word(r->cause), (long long)stood_ms);
    r->doubt.vital = VITAL_NONE;
}

static void on_probe_done(struct probe *p, void *arg)
{
    struct slot *s = arg;
    REQUIRE(s->job != NULL && s->probe == p);
    /* Cut short by the task's deadline, not slow: that is the master's to judge. */
    bool cut = s->capped && is_timeout(s->job->result->cause);
    if (!cut && !s->cancelled)
        judge_stood(s);
    slot_end(s, s->cancelled ? JOB_CANCELLED : cut ? JOB_RELEASED : JOB_DONE);
}

static void on_late(struct timer *t, struct mono now)
{
    slot_end(CONTAINER_OF(t, struct slot, late), JOB_RELEASED);
}

static void slot_start(struct slot *s)
{
    struct worker *w = s->w;
    struct job *j = s->job;
    struct mono now = loop_now_fresh(w->env.loop);
    struct mono own = mono_add_ms(now, j->target->timeout_ms);
    s->cancelled = false;
    s->began = now;
    s->stood_ms = loop_stood_ms(w->env.loop);
    s->capped = mono_before(j->deadline_at, own);
    j->result->started_at = wall_now();
    j->result->queue_ms = mono_diff_ms_f(now, j->admitted_at);
    if (!mono_before(now, j->deadline_at)) {
        timer_arm(loop_timers(w->env.loop), &s->late, now, on_late);
        return;
    }
    s->kind = w->c.pool->kinds[j->target->kind];
    loop_at(w->env.loop, "start", j->task);
    s->probe = s->kind->start(&w->env, j->target, j->result, s->capped ? j->deadline_at : own,
                              on_probe_done, s);
    REQUIRE(s->probe != NULL);
}

static void slot_cancel(struct slot *s)
{
    if (s->cancelled || !s->probe)
        return;
    s->cancelled = true;
    loop_at(s->w->env.loop, "cancel", s->job->task);
    s->kind->cancel(s->probe);
}

static void run(struct worker *w, struct job *j)
{
    struct list_node *n = list_pop_front(&w->idle);
    REQUIRE(n != NULL && j != NULL); /* the owner counts our slots */
    struct slot *s = CONTAINER_OF(n, struct slot, node);
    list_push_back(&w->busy, n);
    s->job = j;
    slot_start(s);
}

static void cancel(struct worker *w, uint64_t task)
{
    LIST_EACH (&w->busy, n) {
        struct slot *s = CONTAINER_OF(n, struct slot, node);
        if (s->job->task == task)
            slot_cancel(s);
    }
}

static void stop(struct worker *w)
{
    w->stopping = true;
    LIST_EACH (&w->busy, n)
        slot_cancel(CONTAINER_OF(n, struct slot, node));
    if (list_empty(&w->busy))
        loop_stop(w->env.loop);
}

static void obey(struct worker *w, const struct job_order *o)
{
    switch (o->kind) {
    case ORDER_RUN:
        run(w, o->job);
        return;
    case ORDER_CANCEL:
        cancel(w, o->task);
        return;
    case ORDER_STOP:
        stop(w);
        return;
    }
    UNREACHABLE("no such order");
}

static void obey_first(struct worker *w)
{
    struct job_order *o = CONTAINER_OF(list_pop_front(&w->orders), struct job_order, letter.node);
    bool own = o->kind != ORDER_RUN; /* that of a run is the job's */
    obey(w, o);
    if (own)
        free(o);
}

static void obey_some(struct worker *w);

static void on_pace(struct timer *t, struct mono now)
{
    obey_some(CONTAINER_OF(t, struct worker, pace));
}

static void obey_some(struct worker *w)
{
    struct loop *l = w->env.loop;
    for (unsigned n = 0; n < ORDERS_PER_TURN && !list_empty(&w->orders); n++)
        obey_first(w);
    if (list_empty(&w->orders))
        return;
    if (resolver_is_full(w->env.resolver))
        timer_arm(loop_timers(l), &w->pace, mono_add_ms(loop_now(l), PACE_MS), on_pace);
    else
        loop_wake(l);
}

static void on_wake(void *arg)
{
    struct worker *w = arg;
    mailbox_take_all(w->inbox, &w->orders);
    if (!timer_armed(&w->pace))
        obey_some(w);
}

static void *thread_main(void *arg)
{
    struct worker *w = arg;
    char name[16];
    snprintf(name, sizeof(name), "worker-%u", w->c.index);
    pthread_setname_np(pthread_self(), name);
    loop_run(w->env.loop);
    hand_back(w); /* what ended in the last turn */
    return NULL;
}

static void wake_loop(void *arg)
{
    loop_wake(arg);
}

static bool env_setup(struct worker *w)
{
    struct probe_env *env = &w->env;
    const struct pool_config *p = w->c.pool;
    env->policy = p->policy;
    env->vitals = w->c.vitals;
    env->ports = w->c.ports;
    env->ca_file = p->ca_file;
    env->resolver_servers = p->resolver;
    env->loop = loop_create(on_wake, w);
    if (!env->loop)
        return false;
    env->resolver = resolver_create(
        env->loop, &(struct resolver_config){.servers = p->resolver, .vitals = w->c.vitals});
    env->curl = curl_loop_create(env->loop);
    if (!env->resolver || !env->curl)
        return false;
    for (unsigned k = 0; k < ARRAY_LEN(p->kinds); k++)
        if (p->kinds[k] && p->kinds[k]->setup && !p->kinds[k]->setup(env, &env->state[k]))
            return false;
    return true;
}

static void env_teardown(struct worker *w)
{
    struct probe_env *env = &w->env;
    const struct pool_config *p = w->c.pool;
    for (unsigned k = 0; k < ARRAY_LEN(p->kinds); k++)
        if (p->kinds[k] && p->kinds[k]->teardown && env->state[k])
            p->kinds[k]->teardown(env, env->state[k]);
    curl_loop_destroy(&env->curl);
    if (env->resolver)
        resolver_destroy(&env->resolver);
    loop_destroy(&env->loop);
}

static void slots_init(struct worker *w)
{
    w->slots = mem_array(w->c.slots, sizeof(*w->slots));
    list_init(&w->idle);
    list_init(&w->busy);
    list_init(&w->orders);
    list_init(&w->ended);
    for (unsigned i = 0; i < w->c.slots; i++) {
        w->slots[i].w = w;
        list_push_back(&w->idle, &w->slots[i].node);
    }
}

static void worker_free(struct worker **wp)
{
    struct worker *w = *wp;
    env_teardown(w);
    mailbox_destroy(&w->inbox);
    free(w->slots);
    free(w);
    *wp = NULL;
}

struct worker *worker_create(const struct worker_config *c)
{
    REQUIRE(c->slots > 0 && c->pool != NULL && c->ended != NULL);
    struct worker *w = mem_zalloc(sizeof(*w));
    w->c = *c;
    slots_init(w);
    if (env_setup(w)) {
        size_t letters = (size_t)c->slots * (1 + CANCELS_PER_SLOT) + 1;
        w->inbox = mailbox_create("worker", letters, SIZE_MAX, wake_loop, w->env.loop);
        if (pthread_create(&w->thread, NULL, thread_main, w) == 0)
            return w;
    }
    LOG(LOG_ERROR, "pool", "no_worker", LU("worker", c->index),
        LS("detail", "out of descriptors, memory or threads, or a library could not start"));
    worker_free(&w);
    return NULL;
}

static void post(struct worker *w, struct job_order *o)
{
    enum err e = mailbox_post_reply(w->inbox, &o->letter);
    REQUIRE(e == ERR_NONE);
}

static void post_copy(struct worker *w, struct job_order o)
{
    post(w, mem_dup(&o, sizeof(o)));
}

void worker_stop(struct worker *w)
{
    post_copy(w, (struct job_order){.kind = ORDER_STOP});
    PTOK(pthread_join(w->thread, NULL));
    mailbox_take_all(w->inbox, &w->orders); /* what crossed with the stop */
    while (!list_empty(&w->orders))
        obey_first(w);
    REQUIRE(list_empty(&w->busy));
}

void worker_destroy(struct worker **wp)
{
    if (*wp)
        worker_free(wp);
}

void worker_run_job(struct worker *w, struct job *j)
{
    j->start = (struct job_order){.kind = ORDER_RUN, .job = j};
    post(w, &j->start);
}

void worker_cancel(struct worker *w, uint64_t task)
{
    post_copy(w, (struct job_order){.kind = ORDER_CANCEL, .task = task});
}

unsigned worker_index(const struct worker *w)
{
    return w->c.index;
}

double worker_lag_ms(const struct worker *w)
{
    return loop_lag_ms(w->env.loop);
}

int64_t worker_silent_ms(const struct worker *w, struct mono now)
{
    return loop_silent_ms(w->env.loop, now);
}

void worker_doing(const struct worker *w, struct loop_doing *out)
{
    loop_doing(w->env.loop, out);
}
