/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/outbox/outbox.h"
#include "common/cidr.h"
#include "common/clock.h"
#include "common/strbuf.h"
#include "proto/cause.h"
#include "proto/message.h"
#include "proto/target.h"

/*
 * session - the agent's side of sonde.v1 as a pure machine: (state, event, now) → lines to send and
 * calls of its ops.
 *
 * One per process; it outlives connections and holds what the agent owes: the tasks admitted and
 * the outbox of results. Owned by the link thread, or by a simulation in virtual time. Bounded:
 * tasks by the places that ops and outbox grant, results by the outbox, control lines by
 * LINE_MAX_BYTES (credit stops rising long before), input by the line buffer.
 *
 * A task whose spec this agent cannot read is answered with NACK agent_unsupported: another agent
 * may be newer. Tasks over the grant, and tasks that come while the agent drains, go back with
 * RELEASE.
 */
enum session_state {
    SESSION_OFFLINE,  /* no connection */
    SESSION_GREETING, /* connected; HELLO is on its way, WELCOME awaited */
    SESSION_SETTLING, /* WELCOME came; verdicts on what we hold are awaited */
    SESSION_READY,
    SESSION_DRAINING, /* the agent is about to end: finish, flush */
    SESSION_PARTING,  /* BYE is the last line to go out */
    SESSION_CLOSING,  /* ops->close was called; nothing is read or written any more */
};
const char *session_state_word(enum session_state s);

struct session_task {
    uint64_t task;
    const char *ticket, *trace;
    bool log; /* its steps are to be logged */
    enum task_class cls;
    struct target *target;
    struct mono now, deadline_at;
};

/* None of them may call back into the session. */
struct session_ops {
    /* Takes t->target on ERR_NONE and then owes one session_on_end(). ERR_FULL: no place. */
    enum err (*admit)(void *arg, const struct session_task *t);
    void (*cancel)(void *arg, uint64_t task); /* an admitted one; its end still comes */
    void (*release_waiting)(void *arg); /* what has not started comes back as SESSION_RELEASED */
    unsigned (*free_places)(void *arg);
    void (*deny)(void *arg, const struct cidr *deny, size_t n);
    /* Fills what the session does not know itself: lag, queue, running, slots, machine and link,
     * probes, trouble. */
    void (*figures)(void *arg, struct msg_heartbeat *hb, struct mono now);
    /* The time of day: to be compared with the master's, and for nothing else. */
    struct wall (*wall)(void *arg);
    /* Ends the connection with this code; session_on_disconnected() must follow. */
    void (*close)(void *arg, uint16_t code, const char *reason);
};

struct session_config { /* strings and tags are copied */
    const char *agent, *instance, *run_id, *version;
    struct msg_tag tags[TAGS_MAX];
    unsigned n_tags;
    int64_t slots, workers, queue;
    size_t outbox_results, outbox_bytes;
    struct spool *spool; /* borrowed, outlives the session; NULL: results live in memory alone */
};
struct session;

struct session *session_create(const struct session_config *c, const struct session_ops *ops,
                               void *arg);
void session_destroy(struct session **sp);

/* Before the first connection: takes up what a former process left in the spool, file by file. */
void session_load(struct session *s, uint64_t number, const char *p, size_t n,
                  struct outbox_loaded *out);

void session_on_connected(struct session *s, struct mono now);
void session_on_disconnected(struct session *s, struct mono now);
/* A piece of a text frame; final: the frame ends with it. */
void session_on_bytes(struct session *s, const char *p, size_t n, bool final, struct mono now);
void session_on_tick(struct session *s, struct mono now); /* a few times a second */

enum session_end { SESSION_DONE, SESSION_RELEASED, SESSION_CANCELLED };
/* An admitted task came back; record (copied) only with SESSION_DONE, at most RESULT_MAX_BYTES −
 * RESULT_ENVELOPE_MAX. */
void session_on_end(struct session *s, uint64_t task, enum session_end end, const char *record,
                    size_t len, struct mono now);
/* An admitted task came back unmeasured, by this agent's own fault: it is to be run elsewhere. */
void session_on_fault(struct session *s, uint64_t task, enum cause cause, const char *detail,
                      struct mono now);

/* How the log names an admitted task: borrowed until its end; and whether its steps are asked for.
 */
const char *session_trace(struct session *s, uint64_t task, bool *asked);

/* The process was told to end: hand back what has not started, finish what runs (at most DRAIN_MS),
 * flush, BYE. */
void session_drain(struct session *s, struct mono now);
/* After session_drain(): nothing is left to do and there is no connection. */
bool session_finished(const struct session *s);

/* Is there anything to put into a frame now? */
bool session_wants_write(struct session *s, struct mono now);
/* Appends the next frame to the empty buffer (SESSION_FRAME_MAX): control first, then results; may
 * leave it empty. */
#define SESSION_FRAME_MAX (FRAME_COALESCE_BYTES + RESULT_MAX_BYTES)
void session_produce(struct session *s, struct strbuf *frame, struct mono now);

/* How long the master asked us to stay away before the next connect; −1: it did not. Answers once.
 */
int64_t session_take_reconnect_ms(struct session *s);

struct session_info {
    enum session_state state;
    struct window received, credit, results_sent, results_window;
    size_t tasks, results; /* held: admitted and not ended; waiting for their ack */
    uint64_t drops;        /* results set aside or rejected */
    uint64_t released, nacked, unknown_messages, unknown_acks;
    double rtt_ms;                     /* of the last heartbeat; negative: none yet */
    int64_t clock_skew_ms;             /* our clock less the master's, when that is off; else 0 */
    const char *session_id, *store_id; /* "" = none; borrowed */
};
void session_info(const struct session *s, struct session_info *out);
/* All that a heartbeat says now; what it points to lives until the next call. */
void session_figures(struct session *s, struct msg_heartbeat *out, struct mono now);
