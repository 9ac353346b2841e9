/* SPDX-License-Identifier: MIT */
#include "agent/run/pool.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "agent/run/admission.h"
#include "agent/run/worker.h"
#include "common/log.h"
#include "common/mem.h"

#define FDS_PER_SLOT 2  /* the race of two attempts; a DNS probe has one */
#define FDS_SPARE    64 /* loops, resolvers, the link, logs */

struct pool {
    struct pool_config c;
    struct worker **workers;
    unsigned *load; /* jobs given to each worker */
    unsigned slots, queue_max, reserve;
    struct admission admission; /* job.queue_node */
    struct list running;        /* job.queue_node, the oldest start first */
    struct list returned;       /* job.letter.node: ended without a worker */
    struct mailbox *ended;      /* from the workers */
    uint64_t n_ended;
    struct watchdog watchdog;
    struct watch_loop *watched; /* of each worker */
    struct mono first_due;      /* no running job is due before */
    struct mono moved_at;       /* a job last started or ended, or began to wait alone */
    struct vitals vitals;       /* stamped by the workers */
    struct ports ports;
};

struct job *job_create(uint64_t task, const char *ticket, enum task_class cls, struct target *t,
                       struct mono now, struct mono deadline_at)
{
    REQUIRE(t != NULL && (unsigned)cls < TASK_CLASSES);
    struct job *j = mem_zalloc(sizeof(*j));
    j->task = task;
    j->cls = cls;
    j->target = t;
    j->result = result_create(task, ticket);
    j->admitted_at = now;
    j->deadline_at = deadline_at;
    return j;
}

void job_destroy(struct job **jp)
{
    struct job *j = *jp;
    if (!j)
        return;
    REQUIRE(!list_linked(&j->queue_node) && !list_linked(&j->letter.node));
    target_destroy(&j->target);
    result_destroy(&j->result);
    free(j);
    *jp = NULL;
}

static void warn_descriptors(const struct pool *p)
{
    struct rlimit lim;
    rlim_t need = (rlim_t)p->slots * FDS_PER_SLOT + FDS_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &lim) != 0 || lim.rlim_cur >= need)
        return;
    LOG(LOG_WARN, "pool", "few_descriptors", LU("limit", lim.rlim_cur), LU("needed", need),
        LU("slots", p->slots),
        LS("detail", "probes will fail with agent_fd_exhausted: raise RLIMIT_NOFILE (ulimit -n) or "
                     "lower --slots"));
}

static void curl_init(void)
{
    CURLcode rc = curl_global_init(CURL_GLOBAL_ALL);
    REQUIRE(rc == CURLE_OK);
}

/* libcurl's global state must exist before its first thread, and lives as long as the process. */
static void curl_init_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    PTOK(pthread_once(&once, curl_init));
}

enum err pool_create(const struct pool_config *c, struct pool **out)
{
    REQUIRE(c->workers > 0 && c->slots > 0 && c->policy != NULL && c->on_done != NULL);
    curl_init_once();
    struct pool *p = mem_zalloc(sizeof(*p));
    p->c = *c;
    p->slots = c->workers * c->slots;
    p->queue_max = admission_queue_max(p->slots);
    p->reserve = admission_reserve(p->slots);
    p->workers = mem_array(c->workers, sizeof(*p->workers));
    p->load = mem_array(c->workers, sizeof(*p->load));
    p->watched = mem_array(c->workers, sizeof(*p->watched));
    p->moved_at = mono_now();
    p->first_due = (struct mono){INT64_MAX};
    watchdog_init(&p->watchdog, p->moved_at);
    admission_init(&p->admission);
    list_init(&p->running);
    list_init(&p->returned);
    p->ended = mailbox_create("ended", p->slots, SIZE_MAX, c->on_done, c->on_done_arg);
    warn_descriptors(p);
    for (unsigned i = 0; i < c->workers; i++) {
        struct worker_config wc = {.index = i,
                                   .slots = c->slots,
                                   .pool = &p->c,
                                   .ended = p->ended,
                                   .vitals = &p->vitals,
                                   .ports = &p->ports};
        p->workers[i] = worker_create(&wc);
        if (!p->workers[i]) {
            pool_destroy(&p);
            return ERR_SYSTEM;
        }
    }
    *out = p;
    return ERR_NONE;
}

/* Jobs that ended, off the running list, into *out. */
static size_t take_ended(struct pool *p, struct list *out)
{
    struct list ended;
    list_init(&ended);
    mailbox_take_all(p->ended, &ended);
    LIST_EACH (&ended, n) {
        struct job *j = CONTAINER_OF(n, struct job, letter.node);
        struct worker *w = j->worker;
        REQUIRE(w != NULL);
        list_remove(&p->running, &j->queue_node);
        j->worker = NULL;
        p->load[worker_index(w)]--;
    }
    size_t count = ended.count + p->returned.count;
    p->n_ended += ended.count;
    list_splice_back(out, &ended);
    list_splice_back(out, &p->returned);
    return count;
}

static void return_unstarted(struct pool *p, struct job *j, enum job_end end)
{
    REQUIRE(j->worker == NULL && end != JOB_DONE);
    j->end = end;
    list_push_back(&p->returned, &j->letter.node);
}

void pool_destroy(struct pool **pp)
{
    struct pool *p = *pp;
    struct list left;
    if (!p)
        return;
    pool_release_waiting(p);
    for (unsigned i = 0; i < p->c.workers; i++)
        if (p->workers[i])
            worker_stop(p->workers[i]);
    list_init(&left);
    take_ended(p, &left);
    for (struct list_node *n; (n = list_pop_front(&left));) {
        struct job *j = CONTAINER_OF(n, struct job, letter.node);
        job_destroy(&j);
    }
    REQUIRE(list_empty(&p->running));
    for (unsigned i = 0; i < p->c.workers; i++)
        worker_destroy(&p->workers[i]);
    mailbox_destroy(&p->ended);
    free(p->workers);
    free(p->load);
    free(p->watched);
    free(p);
    *pp = NULL;
}

/* Of those that turn. What a standing one is given would wait there for nothing, and be taken for
 * what made it stand. NULL: none has a free slot. */
static struct worker *least_loaded(const struct pool *p)
{
    unsigned best = p->c.workers, least = p->c.slots;
    for (unsigned i = 0; i < p->c.workers; i++) {
        if (p->load[i] >= least || p->watched[i].stood_ms >= WATCHDOG_LATE_MS)
            continue;
        best = i;
        least = p->load[i];
    }
    return best < p->c.workers ? p->workers[best] : NULL;
}

static void give_to_worker(struct pool *p, struct worker *w, struct job *j, struct mono now)
{
    unsigned i = worker_index(w);
    REQUIRE(p->load[i] < p->c.slots);
    p->load[i]++;
    j->worker = w;
    j->started_at = p->moved_at = now;
    j->due_at = mono_add_ms(now, j->target->timeout_ms);
    if (mono_before(j->deadline_at, j->due_at))
        j->due_at = j->deadline_at;
    if (mono_before(j->due_at, p->first_due))
        p->first_due = j->due_at;
    list_push_back(&p->running, &j->queue_node);
    worker_run_job(w, j);
}

/* Free slots go to waiting jobs; the last ones never to bulk. */
static void pump(struct pool *p, struct mono now)
{
    while (p->running.count < p->slots && p->admission.n_waiting > 0) {
        bool bulk = p->slots - p->running.count > p->reserve;
        struct worker *w = least_loaded(p);
        if (!w)
            return;
        struct list_node *n = admission_pop(&p->admission, bulk ? ADMIT_ALL : ADMIT_NOT_BULK);
        if (!n)
            return;
        give_to_worker(p, w, CONTAINER_OF(n, struct job, queue_node), now);
    }
}

enum err pool_submit(struct pool *p, struct job *j, struct mono now)
{
    REQUIRE(p != NULL && j->worker == NULL && !list_linked(&j->queue_node));
    REQUIRE(p->c.kinds[j->target->kind] != NULL);
    if (pool_free_places(p) == 0)
        return ERR_FULL;
    if (p->admission.n_waiting == 0)
        p->moved_at = now;
    admission_push(&p->admission, &j->queue_node, j->cls);
    pump(p, now);
    return ERR_NONE;
}

size_t pool_take_done(struct pool *p, struct list *out, struct mono now)
{
    size_t n = take_ended(p, out);
    if (n > 0)
        p->moved_at = now;
    pump(p, now);
    return n;
}

static struct job *find(const struct list *l, uint64_t task)
{
    LIST_EACH (l, n) {
        struct job *j = CONTAINER_OF(n, struct job, queue_node);
        if (j->task == task)
            return j;
    }
    return NULL;
}

static bool cancel_waiting(struct pool *p, uint64_t task)
{
    for (unsigned c = 0; c < TASK_CLASSES; c++) {
        struct job *j = find(&p->admission.waiting[c], task);
        if (!j)
            continue;
        admission_remove(&p->admission, &j->queue_node, j->cls);
        return_unstarted(p, j, JOB_CANCELLED);
        p->c.on_done(p->c.on_done_arg);
        return true;
    }
    return false;
}

bool pool_cancel(struct pool *p, uint64_t task)
{
    if (cancel_waiting(p, task))
        return true;
    struct job *j = find(&p->running, task);
    if (!j)
        return false;
    if (!j->cancel_sent)
        worker_cancel(j->worker, task);
    j->cancel_sent = true;
    return true;
}

void pool_release_waiting(struct pool *p)
{
    bool any = false;
    for (struct list_node *n; (n = admission_pop(&p->admission, ADMIT_ALL)); any = true)
        return_unstarted(p, CONTAINER_OF(n, struct job, queue_node), JOB_RELEASED);
    if (any)
        p->c.on_done(p->c.on_done_arg);
}

/* ---- does it go on? */

/* The most overdue one; NULL: none is due. All are looked at only when one may be, or after
 * it. */
static struct job *first_overdue(struct pool *p, struct mono now)
{
    struct job *first = NULL;
    if (mono_before(now, p->first_due))
        return NULL;
    LIST_EACH (&p->running, n) {
        struct job *j = CONTAINER_OF(n, struct job, queue_node);
        if (!first || mono_before(j->due_at, first->due_at))
            first = j;
    }
    p->first_due = first ? first->due_at : (struct mono){INT64_MAX};
    return first && !mono_before(now, first->due_at) ? first : NULL;
}

static int64_t overdue_ms(const struct pool *p, const struct job *overdue, struct mono now)
{
    return overdue ? watchdog_age_ms(&p->watchdog, overdue->due_at, now) : -1;
}

static int64_t still_ms(const struct pool *p, struct mono now)
{
    if (p->admission.n_waiting == 0)
        return -1;
    return watchdog_age_ms(&p->watchdog, p->moved_at, now);
}

/* The one that stands longest. */
static unsigned look_at_loops(struct pool *p, int64_t step_ms)
{
    unsigned worst = 0;
    for (unsigned i = 0; i < p->c.workers; i++) {
        struct loop_doing d;
        worker_doing(p->workers[i], &d);
        watch_loop_seen(&p->watched[i], d.turn, step_ms);
        if (p->watched[i].stood_ms > p->watched[worst].stood_ms)
            worst = i;
    }
    return worst;
}

/* The workers' mailbox may hold what has ended; what is told of a job is of one that has not. */
static void tell_fault(const struct pool *p, const struct watch_figures *f, unsigned standing,
                       struct job *overdue, struct pool_fault *out)
{
    struct loop_doing d = {.phase = ""};
    struct job *j = overdue;
    out->ms = out->kind == FAULT_LOOP    ? f->stood_ms
              : out->kind == FAULT_PROBE ? f->overdue_ms
                                         : f->still_ms;
    if (out->kind == FAULT_QUEUE)
        return;
    out->worker = out->kind == FAULT_LOOP ? standing : worker_index(overdue->worker);
    out->jobs = p->load[out->worker];
    worker_doing(p->workers[out->worker], &d);
    out->phase = d.phase;
    if (out->kind == FAULT_LOOP)
        j = d.task ? find(&p->running, d.task) : NULL;
    out->task = j ? j->task : d.task;
    out->trace = j ? j->trace : "";
}

enum watch_verdict pool_watch(struct pool *p, struct mono now, struct pool_fault *out)
{
    unsigned standing = look_at_loops(p, watchdog_step(&p->watchdog, now));
    struct job *overdue = first_overdue(p, now);
    struct watch_figures f = {.stood_ms = p->watched[standing].stood_ms,
                              .overdue_ms = overdue_ms(p, overdue, now),
                              .still_ms = still_ms(p, now)};
    *out = (struct pool_fault){.phase = "", .trace = ""};
    enum watch_verdict v = watchdog_judge(&f, &out->kind);
    if (v != WATCH_WELL)
        tell_fault(p, &f, standing, overdue, out);
    pump(p, now);
    return v;
}

void pool_stats(struct pool *p, struct mono now, struct pool_stats *out)
{
    const struct list_node *oldest = list_first(&p->running);
    *out = (struct pool_stats){
        .slots = p->slots,
        .queue_max = p->queue_max,
        .running = (unsigned)p->running.count,
        .queued = p->admission.n_waiting,
        .ended = p->n_ended,
        .oldest_ms = -1,
        .overdue_ms = overdue_ms(p, first_overdue(p, now), now),
        .still_ms = still_ms(p, now),
    };
    if (oldest)
        out->oldest_ms =
            mono_diff_ms(now, CONTAINER_OF(oldest, struct job, queue_node)->started_at);
    for (unsigned i = 0; i < p->c.workers; i++) {
        double lag = worker_lag_ms(p->workers[i]);
        if (lag > out->lag_ms)
            out->lag_ms = lag;
        int64_t silent = worker_silent_ms(p->workers[i], now);
        if (silent > out->silent_ms)
            out->silent_ms = silent;
    }
}

const struct vitals *pool_vitals(const struct pool *p)
{
    return &p->vitals;
}

struct ports *pool_ports(struct pool *p)
{
    return &p->ports;
}

unsigned pool_free_places(const struct pool *p)
{
    unsigned used = (unsigned)p->running.count + p->admission.n_waiting;
    REQUIRE(used <= p->slots + p->queue_max);
    return p->slots + p->queue_max - used;
}
