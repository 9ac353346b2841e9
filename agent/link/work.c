/* SPDX-License-Identifier: MIT */
#include "agent/link/work.h"
#include "common/log.h"
#include "common/sockinfo.h"
#include <stdio.h>

#define HOST_EVERY_MS 1000
/* More of the descriptors in use than this is worth a word: a probe takes up to three. */
#define FDS_HIGH_PERCENT 90
/* A worker this late measures its own slowness. */
#define WORKER_LATE_MS 1000

static enum err op_admit(void *arg, const struct session_task *t)
{
    struct work *w = arg;
    REQUIRE(t->target != NULL);
    struct job *j = job_create(t->task, t->ticket, t->cls, t->target, t->now, t->deadline_at);
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
    struct work *w = arg;
    return pool_free_places(w->pool);
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

static void put_trouble(struct work *w, struct msg_heartbeat *hb, const struct pool_stats *p)
{
    w->trouble[0] = '\0';
    if (hb->fds_max > 0 && hb->fds_used * 100 >= hb->fds_max * FDS_HIGH_PERCENT)
        snprintf(w->trouble, sizeof(w->trouble), "%ld of %ld file descriptors are in use",
                 (long)hb->fds_used, (long)hb->fds_max);
    else if (p->lag_ms >= WORKER_LATE_MS)
        snprintf(w->trouble, sizeof(w->trouble),
                 "a worker is %.0f ms late: the host has too little CPU", p->lag_ms);
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
    hb->probes = p.ended;
    put_host(w, hb, now);
    put_socket(w, hb);
    put_trouble(w, hb, &p);
}

static const struct session_ops ops = {
    .admit = op_admit,
    .cancel = op_cancel,
    .release_waiting = op_release_waiting,
    .free_places = op_free_places,
    .deny = op_deny,
    .figures = op_figures,
    .close = op_close,
};

enum err work_init(struct work *w, const struct session_config *sc, const struct pool_config *pc,
                   const struct work_link *link)
{
    REQUIRE(pc->policy != NULL && link->close != NULL);
    *w = (struct work){.policy = pc->policy, .link = *link};
    enum err e = pool_create(pc, &w->pool);
    if (e != ERR_NONE)
        return e;
    struct session_config c = *sc;
    struct pool_stats p;
    pool_stats(w->pool, mono_now(), &p);
    c.slots = p.slots;
    c.workers = pc->workers;
    c.queue = p.queue_max;
    w->session = session_create(&c, &ops, w);
    strbuf_init(&w->record, RESULT_MAX_BYTES);
    return ERR_NONE;
}

void work_fini(struct work *w)
{
    pool_destroy(&w->pool);
    session_destroy(&w->session);
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

static void hand_over(struct work *w, struct job *j, struct mono now)
{
    enum session_end end = end_of(j);
    REQUIRE(j->result != NULL && j->result->task == j->task);
    const struct result *r = j->result;
    strbuf_reset(&w->record);
    if (end == SESSION_DONE && r->cause && cause_where(r->cause) == WHERE_AGENT) {
        session_on_fault(w->session, j->task, r->cause, r->message ? r->message : "", now);
        return;
    }
    if (end == SESSION_DONE)
        result_encode(j->result, wall_now(), &w->record);
    REQUIRE(!w->record.overflow);
    session_on_end(w->session, j->task, end, w->record.data, w->record.len, now);
}

void work_collect(struct work *w, struct mono now)
{
    struct list done;
    list_init(&done);
    (void)pool_take_done(w->pool, &done, now);
    for (struct list_node *n; (n = list_pop_front(&done)) != NULL;) {
        struct job *j = CONTAINER_OF(n, struct job, letter.node);
        hand_over(w, j, now);
        job_destroy(&j);
    }
}
