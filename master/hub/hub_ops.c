/* SPDX-License-Identifier: MIT */
#include "common/log.h"
#include "master/hub/hub_impl.h"

/* What the core asks for: noted, or done at once, by the parts of the hub. */

static void op_want_write(void *arg, session_id s)
{
    conn_want_write(arg, s);
}

static void op_close(void *arg, session_id s, int code, const char *reason)
{
    conn_close_session(arg, s, code, reason);
}

static void op_refill(void *arg, const struct core_refill *q)
{
    struct hub *h = arg;
    courier_refill(&h->courier, q);
}

static void op_store(void *arg, const struct core_result *r)
{
    struct hub *h = arg;
    courier_store(&h->courier, r);
}

static void op_mark(void *arg, uint32_t batch, bool cancel, enum cause cause, void *waiter)
{
    struct hub *h = arg;
    courier_mark(&h->courier, batch, cancel, cause, waiter);
}

static void op_pause(void *arg, uint32_t batch, bool paused, void *waiter)
{
    struct hub *h = arg;
    courier_pause(&h->courier, batch, paused, waiter);
}

static void op_agent_seen(void *arg, const char *name, const char *tags_json, const char *instance)
{
    struct hub *h = arg;
    courier_agent_seen(&h->courier, name, tags_json, instance);
}

static void op_agent_empty(void *arg, const char *name)
{
    struct hub *h = arg;
    courier_agent_empty(&h->courier, name);
}

static void op_event(void *arg, const char *kind, const char *agent, const char *detail)
{
    struct hub *h = arg;
    journal_event(h->journal, kind, agent, detail);
}

static void op_session_ended(void *arg, const struct core_session_end *e)
{
    struct hub *h = arg;
    struct sockinfo link;
    bool known = conn_link(h, e->id, &link);
    journal_session_ended(h->journal, e, known ? &link : NULL, mono_now());
}

void hub_look(void *hub, struct agent_view *views, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        views[i].has_link = views[i].sid != 0 && conn_link(hub, views[i].sid, &views[i].link);
        views[i].held_bytes = views[i].has_link ? conn_held_bytes(hub, views[i].sid) : 0;
    }
}

static void op_step(void *arg, const struct core_told *t)
{
    static struct log_site asked[STEP_COUNT], others[STEP_COUNT]; /* each step has its own limit */
    enum log_level level = log_asked_level(t->asked, t->notable ? LOG_INFO : LOG_DEBUG);
    struct log_site *site = t->asked ? &asked[t->step] : &others[t->step];
    if (!log_enabled(level))
        return;
    site->most = t->asked ? LOG_ASKED_PER_SECOND : 0;
    const struct log_field fields[] = {LS("trace", t->trace),
                                       t->task ? LU("task", t->task) : LS("task", NULL),
                                       LS("batch", t->batch),
                                       LS("agent", t->agent),
                                       t->attempt ? LU("attempt", t->attempt) : LS("attempt", NULL),
                                       LS("outcome", t->outcome),
                                       LS("cause", t->cause && t->cause[0] ? t->cause : NULL),
                                       {.kind = LOG_F_END}};
    log_write(site, level, "task", core_step_word(t->step), fields);
}

static void op_ended(void *arg, uint32_t batch, void *waiter)
{
    struct hub *h = arg;
    desk_on_ended(&h->desk, waiter);
}

static void op_bear(void *arg, session_id s, bool on)
{
    conn_bear(arg, s, on);
}

static int64_t op_unread(void *arg, session_id s)
{
    return conn_unread_bytes(arg, s);
}

static double op_cpu(void *arg)
{
    struct hub *h = arg;
    return h->cpu;
}

static struct wall op_wall(void *arg)
{
    return wall_now();
}

const struct core_ops hub_core_ops = {
    .want_write = op_want_write,
    .close = op_close,
    .refill = op_refill,
    .store = op_store,
    .mark = op_mark,
    .pause = op_pause,
    .agent_seen = op_agent_seen,
    .agent_empty = op_agent_empty,
    .event = op_event,
    .ended = op_ended,
    .session_ended = op_session_ended,
    .unread = op_unread,
    .bear = op_bear,
    .cpu = op_cpu,
    .step = op_step,
    .wall = op_wall,
};
