/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "proto/message.h"

/* TASK and RESULT lines, of which there are millions, open with one literal; the rest may take its
 * time. */
#define PUT_LITERAL(b, text) strbuf_append((b), "" text, sizeof(text) - 1)

static struct json_out begin(struct strbuf *b, enum message_type t)
{
    struct json_out w;
    json_out_init(&w, b);
    json_obj_begin(&w);
    json_str(&w, "type", message_word(t));
    return w;
}

static void end(struct json_out *w)
{
    json_obj_end(w);
    strbuf_putc(w->b, '\n');
}

static void put_window(struct json_out *w, const char *key, struct window v)
{
    json_key(w, key);
    json_obj_begin(w);
    json_u64(w, "count", v.count);
    json_u64(w, "bytes", v.bytes);
    json_obj_end(w);
}

/* Free text, cut to what the other side accepts, never in the middle of a character. */
static void put_text(struct json_out *w, const char *key, const char *text)
{
    size_t n = text == NULL ? 0 : strnlen(text, MESSAGE_TEXT_MAX + 1);
    if (n > MESSAGE_TEXT_MAX) {
        n = MESSAGE_TEXT_MAX;
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    json_key(w, key);
    json_put_strn(w, n > 0 ? text : "", n);
}

/* A figure that could not be had is left out. */
static void put_figure(struct json_out *w, const char *key, int64_t v)
{
    if (v >= 0)
        json_int(w, key, v);
}

static void put_measure(struct json_out *w, const char *key, double v)
{
    if (v >= 0)
        json_ms(w, key, v);
}

static void put_strings(struct json_out *w, const char *key, const char *const *items, unsigned n)
{
    json_key(w, key);
    json_arr_begin(w);
    for (unsigned i = 0; i < n; i++)
        json_put_str(w, items[i]);
    json_arr_end(w);
}

static void put_tags(struct json_out *w, const struct msg_tag *tags, unsigned n)
{
    json_key(w, "tags");
    json_obj_begin(w);
    for (unsigned i = 0; i < n; i++) {
        json_key_str(w, tags[i].key);
        json_put_str(w, tags[i].value);
    }
    json_obj_end(w);
}

void msg_put_hello(struct strbuf *b, const struct msg_hello *m)
{
    REQUIRE(m->n_tags <= TAGS_MAX && m->n_capabilities <= CAPABILITIES_MAX);
    struct json_out w = begin(b, MSG_HELLO);
    json_int(&w, "proto_min", m->proto_min);
    json_int(&w, "proto_max", m->proto_max);
    json_str(&w, "agent", m->agent);
    json_str(&w, "instance", m->instance);
    json_str(&w, "run_id", m->run_id);
    json_str(&w, "version", m->version);
    json_str(&w, "store_id", m->store_id != NULL ? m->store_id : "");
    put_tags(&w, m->tags, m->n_tags);
    put_strings(&w, "capabilities", m->capabilities, m->n_capabilities);
    json_int(&w, "slots", m->slots);
    json_int(&w, "workers", m->workers);
    json_int(&w, "queue", m->queue);
    json_int(&w, "outbox_results", m->outbox_results);
    end(&w);
}

static const char *inflight_word(enum inflight_state s)
{
    static const char *const words[] = {
        [INFLIGHT_QUEUED] = "queued", [INFLIGHT_RUNNING] = "running", [INFLIGHT_DONE] = "done"};
    REQUIRE((size_t)s < ARRAY_LEN(words));
    return words[s];
}

void msg_put_inflight(struct strbuf *b, const struct msg_inflight *m)
{
    struct json_out w = begin(b, MSG_INFLIGHT);
    json_id(&w, "task", m->task);
    json_str(&w, "ticket", m->ticket);
    json_str(&w, "state", inflight_word(m->state));
    end(&w);
}

void msg_put_inflight_end(struct strbuf *b)
{
    struct json_out w = begin(b, MSG_INFLIGHT_END);
    end(&w);
}

void msg_put_welcome(struct strbuf *b, const struct msg_welcome *m)
{
    REQUIRE(m->n_deny <= DENY_MAX);
    char time[WALL_TEXT_MAX];
    struct json_out w = begin(b, MSG_WELCOME);
    json_int(&w, "proto", m->proto);
    json_str(&w, "session", m->session);
    json_str(&w, "store_id", m->store_id);
    json_int(&w, "heartbeat_ms", m->heartbeat_ms);
    json_int(&w, "timeout_ms", m->timeout_ms);
    put_window(&w, "results", m->results);
    put_strings(&w, "deny", m->deny, m->n_deny);
    json_str(&w, "time", wall_format(m->time, time));
    end(&w);
}

void msg_put_verdict(struct strbuf *b, const struct msg_verdict *m)
{
    struct json_out w = begin(b, MSG_VERDICT);
    json_id(&w, "task", m->task);
    json_bool(&w, "keep", m->keep);
    end(&w);
}

void msg_put_verdict_end(struct strbuf *b)
{
    struct json_out w = begin(b, MSG_VERDICT_END);
    end(&w);
}

void msg_put_credit(struct strbuf *b, struct window v)
{
    struct json_out w = begin(b, MSG_CREDIT);
    json_u64(&w, "tasks", v.count);
    json_u64(&w, "bytes", v.bytes);
    end(&w);
}

static void put_machine(struct json_out *w, const struct msg_heartbeat *m)
{
    put_measure(w, "cpu_percent", m->cpu_percent);
    put_measure(w, "load1", m->load1);
    put_figure(w, "rss_bytes", m->rss_bytes);
    put_figure(w, "mem_available_bytes", m->mem_available_bytes);
    put_figure(w, "fds_used", m->fds_used);
    put_figure(w, "fds_max", m->fds_max);
    put_figure(w, "established", m->established);
    put_figure(w, "time_wait", m->time_wait);
    put_figure(w, "close_wait", m->close_wait);
    put_figure(w, "ephemeral_ports", m->ephemeral_ports);
    put_figure(w, "recvq_bytes", m->recvq_bytes);
    put_figure(w, "sendq_bytes", m->sendq_bytes);
}

void msg_put_heartbeat(struct strbuf *b, const struct msg_heartbeat *m)
{
    struct json_out w = begin(b, MSG_HEARTBEAT);
    json_u64(&w, "seq", m->seq);
    put_window(&w, "received", m->received);
    put_window(&w, "credit", m->credit);
    put_measure(&w, "lag_ms", m->lag_ms);
    put_measure(&w, "rtt_ms", m->rtt_ms);
    if (m->has_clock)
        json_int(&w, "clock_ms", m->clock_ms);
    put_figure(&w, "queue", m->queue);
    put_figure(&w, "running", m->running);
    put_figure(&w, "slots", m->slots);
    put_figure(&w, "oldest_ms", m->oldest_ms);
    put_figure(&w, "overdue_ms", m->overdue_ms);
    put_figure(&w, "still_ms", m->still_ms);
    put_figure(&w, "outbox_results", m->outbox_results);
    put_figure(&w, "outbox_bytes", m->outbox_bytes);
    put_figure(&w, "spool_bytes", m->spool_bytes);
    put_figure(&w, "log_lost", m->log_lost);
    put_machine(&w, m);
    json_u64(&w, "drops", m->drops);
    json_u64(&w, "probes", m->probes);
    if (m->trouble != NULL && m->trouble[0] != '\0')
        put_text(&w, "trouble", m->trouble);
    end(&w);
}

void msg_put_heartbeat_ack(struct strbuf *b, const struct msg_heartbeat_ack *m)
{
    char time[WALL_TEXT_MAX];
    struct json_out w = begin(b, MSG_HEARTBEAT_ACK);
    json_u64(&w, "seq", m->seq);
    put_measure(&w, "lag_ms", m->lag_ms);
    put_window(&w, "results", m->results);
    if (m->time.us != 0)
        json_str(&w, "time", wall_format(m->time, time));
    end(&w);
}

void msg_put_task(struct strbuf *b, const struct msg_task *m)
{
    REQUIRE(m->spec_text != NULL && m->spec_len > 0 && m->spec_len <= SPEC_MAX_BYTES);
    struct json_out w;
    json_out_init(&w, b);
    PUT_LITERAL(b, "{\"type\":\"task\",\"task\":");
    json_put_id(&w, m->task);
    json_str(&w, "ticket", m->ticket);
    if (m->trace != NULL && m->trace[0] != '\0')
        json_str(&w, "trace", m->trace);
    if (m->log)
        json_bool(&w, "log", true);
    json_str(&w, "class", task_class_word(m->cls));
    json_int(&w, "deadline_in_ms", m->deadline_in_ms);
    PUT_LITERAL(b, ",\"spec\":");
    strbuf_append(b, m->spec_text, m->spec_len);
    PUT_LITERAL(b, "}\n");
}

void msg_put_result(struct strbuf *b, const struct msg_result *m)
{
    REQUIRE(m->record_text != NULL && m->record_len > 0);
    REQUIRE(m->record_len <= RESULT_MAX_BYTES - RESULT_ENVELOPE_MAX);
    struct json_out w;
    json_out_init(&w, b);
    PUT_LITERAL(b, "{\"type\":\"result\",\"task\":");
    json_put_id(&w, m->task);
    json_str(&w, "ticket", m->ticket);
    if (m->has_credit)
        put_window(&w, "credit", m->credit);
    PUT_LITERAL(b, ",\"record\":");
    strbuf_append(b, m->record_text, m->record_len);
    PUT_LITERAL(b, "}\n");
}

void msg_put_nack(struct strbuf *b, const struct msg_nack *m)
{
    struct json_out w = begin(b, MSG_NACK);
    json_id(&w, "task", m->task);
    json_str(&w, "ticket", m->ticket);
    json_str(&w, "cause", m->cause);
    if (m->detail != NULL && m->detail[0] != '\0')
        put_text(&w, "detail", m->detail);
    end(&w);
}

void msg_put_release(struct strbuf *b, uint64_t task, const char *ticket)
{
    struct json_out w = begin(b, MSG_RELEASE);
    json_id(&w, "task", task);
    json_str(&w, "ticket", ticket);
    end(&w);
}

/* The ids that met this verdict, or nothing when none did. */
static void put_acks(struct json_out *w, const char *key, const struct msg_results_ack *m,
                     enum ack_verdict verdict)
{
    bool open = false;
    for (unsigned i = 0; i < m->n; i++) {
        if (m->acks[i].verdict != verdict)
            continue;
        if (!open) {
            json_key(w, key);
            json_arr_begin(w);
            open = true;
        }
        json_put_id(w, m->acks[i].task);
    }
    if (open)
        json_arr_end(w);
}

void msg_put_results_ack(struct strbuf *b, const struct msg_results_ack *m)
{
    REQUIRE(m->n <= ACK_TASKS_MAX);
    struct json_out w = begin(b, MSG_RESULTS_ACK);
    put_acks(&w, "stored", m, ACK_STORED);
    put_acks(&w, "duplicate", m, ACK_DUPLICATE);
    put_acks(&w, "rejected", m, ACK_REJECTED);
    put_window(&w, "results", m->results);
    end(&w);
}

void msg_put_cancel(struct strbuf *b, const uint64_t *tasks, unsigned n)
{
    REQUIRE(n <= ACK_TASKS_MAX);
    struct json_out w = begin(b, MSG_CANCEL);
    json_key(&w, "tasks");
    json_arr_begin(&w);
    for (unsigned i = 0; i < n; i++)
        json_put_id(&w, tasks[i]);
    json_arr_end(&w);
    end(&w);
}

void msg_put_text(struct strbuf *b, enum message_type t, const char *reason,
                  int64_t reconnect_in_ms)
{
    REQUIRE(t == MSG_DRAIN || t == MSG_GOAWAY || t == MSG_BYE);
    struct json_out w = begin(b, t);
    put_text(&w, "reason", reason);
    if (t == MSG_GOAWAY)
        json_int(&w, "reconnect_in_ms", reconnect_in_ms);
    end(&w);
}
