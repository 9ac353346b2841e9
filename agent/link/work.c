/* SPDX-License-Identifier: MIT */
#include "agent/link/work.h"
#include "agent/outbox/spool_dir.h"
#include "agent/outbox/spooler.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sockinfo.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_EVERY_MS 1000
/* More of the descriptors in use than this is worth a word: a probe takes up to three. */
#define FDS_HIGH_PERCENT 90
/* A worker this late measures its own slowness. */
#define WORKER_LATE_MS 1000
#define TICK_MS        1000                          /* of health */
#define PHASE(k, ms)   LMS(k, (ms) < 0 ? NAN : (ms)) /* what never happened is no field */

struct held { /* a failure of which it is not known yet whose it is */
    struct health_case c;
    struct job *job;
};

/* Tasks that are here: in the pool or held. */
static unsigned in_hand(struct work *w)
{
    return w->places - pool_free_places(w->pool) + (unsigned)health_waiting(w->health);
}

/* The pool keeps places for the canaries. */
static unsigned free_places(struct work *w)
{
    unsigned used = in_hand(w), most = w->watch == WATCH_WELL ? health_places(w->health) : 0;
    return used < most ? most - used : 0;
}

static enum err op_admit(void *arg, const struct session_task *t)
{
    struct work *w = arg;
    REQUIRE(t->target != NULL);
    if (health_places(w->health) == 0 || w->watch != WATCH_WELL)
        return ERR_FULL; /* promised before the agent fell ill */
    struct job *j = job_create(t->task, t->ticket, t->cls, t->target, t->now, t->deadline_at);
    if (t->trace)
        snprintf(j->trace, sizeof(j->trace), "%s", t->trace);
    enum err e = pool_submit(w->pool, j, t->now);
    if (e != ERR_NONE) {
        j->target = NULL; /* the caller's again */
        job_destroy(&j);
    }
    return e;
}

static void op_cancel(void *arg, uint64_t task)
{
    struct work *w = arg;
    (void)pool_cancel(w->pool, task);
}

static void op_release_waiting(void *arg)
{
    struct work *w = arg;
    pool_release_waiting(w->pool);
}

static unsigned op_free_places(void *arg)
{
    return free_places(arg);
}

static void op_deny(void *arg, const struct cidr *deny, size_t n)
{
    struct work *w = arg;
    policy_set_master_deny(w->policy, deny, n);
}

static void op_close(void *arg, uint16_t code, const char *reason)
{
    struct work *w = arg;
    w->link.close(w->link.arg, code, reason);
}

static void put_host(struct work *w, struct msg_heartbeat *hb, struct mono now)
{
    if (!mono_is_set(w->host_at) || mono_diff_ms(now, w->host_at) >= HOST_EVERY_MS) {
        hostinfo_read(&w->host);
        w->host_at = now;
    }
    hb->cpu_percent = w->host.cpu_percent;
    hb->load1 = w->host.load1;
    hb->rss_bytes = w->host.rss_bytes;
    hb->mem_available_bytes = w->host.mem_available_bytes;
    hb->fds_used = w->host.fds_used;
    hb->fds_max = w->host.fds_max;
    hb->established = w->host.sockets_established;
    hb->time_wait = w->host.sockets_time_wait;
    hb->close_wait = w->host.sockets_close_wait;
    hb->ephemeral_ports = w->host.ephemeral_ports;
}

static void put_socket(struct work *w, struct msg_heartbeat *hb)
{
    struct sockinfo si;
    int fd = w->link.socket(w->link.arg);
    bool known = fd >= 0 && sockinfo_read(fd, &si);
    hb->recvq_bytes = known ? si.recvq_bytes : -1;
    hb->sendq_bytes = known ? si.sendq_bytes : -1;
}

static void put_trouble(struct work *w, struct msg_heartbeat *hb, const struct pool_stats *p,
                        struct mono now)
{
    const char *ill = health_trouble(w->health, now);
    w->trouble[0] = '\0';
    if (w->stall[0])
        snprintf(w->trouble, sizeof(w->trouble), "%s", w->stall);
    else if (ill[0])
        snprintf(w->trouble, sizeof(w->trouble), "%s", ill);
    else if (hb->fds_max > 0 && hb->fds_used * 100 >= hb->fds_max * FDS_HIGH_PERCENT)
        snprintf(w->trouble, sizeof(w->trouble), "%ld of %ld file descriptors are in use",
                 (long)hb->fds_used, (long)hb->fds_max);
    else if (p->lag_ms >= WORKER_LATE_MS)
        snprintf(w->trouble, sizeof(w->trouble),
                 "a worker is %.0f ms late: the host has too little CPU", p->lag_ms);
    else if (log_untold() > 0)
        snprintf(w->trouble, sizeof(w->trouble),
                 "its log cannot be written: a full disk, or nobody reads it");
    hb->trouble = w->trouble;
}

static void op_figures(void *arg, struct msg_heartbeat *hb, struct mono now)
{
    struct work *w = arg;
    struct pool_stats p;
    pool_stats(w->pool, now, &p);
    hb->lag_ms = w->link.lag_ms(w->link.arg);
    hb->queue = p.queued;
    hb->running = p.running;
    hb->slots = p.slots;
    hb->oldest_ms = p.oldest_ms;
    hb->overdue_ms = p.overdue_ms;
    hb->still_ms = p.still_ms;
    hb->probes = p.ended;
    hb->log_lost = (int64_t)log_unwritten();
    put_host(w, hb, now);
    put_socket(w, hb);
    put_trouble(w, hb, &p, now);
}

static struct wall op_wall(void *arg)
{
    return wall_now();
}

static const struct session_ops ops = {
    .admit = op_admit,
    .cancel = op_cancel,
    .release_waiting = op_release_waiting,
    .free_places = op_free_places,
    .deny = op_deny,
    .figures = op_figures,
    .wall = op_wall,
    .close = op_close,
};

/* ---- the spool */

static void open_spool(struct work *w, struct session_config *c, const struct work_spool *ws)
{
    if (!ws->dir)
        return;
    w->spool = spool_create(ws->max_bytes, c->agent, c->instance);
    w->spooler = spooler_start(w->spool, ws->dir, ws->wake, ws->arg);
    if (!w->spooler)
        spool_destroy(&w->spool);
    c->spool = w->spool;
}

static void on_spool_file(void *arg, uint64_t number, const char *p, size_t n)
{
    struct work *w = arg;
    struct outbox_loaded l;
    session_load(w->session, number, p, n, &l);
    if (l.damaged_at)
        LOG(LOG_WARN, "spool", "damaged", LU("file", number), LU("offset", l.damaged_at),
            LU("bytes", n), LS("effect", "what follows is run again"));
    if (l.foreign)
        LOG(LOG_WARN, "spool", "foreign", LU("file", number),
            LS("effect", "of another agent or release, or unreadable: it is set aside"));
    if (l.set_aside || l.left)
        LOG(LOG_WARN, "spool", "not_taken_up", LU("file", number),
            LU("of_another_store", l.set_aside), LU("too_many", l.left));
}

static void load_spool(struct work *w, const char *dir)
{
    struct session_info i;
    struct spool_stats st;
    spool_dir_read(dir, on_spool_file, w);
    session_info(w->session, &i);
    spool_stats(w->spool, &st);
    if (st.files > 0)
        LOG(LOG_INFO, "spool", "loaded", LU("results", i.results), LU("files", st.files),
            LU("bytes", st.bytes), LS("store", i.store_id));
}

void work_spool(struct work *w, struct mono now)
{
    if (w->spooler)
        spooler_pump(w->spooler, now);
}

enum err work_init(struct work *w, const struct work_config *c, const struct work_link *link)
{
    REQUIRE(c->pool.policy != NULL && link->close != NULL && link->hopeless != NULL);
    *w = (struct work){.policy = c->pool.policy, .link = *link};
    enum err e = pool_create(&c->pool, &w->pool);
    if (e != ERR_NONE)
        return e;
    struct session_config sc = c->session;
    struct pool_stats p;
    pool_stats(w->pool, mono_now(), &p);
    sc.slots = p.slots;
    sc.workers = c->pool.workers;
    canaries_init(&w->canaries, c->canaries, c->n_canaries);
    sc.queue = p.queue_max - w->canaries.n;
    w->places = pool_free_places(w->pool);
    w->health = health_create(w->places - w->canaries.n, canaries_covered(&w->canaries));
    open_spool(w, &sc, &c->spool);
    w->session = session_create(&sc, &ops, w);
    if (w->spool)
        load_spool(w, c->spool.dir);
    strbuf_init(&w->record, RESULT_MAX_BYTES);
    return ERR_NONE;
}

void work_fini(struct work *w)
{
    pool_destroy(&w->pool);
    for (struct health_case *c; (c = health_abandon(w->health)) != NULL;) {
        struct held *held = CONTAINER_OF(c, struct held, c);
        job_destroy(&held->job);
        free(held);
    }
    health_destroy(&w->health);
    canaries_fini(&w->canaries);
    spooler_stop(&w->spooler);
    session_destroy(&w->session);
    spool_destroy(&w->spool);
    strbuf_fini(&w->record);
}

static enum session_end end_of(const struct job *j)
{
    switch (j->end) {
    case JOB_DONE:
        return SESSION_DONE;
    case JOB_RELEASED:
        return SESSION_RELEASED;
    case JOB_CANCELLED:
        return SESSION_CANCELLED;
    }
    UNREACHABLE("job end");
}

/* Its own fault: another agent is to measure it. */
static void give_back(struct work *w, const struct job *j, enum cause fault, const char *detail,
                      struct mono now)
{
    w->ended[fault]++;
    health_ended(w->health, fault, now);
    session_on_fault(w->session, j->task, fault, detail, now);
}

/* The probe and its phases in one line: a step that never happened is left out. */
static void tell_end(struct work *w, const struct job *j)
{
    const struct result *r = j->result;
    const struct result_timings *t = &r->t;
    char at[WALL_TEXT_MAX];
    bool asked;
    const char *trace = session_trace(w->session, j->task, &asked);
    LOG_ASKED(asked, r->outcome == OUTCOME_OK ? LOG_DEBUG : LOG_INFO, "task", "ended",
              LS("trace", trace), LU("task", j->task), LS("outcome", outcome_word(r->outcome)),
              LS("cause", r->cause ? cause_word(r->cause) : NULL), LS("message", r->message),
              LS("started_at", r->started_at.us ? wall_format(r->started_at, at) : NULL),
              LI("tries", r->n_tries + 1), PHASE("queue_ms", r->queue_ms),
              PHASE("dns_ms", t->dns_ms), PHASE("connect_ms", t->connect_ms),
              PHASE("proxy_ms", t->proxy_ms), PHASE("tls_ms", t->tls_ms),
              PHASE("send_ms", t->send_ms), PHASE("wait_ms", t->wait_ms),
              PHASE("download_ms", t->download_ms), PHASE("total_ms", t->total_ms));
}

static void hand_over(struct work *w, const struct job *j, struct mono now)
{
    enum session_end end = end_of(j);
    REQUIRE(j->result != NULL && j->result->task == j->task);
    const struct result *r = j->result;
    if (end == SESSION_DONE && r->cause && cause_where(r->cause) == WHERE_AGENT) {
        give_back(w, j, r->cause, r->message ? r->message : "", now);
        return;
    }
    strbuf_reset(&w->record);
    if (end == SESSION_DONE) {
        struct session_info i;
        session_info(w->session, &i);
        j->result->clock_skew_ms = i.clock_skew_ms;
        health_ended(w->health, CAUSE_NONE, now);
        w->ended[r->cause]++;
        tell_end(w, j);
        result_encode(r, wall_now(), &w->record);
    }
    REQUIRE(!w->record.overflow);
    session_on_end(w->session, j->task, end, w->record.data, w->record.len, now);
}

/* The failure of another's that was none. */
static void give_back_doubted(struct work *w, const struct job *j, enum vital vital,
                              struct mono now)
{
    char detail[MESSAGE_TEXT_MAX];
    enum cause c = vital == VITAL_RESOLVER ? CAUSE_agent_resolver_down : CAUSE_agent_network_down;
    snprintf(detail, sizeof(detail), "%s here, while nothing else on %s answered either",
             cause_word(j->result->cause), vital_text(vital));
    give_back(w, j, c, detail, now);
}

static void hold(struct work *w, struct job *j, struct mono now)
{
    struct held *held = mem_zalloc(sizeof(*held));
    held->job = j;
    held->c.vital = j->result->doubt.vital;
    held->c.since = j->result->doubt.since;
    held->c.host = target_peer_hash(j->target);
    health_enter(w->health, &held->c, now);
}

static void start_canaries(struct work *w, struct mono now)
{
    unsigned due = health_canaries_due(w->health, now);
    for (enum vital v = VITAL_NONE + 1; v < VITALS; v++)
        if (due & 1u << v)
            canaries_start(&w->canaries, w->pool, v, now);
}

/* What health has decided goes out; what it wants to know is asked. */
static void diagnose(struct work *w, struct mono now)
{
    health_step(w->health, pool_vitals(w->pool), now);
    if (health_take_fall(w->health))
        pool_release_waiting(w->pool);
    for (struct health_case *c; (c = health_next(w->health)) != NULL;) {
        struct held *held = CONTAINER_OF(c, struct held, c);
        if (c->ours)
            give_back_doubted(w, held->job, c->vital, now);
        else
            hand_over(w, held->job, now);
        job_destroy(&held->job);
        free(held);
    }
    start_canaries(w, now);
}

static bool take_canary(struct work *w, struct job *j, struct mono now)
{
    enum vital v;
    bool over;
    if (!canaries_take(&w->canaries, j, &v, &over))
        return false;
    if (over && w->canaries.asked[v])
        health_canary_over(w->health, v, w->canaries.answered[v], now);
    else if (over)
        health_canary_undone(w->health, v);
    return true;
}

static bool is_doubted(const struct job *j)
{
    return j->end == JOB_DONE && j->result->doubt.vital != VITAL_NONE;
}

void work_collect(struct work *w, struct mono now)
{
    struct list done;
    list_init(&done);
    (void)pool_take_done(w->pool, &done, now);
    for (struct list_node *n; (n = list_pop_front(&done)) != NULL;) {
        struct job *j = CONTAINER_OF(n, struct job, letter.node);
        bool canary = take_canary(w, j, now);
        if (!canary && is_doubted(j)) {
            hold(w, j, now);
            continue;
        }
        if (!canary)
            hand_over(w, j, now);
        job_destroy(&j);
    }
    diagnose(w, now);
}

static void look_at_ports(struct work *w, struct mono now)
{
    int64_t time_wait, range;
    struct ports *ports = pool_ports(w->pool);
    hostinfo_ports(&time_wait, &range);
    ports_tick(ports, time_wait, range, now);
    health_ports(w->health, ports_used(ports), range);
}

/* ---- does the work go on? */

static void tell_stall(struct work *w, const struct pool_fault *f)
{
    static const char fix[] = "it is started anew if it does not go on within half a minute";
    long long s = (long long)f->ms / 1000;
    if (f->kind == FAULT_LOOP)
        snprintf(w->stall, sizeof(w->stall), "worker-%u stands for %lld s (%s): %s", f->worker, s,
                 f->phase, fix);
    else if (f->kind == FAULT_PROBE)
        snprintf(w->stall, sizeof(w->stall), "a probe is %lld s over its time-out: %s", s, fix);
    else
        snprintf(w->stall, sizeof(w->stall), "tasks wait, and for %lld s none started or ended: %s",
                 s, fix);
}

static void log_stall(enum log_level level, const char *event, const struct pool_fault *f,
                      const char *effect)
{
    static const char *const what[] = {[FAULT_LOOP] = "a worker's loop stands",
                                       [FAULT_PROBE] = "a probe is over its time-out",
                                       [FAULT_QUEUE] = "tasks wait and none starts or ends"};
    char task[24] = "";
    REQUIRE(f->kind != FAULT_NONE);
    if (f->task)
        snprintf(task, sizeof(task), "%llu", (unsigned long long)f->task);
    LOG(level, "pool", event, LS("what", what[f->kind]), LI("ms", f->ms), LU("worker", f->worker),
        LU("jobs", f->jobs), LS("phase", f->phase[0] ? f->phase : NULL),
        LS("task", f->task ? task : NULL), LS("trace", f->trace[0] ? f->trace : NULL),
        LS("effect", effect));
}

/* What waits goes back, but where its waiting is the fault: the master is to hear of that. What
 * runs ends if it can, and its results are sent. */
static void watch(struct work *w, struct mono now)
{
    struct pool_fault f;
    enum watch_verdict before = w->watch;
    w->watch = pool_watch(w->pool, now, &f);
    w->stall[0] = '\0';
    if (w->watch != WATCH_WELL)
        tell_stall(w, &f);
    if (before == WATCH_WELL && w->watch != WATCH_WELL) {
        log_stall(LOG_ERROR, "stalled", &f, "no new tasks; the master gives them to others");
        if (f.kind != FAULT_QUEUE)
            pool_release_waiting(w->pool);
    } else if (before != WATCH_WELL && w->watch == WATCH_WELL) {
        LOG(LOG_WARN, "pool", "goes_on", LS("effect", "tasks are taken again"));
    }
    if (w->watch == WATCH_END) {
        log_stall(LOG_ERROR, "hopeless", &f,
                  "the process ends to be started anew; its results are in the spool");
        w->link.hopeless(w->link.arg);
    }
}

void work_tick(struct work *w, struct mono now)
{
    watch(w, now);
    look_at_ports(w, now);
    if (mono_diff_ms(now, w->ticked_at) >= TICK_MS) {
        w->ticked_at = now;
        health_tick(w->health, in_hand(w));
    }
    diagnose(w, now);
}

void work_figures(struct work *w, struct page_figures *out, struct mono now)
{
    struct session_info i;
    struct pool_stats p;
    session_info(w->session, &i);
    pool_stats(w->pool, now, &p);
    session_figures(w->session, &out->hb, now);
    snprintf(out->trouble, sizeof(out->trouble), "%s", out->hb.trouble);
    out->hb.trouble = NULL; /* not ours to keep */
    out->state = session_state_word(i.state);
    out->tasks = i.tasks;
    out->released = i.released;
    out->nacked = i.nacked;
    out->worker_lag_ms = p.lag_ms;
    out->worker_silent_ms = p.silent_ms;
    memcpy(out->ended, w->ended, sizeof(out->ended));
}
