/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/json.h"
#include "common/strbuf.h"
#include "proto/limits.h"
#include <stdint.h>

/*
 * message - the lines of sonde.v1 (PROTOCOL.md): encoders that append one line with its newline,
 * one decoder.
 *
 * Pure; any thread. Decoded strings are borrowed from the message and live until message_fini().
 * Encoders only fail by the strbuf's sticky overflow.
 */
/* clang-format off */
#define MESSAGE_TABLE(X)                                                                           \
    X(HELLO, "hello") X(INFLIGHT, "inflight") X(INFLIGHT_END, "inflight_end")                      \
    X(WELCOME, "welcome") X(VERDICT, "verdict") X(VERDICT_END, "verdict_end")                      \
    X(CREDIT, "credit") X(HEARTBEAT, "heartbeat") X(HEARTBEAT_ACK, "heartbeat_ack")                \
    X(TASK, "task") X(RESULT, "result") X(NACK, "nack") X(RELEASE, "release")                      \
    X(RESULTS_ACK, "results_ack") X(CANCEL, "cancel") X(DRAIN, "drain") X(GOAWAY, "goaway") X(BYE, "bye")
/* clang-format on */

enum message_type {
    MSG_UNKNOWN, /* well-formed, of a type this version does not know: ignore and count */
#define X(id, word) MSG_##id,
    MESSAGE_TABLE(X)
#undef X
};
const char *message_word(enum message_type t);

enum task_class { CLASS_INTERACTIVE, CLASS_SCHEDULE, CLASS_BULK };
#define TASK_CLASSES 3
const char *task_class_word(enum task_class c);
MUST_USE enum err task_class_parse(const char *word, enum task_class *out);

/* Absolute and monotonic per session: "you may have sent up to this since WELCOME". */
struct window {
    uint64_t count, bytes;
};

struct msg_tag {
    const char *key, *value;
};
struct msg_hello {
    int proto_min, proto_max;
    const char *agent, *instance, *run_id, *version, *store_id; /* store_id "" = none known */
    struct msg_tag tags[TAGS_MAX];
    unsigned n_tags;
    const char *capabilities[CAPABILITIES_MAX];
    unsigned n_capabilities;
    int64_t slots, workers, queue, outbox_results;
};
enum inflight_state { INFLIGHT_QUEUED, INFLIGHT_RUNNING, INFLIGHT_DONE };
struct msg_inflight {
    uint64_t task;
    const char *ticket;
    enum inflight_state state; /* DONE: its result waits in the outbox */
};
struct msg_welcome {
    int proto;
    const char *session, *store_id;
    int64_t heartbeat_ms, timeout_ms;
    struct window results;      /* the result window at the start */
    const char *deny[DENY_MAX]; /* CIDRs the agent must deny besides its own */
    unsigned n_deny;
    struct wall time;
};
struct msg_verdict {
    uint64_t task;
    bool keep;
};
struct msg_heartbeat { /* figures that cannot be had are −1 */
    uint64_t seq;
    struct window received,
        credit;            /* TASK lines and bytes received; what the master may send up to */
    double lag_ms, rtt_ms; /* of the link's loop; of the last HEARTBEAT and its ACK */
    int64_t queue, running, slots, oldest_ms, outbox_results, outbox_bytes, spool_bytes,
        log_lost; /* lines of its log that could not be written since it began */
    int64_t
        overdue_ms;   /* by how much the most overdue of the started probes is over its time-out */
    int64_t still_ms; /* tasks wait, and for so long none has started or ended */
    double cpu_percent, load1;
    int64_t rss_bytes, mem_available_bytes, fds_used, fds_max, established, time_wait, close_wait,
        ephemeral_ports, recvq_bytes, sendq_bytes;
    uint64_t drops,
        probes;          /* lines or results dropped (never silently); probes ended since start */
    const char *trouble; /* one sentence when the agent is not well, "" otherwise */
    bool has_clock;
    int64_t clock_ms; /* the agent's clock less the master's, by the exchange that rtt_ms is of */
};
/* A clock that is off by more than the round trip leaves open. */
bool message_clock_is_off(int64_t clock_ms, double rtt_ms);
struct msg_heartbeat_ack {
    uint64_t seq;
    double lag_ms; /* the master's own */
    struct window results;
    struct wall time; /* the master's clock; unset = not told */
};
struct msg_task {
    uint64_t task;
    const char *ticket, *trace;
    bool log; /* its steps are to be logged */
    enum task_class cls;
    int64_t deadline_in_ms;
    const struct json_node *spec; /* decoded; for encoding use spec_text */
    const char *spec_text;
    size_t spec_len;
};
struct msg_result {
    uint64_t task;
    const char *ticket;
    const struct json_node *record; /* decoded */
    const char *record_text; /* the bytes as they came, inside the line given to message_decode */
    size_t record_len;
    bool has_credit;
    struct window credit;
};
struct msg_nack { /* RELEASE has no cause */
    uint64_t task;
    const char *ticket, *cause, *detail;
};
enum ack_verdict { ACK_STORED, ACK_DUPLICATE, ACK_REJECTED };
struct msg_ack {
    uint64_t task;
    enum ack_verdict verdict;
};
struct msg_results_ack {
    struct msg_ack *acks; /* at most ACK_TASKS_MAX */
    unsigned n;
    struct window results;
};
struct msg_cancel {
    uint64_t *tasks; /* at most ACK_TASKS_MAX */
    unsigned n;
};
struct msg_text { /* DRAIN, GOAWAY, BYE */
    const char *reason;
    int64_t reconnect_in_ms; /* GOAWAY */
};

struct message {
    enum message_type type;
    union {
        struct msg_hello hello;
        struct msg_inflight inflight;
        struct msg_welcome welcome;
        struct msg_verdict verdict;
        struct window credit;
        struct msg_heartbeat heartbeat;
        struct msg_heartbeat_ack heartbeat_ack;
        struct msg_task task;
        struct msg_result result;
        struct msg_nack nack; /* NACK and RELEASE */
        struct msg_results_ack results_ack;
        struct msg_cancel cancel;
        struct msg_text text;
    };
    struct json_doc *doc;
};

/*
 * line: without its newline, alive as long as the message. One sentence in why, and nothing to
 * fini, on ERR_INVALID (close with 1008) and on ERR_TOO_BIG: a line over the bound of its type
 * (close with 1009).
 */
MUST_USE enum err message_decode(const char *line, size_t len, struct message *out, char *why,
                                 size_t why_max);
void message_fini(struct message *m);

void msg_put_hello(struct strbuf *b, const struct msg_hello *m);
void msg_put_inflight(struct strbuf *b, const struct msg_inflight *m);
void msg_put_inflight_end(struct strbuf *b);
void msg_put_welcome(struct strbuf *b, const struct msg_welcome *m);
void msg_put_verdict(struct strbuf *b, const struct msg_verdict *m);
void msg_put_verdict_end(struct strbuf *b);
void msg_put_credit(struct strbuf *b, struct window w);
void msg_put_heartbeat(struct strbuf *b, const struct msg_heartbeat *m);
void msg_put_heartbeat_ack(struct strbuf *b, const struct msg_heartbeat_ack *m);
void msg_put_task(struct strbuf *b, const struct msg_task *m);
/* record_text, record_len, and credit when has_credit. */
void msg_put_result(struct strbuf *b, const struct msg_result *m);
void msg_put_nack(struct strbuf *b, const struct msg_nack *m);
void msg_put_release(struct strbuf *b, uint64_t task, const char *ticket);
void msg_put_results_ack(struct strbuf *b, const struct msg_results_ack *m);
void msg_put_cancel(struct strbuf *b, const uint64_t *tasks, unsigned n);
void msg_put_text(struct strbuf *b, enum message_type t, const char *reason,
                  int64_t reconnect_in_ms);

bool agent_name_valid(const char *name);

/*
 * Splits frames into lines: feed bytes as they come, take whole lines out. A line is bounded by
 * LINE_MAX_BYTES, lines that wait to be taken by four times that. Empty lines are skipped.
 */
struct line_buf {
    struct strbuf b;
    size_t taken, tail; /* behind the last line taken; behind the last whole line */
};
void line_buf_init(struct line_buf *l);
void line_buf_fini(struct line_buf *l);
/* ERR_TOO_BIG: a line over the bound (close with 1009). */
MUST_USE enum err line_buf_feed(struct line_buf *l, const char *p, size_t n);
bool line_buf_any(const struct line_buf *l); /* a whole line waits, which may be empty */
/* The next whole line without its newline, valid until the next feed; NULL when there is none. A
 * frame's end also ends a line: feed a '\n' at FIN if the last byte is none. */
const char *line_buf_next(struct line_buf *l, size_t *len);
