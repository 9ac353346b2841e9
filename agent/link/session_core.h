/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/link/session.h"
#include "proto/byte_window.h"
#include "proto/ticket.h"
#include <uthash.h>

/* session_core - what session.c (states, time), session_in.c (lines in) and session_out.c (lines
 * out) share; nobody else. */

struct held { /* a task admitted and not ended */
    UT_hash_handle hh;
    uint64_t task;
    char ticket[TICKET_TEXT_MAX], trace[MESSAGE_ID_MAX + 1];
    bool log;    /* its steps are to be logged */
    bool doomed; /* its result is wanted by nobody: the master said drop, or its store is gone */
};

struct followed { /* a result in the outbox whose way is logged */
    UT_hash_handle hh;
    uint64_t task;
    char trace[MESSAGE_ID_MAX + 1];
    bool asked;
};

#define BEATS_KEPT 8 /* more than fit into the time-out */

struct session {
    struct session_ops ops;
    void *arg;
    enum session_state state;

    /* who we are */
    char *agent, *instance, *run_id, *version;
    struct msg_tag tags[TAGS_MAX];
    unsigned n_tags;
    int64_t slots, workers, queue;

    /* what outlives a connection */
    struct held *held;
    struct followed *followed; /* of most results there is none */
    struct outbox *outbox;
    struct spool *spool; /* borrowed; NULL: none */
    char store_id[MESSAGE_ID_MAX + 1];
    bool leaving, parted; /* session_drain() was called; BYE was sent or is moot */
    struct mono leaving_since;
    int64_t reconnect_ms;
    uint64_t drops, released, nacked, unknown_messages, unknown_acks;

    /* this connection */
    char session_id[MESSAGE_ID_MAX + 1];
    struct line_buf in;
    struct strbuf hello;   /* HELLO and INFLIGHT lines */
    struct strbuf control; /* NACK, RELEASE, DRAIN, BYE */
    size_t hello_taken, control_taken;
    int64_t heartbeat_ms, timeout_ms;
    struct window received, credit,
        told; /* credit: what we would grant; told: what the master knows */
    struct window results_window, results_sent;
    struct mono answered_at; /* the master last showed that it hears us: an ack of anything */
    struct mono heard_at, beat_at, ticked_at, no_credit_until;
    int64_t stood_ms; /* the longest that our own loop stood since the last heartbeat, of whatever
                         session */
    bool beat_due;
    uint64_t beat_seq;
    struct mono beats[BEATS_KEPT]; /* when they went, by seq: a slow path has several under way */
    double rtt_ms;
    char spool_trouble[SPOOL_TROUBLE_MAX];
    struct byte_window window; /* of TASK bytes */
    bool has_clock;            /* compared with the master's, in this session: */
    int64_t clock_ms;
};

/* session.c */
void session_enter(struct session *s, enum session_state to, const char *why);
void session_close(struct session *s, uint16_t code, const char *reason); /* → CLOSING */
void session_refresh_credit(struct session *s, struct mono now);
void session_settled(struct session *s, struct mono now); /* the verdicts are complete */
struct held *session_find(struct session *s, uint64_t task);
void session_doom(struct session *s, struct held *h);

/* session_tell.c: what the log is told of a result on its way */
void session_follow(struct session *s, const struct held *h);
void session_tell_sent(struct session *s, uint64_t task);
void session_tell_ack(struct session *s, uint64_t task, enum ack_verdict v);
void session_unfollow_all(struct session *s);

/* session_in.c */
void session_take_line(struct session *s, const char *line, size_t len, struct mono now);

/* session_out.c */
void session_put_hello(struct session *s);
void session_put_nack(struct session *s, uint64_t task, const char *ticket, enum cause cause,
                      const char *detail);
void session_put_release(struct session *s, uint64_t task, const char *ticket, struct mono now);
