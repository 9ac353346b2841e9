/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mem.h"
#include "tests/support/sim_disk.h"
#include "common/random.h"
#include "master/core/state.h"
#include "proto/result.h"
#include "proto/target.h"
#include <stdio.h>
#include <string.h>

/* The core and the agent both have a struct session of their own; here they meet, so that the
 * agent's is read under another name. */
#define session         agent_session
#define session_state   agent_session_state
#define SESSION_READY   AGENT_SESSION_READY
#define SESSION_CLOSING AGENT_SESSION_CLOSING
#include "agent/link/session.h"
#undef session
#undef session_state
#undef SESSION_READY
#undef SESSION_CLOSING

/*
 * sim_agent - one agent process in virtual time: the real session and outbox over a fake pool,
 * whose probes end when a random number says so.
 *
 * Bounded like the real one: `slots` run, `queue` wait, each admitted task comes back exactly once.
 * What its spool wrote to the sim_disk outlives it.
 */
#define SIM_PLACES_MAX 128

struct sim_job {
    uint64_t task;
    bool started, cancelled;
    struct mono ends_at, deadline_at; /* ends_at: unset while it waits */
};
struct sim_agent {
    struct agent_session *s; /* NULL: no such process now */
    struct rng *rng;
    char name[8];
    unsigned process; /* counts run ids */
    unsigned slots, queue;
    size_t outbox_results, outbox_bytes, fat; /* fat: bytes of its records, at most */
    struct sim_job jobs[SIM_PLACES_MAX];
    unsigned n_jobs, running;
    struct sim_disk disk;
    size_t found;                         /* results that it began with */
    struct mono seen_at;                  /* its pool's last turn */
    struct mono stuck_since, stuck_until; /* its probes stand, its link lives; unset: they do not */
    bool faulty, refuses; /* the host is in trouble; the pool says no although it promised */
    bool closing;         /* the session asked for the end of its connection */
    uint16_t close_code;
    uint64_t ended;
};

static unsigned sim_chance(struct sim_agent *a, unsigned one_in)
{
    return rng_below(a->rng, one_in) == 0;
}

/* ---- the pool */

static bool sim_stuck(const struct sim_agent *a)
{
    return mono_is_set(a->stuck_since);
}
/* What it knows of it itself: it takes nothing any more. */
static bool sim_ill(const struct sim_agent *a)
{
    return sim_stuck(a) && mono_diff_ms(a->seen_at, a->stuck_since) >= STALLED_OVERDUE_MS;
}

static enum err sim_admit(void *arg, const struct session_task *t)
{
    struct sim_agent *a = arg;
    REQUIRE(a->n_jobs < a->slots + a->queue);
    if (sim_ill(a) || (a->refuses && sim_chance(a, 4))) {
        SEEN(over_promise);
        return ERR_FULL;
    }
    struct target *target = t->target;
    target_destroy(&target);
    a->jobs[a->n_jobs++] = (struct sim_job){.task = t->task, .deadline_at = t->deadline_at};
    return ERR_NONE;
}
static void sim_cancel(void *arg, uint64_t task)
{
    struct sim_agent *a = arg;
    unsigned i = 0;
    while (i < a->n_jobs && a->jobs[i].task != task)
        i++;
    REQUIRE(i < a->n_jobs);
    a->jobs[i].cancelled = true;
}
static void sim_release_waiting(void *arg)
{
    struct sim_agent *a = arg;
    for (unsigned i = 0; i < a->n_jobs; i++)
        if (!a->jobs[i].started)
            a->jobs[i].ends_at = (struct mono){1};
}
static unsigned sim_free_places(void *arg)
{
    struct sim_agent *a = arg;
    if (sim_ill(a))
        return 0;
    return a->slots + a->queue - a->n_jobs;
}
static void sim_deny(void *arg, const struct cidr *deny, size_t n)
{
}
static void sim_figures(void *arg, struct msg_heartbeat *hb, struct mono now)
{
    struct sim_agent *a = arg;
    hb->running = a->running;
    hb->queue = a->n_jobs - a->running;
    hb->slots = a->slots;
    hb->probes = (int64_t)a->ended;
    hb->oldest_ms = hb->recvq_bytes = hb->sendq_bytes = hb->overdue_ms = hb->still_ms = -1;
    if (!sim_stuck(a))
        return;
    int64_t ms = mono_diff_ms(now, a->stuck_since);
    hb->overdue_ms = a->running > 0 ? ms : -1;
    hb->still_ms = hb->queue > 0 ? ms : -1;
}
/* The time of day is for people: nothing in a simulation may depend on it. */
static struct wall sim_wall(void *arg)
{
    return (struct wall){0};
}
static void sim_close(void *arg, uint16_t code, const char *reason)
{
    struct sim_agent *a = arg;
    REQUIRE(!a->closing);
    if (code != CLOSE_NORMAL && code != CLOSE_SILENT)
        fprintf(stderr, "%s closes with %u: %s\n", a->name, code, reason);
    REQUIRE(code == CLOSE_NORMAL || code == CLOSE_SILENT);
    a->closing = true;
    a->close_code = code;
}

static void sim_put_record(struct sim_agent *a, struct strbuf *b)
{
    if (sim_chance(a, 4)) {
        result_encode_verdict(CAUSE_connect_refused, NULL, b);
        return;
    }
    strbuf_puts(b, "{\"outcome\":\"ok\",\"cause\":null,\"timings\":{\"total_ms\":1},\"title\":\"");
    char some[256];
    memset(some, 'x', sizeof(some));
    for (size_t left = a->fat ? rng_below(a->rng, a->fat) : 0, n; left > 0; left -= n) {
        n = left < sizeof(some) ? left : sizeof(some);
        strbuf_append(b, some, n);
    }
    strbuf_puts(b, "\"}");
}

static void sim_done(struct sim_agent *a, uint64_t task, struct mono now)
{
    struct strbuf record;
    strbuf_init(&record, RESULT_MAX_BYTES - RESULT_ENVELOPE_MAX);
    sim_put_record(a, &record);
    REQUIRE(!record.overflow);
    session_on_end(a->s, task, SESSION_DONE, record.data, record.len, now);
    strbuf_fini(&record);
}

static void sim_job_over(struct sim_agent *a, unsigned i, struct mono now)
{
    struct sim_job j = a->jobs[i];
    a->jobs[i] = a->jobs[--a->n_jobs];
    a->running -= j.started;
    a->ended++;
    bool late = !mono_before(now, j.deadline_at);
    if (j.cancelled && !(j.started && sim_chance(a, 4))) /* else it was quicker */
        session_on_end(a->s, j.task, SESSION_CANCELLED, NULL, 0, now);
    else if (!j.started || late)
        session_on_end(a->s, j.task, SESSION_RELEASED, NULL, 0, now);
    else if (a->faulty && sim_chance(a, 2))
        session_on_fault(a->s, j.task, CAUSE_agent_memory, "storm", now);
    else
        sim_done(a, j.task, now);
}

/* Most probes take a moment, some are tarpits. */
static int64_t sim_duration_ms(struct sim_agent *a)
{
    return (int64_t)rng_below(a->rng, sim_chance(a, 12) ? TIMEOUT_MS_MAX : 3000);
}

static void sim_pool_turn(struct sim_agent *a, struct mono now)
{
    a->seen_at = now;
    if (sim_stuck(a))
        return;
    for (unsigned i = a->n_jobs; i-- > 0;) {
        const struct sim_job *j = &a->jobs[i];
        bool over = mono_is_set(j->ends_at) && !mono_before(now, j->ends_at);
        bool cancelled = j->cancelled && (!j->started || sim_chance(a, 2));
        if (over || cancelled || !mono_before(now, j->deadline_at))
            sim_job_over(a, i, now);
    }
    for (unsigned i = 0; i < a->n_jobs && a->running < a->slots; i++) {
        if (a->jobs[i].started)
            continue;
        a->jobs[i].started = true;
        a->jobs[i].ends_at = mono_add_ms(now, sim_duration_ms(a));
        a->running++;
    }
}

/* ---- the process */

static void sim_load(struct sim_agent *a)
{
    struct session_info i;
    struct outbox_loaded l;
    for (unsigned k = 0; a->disk.spool && k < a->disk.n_files; k++) {
        const struct sim_file *f = &a->disk.files[k];
        session_load(a->s, f->number, f->bytes.data, f->bytes.len, &l);
        REQUIRE(!l.foreign && !l.set_aside && !l.left);
    }
    session_info(a->s, &i);
    a->found = i.results;
    SEEN_IF(i.results > 0, reborn_results);
}

static void sim_agent_start(struct sim_agent *a)
{
    static const struct session_ops ops = {.admit = sim_admit,
                                           .cancel = sim_cancel,
                                           .release_waiting = sim_release_waiting,
                                           .free_places = sim_free_places,
                                           .deny = sim_deny,
                                           .figures = sim_figures,
                                           .wall = sim_wall,
                                           .close = sim_close};
    char run[INSTANCE_ID_LEN + 1];
    REQUIRE(!a->s && a->slots + a->queue <= SIM_PLACES_MAX);
    snprintf(run, sizeof(run), "%032x", ++a->process);
    struct session_config c = {.agent = a->name,
                               .instance = "00000000000000000000000000000001",
                               .run_id = run,
                               .version = "t",
                               .slots = a->slots,
                               .workers = 1,
                               .queue = a->queue,
                               .outbox_results = a->outbox_results,
                               .outbox_bytes = a->outbox_bytes};
    if (a->disk.max_bytes)
        c.spool = sim_disk_open(&a->disk, a->name, c.instance);
    a->s = session_create(&c, &ops, a);
    sim_load(a);
    a->n_jobs = a->running = 0;
    a->closing = false;
    a->stuck_since = (struct mono){0};
}

static void sim_agent_kill(struct sim_agent *a)
{
    session_destroy(&a->s);
    sim_disk_cut(&a->disk, a->rng);
    a->n_jobs = a->running = 0;
    a->closing = false;
    a->stuck_since = (struct mono){0};
}

/* What must hold between any two events. */
static void sim_agent_audit(const struct sim_agent *a)
{
    if (!a->s)
        return;
    struct session_info i;
    session_info(a->s, &i);
    REQUIRE(i.tasks == a->n_jobs && a->n_jobs <= a->slots + a->queue);
    REQUIRE(i.tasks == 0 || i.tasks + i.results <= a->outbox_results);
    REQUIRE(i.results <= (a->found > a->outbox_results ? a->found : a->outbox_results));
    sim_disk_audit(&a->disk);
    REQUIRE(i.received.count <= i.credit.count);
    REQUIRE(i.results_sent.count <= i.results_window.count);
    REQUIRE(i.unknown_acks == 0 && i.unknown_messages == 0);
    bool ready = i.state == AGENT_SESSION_READY && i.results > 0;
    SEEN_IF(ready && i.results_sent.count == i.results_window.count, results_full);
    SEEN_IF(ready && i.results_sent.bytes >= i.results_window.bytes, result_bytes);
    SEEN_IF(i.tasks + i.results >= a->outbox_results, outbox_full);
    SEEN_IF(a->n_jobs == a->slots + a->queue, places_full);
}
