/* SPDX-License-Identifier: MIT */
#include "agent/link/session_core.h"
#include "common/log.h"
#include <string.h>

/* What a control line may have at most: the figures of a heartbeat with its trouble. */
#define CONTROL_LINE_MAX 4096
/* A handed-back task comes again at once if the credit says so: a loop at full speed. */
#define RELEASE_PAUSE_MS 250 /* no new credit after a task was handed back for want of room */

static const char *const capabilities[] = {"http", "dns"};

static void put_held(struct session *s)
{
    for (struct held *h = s->held; h; h = h->hh.next) {
        struct msg_inflight i = {.task = h->task, .ticket = h->ticket, .state = INFLIGHT_RUNNING};
        msg_put_inflight(&s->hello, &i);
    }
}

static void put_done(void *arg, const struct outbox_item *item)
{
    struct session *s = arg;
    struct msg_inflight i = {.task = item->task, .ticket = item->ticket, .state = INFLIGHT_DONE};
    msg_put_inflight(&s->hello, &i);
}

/* All of it is written at once, so that what ends meanwhile does not change a list that is half
 * sent. */
void session_put_hello(struct session *s)
{
    struct outbox_stats o;
    outbox_stats(s->outbox, &o);
    struct msg_hello m = {.proto_min = PROTO_VERSION_MIN,
                          .proto_max = PROTO_VERSION_MAX,
                          .agent = s->agent,
                          .instance = s->instance,
                          .run_id = s->run_id,
                          .version = s->version,
                          .store_id = s->store_id,
                          .n_tags = s->n_tags,
                          .n_capabilities = ARRAY_LEN(capabilities),
                          .slots = s->slots,
                          .workers = s->workers,
                          .queue = s->queue,
                          .outbox_results = (int64_t)o.results};
    memcpy(m.tags, s->tags, sizeof(m.tags));
    memcpy(m.capabilities, capabilities, sizeof(capabilities));
    msg_put_hello(&s->hello, &m);
    put_held(s);
    outbox_each(s->outbox, put_done, s);
    msg_put_inflight_end(&s->hello);
    REQUIRE(!s->hello.overflow);
}

void session_put_release(struct session *s, uint64_t task, const char *ticket, struct mono now)
{
    s->released++;
    s->no_credit_until = mono_add_ms(now, RELEASE_PAUSE_MS);
    msg_put_release(&s->control, task, ticket);
}

void session_put_nack(struct session *s, uint64_t task, const char *ticket, enum cause cause,
                      const char *detail)
{
    struct msg_nack n = {
        .task = task, .ticket = ticket, .cause = cause_word(cause), .detail = detail};
    s->nacked++;
    msg_put_nack(&s->control, &n);
}

/* Moves whole lines, at most what a frame holds, from b to the frame. */
static void move_lines(struct strbuf *b, size_t *taken, struct strbuf *frame)
{
    size_t room = frame->len < FRAME_COALESCE_BYTES ? FRAME_COALESCE_BYTES - frame->len : 0;
    size_t n = b->len - *taken;
    if (n > room) {
        const char *end = memrchr(b->data + *taken, '\n', room);
        n = end ? (size_t)(end + 1 - (b->data + *taken)) : 0;
    }
    strbuf_append(frame, b->data + *taken, n);
    *taken += n;
    if (*taken == b->len) {
        strbuf_reset(b);
        *taken = 0;
    }
}

/* What is wrong with the spool, if nothing worse is. */
static void put_spool(struct session *s, struct msg_heartbeat *m, struct mono now)
{
    struct spool_stats st;
    m->spool_bytes = -1;
    if (!s->spool)
        return;
    spool_stats(s->spool, &st);
    m->spool_bytes = (int64_t)st.bytes;
    if (m->trouble[0] == '\0')
        m->trouble = spool_trouble(&st, now, s->spool_trouble);
}

void session_figures(struct session *s, struct msg_heartbeat *out, struct mono now)
{
    struct outbox_stats o;
    outbox_stats(s->outbox, &o);
    *out = (struct msg_heartbeat){.trouble = ""};
    s->ops.figures(s->arg, out, now);
    REQUIRE(out->trouble != NULL);
    if ((double)s->stood_ms > out->lag_ms)
        out->lag_ms = (double)s->stood_ms;
    out->seq = s->beat_seq;
    out->received = s->received;
    out->credit = s->credit;
    out->rtt_ms = s->rtt_ms;
    out->has_clock = s->has_clock;
    out->clock_ms = s->clock_ms;
    out->outbox_results = (int64_t)o.results;
    out->outbox_bytes = (int64_t)o.bytes;
    out->drops += s->drops;
    put_spool(s, out, now);
}

static void put_heartbeat(struct session *s, struct strbuf *frame, struct mono now)
{
    struct msg_heartbeat m;
    s->beat_seq++;
    session_figures(s, &m, now);
    s->told = s->credit;
    msg_put_heartbeat(frame, &m);
    s->stood_ms = 0;
    s->beat_due = false;
    s->beat_at = s->beats[m.seq % BEATS_KEPT] = now;
}

/* Half of what the master may still send is new to it: worth a line of its own. */
static bool credit_worth_telling(const struct session *s)
{
    uint64_t count = s->credit.count - s->told.count, bytes = s->credit.bytes - s->told.bytes;
    return (count > 0 && count * 2 >= s->credit.count - s->received.count) ||
           (bytes > 0 && bytes * 2 >= s->credit.bytes - s->received.bytes);
}

static void put_credit(struct session *s, struct strbuf *frame)
{
    s->told = s->credit;
    msg_put_credit(frame, s->told);
}

/* The next result, if the master's window has room: like tasks, one line may pass the byte window's
 * end. */
static bool next_result(const struct session *s, struct outbox_item *item)
{
    return s->results_sent.count < s->results_window.count &&
           s->results_sent.bytes < s->results_window.bytes && outbox_peek(s->outbox, item);
}

/* A frame that is empty takes any one line. */
static bool fits(size_t frame_len, const struct outbox_item *item)
{
    return frame_len == 0 ||
           frame_len + item->record_len + RESULT_ENVELOPE_MAX + CONTROL_LINE_MAX <=
               FRAME_COALESCE_BYTES;
}

static void put_result(struct session *s, struct strbuf *frame, const struct outbox_item *item,
                       bool with_credit)
{
    struct msg_result m = {.task = item->task,
                           .ticket = item->ticket,
                           .record_text = item->record,
                           .record_len = item->record_len,
                           .has_credit = with_credit,
                           .credit = s->credit};
    msg_put_result(frame, &m);
    if (with_credit)
        s->told = s->credit;
}

/* The window counts the bytes of records. The last line of the frame carries the credit. */
static void put_results(struct session *s, struct strbuf *frame)
{
    struct outbox_item item, next;
    bool more = next_result(s, &item) && fits(frame->len, &item);
    while (more) {
        s->results_sent.count++;
        s->results_sent.bytes += item.record_len;
        outbox_sent(s->outbox);
        session_tell_sent(s, item.task);
        size_t after = frame->len + item.record_len + RESULT_ENVELOPE_MAX;
        more = next_result(s, &next) && fits(after, &next);
        put_result(s, frame, &item, !more);
        item = next;
    }
}

static bool settled(const struct session *s)
{
    return s->state == SESSION_READY || s->state == SESSION_DRAINING;
}

bool session_wants_write(struct session *s, struct mono now)
{
    struct outbox_item item;
    switch (s->state) {
    case SESSION_OFFLINE:
    case SESSION_CLOSING:
        return false;
    case SESSION_GREETING:
    case SESSION_SETTLING:
        return s->hello.len > 0;
    case SESSION_READY:
    case SESSION_DRAINING:
        return s->control.len > 0 || s->beat_due || credit_worth_telling(s) ||
               next_result(s, &item);
    case SESSION_PARTING:
        return true;
    }
    UNREACHABLE("session state");
}

void session_produce(struct session *s, struct strbuf *frame, struct mono now)
{
    REQUIRE(frame->len == 0 && frame->max >= SESSION_FRAME_MAX);
    if (s->control.overflow && s->state != SESSION_OFFLINE && s->state != SESSION_CLOSING)
        session_close(s, CLOSE_GOING_AWAY, "more to hand back than can wait");
    if (s->state == SESSION_GREETING || s->state == SESSION_SETTLING)
        move_lines(&s->hello, &s->hello_taken, frame);
    if (settled(s) && s->beat_due)
        put_heartbeat(s, frame, now);
    if (settled(s) || s->state == SESSION_PARTING)
        move_lines(&s->control, &s->control_taken, frame);
    if (settled(s)) {
        session_refresh_credit(s, now);
        size_t before = frame->len;
        put_results(s, frame);
        if (frame->len == before && credit_worth_telling(s))
            put_credit(s, frame);
    }
    if (s->state == SESSION_PARTING && frame->len == 0) {
        s->parted = true;
        session_close(s, CLOSE_NORMAL, "drained");
    }
    REQUIRE(!frame->overflow);
}
