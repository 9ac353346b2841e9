/* SPDX-License-Identifier: MIT */
#include "master/core/core.h"

#include "master/core/state.h"
#include <string.h>

/* The door of the core: lines in, frames out, the clockwork. */

struct core *core_create(const struct core_config *cfg, const struct core_ops *ops, void *arg,
                         struct mono now)
{
    REQUIRE(cfg->n_deny <= 64);
    struct core *c = mem_zalloc(sizeof(*c));
    c->ops = *ops;
    c->arg = arg;
    snprintf(c->store_id, sizeof(c->store_id), "%s", cfg->store_id);
    c->epoch = cfg->boot_epoch;
    c->tickets = ticket_ring_create(cfg->keys, cfg->n_keys);
    rng_init(&c->rng, cfg->seed);
    if (cfg->n_deny)
        memcpy(c->deny, cfg->deny, cfg->n_deny * sizeof(*cfg->deny));
    c->n_deny = cfg->n_deny;
    c->tell_steps = cfg->tell_steps;
    c->max_agents = cfg->max_agents;
    idmap_init(&c->sessions);
    idmap_init(&c->tasks);
    idmap_init(&c->hosts);
    list_init(&c->session_list);
    list_init(&c->arriving);
    list_init(&c->waiting);
    list_init(&c->suspects);
    list_init(&c->stalled);
    list_init(&c->troubled);
    list_init(&c->orphans);
    list_init(&c->hungry);
    list_init(&c->alone);
    list_init(&c->stuck_hosts);
    list_init(&c->rated_hosts);
    list_init(&c->stragglers);
    heap_init(&c->due);
    for (int cls = 0; cls < TASK_CLASSES; cls++)
        list_init(&c->active[cls]);
    c->host_queue_most = CORE_HOST_QUEUE;
    c->host_queue_least = CORE_HOST_QUEUE_LEAST;
    c->skipped_hosts_max = CORE_SKIPPED_HOSTS;
    c->refill_rows_max = CORE_REFILL_ROWS;
    c->window_tasks_max = CORE_WINDOW_TASKS;
    c->window_batch_max = CORE_WINDOW_BATCH;
    c->window_bytes_max = CORE_WINDOW_BYTES;
    c->results_max = CORE_RESULT_WINDOW;
    c->result_bytes_max = CORE_RESULT_BYTES;
    c->last_tick = c->scanned_at = c->committed_at = now;
    c->fleet_epoch = 1;
    admit_init(c, cfg, now);
    fleet_await(c, cfg->holders, cfg->n_holders, now);
    return c;
}

void core_destroy(struct core **cp)
{
    struct core *c = *cp;
    if (!c)
        return;
    batch_destroy_all(c);
    fleet_destroy_all(c);
    polite_forget_rates(c);
    REQUIRE(c->sessions.count + c->tasks.count + c->hosts.count + c->ready + c->due.count == 0);
    heap_fini(&c->due);
    idmap_fini(&c->sessions);
    idmap_fini(&c->tasks);
    idmap_fini(&c->hosts);
    ticket_ring_destroy(&c->tickets);
    free(c);
    *cp = NULL;
}

/* ---- lines in */

static void bad_line(struct core *c, struct session *s, int code, const char *why)
{
    counter_add(&c->stats.bad_messages, 1);
    c->ops.event(c->arg, "bad_message", s->agent ? s->agent->name : NULL, why);
    fleet_close(c, s, code, why);
}

static void on_hello_phase(struct core *c, struct session *s, const struct message *m,
                           struct mono now)
{
    if (s->state == SESSION_ADMITTED && m->type == MSG_HELLO)
        fleet_hello(c, s, &m->hello, now);
    else if (s->state == SESSION_INFLIGHT && m->type == MSG_INFLIGHT)
        lease_inflight(c, s, &m->inflight, now);
    else if (s->state == SESSION_INFLIGHT && m->type == MSG_INFLIGHT_END)
        fleet_inflight_end(c, s, now);
    else
        bad_line(c, s, CLOSE_POLICY,
                 "a session begins with HELLO, INFLIGHT lines and INFLIGHT_END, each once");
}

static void on_drain(struct core *c, struct session *s)
{
    s->agent->draining = true;
    c->fleet_epoch++;
    c->ops.event(c->arg, "agent_draining", s->agent->name, "");
}

static void on_result(struct core *c, struct session *s, const struct msg_result *m,
                      struct mono now)
{
    if (!flow_take(c, s, m->record_len, now)) {
        counter_add(&c->stats.over_window, 1);
        static const char why[] = "more results than the result window allows";
        ending_note(s, END_result_window, why);
        fleet_close(c, s, CLOSE_POLICY, why);
        return;
    }
    lease_result(c, s, m, now);
    if (m->has_credit)
        fleet_credit(c, s, m->credit);
}

static void on_ready_phase(struct core *c, struct session *s, const struct message *m,
                           struct mono now)
{
    switch (m->type) {
    case MSG_CREDIT:
        fleet_credit(c, s, m->credit);
        break;
    case MSG_HEARTBEAT:
        liveness_heartbeat(c, s, &m->heartbeat, now);
        break;
    case MSG_RESULT:
        on_result(c, s, &m->result, now);
        break;
    case MSG_NACK:
    case MSG_RELEASE:
        lease_nack(c, s, &m->nack, m->type == MSG_RELEASE, now);
        dispatch_wake(c);
        break;
    case MSG_DRAIN:
        on_drain(c, s);
        break;
    case MSG_BYE:
        fleet_bye(c, s, m->text.reason, now);
        break;
    default:
        bad_line(c, s, CLOSE_POLICY, "a message that only a master sends, or HELLO again");
        break;
    }
}

void core_session_line(struct core *c, session_id id, const char *line, size_t len, struct mono now)
{
    struct session *s = fleet_session(c, id);
    if (!s || s->state == SESSION_CLOSING)
        return;
    REQUIRE(s->state != SESSION_NEW && s->state != SESSION_WAITING);
    liveness_heard(c, s, now);
    struct message m;
    char why[160];
    enum err e = message_decode(line, len, &m, why, sizeof(why));
    if (e != ERR_NONE) {
        bad_line(c, s, e == ERR_TOO_BIG ? CLOSE_TOO_BIG : CLOSE_POLICY, why);
        return;
    }
    if (m.type == MSG_UNKNOWN)
        counter_add(&c->stats.unknown_messages, 1);
    else if (s->state == SESSION_READY)
        on_ready_phase(c, s, &m, now);
    else
        on_hello_phase(c, s, &m, now);
    message_fini(&m);
}

void core_session_alive(struct core *c, session_id id, struct mono now)
{
    struct session *s = fleet_session(c, id);
    if (s && s->state != SESSION_CLOSING)
        liveness_heard(c, s, now);
}

/* ---- frames out */

/* Moves whole lines, at least one when there is any. */
static void move_lines(struct strbuf *from, struct strbuf *to, size_t max)
{
    if (from->len == 0)
        return;
    size_t n = from->len < max ? from->len : max;
    const char *end = memrchr(from->data, '\n', n);
    if (!end)
        end = memchr(from->data, '\n', from->len);
    REQUIRE(end);
    n = (size_t)(end - from->data) + 1;
    strbuf_append(to, from->data, n);
    strbuf_consume(from, n);
}

static bool produce(struct core *c, struct session *s, struct strbuf *frame, size_t max,
                    struct mono now)
{
    flow_put_acks(c, s, now);
    if (s->control.overflow) {
        fleet_control(c, s);
        return false;
    }
    move_lines(&s->control, frame, max);
    if (s->control.len > 0)
        return true;
    if (s->state != SESSION_READY || frame->len >= max)
        return s->state == SESSION_READY;
    return dispatch_fill(c, s, frame, max, now);
}

bool core_produce(struct core *c, session_id id, struct strbuf *frame, size_t max, struct mono now)
{
    struct session *s = fleet_session(c, id);
    if (!s)
        return false;
    s->asked = false;
    if (produce(c, s, frame, max, now)) {
        s->asked = true;
        s->asked_at = now;
    }
    return s->asked;
}

/* ---- clockwork */

/* No timer for each of ten thousand connections; nor is each looked at. */
static void scan(struct core *c, struct mono now)
{
    liveness_tick(c, now);
    admit_tick(c);
    batch_tick(c, now);
    polite_tick(c);
    c->scanned_at = now;
    int64_t running = 0, paused = 0;
    struct batch *b, *tmp;
    HASH_ITER(hh, c->batches, b, tmp)
    {
        running += (int64_t)b->running;
        paused += b->paused;
    }
    gauge_set(&c->stats.running_tasks, running);
    gauge_set(&c->stats.batches_paused, paused);
}

void core_tick(struct core *c, double own_lag_ms, struct mono now)
{
    c->own_lag_ms = own_lag_ms;
    liveness_notice_sleep(c, now);
    c->last_tick = now;
    if (mono_diff_ms(now, c->scanned_at) >= SCAN_MS)
        scan(c, now);
    polite_rates(c, now);
    lane_tick(c, now);
    gauge_set(&c->stats.queued_tasks, (int64_t)c->ready);
    gauge_set(&c->stats.waiting_store, (int64_t)c->storing);
    dispatch_wake(c);
}

void core_drain(struct core *c, struct mono now)
{
    c->draining = true;
}

bool core_drained(struct core *c)
{
    return c->storing == 0;
}

struct core_stats *core_stats(struct core *c)
{
    return &c->stats;
}
