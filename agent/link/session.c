/* SPDX-License-Identifier: MIT */
#include "agent/link/session.h"
#include "agent/link/session_core.h"
#include "common/log.h"
#include "common/mem.h"
#include <stdio.h>
#include <stdlib.h>

/*
 *   OFFLINE ──connected──► GREETING ──WELCOME──► SETTLING ──VERDICT_END──► READY
 *                                                    │                       │ drain
 *                                                    └──── leaving ────► DRAINING
 *                                                                            │ all ended, flushed
 *                                                                            ▼
 *   OFFLINE ◄──disconnected── CLOSING ◄──────────── close ───────────────  PARTING
 *
 * Every state but OFFLINE falls to CLOSING when we end the connection, and to OFFLINE when it is
 * lost.
 */
#define BIT(s) (1u << (s))
static const struct {
    const char *word;
    unsigned to;
} states[] = {
    [SESSION_OFFLINE] = {"offline", BIT(SESSION_GREETING)},
    [SESSION_GREETING] = {"greeting",
                          BIT(SESSION_SETTLING) | BIT(SESSION_CLOSING) | BIT(SESSION_OFFLINE)},
    [SESSION_SETTLING] = {"settling", BIT(SESSION_READY) | BIT(SESSION_DRAINING) |
                                          BIT(SESSION_CLOSING) | BIT(SESSION_OFFLINE)},
    [SESSION_READY] = {"ready",
                       BIT(SESSION_DRAINING) | BIT(SESSION_CLOSING) | BIT(SESSION_OFFLINE)},
    [SESSION_DRAINING] = {"draining",
                          BIT(SESSION_PARTING) | BIT(SESSION_CLOSING) | BIT(SESSION_OFFLINE)},
    [SESSION_PARTING] = {"parting", BIT(SESSION_CLOSING) | BIT(SESSION_OFFLINE)},
    [SESSION_CLOSING] = {"closing", BIT(SESSION_OFFLINE)},
};

/* A tick later than this means that we slept (stopped, starved): that time is not the master's
 * silence. */
#define OVERSLEPT_MS 2000
/* With so much control output waiting, more tasks would only make more of it. */
#define CONTROL_HIGH_BYTES (256 * 1024)
/* Enough to hand back the queue of the largest agent; over it the connection is given up. */
#define CONTROL_MAX_BYTES (16 * 1024 * 1024)
/* An INFLIGHT line with a ticket whose every byte is escaped. */
#define INFLIGHT_LINE_MAX 1024
/* After the last probe of a drain, wait this much longer for acknowledgements. */
#define FLUSH_MS 15000

const char *session_state_word(enum session_state s)
{
    REQUIRE((size_t)s < ARRAY_LEN(states));
    return states[s].word;
}

void session_enter(struct session *s, enum session_state to, const char *why)
{
    REQUIRE(states[s->state].to & BIT(to));
    LOG(LOG_DEBUG, "session", "state", LS("from", session_state_word(s->state)),
        LS("to", session_state_word(to)), LS("why", why));
    s->state = to;
}

void session_close(struct session *s, uint16_t code, const char *reason)
{
    LOG(code == CLOSE_NORMAL ? LOG_INFO : LOG_WARN, "session", "closing", LI("code", code),
        LS("reason", reason));
    session_enter(s, SESSION_CLOSING, reason);
    s->ops.close(s->arg, code, reason);
}

struct held *session_find(struct session *s, uint64_t task)
{
    struct held *h;
    HASH_FIND(hh, s->held, &task, sizeof(task), h);
    return h;
}

void session_doom(struct session *s, struct held *h)
{
    REQUIRE(session_find(s, h->task) == h);
    if (!h->doomed)
        s->ops.cancel(s->arg, h->task);
    h->doomed = true;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Every place that we promise has room in the pool and a reservation in the outbox; promises are
 * never taken back. */
void session_refresh_credit(struct session *s, struct mono now)
{
    if (s->leaving || s->control.len - s->control_taken > CONTROL_HIGH_BYTES ||
        mono_before(now, s->no_credit_until))
        return;
    struct outbox_stats o;
    outbox_stats(s->outbox, &o);
    uint64_t places = s->ops.free_places(s->arg);
    if (places > o.free_places)
        places = o.free_places;
    if (places > CREDIT_TASKS_MAX)
        places = CREDIT_TASKS_MAX;
    REQUIRE(s->told.count <= s->credit.count && s->told.bytes <= s->credit.bytes);
    s->credit.count = max_u64(s->credit.count, s->received.count + places);
    s->credit.bytes =
        max_u64(s->credit.bytes, s->received.bytes + byte_window_size(&s->window, now));
}

static void copy_identity(struct session *s, const struct session_config *c)
{
    REQUIRE(agent_name_valid(c->agent) && c->n_tags <= TAGS_MAX && c->slots > 0);
    s->agent = mem_strdup(c->agent);
    s->instance = mem_strdup(c->instance);
    s->run_id = mem_strdup(c->run_id);
    s->version = mem_strdup(c->version);
    for (unsigned i = 0; i < c->n_tags; i++)
        s->tags[i] = (struct msg_tag){mem_strdup(c->tags[i].key), mem_strdup(c->tags[i].value)};
    s->n_tags = c->n_tags;
    s->slots = c->slots;
    s->workers = c->workers;
    s->queue = c->queue;
}

struct session *session_create(const struct session_config *c, const struct session_ops *ops,
                               void *arg)
{
    REQUIRE(c->outbox_results <= INFLIGHT_MAX && ops->admit && ops->close);
    struct session *s = mem_zalloc(sizeof(*s));
    s->ops = *ops;
    s->arg = arg;
    copy_identity(s, c);
    s->outbox = outbox_create(c->outbox_results, c->outbox_bytes);
    s->spool = c->spool;
    if (s->spool)
        outbox_keep_in(s->outbox, s->spool);
    s->reconnect_ms = -1;
    s->rtt_ms = -1;
    line_buf_init(&s->in);
    strbuf_init(&s->hello, (size_t)INFLIGHT_MAX * INFLIGHT_LINE_MAX);
    strbuf_init(&s->control, CONTROL_MAX_BYTES);
    return s;
}

void session_destroy(struct session **sp)
{
    struct session *s = *sp;
    struct held *h, *tmp;
    if (!s)
        return;
    HASH_ITER(hh, s->held, h, tmp)
    {
        HASH_DELETE(hh, s->held, h);
        free(h);
    }
    for (unsigned i = 0; i < s->n_tags; i++) {
        free((char *)s->tags[i].key);
        free((char *)s->tags[i].value);
    }
    session_unfollow_all(s);
    free(s->agent);
    free(s->instance);
    free(s->run_id);
    free(s->version);
    outbox_destroy(&s->outbox);
    line_buf_fini(&s->in);
    strbuf_fini(&s->hello);
    strbuf_fini(&s->control);
    free(s);
    *sp = NULL;
}

void session_load(struct session *s, uint64_t number, const char *p, size_t n,
                  struct outbox_loaded *out)
{
    REQUIRE(s->state == SESSION_OFFLINE && s->spool && !s->held);
    outbox_load(s->outbox, number, p, n, out);
    snprintf(s->store_id, sizeof(s->store_id), "%s", spool_store(s->spool));
}

/* It is told when there is a session again: then the master knows whose silence it was. */
static void note_stood(struct session *s, struct mono now)
{
    int64_t gap = mono_is_set(s->ticked_at) ? mono_diff_ms(now, s->ticked_at) : 0;
    if (gap > OVERSLEPT_MS && gap > s->stood_ms)
        s->stood_ms = gap;
}

static void reset_connection(struct session *s, struct mono now)
{
    line_buf_fini(&s->in);
    line_buf_init(&s->in);
    strbuf_reset(&s->hello);
    strbuf_reset(&s->control);
    s->hello_taken = s->control_taken = 0;
    s->received = s->credit = s->told = s->results_window = s->results_sent = (struct window){0};
    s->heartbeat_ms = HEARTBEAT_MS;
    s->timeout_ms = DEAD_MS;
    note_stood(s, now);
    s->heard_at = s->answered_at = s->beat_at = s->ticked_at = now;
    s->no_credit_until = (struct mono){0};
    s->window = (struct byte_window){0};
    s->beat_due = false;
    s->beat_seq = 0;
    s->has_clock = false;
    s->session_id[0] = '\0';
}

void session_on_connected(struct session *s, struct mono now)
{
    reset_connection(s, now);
    session_enter(s, SESSION_GREETING, "connected");
    s->reconnect_ms = -1;
    outbox_rewind(s->outbox);
    session_put_hello(s);
}

void session_on_disconnected(struct session *s, struct mono now)
{
    s->parted |= s->state == SESSION_PARTING;
    session_enter(s, SESSION_OFFLINE, "disconnected");
    reset_connection(s, now);
}

static bool reading(const struct session *s)
{
    return s->state != SESSION_OFFLINE && s->state != SESSION_CLOSING;
}

static void take_lines(struct session *s, struct mono now)
{
    size_t len;
    for (const char *line; reading(s) && (line = line_buf_next(&s->in, &len)) != NULL;)
        session_take_line(s, line, len, now);
}

static bool empty_handed(const struct session *s)
{
    struct outbox_stats o;
    outbox_stats(s->outbox, &o);
    return s->held == NULL && o.results == 0;
}

/* What runs has DRAIN_MS; its results have FLUSH_MS more to be acknowledged. */
static bool patience_over(const struct session *s, struct mono now)
{
    int64_t ms = mono_diff_ms(now, s->leaving_since);
    return ms >= DRAIN_MS + FLUSH_MS || (ms >= DRAIN_MS && s->state == SESSION_OFFLINE);
}

static void part(struct session *s)
{
    struct outbox_stats o;
    outbox_stats(s->outbox, &o);
    LOG(empty_handed(s) ? LOG_INFO : LOG_WARN, "session", "drained",
        LI("tasks_left", HASH_COUNT(s->held)), LI("results_left", o.results));
    if (s->state == SESSION_DRAINING) {
        session_enter(s, SESSION_PARTING, "drained");
        msg_put_text(&s->control, MSG_BYE, "the agent ends", 0);
        return;
    }
    s->parted = true;
    if (s->state != SESSION_OFFLINE)
        session_close(s, CLOSE_NORMAL, "drained");
}

/* Who has just connected says good-bye when the verdicts are complete, if they come in time. */
static void go_on_leaving(struct session *s, struct mono now)
{
    if (!s->leaving || s->parted || s->state == SESSION_PARTING || s->state == SESSION_CLOSING)
        return;
    bool arriving = s->state == SESSION_GREETING || s->state == SESSION_SETTLING;
    if ((empty_handed(s) && !arriving) || patience_over(s, now))
        part(s);
}

void session_on_bytes(struct session *s, const char *p, size_t n, bool final, struct mono now)
{
    if (!reading(s))
        return;
    s->heard_at = now;
    enum err e = line_buf_feed(&s->in, p, n);
    if (e == ERR_NONE && final && (n == 0 || p[n - 1] != '\n'))
        e = line_buf_feed(&s->in, "\n", 1);
    if (e != ERR_NONE) {
        session_close(s, CLOSE_TOO_BIG, "a line over the limit");
        return;
    }
    take_lines(s, now);
    if (!reading(s))
        return;
    session_refresh_credit(s, now);
    go_on_leaving(s, now);
}

static void begin_draining(struct session *s)
{
    session_enter(s, SESSION_DRAINING, "the agent ends");
    msg_put_text(&s->control, MSG_DRAIN, "the agent ends", 0);
}

void session_settled(struct session *s, struct mono now)
{
    if (s->leaving)
        begin_draining(s);
    else
        session_enter(s, SESSION_READY, "verdicts complete");
    s->beat_at = now;
    s->beat_due = true;
    go_on_leaving(s, now);
}

void session_drain(struct session *s, struct mono now)
{
    if (s->leaving)
        return;
    s->leaving = true;
    s->leaving_since = now;
    if (s->state == SESSION_READY)
        begin_draining(s);
    s->ops.release_waiting(s->arg);
    go_on_leaving(s, now);
}

bool session_finished(const struct session *s)
{
    return s->leaving && s->parted && s->state == SESSION_OFFLINE;
}

void session_on_tick(struct session *s, struct mono now)
{
    int64_t gap = mono_diff_ms(now, s->ticked_at);
    note_stood(s, now);
    s->ticked_at = now;
    go_on_leaving(s, now);
    if (!reading(s))
        return;
    bool settled = s->state == SESSION_READY || s->state == SESSION_DRAINING;
    if (s->state != SESSION_READY) /* nothing is to be acknowledged yet, or it leaves anyhow */
        s->answered_at = now;
    if (gap > OVERSLEPT_MS) {
        s->heard_at = mono_add_ms(s->heard_at, gap);
        s->answered_at = mono_add_ms(s->answered_at, gap);
    }
    if (mono_diff_ms(now, s->heard_at) >= s->timeout_ms) {
        session_close(s, CLOSE_SILENT, "the master was silent for too long");
        return;
    }
    /* A path that is cut in one direction alone still brings what the master sends. */
    if (mono_diff_ms(now, s->answered_at) >= s->timeout_ms) {
        session_close(s, CLOSE_SILENT, "the master acknowledged nothing for too long");
        return;
    }
    if (settled && mono_diff_ms(now, s->beat_at) >= s->heartbeat_ms) {
        s->beat_due = true;
        s->beat_at = now;
    }
    session_refresh_credit(s, now);
}

static void keep_result(struct session *s, const struct held *h, const char *record, size_t len)
{
    REQUIRE(record != NULL && len > 0 && len <= RESULT_MAX_BYTES - RESULT_ENVELOPE_MAX);
    if (outbox_push(s->outbox, h->task, h->ticket, record, len) == ERR_NONE) {
        session_follow(s, h);
        return;
    }
    s->drops++;
    LOG(LOG_WARN, "session", "second_result_dropped", LS("trace", h->trace), LU("task", h->task));
}

static void let_go(struct session *s, struct held *h, struct mono now)
{
    HASH_DELETE(hh, s->held, h);
    free(h);
    if (reading(s))
        session_refresh_credit(s, now);
    go_on_leaving(s, now);
}

static const char *const end_words[] = {[SESSION_DONE] = "result_dropped",
                                        [SESSION_RELEASED] = "released",
                                        [SESSION_CANCELLED] = "cancelled"};

void session_on_end(struct session *s, uint64_t task, enum session_end end, const char *record,
                    size_t len, struct mono now)
{
    struct held *h = session_find(s, task);
    REQUIRE(h != NULL);
    if (end != SESSION_DONE || h->doomed)
        LOG_ASKED(h->log, LOG_DEBUG, "task", end_words[end], LS("trace", h->trace),
                  LU("task", task), LS("why", h->doomed ? "the master does not want it" : NULL));
    if (end == SESSION_DONE && !h->doomed) {
        keep_result(s, h, record, len);
    } else {
        outbox_unreserve(s->outbox);
        s->drops += end == SESSION_DONE;
        /* A task that is not told in a HELLO is known to the master as lost; the others are handed
         * back. */
        if (end == SESSION_RELEASED && reading(s) && !h->doomed)
            session_put_release(s, task, h->ticket, now);
    }
    let_go(s, h, now);
}

void session_on_fault(struct session *s, uint64_t task, enum cause cause, const char *detail,
                      struct mono now)
{
    struct held *h = session_find(s, task);
    REQUIRE(h != NULL && cause_where(cause) == WHERE_AGENT);
    LOG_ASKED(h->log, LOG_INFO, "task", "not_measured", LS("trace", h->trace), LU("task", task),
              LS("cause", cause_word(cause)), LS("detail", detail));
    outbox_unreserve(s->outbox);
    if (reading(s) && !h->doomed)
        session_put_nack(s, task, h->ticket, cause, detail);
    let_go(s, h, now);
}

const char *session_trace(struct session *s, uint64_t task, bool *asked)
{
    const struct held *h = session_find(s, task);
    REQUIRE(h != NULL);
    *asked = h->log;
    return h->trace;
}

int64_t session_take_reconnect_ms(struct session *s)
{
    int64_t ms = s->reconnect_ms;
    s->reconnect_ms = -1;
    return ms;
}

static bool clock_is_off(const struct session *s)
{
    return s->has_clock && message_clock_is_off(s->clock_ms, s->rtt_ms);
}

void session_info(const struct session *s, struct session_info *out)
{
    struct outbox_stats o;
    outbox_stats(s->outbox, &o);
    *out = (struct session_info){
        .state = s->state,
        .received = s->received,
        .credit = s->told,
        .results_sent = s->results_sent,
        .results_window = s->results_window,
        .tasks = HASH_COUNT(s->held),
        .results = o.results,
        .drops = s->drops,
        .released = s->released,
        .nacked = s->nacked,
        .unknown_messages = s->unknown_messages,
        .unknown_acks = s->unknown_acks,
        .rtt_ms = s->rtt_ms,
        .clock_skew_ms = clock_is_off(s) ? s->clock_ms : 0,
        .session_id = s->session_id,
        .store_id = s->store_id,
    };
}
