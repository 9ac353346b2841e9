/* SPDX-License-Identifier: MIT */
#include "agent/link/session_core.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/cause.h"
#include <stdio.h>
#include <stdlib.h>

/* Intervals outside this are a master's mistake: 0 would be a busy loop, an hour no heartbeat at
 * all. */
#define INTERVAL_MS_MIN 100
#define INTERVAL_MS_MAX 300000

static void refuse(struct session *s, const char *what)
{
    session_close(s, CLOSE_POLICY, what);
}

/* Results and tasks of a store that is gone mean nothing to the new one, whose numbers may even be
 * the same. */
static void set_aside_old_store(struct session *s, const char *store_id)
{
    struct held *h, *tmp;
    HASH_ITER(hh, s->held, h, tmp)
    session_doom(s, h);
    size_t results = outbox_clear(s->outbox);
    session_unfollow_all(s);
    s->drops += results;
    LOG(LOG_WARN, "session", "store_changed", LS("from", s->store_id), LS("to", store_id),
        LI("results_set_aside", results), LI("tasks_cancelled", HASH_COUNT(s->held)));
}

static void learn_store(struct session *s, const char *store_id)
{
    if (s->spool)
        spool_set_store(s->spool, store_id);
    if (s->store_id[0] != '\0' && strcmp(s->store_id, store_id) != 0)
        set_aside_old_store(s, store_id);
    snprintf(s->store_id, sizeof(s->store_id), "%s", store_id);
}

static bool learn_denials(struct session *s, const struct msg_welcome *m)
{
    struct cidr deny[ARRAY_LEN(m->deny)];
    for (unsigned i = 0; i < m->n_deny; i++)
        if (cidr_parse(m->deny[i], &deny[i]) != ERR_NONE)
            return false;
    s->ops.deny(s->arg, deny, m->n_deny);
    return true;
}

static void on_welcome(struct session *s, const struct message *msg, size_t len, struct mono now)
{
    const struct msg_welcome *m = &msg->welcome;
    if (m->proto < PROTO_VERSION_MIN || m->proto > PROTO_VERSION_MAX) {
        session_close(s, CLOSE_VERSION, "welcome: a protocol version that we did not offer");
        return;
    }
    if (m->heartbeat_ms < INTERVAL_MS_MIN || m->timeout_ms > INTERVAL_MS_MAX ||
        m->timeout_ms <= m->heartbeat_ms) {
        refuse(s, "welcome: heartbeat_ms and timeout_ms make no sense");
        return;
    }
    if (!learn_denials(s, m)) {
        refuse(s, "welcome: deny holds something that is not a CIDR");
        return;
    }
    s->heartbeat_ms = m->heartbeat_ms;
    s->timeout_ms = m->timeout_ms;
    s->results_window = m->results;
    snprintf(s->session_id, sizeof(s->session_id), "%s", m->session);
    learn_store(s, m->store_id);
    session_enter(s, SESSION_SETTLING, "welcome");
    LOG(LOG_INFO, "session", "welcome", LS("session", s->session_id), LS("store", s->store_id),
        LI("tasks_held", HASH_COUNT(s->held)));
}

static void on_verdict(struct session *s, const struct message *msg, size_t len, struct mono now)
{
    const struct msg_verdict *m = &msg->verdict;
    if (m->keep)
        return;
    struct held *h = session_find(s, m->task);
    if (h)
        session_doom(s, h);
    if (outbox_ack(s->outbox, m->task))
        session_tell_ack(s, m->task, ACK_DUPLICATE);
    LOG_ASKED(h && h->log, LOG_DEBUG, "task", "dropped_by_verdict",
              LS("trace", h ? h->trace : NULL), LU("task", m->task));
}

static void on_verdict_end(struct session *s, const struct message *msg, size_t len,
                           struct mono now)
{
    session_settled(s, now);
}

static struct held *hold(struct session *s, const struct msg_task *m)
{
    REQUIRE(!session_find(s, m->task));
    struct held *h = mem_zalloc(sizeof(*h));
    h->task = m->task;
    snprintf(h->ticket, sizeof(h->ticket), "%s", m->ticket);
    snprintf(h->trace, sizeof(h->trace), "%s", m->trace);
    h->log = m->log;
    HASH_ADD(hh, s->held, task, sizeof(h->task), h);
    return h;
}

static void nack(struct session *s, const struct msg_task *m, const char *detail)
{
    session_put_nack(s, m->task, m->ticket, CAUSE_agent_unsupported, detail);
    LOG(LOG_WARN, "task", "not_understood", LS("trace", m->trace), LU("task", m->task),
        LS("detail", detail));
}

static void admit(struct session *s, const struct msg_task *m, struct mono now)
{
    struct target_problem problem;
    struct target *target = NULL;
    if (target_from_json(m->spec, NULL, &target, &problem) != ERR_NONE) {
        nack(s, m, problem.detail);
        return;
    }
    struct session_task t = {.task = m->task,
                             .ticket = m->ticket,
                             .trace = m->trace,
                             .log = m->log,
                             .cls = m->cls,
                             .target = target,
                             .now = now,
                             .deadline_at = mono_add_ms(now, m->deadline_in_ms)};
    if (outbox_reserve(s->outbox) == ERR_NONE) {
        if (s->ops.admit(s->arg, &t) == ERR_NONE) {
            (void)hold(s, m);
            LOG_ASKED(m->log, LOG_DEBUG, "task", "admitted", LS("trace", m->trace),
                      LU("task", m->task), LS("session", s->session_id));
            return;
        }
        outbox_unreserve(s->outbox);
    }
    target_destroy(&target);
    LOG_ASKED(m->log, LOG_DEBUG, "task", "no_place", LS("trace", m->trace), LU("task", m->task),
              LS("effect", "handed back"));
    session_put_release(s, m->task, m->ticket, now);
}

/* A line larger than what is left of the byte window is allowed once: else a narrow window would
 * block it for ever. */
static bool over_credit(struct session *s, size_t len, struct mono now)
{
    uint64_t bytes_before = s->received.bytes;
    s->received.count++;
    s->received.bytes += len + 1;
    byte_window_add(&s->window, len + 1, now);
    return s->received.count > s->told.count || bytes_before >= s->told.bytes;
}

static void refuse_excess(struct session *s)
{
    char why[MESSAGE_TEXT_MAX];
    snprintf(why, sizeof(why),
             "more than the credit allowed: %llu tasks of %llu, %llu bytes of %llu",
             (unsigned long long)s->received.count, (unsigned long long)s->told.count,
             (unsigned long long)s->received.bytes, (unsigned long long)s->told.bytes);
    session_close(s, CLOSE_OVER_CREDIT, why);
}

static void on_task(struct session *s, const struct message *msg, size_t len, struct mono now)
{
    const struct msg_task *m = &msg->task;
    if (over_credit(s, len, now)) {
        refuse_excess(s);
        return;
    }
    if (s->state == SESSION_PARTING)
        return; /* BYE is said: the master takes it back by itself */
    if (outbox_has(s->outbox, m->task))
        return; /* its result is on its way, and good under its older ticket */
    struct held *h = session_find(s, m->task);
    if (h && !h->doomed) { /* leased to us anew while it runs here: the newest ticket counts */
        snprintf(h->ticket, sizeof(h->ticket), "%s", m->ticket);
        return;
    }
    if (h || s->leaving) {
        session_put_release(s, m->task, m->ticket, now);
        return;
    }
    admit(s, m, now);
}

static void widen(struct session *s, struct window w)
{
    if (w.count > s->results_window.count)
        s->results_window.count = w.count;
    if (w.bytes > s->results_window.bytes)
        s->results_window.bytes = w.bytes;
}

/* The master read its clock between our heartbeat and now: in the middle, as far as anybody knows.
 * What is held up on the way lengthens the round trip, and so what is left open. */
static void compare_clocks(struct session *s, struct wall masters)
{
    struct wall ours = s->ops.wall(s->arg);
    s->has_clock = masters.us != 0;
    s->clock_ms = (ours.us - masters.us) / 1000 - (int64_t)(s->rtt_ms / 2);
}

static void on_heartbeat_ack(struct session *s, const struct message *msg, size_t len,
                             struct mono now)
{
    s->answered_at = now;
    widen(s, msg->heartbeat_ack.results);
    uint64_t seq = msg->heartbeat_ack.seq;
    if (seq == 0 || seq > s->beat_seq || s->beat_seq - seq >= BEATS_KEPT)
        return;
    s->rtt_ms = mono_diff_ms_f(now, s->beats[seq % BEATS_KEPT]);
    compare_clocks(s, msg->heartbeat_ack.time);
}

static void on_results_ack(struct session *s, const struct message *msg, size_t len,
                           struct mono now)
{
    const struct msg_results_ack *m = &msg->results_ack;
    s->answered_at = now;
    widen(s, m->results);
    for (unsigned i = 0; i < m->n; i++) {
        s->unknown_acks += !outbox_ack(s->outbox, m->acks[i].task);
        s->drops += m->acks[i].verdict == ACK_REJECTED;
        session_tell_ack(s, m->acks[i].task, m->acks[i].verdict);
    }
}

static void on_cancel(struct session *s, const struct message *msg, size_t len, struct mono now)
{
    for (unsigned i = 0; i < msg->cancel.n; i++) {
        struct held *h = session_find(s, msg->cancel.tasks[i]);
        if (h && !h->doomed)
            s->ops.cancel(s->arg, h->task);
    }
}

/* The master ends, or wants this agent empty: it sends no more by itself, so only what has not
 * started is ours to do. */
static void on_drain(struct session *s, const struct message *msg, size_t len, struct mono now)
{
    LOG(LOG_INFO, "session", "master_drains", LS("reason", msg->text.reason));
    s->ops.release_waiting(s->arg);
}

static void on_goaway(struct session *s, const struct message *msg, size_t len, struct mono now)
{
    s->reconnect_ms = msg->text.reconnect_in_ms;
    LOG(LOG_INFO, "session", "goaway", LS("reason", msg->text.reason),
        LI("reconnect_in_ms", s->reconnect_ms));
    session_close(s, CLOSE_NORMAL, "the master sent GOAWAY");
}

static void on_bye(struct session *s, const struct message *msg, size_t len, struct mono now)
{
    LOG(LOG_INFO, "session", "bye", LS("reason", msg->text.reason));
    session_close(s, CLOSE_NORMAL, "the master said BYE");
}

#define BIT(s)  (1u << (s))
#define ANY     (BIT(SESSION_GREETING) | LATER | BIT(SESSION_SETTLING))
#define LATER   (BIT(SESSION_READY) | BIT(SESSION_DRAINING) | BIT(SESSION_PARTING))
#define SETTLED (BIT(SESSION_SETTLING) | LATER)

static const struct {
    void (*take)(struct session *s, const struct message *m, size_t len, struct mono now);
    unsigned states;
} handlers[] = {
    [MSG_WELCOME] = {on_welcome, BIT(SESSION_GREETING)},
    [MSG_VERDICT] = {on_verdict, BIT(SESSION_SETTLING)},
    [MSG_VERDICT_END] = {on_verdict_end, BIT(SESSION_SETTLING)},
    [MSG_TASK] = {on_task, LATER},
    [MSG_HEARTBEAT_ACK] = {on_heartbeat_ack, LATER},
    [MSG_RESULTS_ACK] = {on_results_ack, LATER},
    [MSG_CANCEL] = {on_cancel, SETTLED},
    [MSG_DRAIN] = {on_drain, SETTLED},
    [MSG_GOAWAY] = {on_goaway, ANY},
    [MSG_BYE] = {on_bye, ANY},
};

static void dispatch(struct session *s, const struct message *m, size_t len, struct mono now)
{
    if (m->type == MSG_UNKNOWN) {
        s->unknown_messages++;
        return;
    }
    if (m->type >= ARRAY_LEN(handlers) || !handlers[m->type].take ||
        !(handlers[m->type].states & BIT(s->state))) {
        char why[MESSAGE_TEXT_MAX];
        snprintf(why, sizeof(why), "%s is not expected while %s", message_word(m->type),
                 session_state_word(s->state));
        refuse(s, why);
        return;
    }
    handlers[m->type].take(s, m, len, now);
}

void session_take_line(struct session *s, const char *line, size_t len, struct mono now)
{
    char why[JSON_PROBLEM_MAX + 64];
    struct message m;
    REQUIRE(s->state != SESSION_OFFLINE && s->state != SESSION_CLOSING);
    enum err e = message_decode(line, len, &m, why, sizeof(why));
    if (e != ERR_NONE) {
        session_close(s, e == ERR_TOO_BIG ? CLOSE_TOO_BIG : CLOSE_POLICY, why);
        return;
    }
    dispatch(s, &m, len, now);
    message_fini(&m);
}
