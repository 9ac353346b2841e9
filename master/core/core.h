/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/cidr.h"
#include "common/metrics.h"
#include "common/sockinfo.h"
#include "master/core/cuts.h"
#include "proto/cause.h"
#include "proto/end.h"
#include "proto/message.h"
#include "proto/ticket.h"

/*
 * core - the master's brain: fleet, batches, leases, dispatch. A pure machine: (state, event, now)
 * → (state, actions).
 *
 * It sees no socket, clock, thread, random source or disk. The hub thread (or the simulator) feeds
 * events and carries out the actions of struct core_ops. Nothing here blocks; every call is bounded
 * work. A session is named by a number that is never reused. Bounds: CORE_*. The parts: fleet.c
 * (agents and sessions), admit.c (when a HELLO is heard), flow.c (result windows), clone.c (two of
 * one name), batch.c, pause.c, lane.c (batches that grow), lease.c, dispatch.c (fair turns,
 * credit), polite.c (per-host budget), skip.c (busy hosts' tasks stay in the store), slots.c
 * (targets that ask for several agents), stuck.c (why a batch does not advance), tell.c (what the
 * log is told of tasks).
 */
#define CORE_WINDOW_TASKS 65536       /* queued tasks in memory, all batches together */
#define CORE_WINDOW_BATCH 8192        /* and of one batch, so that many batches fit */
#define CORE_WINDOW_BYTES (64u << 20) /* of specs in memory: over it nothing is refilled */
#define CORE_REFILL_ROWS  1000
/* With a full window: rows for a batch that has nothing queued at all, and when it is full of
 * bytes. */
#define CORE_REFILL_LEAST 64
#define CORE_REFILL_LARGE 4
#define CORE_AGENTS_MAX   20000
/*
 * HELLOs a second, and how many at once. The largest fleet that comes back at once must be there
 * within the grace: after the 5 s that its agents may let pass, and 9 s here. A HELLO costs 0.1 ms,
 * so four fifths of a core are left meanwhile for those who are there.
 */
#define CORE_HELLO_RATE  2000
#define CORE_HELLO_BURST 2000
/* Tasks that wait in memory for one busy host; the least while their batch has many waiting. */
#define CORE_HOST_QUEUE       512
#define CORE_HOST_QUEUE_LEAST 8
/* Busy hosts of a batch whose tasks stay in the store; with more its reading pauses. */
#define CORE_SKIPPED_HOSTS 4096
#define CORE_REFILL_HOSTS  16   /* hosts named in one question to the store */
#define CORE_RESULT_WINDOW 4096 /* results an agent may send beyond what is stored, by count … */
#define CORE_RESULT_BYTES  (8u * 1024 * 1024) /* … and bytes */

typedef uint64_t session_id;

/* How one lease of a task ended. */
#define CORE_HISTORY_MAX ATTEMPTS_MAX /* the newest that are remembered of a task */
enum attempt_end {
    ATTEMPT_RUNNING,
    ATTEMPT_RESULT,
    ATTEMPT_NACK,     /* the agent could not */
    ATTEMPT_RELEASED, /* the agent handed it back unstarted, or never had it */
    ATTEMPT_LOST,     /* the agent was away for longer than the grace */
    ATTEMPT_DIED,     /* the agent's process ended */
    ATTEMPT_STALLED   /* its work stood still: the process is about to end itself */
};
const char *attempt_end_word(enum attempt_end e);
struct core_attempt {
    char agent[AGENT_NAME_MAX + 1];
    struct mono leased_at, ended_at; /* unset: not known (before a restart), or not yet */
    enum attempt_end end;
    enum cause cause; /* of NACK */
};
struct core_history { /* oldest first */
    struct core_attempt attempts[CORE_HISTORY_MAX];
    unsigned n, left_out; /* left_out: older ones that are not remembered any more */
    bool lost;            /* a master before this one leased it too, and took that with it */
};

/* One step of a task, for the log; strings borrowed during the call. */
enum core_step {
    STEP_LEASED,   /* and written into the frame that goes out now */
    STEP_TAKEN_UP, /* the agent had it from a master before this one */
    STEP_RELEASED, /* as ATTEMPT_*: the lease ended without a result */
    STEP_NACK,
    STEP_LOST,
    STEP_DIED,
    STEP_STALLED,
    STEP_RESULT,    /* of an agent, on its way to the store */
    STEP_VERDICT,   /* the master's own, likewise */
    STEP_STORED,    /* committed: its acknowledgement goes out with the next frame */
    STEP_DUPLICATE, /* another was first; acknowledged likewise */
    STEP_ENDING,    /* the whole batch is cancelled or has expired (task 0): the store sweeps it */
    STEP_COUNT
};
const char *core_step_word(enum core_step s);
struct core_told {
    enum core_step step;
    const char *batch, *trace; /* uuid; the trace of all its tasks */
    uint64_t task;
    const char *agent;           /* NULL = none has a part in it */
    uint32_t attempt;            /* 0 = not known */
    const char *outcome, *cause; /* NULL = none */
    bool asked;                  /* the batch says log_tasks */
    bool notable;                /* a failure, or a further attempt */
};

struct core_result { /* one result on its way to the store; strings borrowed during the call */
    uint64_t task;
    session_id session; /* whom to acknowledge; 0 = the core's own verdict */
    const char *agent;  /* NULL = the master's own */
    uint32_t attempt;
    enum outcome outcome;
    const char *cause;
    const char *record;
    size_t record_len;
    const struct core_history *history; /* NULL: one attempt, of which the rest says all */
    struct mono leased_at, arrived_at;  /* of the lease that brought it; unset: not known */
};

/* What is to be read of a batch: tasks without a result, by id. */
struct core_refill {
    uint32_t batch;
    uint64_t after, to; /* behind `after`, and not behind `to` (0 = to its end) */
    unsigned limit;
    bool only; /* of the named hosts; false: of all but these */
    unsigned n_hosts;
    uint64_t hosts[CORE_REFILL_HOSTS];
};

/* How a session ended, and what was known of it then; strings borrowed during the call. */
struct core_session_end {
    session_id id;
    const char *agent; /* NULL: it had not said who it is */
    const char *peer;
    enum end cause;
    const char *detail;        /* "" = the cause says it all */
    int64_t age_ms, silent_ms; /* since it was opened, and since anything was heard */
    int64_t heartbeat_gap_max_ms;
    double rtt_ms;                       /* −1 = not known */
    uint64_t sent_tasks, received_tasks; /* received: by the agent's last word */
    int64_t untaken_ms;                  /* how long the oldest of the others waited then */
    uint64_t leases;                     /* that it held */
};

/* Actions. None may call back into the core: they note what is to be done, or do it, and return. */
struct core_ops {
    /* There are bytes for this session: call core_produce() when its socket is writable. Not said
     * again before that. */
    void (*want_write)(void *arg, session_id s);
    /* Close it (after what core_produce still gives); core_session_closed() follows in any case. */
    void (*close)(void *arg, session_id s, int code, const char *reason);
    /* Answer with core_refilled(). At most one per batch is under way. */
    void (*refill)(void *arg, const struct core_refill *q);
    /* Store it (copied); answer with core_stored() once it is committed. Never refused: its count
     * is bounded by the result windows. */
    void (*store)(void *arg, const struct core_result *r);
    /* Commit a mark, tell the waiter if there is one (core_cancel), and sweep; core_swept() tells
     * the progress. Only the first of a batch counts. */
    void (*mark)(void *arg, uint32_t batch, bool cancel, enum cause cause, void *waiter);
    /* Commit that it is paused, or no longer; then tell the waiter (core_pause). In this order. */
    void (*pause)(void *arg, uint32_t batch, bool paused, void *waiter);
    /* An agent said HELLO: remember it. */
    void (*agent_seen)(void *arg, const char *name, const char *tags_json, const char *instance);
    /* It is gone and holds nothing any more: after a restart nobody need wait for it. */
    void (*agent_empty)(void *arg, const char *name);
    /* One thing that people should know: logged and kept. kind is one word; fields end with a
     * zeroed one. */
    void (*event)(void *arg, const char *kind, const char *agent, const char *detail);
    /* A waiter's batch has ended (core_wait). */
    void (*ended)(void *arg, uint32_t batch, void *waiter);
    /* Once for each session, with its one cause. */
    void (*session_ended)(void *arg, const struct core_session_end *e);
    /* Bytes that have come for this session and were not read yet; 0 when it is not known. */
    int64_t (*unread)(void *arg, session_id s);
    /* The part of a core that the caller's loop used lately; negative: not known. */
    double (*cpu)(void *arg);
    /* A step of a task whose batch asked for that, or that is notable; with tell_steps every one.
     */
    void (*step)(void *arg, const struct core_told *t);
    /* This agent speaks and does not read. On: its socket is not to be given up for that, the core
     * will judge; off: it reads again. */
    void (*bear)(void *arg, session_id s, bool on);
    /* The time of day, to be told to agents; unset: not known. Nothing here is decided by it. */
    struct wall (*wall)(void *arg);
};

struct core_config {
    const char *store_id;
    uint64_t boot_epoch;
    const struct ticket_key *keys;
    unsigned n_keys;
    const char *const *holders; /* agents that may hold tasks of the batches that are resumed */
    unsigned n_holders;
    uint64_t seed;     /* for session ids and GOAWAY jitter */
    struct cidr *deny; /* sent to agents in WELCOME */
    unsigned n_deny;
    bool tell_steps;                  /* of all tasks: somebody reads them */
    unsigned max_agents;              /* connected at the same time; 0 = as many as come */
    unsigned hello_rate, hello_burst; /* 0 = CORE_HELLO_… */
};
struct core;
struct core *core_create(const struct core_config *c, const struct core_ops *ops, void *arg,
                         struct mono now);
void core_destroy(struct core **cp);

/* ---- batches */
struct core_batch { /* strings are copied */
    uint32_t num;
    const char *uuid, *trace;
    enum task_class cls;
    int64_t per_host;               /* in flight; 0 = no limit */
    double per_host_rate;           /* starts a second; 0 = no limit */
    uint32_t slots;                 /* tasks a target has at most, each for another agent */
    const char *const *agent_names; /* any of these; none = any agent */
    unsigned n_agent_names;
    const struct msg_tag *tags; /* all of these */
    unsigned n_tags;
    uint64_t total, ended[OUTCOME_COUNT];
    uint64_t low_water;
    int64_t deadline_in_ms;
    bool marked; /* cancelled or expired before a restart: the store sweeps it on */
    bool paused;
    bool log_tasks;
    bool lane;    /* it grows, or did: what is in memory stays there until it ends */
    bool growing; /* see core_batch_add(); of lanes alone */
    bool resumed; /* it was open before this start: agents may still run its tasks, they get the
                     grace to say so */
};
void core_batch_open(struct core *c, const struct core_batch *b, struct mono now);

/*
 * An open-ended batch (`growing`): tasks come while it runs, and it ends when nothing more will
 * come and all have ended. What is added is committed already; it stays in memory until it ends, so
 * that it is for the caller to bound it. Ids go on where the batch's total was.
 *
 * The store commits in order, and so are its answers to be brought here: each addition, results of
 * it, the close (core_batch_close, once that is committed). Of a batch that is being ended
 * meanwhile, what is added counts, and the store sweeps it with the rest.
 *
 * After a restart a refill finds what was open then, up to the total that it is opened with. Until
 * agents have said what they run (as of every batch that is resumed) nothing of it is given out,
 * what is added neither: a caller that goes on at once opens another one and closes this.
 */
struct core_added { /* spec and shun are copied */
    uint64_t task, host_hash;
    const char *spec;
    size_t spec_len;
    uint32_t slot;        /* behind the batch's slots: to any agent, whoever has the others */
    const uint64_t *shun; /* hash64 of the names of agents: others are preferred for CORE_SHUN_MS */
    unsigned n_shun;      /* at most CORE_SHUN_MAX; if no other can take it, they may at once */
    int64_t deadline_in_ms; /* of this task alone: then it ends as expired, with what it waited for;
                               at an agent it may still end for a moment, and is then cancelled */
};
#define CORE_SHUN_MAX 128
#define CORE_SHUN_MS  3000
void core_batch_add(struct core *c, uint32_t batch, const struct core_added *tasks, unsigned n,
                    struct mono now);
/* After the last of those that come together: agents are asked for all of them at once, since each
 * time it would be for all that are there already, too. Without it they wait for the tick. */
void core_batch_added(struct core *c);
void core_batch_close(struct core *c, uint32_t batch, struct mono now);
struct core_room {
    unsigned matching, able; /* agents connected that match; of them: that may be sent to now */
    size_t ready; /* tasks that wait for a place at an agent, or for their host; not those
                     that ask for more agents than are connected */
};
/* False: not open, or being ended. Cheap: agents are counted once in a tick. */
bool core_batch_room(struct core *c, uint32_t batch, struct core_room *out);

struct core_task {
    uint64_t task, host_hash;
    const char *spec; /* copied */
    size_t spec_len;
    uint32_t slot;          /* task - slot is the first of its target */
    int64_t deadline_in_ms; /* of this task alone; 0 = the batch's, negative: it has passed */
};
struct core_answer {      /* a task that has ended, of a target that has others */
    uint64_t task, agent; /* hash64 of the name of who answered */
    uint32_t slot;
};
struct core_refilled {
    uint32_t batch;
    const struct core_task *tasks;
    unsigned n;
    const struct core_answer *answers; /* of the targets of these tasks, by id */
    unsigned n_answers;
    uint64_t last;                      /* the highest id looked at */
    bool exhausted;                     /* the batch ends there */
    uint64_t passed[CORE_REFILL_HOSTS]; /* of each host to be left out: the last task passed over;
                                           0 = none */
};
void core_refilled(struct core *c, const struct core_refilled *r, struct mono now);
/* record_len: as it was given to ops.store (the result window counts bytes of records). */
void core_stored(struct core *c, uint64_t task, session_id s, enum outcome o, enum ack_verdict v,
                 size_t record_len, struct mono now);
/* Instead: the agent had answered another task of the target, so this one is open. */
void core_stored_again(struct core *c, uint64_t task, session_id s, const char *agent,
                       size_t record_len, struct mono now);
void core_swept(struct core *c, uint32_t batch, enum outcome o, uint64_t count, bool finished,
                struct mono now);

/* Why a batch does not advance. */
enum waits_for {
    WAITS_NONE,   /* it does, or its tasks run */
    WAITS_ENDING, /* cancelled or expired: the store sweeps it */
    WAITS_PAUSED,
    WAITS_HOSTS, /* per host budgets and rates */
    WAITS_GRACE,
    WAITS_NO_AGENT,
    WAITS_UNABLE, /* agents match, and all are silent, slow, stalled or draining */
    WAITS_MORE_AGENTS,
    WAITS_ALONE, /* its tasks saw two deaths: they run alone, one after the other */
    WAITS_CREDIT,
    WAITS_STORE
};
struct core_counts {
    uint64_t total, queued, running, ended[OUTCOME_COUNT];
    double rate;   /* tasks ended a second, lately */
    int64_t eta_s; /* −1 = not known */
    enum waits_for waits;
    const char *waits_for; /* one sentence while it does not advance, "" otherwise: static text */
    bool marked, paused;
};
/* False: not open here (ended, or unknown): the store's row is the truth. */
bool core_batch_counts(struct core *c, uint32_t batch, struct core_counts *out);
/* ops.mark(waiter) follows, again for one that is being cancelled. False: not open. */
bool core_cancel(struct core *c, uint32_t batch, void *waiter, struct mono now);
/*
 * Holds its tasks back, or no longer; what agents have already they run to the end, and the
 * deadline goes on. ops.pause(waiter) follows, also when nothing changes. False: not open, or being
 * ended.
 */
bool core_pause(struct core *c, uint32_t batch, bool paused, void *waiter, struct mono now);
/* Where a task is, and what it went through. False: not in memory: it waits to be read, or has
 * ended. */
struct core_task_view {
    const char *state; /* static: queued, paused, waiting_for_host, running, storing */
    struct core_history history;
};
bool core_task(struct core *c, uint64_t task, struct core_task_view *out);
/* ops.ended(waiter) follows once, when the batch has ended (at once if it has). core_unwait forgets
 * a waiter. */
void core_wait(struct core *c, uint32_t batch, void *waiter);
void core_unwait(struct core *c, uint32_t batch, void *waiter);

/* ---- sessions: an upgraded connection whose token may speak for `agents` (comma-separated, NULL =
 * any name) */
session_id core_session_open(struct core *c, const char *allowed_agents, const char *peer,
                             struct mono now);
/*
 * May its lines be given? HELLOs are heard at a bounded rate, in the order in which they come, and
 * none is refused for that. False: this one waits until core_next_turn() names it. Until then the
 * caller keeps what has come, and reads no more than it can keep; the deadline for HELLO stands
 * still. Once true, true for ever: asked before the first line, and after that as the caller likes.
 */
bool core_session_may_speak(struct core *c, session_id s, struct mono now);
/* The first of those who wait, if there is a turn for it now: its lines are to be given. 0: nobody.
 */
session_id core_next_turn(struct core *c, struct mono now);
size_t core_waiting(const struct core *c); /* so many wait */
/* One line without newline, of a session that may speak. The core closes the session itself on a
 * bad one. */
void core_session_line(struct core *c, session_id s, const char *line, size_t len, struct mono now);
/* It has said HELLO and was let in. False too when it is gone. */
bool core_session_is_known(struct core *c, session_id s);
/* Bytes that came without a whole line yet: life of the link. */
void core_session_alive(struct core *c, session_id s, struct mono now);
/* The cause counts when the core has not closed it for one of its own; detail: a sentence or "". */
void core_session_closed(struct core *c, session_id s, enum end cause, const char *detail,
                         struct mono now);
/*
 * Fills frame with whole lines, control before tasks, until it holds max bytes: the last TASK line
 * may pass max by TASK_MAX_BYTES. False: nothing more to say now. True: call again when the socket
 * is writable.
 */
bool core_produce(struct core *c, session_id s, struct strbuf *frame, size_t max, struct mono now);

/* Once a second or more often: liveness, graces, deadlines, refills, rates. own_lag_ms: how late
 * the caller's loop is (an overslept master convicts no one). */
void core_tick(struct core *c, double own_lag_ms, struct mono now);

/* No new work goes out; agents are told GOAWAY/BYE by core_goodbye. */
void core_drain(struct core *c, struct mono now);
bool core_drained(struct core *c); /* nothing is on its way to the store */
void core_goodbye(struct core *c, int64_t reconnect_in_ms, struct mono now);

/* ---- views for the API: copies; strings freed by core_views_free */
enum agent_state {
    AGENT_ALIVE,
    AGENT_SUSPECT,
    AGENT_STALLED, /* its link lives, its work stands: no new tasks, its leases went to others */
    AGENT_ORPHANED,
    AGENT_GONE,
    AGENT_DRAINING,
    AGENT_QUARANTINED /* two processes fought over its name */
};
const char *agent_state_word(enum agent_state s);
struct agent_view {
    char *name, *peer, *version, *session, *trouble; /* NULL = none */
    session_id sid;                                  /* 0 = none */
    char *tags_json;
    enum agent_state state;
    bool slow;
    struct msg_heartbeat hb; /* the last; trouble inside is NULL (see above) */
    bool has_hb;
    int64_t heartbeat_age_ms, heartbeat_gap_max_ms,
        connected_ms; /* gap_max: the longest between two heartbeats of this session */
    int64_t away_ms;  /* since it was last heard, −1 while it is connected */
    bool left;        /* away after a BYE: nobody need look for it */
    /* Sent in this session, and by its last heartbeat not received. */
    uint64_t untaken, untaken_bytes;
    double rtt_ms;  /* of HEARTBEAT and its ACK, −1 = none */
    bool clock_off; /* its clock is far from the master's: hb.clock_ms */
    uint64_t credit_left, in_flight, leases, sent_tasks, results, reconnects;
    uint64_t reconnects_24h; /* by the hour */
    struct cuts_sum cuts;
    struct {
        enum end cause; /* END_NONE: it has not been away */
        char *detail;
        int64_t age_ms, ago_ms; /* of the session that ended; when */
    } last_end;
    struct sockinfo link; /* of the hop to the agent or its proxy: filled in by the hub */
    bool has_link;
    int64_t held_bytes; /* before that socket, which does not take them; at most. By the hub, too */
};
/* name NULL: all, by name. */
unsigned core_agents(struct core *c, const char *name, struct mono now, struct agent_view **out);
void core_views_free(struct agent_view *v, unsigned n);

/*
 * Open batches of which no task has ended for CORE_STUCK_MS; those that no agent can serve at all
 * are told earlier. Oldest first, at most CORE_STUCK_MAX: each costs a look at the fleet.
 */
#define CORE_STUCK_MS      30000
#define CORE_STUCK_SURE_MS 2000 /* agents that come back need a moment */
#define CORE_STUCK_MAX     32
struct core_stuck {
    char uuid[UUID_TEXT_MAX];
    struct core_counts counts;
    int64_t still_ms; /* since a task of it ended */
    int64_t deadline_in_ms;
    unsigned matching, able; /* agents connected that match it; of them: may be sent to */
};
/* Into out[CORE_STUCK_MAX]; *more: how many others there are. Returns how many are told. */
unsigned core_stuck(struct core *c, struct mono now, struct core_stuck *out, unsigned *more);

#define CORE_STOOD_MS 600000 /* an operator who comes in a hurry still sees it */
struct core_stats {
    struct gauge bulk_loss; /* 1 while one lasts: see bulk.h */
    struct gauge agents_alive, agents_suspect, agents_stalled, agents_orphaned, sessions,
        batches_open, batches_paused, queued_tasks, running_tasks, window_tasks, waiting_store,
        open_tasks; /* in open batches, and not ended */
    struct counter dispatched, requeued, results_stored, results_duplicate, results_rejected,
        results_again, stragglers, results_late, nacks, releases, over_window, bad_messages,
        unknown_messages, sessions_total, disconnects, agents_dead, agent_clones, bulk_losses,
        agent_stalls, pushed_out, strangers_cut,
        sockets_refused;                        /* the last three: at the agents' port */
    struct gauge hellos_waiting, hello_wait_ms; /* the last that had to wait: for so long */
    struct counter hellos_paced;                /* had to wait */
    struct counter ends[END_COUNT];             /* of sessions, by cause */
    /* How often the loop stood still, and the worst of the last CORE_STOOD_MS: how long, and when
     * it ended (of struct mono). */
    struct counter stood;
    struct gauge stood_ms, stood_at_ns;
};
struct core_stats *core_stats(struct core *c); /* atomics: any thread may read */
