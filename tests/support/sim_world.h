/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/run/watchdog.h"
#include "tests/support/core_audit.h"
#include "tests/support/core_world.h"
#include "tests/support/sim_agent.h"
#include "tests/support/sim_wire.h"

/*
 * sim_world - the core and store of core_world, but its agents are real sessions (sim_agent) behind
 * streams with delay (sim_wire), in virtual time. It does what hub and link do, and no more.
 *
 * A connection lives in the slot of world.agents with its number; each end lets go of it when it
 * learns of the end, which may be long after the other, or by its own time-outs alone.
 */
#define SIM_AGENTS     5
#define SIM_TICK_MS    250
#define SIM_NEVER_MS   3600000
#define SIM_PARTING_MS 5000
#define SIM_DRAIN_MS   90000 /* probes, flush, and a connection that must be found dead */
#define SIM_STORE_MS   20000 /* a master that stops waits so long for its store */

struct sim_conn {
    struct sim_wire up, down;
    struct line_buf in;
    unsigned agent;
    bool agent_end, master_end, waits; /* waits: for its turn; no more is read of it */
    uint64_t number;                   /* in the order of connects */
    struct mono agent_learns, master_learns, close_by; /* unset: not cut; not closing */
};
struct sim_host { /* where the processes of one agent run */
    struct sim_agent agent;
    int conn; /* −1: none */
    struct mono connect_at, start_at, frozen_until, ticked_at, gone_at;
    struct mono drained_by; /* unset: nobody told it to end */
    uint64_t heard;         /* the newest connection that the master has read of */
};
enum sim_master { MASTER_RUNS, MASTER_DRAINS, MASTER_PARTS, MASTER_DOWN };
struct sim {
    struct world *w;
    struct rng rng;
    struct sim_conn conns[W_SESSIONS];
    struct sim_host hosts[SIM_AGENTS];
    enum sim_master master;
    struct mono master_until, frozen_until, ticked_at;
    struct strbuf out; /* one frame */
    uint64_t connects;
    enum sim_kind kill_at; /* a SAW_kill_… of agents, 0 = none: there one dies … */
    unsigned kill_after;   /* … when any comes by for the so manyeth time */
    bool calm;             /* no weather of ours: all that is broken heals */
};

static int64_t sim_ms(struct sim *m, uint64_t below)
{
    return (int64_t)rng_below(&m->rng, below);
}
/* When an end learns that its connection is cut: soon, or only by its own time-outs. */
static struct mono sim_learns(struct sim *m)
{
    bool never = !m->calm && rng_below(&m->rng, 4) == 0;
    SEEN_IF(never, cut_unnoticed);
    return mono_add_ms(m->w->now, never ? SIM_NEVER_MS : sim_ms(m, 1500));
}
static bool sim_due(const struct sim *m, struct mono at)
{
    return mono_is_set(at) && !mono_before(m->w->now, at);
}

/* ---- connections */

static void conn_free_if_over(struct sim *m, struct sim_conn *c)
{
    if (c->agent_end || c->master_end)
        return;
    sim_wire_drop(&c->up);
    sim_wire_drop(&c->down);
}

static void conn_cut(struct sim *m, struct sim_conn *c)
{
    SEEN(cut);
    sim_wire_cut(&c->up);
    sim_wire_cut(&c->down);
    c->agent_learns = sim_learns(m);
    c->master_learns = sim_learns(m);
}

static void conn_see_others(const struct sim *m, unsigned agent)
{
    for (unsigned k = 0; k < W_SESSIONS; k++)
        SEEN_IF(m->conns[k].master_end && m->conns[k].agent == agent, take_over);
}

static int conn_open(struct sim *m, unsigned agent)
{
    conn_see_others(m, agent);
    for (int k = 0; k < W_SESSIONS; k++) {
        struct sim_conn *c = &m->conns[k];
        struct w_agent *end = &m->w->agents[k];
        if (c->agent_end || c->master_end)
            continue;
        *c = (struct sim_conn){
            .agent = agent, .number = ++m->connects, .agent_end = true, .master_end = true};
        sim_wire_init(&c->up, &m->rng);
        sim_wire_init(&c->down, &m->rng);
        line_buf_init(&c->in);
        end->closed = end->wants = end->borne = false;
        end->id = core_session_open(m->w->core, NULL, "127.0.0.1", m->w->now);
        w_dies_at(m->w, SAW_kill_m_open);
        return k;
    }
    UNREACHABLE("more half-open connections than there is room for");
}

/* The master's end is gone; what it wrote is still under way. */
static void conn_master_gone(struct sim *m, unsigned k, const char *cause)
{
    struct sim_conn *c = &m->conns[k];
    session_id id = m->w->agents[k].id;
    REQUIRE(c->master_end);
    SEEN_IF(c->waits, hello_gone);
    c->master_end = c->waits = false;
    m->w->agents[k].id = 0;
    line_buf_fini(&c->in);
    sim_wire_close(&c->down, m->w->now);
    sim_wire_drop(&c->up);
    if (id)
        core_session_closed(m->w->core, id, END_connection_closed, cause, m->w->now);
    conn_free_if_over(m, c);
}

/* ---- the agent's end */

static void host_disconnected(struct sim *m, struct sim_host *h)
{
    struct sim_conn *c = &m->conns[h->conn];
    c->agent_end = false;
    sim_wire_close(&c->up, m->w->now);
    sim_wire_drop(&c->down);
    conn_free_if_over(m, c);
    h->conn = -1;
    h->gone_at = (struct mono){0};
    if (!h->agent.s)
        return;
    h->agent.closing = false;
    session_on_disconnected(h->agent.s, m->w->now);
    int64_t asked = session_take_reconnect_ms(h->agent.s);
    h->connect_at = mono_add_ms(m->w->now, asked >= 0 ? asked + sim_ms(m, 1000) : sim_ms(m, 5000));
}

/* The process is gone; the kernel sends what it had, or the machine is gone as well. */
static void host_dies(struct sim *m, struct sim_host *h)
{
    if (!h->agent.s)
        return;
    SEEN(agent_died);
    sim_agent_kill(&h->agent);
    if (h->conn >= 0 && rng_below(&m->rng, 2))
        conn_cut(m, &m->conns[h->conn]);
    if (h->conn >= 0)
        host_disconnected(m, h);
    h->start_at = mono_add_ms(m->w->now, 1 + sim_ms(m, rng_below(&m->rng, 2) ? 100 : 20000));
}

/* Here it dies, if this is the point (0: none) and the time. True: it is dead. */
static bool host_dies_at(struct sim *m, struct sim_host *h, enum sim_kind point)
{
    if (point == 0 || m->kill_at != point || --m->kill_after > 0)
        return false;
    sim_saw(point, 1);
    m->kill_at = 0;
    host_dies(m, h);
    return true;
}

static void host_start(struct sim *m, struct sim_host *h)
{
    sim_agent_start(&h->agent);
    h->connect_at = m->w->now;
    h->ticked_at = m->w->now;
    h->drained_by = (struct mono){0};
}

static void host_connect(struct sim *m, struct sim_host *h)
{
    if (m->master != MASTER_RUNS) { /* refused */
        h->connect_at = mono_add_ms(m->w->now, 100 + sim_ms(m, 3000));
        return;
    }
    h->conn = conn_open(m, (unsigned)(h - m->hosts));
    session_on_connected(h->agent.s, m->w->now);
    host_dies_at(m, h, SAW_kill_connected);
}

/* What was read, and so where it may die. */
static enum sim_kind host_read_one(struct sim *m, struct sim_host *h, const struct sim_piece *p)
{
    struct session_info before, after;
    session_info(h->agent.s, &before);
    session_on_bytes(h->agent.s, p->data, p->len, p->final, m->w->now);
    sim_pool_turn(&h->agent, m->w->now);
    session_info(h->agent.s, &after);
    if (after.state == SESSION_SETTLING)
        return SAW_kill_welcome;
    return after.results < before.results ? SAW_kill_ack : SAW_kill_task;
}

static void host_read(struct sim *m, struct sim_host *h)
{
    struct sim_piece *p;
    while (h->conn >= 0 && (p = sim_wire_take(&m->conns[h->conn].down, m->w->now))) {
        if (p->close)
            host_disconnected(m, h);
        else if (!h->agent.closing)
            host_dies_at(m, h, host_read_one(m, h, p));
        free(p);
    }
}

/* What it was, and so where it may die; sent: results before it. */
static enum sim_kind host_wrote(const struct sim_host *h, uint64_t sent)
{
    struct session_info i;
    session_info(h->agent.s, &i);
    if (i.state == SESSION_GREETING)
        return SAW_kill_hello;
    return i.results_sent.count > sent ? SAW_kill_frame : 0;
}

static void host_write(struct sim *m, struct sim_host *h)
{
    struct sim_wire *up = &m->conns[h->conn].up;
    struct session_info i;
    session_info(h->agent.s, &i);
    uint64_t sent = i.results_sent.count;
    while (!h->agent.closing && session_wants_write(h->agent.s, m->w->now) &&
           sim_wire_writable(up)) {
        strbuf_reset(&m->out);
        session_produce(h->agent.s, &m->out, m->w->now);
        if (h->agent.closing || m->out.len == 0)
            break;
        sim_wire_frame(up, m->out.data, m->out.len, m->w->now);
        if (host_dies_at(m, h, host_wrote(h, sent)))
            return;
    }
    if (!h->agent.closing || mono_is_set(h->gone_at))
        return;
    sim_wire_close(up, m->w->now);
    h->gone_at = mono_add_ms(m->w->now, sim_ms(m, 2000));
}

static void host_drain(struct sim *m, struct sim_host *h)
{
    if (!h->agent.s || mono_is_set(h->drained_by) || mono_before(m->w->now, h->frozen_until))
        return;
    session_drain(h->agent.s, m->w->now);
    if (host_dies_at(m, h, SAW_kill_drain))
        return;
    h->drained_by = mono_add_ms(m->w->now, SIM_DRAIN_MS);
}

static void host_freeze(struct sim *m, struct sim_host *h, int64_t ms)
{
    h->frozen_until = mono_add_ms(m->w->now, ms);
    if (mono_is_set(h->drained_by))
        h->drained_by = mono_add_ms(h->drained_by, ms);
}

static void host_ends_when_drained(struct sim *m, struct sim_host *h)
{
    REQUIRE(!sim_due(m, h->drained_by)); /* whatever the master and the path do */
    if (!session_finished(h->agent.s))
        return;
    sim_agent_kill(&h->agent);
    h->start_at = mono_add_ms(m->w->now, 1 + sim_ms(m, 10000));
}

/* Its probes stand for so long; after WATCHDOG_END_MS its watchdog ends the process. */
static void host_stick(struct sim *m, struct sim_host *h, int64_t ms)
{
    if (!h->agent.s || sim_stuck(&h->agent))
        return;
    h->agent.stuck_since = m->w->now;
    h->agent.stuck_until = mono_add_ms(m->w->now, ms);
}

/* True: it is ended. */
static bool host_watched(struct sim *m, struct sim_host *h)
{
    struct sim_agent *a = &h->agent;
    if (!sim_stuck(a))
        return false;
    if (mono_diff_ms(m->w->now, a->stuck_since) >= WATCHDOG_END_MS) {
        SEEN(stalled_dies);
        host_dies(m, h);
        return true;
    }
    if (!mono_before(m->w->now, a->stuck_until))
        a->stuck_since = (struct mono){0};
    return false;
}

/* Probes end, and the spool is written. True: it dies of it. */
static bool host_works(struct sim *m, struct sim_host *h)
{
    struct mono now = m->w->now;
    if (host_watched(m, h))
        return true;
    uint64_t ended = h->agent.ended;
    sim_pool_turn(&h->agent, now);
    if (h->agent.ended > ended && host_dies_at(m, h, SAW_kill_probe))
        return true;
    if (sim_disk_done(&h->agent.disk, now) && host_dies_at(m, h, SAW_kill_spool_done))
        return true;
    return sim_disk_next(&h->agent.disk, &m->rng, now) && host_dies_at(m, h, SAW_kill_spool_job);
}

static void host_turn(struct sim *m, struct sim_host *h)
{
    struct world *w = m->w;
    if (!h->agent.s && sim_due(m, h->start_at))
        host_start(m, h);
    if (!h->agent.s || mono_before(w->now, h->frozen_until))
        return;
    host_read(m, h);
    if (!h->agent.s)
        return;
    if (h->conn >= 0 && (sim_due(m, m->conns[h->conn].agent_learns) || sim_due(m, h->gone_at)))
        host_disconnected(m, h);
    if (host_works(m, h))
        return;
    if (mono_diff_ms(w->now, h->ticked_at) >= SIM_TICK_MS) {
        session_on_tick(h->agent.s, w->now);
        h->ticked_at = w->now;
    }
    if (h->conn >= 0)
        host_write(m, h);
    else if (!session_finished(h->agent.s) && sim_due(m, h->connect_at))
        host_connect(m, h);
    if (h->agent.s)
        host_ends_when_drained(m, h);
}

/* ---- the master's end */

/* What has come whole, if it may speak. */
static void master_hear(struct sim *m, unsigned k)
{
    struct sim_conn *c = &m->conns[k];
    struct w_agent *end = &m->w->agents[k];
    const char *l;
    size_t len;
    c->waits = line_buf_any(&c->in) && !core_session_may_speak(m->w->core, end->id, m->w->now);
    SEEN_IF(c->waits, hello_waits);
    while (!c->waits && !end->closed && !m->w->killed && (l = line_buf_next(&c->in, &len)))
        w_hear(m->w, end->id, l, len);
}

/* Those whose turn it is go on with what they had said. */
static void master_calls(struct sim *m)
{
    session_id s;
    bool runs = m->master == MASTER_RUNS;
    while (runs && !m->w->killed && (s = core_next_turn(m->w->core, m->w->now)) != 0)
        master_hear(m, (unsigned)(w_find(m->w, s) - m->w->agents));
}

/* A hub that stops does not listen any more. */
static void master_take(struct sim *m, unsigned k, const struct sim_piece *p)
{
    struct sim_conn *c = &m->conns[k];
    struct w_agent *end = &m->w->agents[k];
    if (end->closed || m->master != MASTER_RUNS)
        return;
    struct sim_host *h = &m->hosts[c->agent];
    SEEN_IF(c->number < h->heard, old_link);
    h->heard = c->number > h->heard ? c->number : h->heard;
    core_session_alive(m->w->core, end->id, m->w->now);
    REQUIRE(line_buf_feed(&c->in, p->data, p->len) == ERR_NONE);
    master_hear(m, k);
}

static void master_read(struct sim *m, unsigned k)
{
    struct sim_conn *c = &m->conns[k];
    struct sim_piece *p;
    while (c->master_end && !c->waits && !m->w->killed && (p = sim_wire_take(&c->up, m->w->now))) {
        if (p->close)
            conn_master_gone(m, k, "closed by the agent");
        else
            master_take(m, k, p);
        free(p);
    }
    if (c->master_end && sim_due(m, c->master_learns))
        conn_master_gone(m, k, "connection lost");
}

static void check_acks(struct sim *m, const char *line, size_t len)
{
    struct message msg;
    char why[160];
    REQUIRE(message_decode(line, len, &msg, why, sizeof(why)) == ERR_NONE);
    for (unsigned i = 0; i < msg.results_ack.n; i++) {
        REQUIRE(msg.results_ack.acks[i].verdict != ACK_REJECTED);
        w_check_ack(m->w, &msg.results_ack.acks[i]);
    }
    message_fini(&msg);
}

static void check_frame(struct sim *m, const char *agent)
{
    for (size_t at = 0; at < m->out.len;) {
        const char *line = m->out.data + at, *end = memchr(line, '\n', m->out.len - at);
        REQUIRE(end);
        size_t len = (size_t)(end - line);
        if (w_line_is(line, len, MSG_RESULTS_ACK))
            check_acks(m, line, len);
        else if (w_line_is(line, len, MSG_TASK))
            w_check_sent(m->w, agent, w_line_task(line, len));
        SEEN_IF(w_line_is(line, len, MSG_CANCEL), cancel_told);
        at += len + 1;
    }
}

/* True: a frame was written. */
static bool master_write_one(struct sim *m, unsigned k)
{
    struct w_agent *end = &m->w->agents[k];
    strbuf_reset(&m->out);
    end->wants = core_produce(m->w->core, end->id, &m->out, w_frame_max(m->w), m->w->now);
    m->w->acked = false;
    check_frame(m, m->hosts[m->conns[k].agent].agent.name);
    if (m->out.len == 0)
        return false;
    sim_wire_frame(&m->conns[k].down, m->out.data, m->out.len, m->w->now);
    w_dies_at(m->w, m->w->acked ? SAW_kill_m_acks : SAW_kill_m_frame);
    return true;
}

static void master_write(struct sim *m, unsigned k)
{
    struct sim_conn *c = &m->conns[k];
    struct w_agent *end = &m->w->agents[k];
    while (!m->w->killed && (end->wants || end->closed) && sim_wire_writable(&c->down)) {
        if (master_write_one(m, k) || !end->closed)
            continue;
        conn_master_gone(m, k, "closed");
        return;
    }
    if (end->closed && !mono_is_set(c->close_by))
        c->close_by = mono_add_ms(m->w->now, SIM_PARTING_MS);
    if (sim_due(m, c->close_by))
        conn_master_gone(m, k, "closed, and not read");
}

/* Kill -9. What the store has not committed is lost with it (w_lose). */
static void master_dies(struct sim *m)
{
    struct world *w = m->w;
    w->killed = false;
    if (m->master == MASTER_DOWN)
        return;
    for (unsigned k = 0; k < W_SESSIONS; k++) {
        struct sim_conn *c = &m->conns[k];
        if (!c->master_end)
            continue;
        conn_cut(m, c);
        w->agents[k].id = 0; /* the core is not told: it is dead */
        conn_master_gone(m, k, "");
    }
    m->master = MASTER_DOWN;
    m->master_until = mono_add_ms(w->now, sim_ms(m, m->calm ? 1000 : 30000));
}

static bool master_has_conns(const struct sim *m)
{
    for (unsigned k = 0; k < W_SESSIONS; k++)
        if (m->conns[k].master_end)
            return true;
    return false;
}

static void master_drains(struct sim *m)
{
    if (m->master != MASTER_RUNS)
        return;
    core_drain(m->w->core, m->w->now);
    m->master = MASTER_DRAINS;
    SEEN(master_drain);
    m->master_until = mono_add_ms(m->w->now, SIM_STORE_MS);
}

static void master_parts(struct sim *m)
{
    core_goodbye(m->w->core, 2000, m->w->now);
    for (unsigned k = 0; k < W_SESSIONS; k++)
        m->w->agents[k].closed |= m->conns[k].master_end;
    m->master = MASTER_PARTS;
    m->master_until = mono_add_ms(m->w->now, SIM_PARTING_MS);
}

static void master_step_down(struct sim *m)
{
    bool due = sim_due(m, m->master_until);
    if (m->master == MASTER_DRAINS && (due || core_drained(m->w->core)))
        master_parts(m);
    else if (m->master == MASTER_PARTS && (due || !master_has_conns(m)))
        master_dies(m);
}

static void master_boot(struct sim *m)
{
    world_restart(m->w);
    m->master = MASTER_RUNS;
    m->ticked_at = m->w->now;
}

static void master_turn(struct sim *m)
{
    struct world *w = m->w;
    if (m->master == MASTER_DOWN && sim_due(m, m->master_until))
        master_boot(m);
    if (m->master == MASTER_DOWN || mono_before(w->now, m->frozen_until))
        return;
    for (unsigned k = 0; k < W_SESSIONS; k++)
        if (m->conns[k].master_end)
            master_read(m, k);
    master_calls(m);
    w_store_turn(w);
    if (!w->killed && mono_diff_ms(w->now, m->ticked_at) >= SIM_TICK_MS) {
        core_tick(w->core, 0, w->now);
        m->ticked_at = w->now;
        w_dies_at(w, w->core->awaited > 0 ? SAW_kill_m_grace : SAW_kill_m_tick);
    }
    if (!w->killed)
        master_step_down(m);
    unsigned first = (unsigned)rng_below(&m->rng, W_SESSIONS); /* nobody is always the first */
    for (unsigned i = 0; i < W_SESSIONS && m->master != MASTER_DOWN; i++) {
        unsigned k = (first + i) % W_SESSIONS;
        if (m->conns[k].master_end)
            master_write(m, k);
    }
}

/* ---- the world */

static void sim_turn(struct sim *m, int64_t ms)
{
    m->w->now = mono_add_ms(m->w->now, ms);
    master_turn(m);
    if (m->w->killed)
        master_dies(m);
    for (unsigned i = 0; i < SIM_AGENTS; i++) {
        host_turn(m, &m->hosts[i]);
        if (m->w->killed)
            master_dies(m);
    }
}

static void sim_init(struct sim *m, uint64_t seed, void (*booted)(struct world *w))
{
    *m = (struct sim){.w = mem_zalloc(sizeof(struct world))};
    rng_init(&m->rng, seed);
    m->w->rng = &m->rng;
    m->w->booted = booted;
    world_init(m->w);
    m->w->n_agents = W_SESSIONS;
    strbuf_init(&m->out, SESSION_FRAME_MAX + LINE_MAX_BYTES);
    m->ticked_at = m->w->now;
    for (unsigned i = 0; i < SIM_AGENTS; i++) {
        struct sim_agent *a = &m->hosts[i].agent;
        snprintf(a->name, sizeof(a->name), "a%u", i);
        a->rng = &m->rng;
        a->process = i << 16;
        a->slots = 4 + (unsigned)rng_below(&m->rng, 28);
        a->queue = 8;
        a->outbox_results = 8 + rng_below(&m->rng, rng_below(&m->rng, 4) ? 60 : 400);
        a->outbox_bytes = 16 << 20;
        a->disk.max_bytes = rng_below(&m->rng, 4) ? 1 << (19 + rng_below(&m->rng, 6)) : 0;
        m->hosts[i].conn = -1;
        host_start(m, &m->hosts[i]);
    }
}

static void sim_fini(struct sim *m)
{
    for (unsigned i = 0; i < SIM_AGENTS; i++) {
        sim_agent_kill(&m->hosts[i].agent);
        sim_disk_free(&m->hosts[i].agent.disk);
        if (m->hosts[i].conn >= 0)
            host_disconnected(m, &m->hosts[i]);
    }
    for (unsigned k = 0; k < W_SESSIONS; k++)
        if (m->conns[k].master_end)
            conn_master_gone(m, k, "the end");
    strbuf_fini(&m->out);
    world_fini(m->w);
    free(m->w);
}
