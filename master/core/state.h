/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/bucket.h"
#include "common/heap.h"
#include "common/idmap.h"
#include "common/list.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/strbuf.h"
#include "master/core/bulk.h"
#include "master/core/core.h"
#include "master/core/cuts.h"
#include "master/core/hours.h"
#include "proto/byte_window.h"

#define uthash_fatal(msg) UNREACHABLE("uthash: " msg)
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

/*
 * state - the core's own structures, shared by the files of master/core and by nobody else.
 *
 * Who owns what: core owns agents, sessions, batches and hosts; a batch owns its tasks. A task is
 * in memory while it is in the window (queued or waiting for its host), leased, or on its way to
 * the store.
 *
 *              refilled              produce              RESULT              stored
 *   (store) ─────────────► READY ─────────────► LEASED ─────────────► STORING ─────────────► gone
 *                          │   ▲                  │
 *               host busy  ▼   │ host free        │ lost, released, nacked
 *                         WAITING                 ▼
 *                                               READY (retry list)
 *
 * Out of memory and not ended: behind the batch's cursor, or passed over (skip.c, pause.c).
 */
#define RETRY_ELSEWHERE_MS 3000 /* a task that came back waits this long for another agent */
#define RETRY_SCAN         16   /* tasks of a retry list looked at for one agent */
#define DEADLINE_GRACE_MS  5000 /* running tasks may still end this long after the deadline */
#define DEATHS_ALONE       2    /* from so many process deaths on, a task runs alone on its agent */
#define SCAN_MS            1000 /* liveness, deadlines and rates are looked at this often */
#define OWN_LAG_MS         1000 /* a later tick than this: the master overslept, and convicts no one */
#define CONTROL_MAX_BYTES                                                                          \
    (16u << 20)             /* control lines waiting for one session: over it, it is closed */
#define END_DETAIL_MAX 240  /* what is kept of why a session ended; close reasons fit */
#define UNREAD_MS      5000 /* unmoved for this long: the kernel's patience is not what counts */
#define SLOW_MS        15000
#define STALLED_MS     45000 /* before nginx's 60 s */
#define BURST_MS       500   /* tasks sent within it count as sent at its beginning */
#define SLOW_CUT_MS    3000 /* unread for longer than a slow link's window holds (BYTE_WINDOW_MS) */
#define RATE_TAU_S     5.0
#define RUN_SLOTS      16 /* of times from lease to result: powers of two of milliseconds */

enum task_state { TASK_READY, TASK_WAITING, TASK_LEASED, TASK_STORING };

/* Made when a lease ends without a result: of most tasks there is none. */
struct history {
    unsigned n, left_out;
    struct core_attempt attempts[CORE_HISTORY_MAX];
};

struct task {
    uint64_t id, host_hash;
    struct batch *batch;
    struct host *host; /* WAITING in its queue, or LEASED and counted there */
    char *spec; /* NULL when taken up after a restart: read again if it must be leased anew */
    uint32_t spec_len;
    enum task_state state;
    bool retry;   /* READY: in the batch's retry list */
    bool running; /* counted in batch->running */
    bool ended;   /* STORING: a tomb, kept until the refill under way has come back */
    uint8_t attempts, deaths;
    struct agent *avoid; /* the agent that had it last: another is preferred */
    struct mono avoid_until;
    bool faulted;                 /* it came back by a fault of that agent */
    struct agent *agent;          /* LEASED: whose */
    struct twin *twin;            /* LEASED: its second lease (straggle.c), NULL = none */
    struct mono held_since;       /* LEASED: since when we know of it */
    bool judged, safe;            /* whether it may be asked twice */
    struct list_node straggler;   /* in core->stragglers: LEASED, old, without a twin */
    struct group *group;          /* of its target, when that asks for several agents */
    struct run *run;              /* what a task of a lane has besides, NULL = nothing */
    bool aside;                   /* READY, in batch->aside */
    uint64_t barred;              /* hash of an agent that has answered another one of them */
    struct lease_no lease;        /* the current or last one */
    uint64_t proof_of;            /* the counter of the lease whose proof is … */
    char proof[TICKET_PROOF_LEN]; /* … this; 0 = none */
    struct mono leased_at;        /* unset: by a master before this one */
    struct history *history;      /* earlier leases, NULL = none */
    bool forgotten;               /* a master before this one leased it */
    struct list_node node;        /* READY, WAITING: queue; LEASED: agent->leases */
    struct list_node batch_node;  /* batch->tasks, always */
};

/* A deadline of its own, and who should not be asked first (lane.c). */
struct run {
    struct task *task;
    struct heap_node due; /* in core->due: its deadline, or when that is looked at again */
    struct mono deadline_at;
    struct mono shun_until;
    struct mono looked_at; /* whether there are others, as of this tick … */
    uint64_t looked_epoch; /* … and this fleet */
    bool others;
    unsigned n_shun;
    uint64_t shun[];
};

/* The second lease of a task (straggle.c). */
struct twin {
    struct task *task;
    struct agent *agent;
    struct host *host; /* its place there; NULL = not counted */
    struct lease_no lease;
    struct list_node node; /* agent->twins */
};

struct host { /* the per-host budget; exists while something is in flight, waits or was skipped */
    uint64_t hash;
    uint64_t in_flight;
    struct list waiting;    /* tasks, in order */
    struct list skips;      /* of batches that passed tasks of it over, in turn (skip.c) */
    struct list_node stuck; /* in core->stuck_hosts while tasks wait and none is in flight */
    struct bucket bucket;   /* starts, while … */
    struct list_node rated; /* … in core->rated_hosts: until it is full and nothing waits */
};

struct waiter {
    void *who;
    struct list_node node;
};

struct batch {
    uint32_t num;
    char uuid[UUID_TEXT_MAX], trace[TRACE_TEXT_MAX];
    enum task_class cls;
    int64_t per_host;
    double per_host_rate;
    char **agent_names;
    unsigned n_agent_names;
    struct msg_tag *tags; /* owned copies */
    unsigned n_tags;
    uint64_t total, ended[OUTCOME_COUNT];
    uint64_t running;  /* LEASED and STORING tasks that have not ended */
    uint64_t leased;   /* LEASED tasks: what agents hold */
    uint64_t unproved; /* LEASED tasks without a spec: not counted in running */
    struct mono deadline_at;
    bool resumed; /* open before this start: not dispatched until core->hold_until */
    bool marked, had_agent;
    bool lane, growing; /* growing: more may come, even if it is marked: until that is swept */
    uint64_t read_to;   /* of a lane: what is behind it came by core_batch_add() alone */
    struct list aside;  /* of a lane: tasks that no connected agent may take */
    unsigned able;      /* agents that match and may be sent to, as of … */
    uint64_t able_epoch;
    struct mono able_at;
    uint64_t twins_made, run_slots[RUN_SLOTS]; /* straggle.c */
    uint32_t slots;                            /* tasks a target has at most */
    uint64_t left_out; /* the first task that no connected agent may take; 0 = none */
    uint64_t left_out_epoch, slots_epoch;
    struct mono slots_at; /* not looked at again before */
    bool log_tasks;
    bool paused;       /* its READY tasks are in no turn, and none is WAITING */
    uint64_t passed;   /* while paused: the first task left out of memory; 0 = none */
    unsigned matching; /* agents that could take a task, as of matching_epoch */
    uint64_t matching_epoch;
    struct list tasks;        /* all in memory */
    struct list ready, retry; /* queues of dispatch */
    size_t waiting;           /* tasks of this batch in hosts' queues */
    uint64_t cursor;          /* refilled up to here */
    bool exhausted, refilling;
    bool rereading;     /* the last refill read on for hosts that were passed over */
    struct skip *skips; /* by host */
    struct list wanted, recent;
    struct skip *asked_skips[CORE_REFILL_HOSTS]; /* of the refill under way, as its hosts */
    unsigned n_asked_skips;
    uint64_t cursor_asked; /* behind which hosts are left out */
    unsigned asked;        /* rows of the refill under way */
    uint64_t rewind_to;    /* asked for while a refill was under way; 0 = not */
    struct list tombs;     /* ended while a refill was under way: it must not bring them back */
    struct list waiters;
    uint64_t rate_ended;  /* ended at the last tick */
    struct mono moved_at; /* when that was last more than before, or it began to run */
    double rate;
    struct list_node active; /* in core->active[cls] while ready or retry is not empty */
    UT_hash_handle hh;
};

#define CLONE_FORMER_MAX 8 /* so many are remembered: enough to see one of many return */
struct former_run {        /* a process that had the name, and lost it to another */
    uint64_t run;          /* hash of its run_id */
    struct mono left_at;   /* unset: no entry */
};

struct agent {
    char name[AGENT_NAME_MAX + 1];
    uint64_t hash; /* of the name */
    char instance[INSTANCE_ID_LEN + 1], run_id[INSTANCE_ID_LEN + 1];
    char version[32];
    struct msg_tag *tags;
    unsigned n_tags;
    struct session *session; /* NULL: orphaned or gone */
    struct list leases;      /* tasks */
    struct list twins;       /* second leases, of this session */
    bool awaited;            /* after a restart: it may still run tasks, see core->awaited */
    bool reborn;  /* another process said HELLO: what it holds no result of died with the last */
    bool usurped; /* … and the last was connected then: nothing says that it is dead */
    struct former_run former[CLONE_FORMER_MAX];
    unsigned next_former;
    struct mono quarantine_until; /* clone.c */
    bool draining, slow;
    /* In core->stalled: this process, over its sessions, of which the last heartbeat says that its
     * work stands. */
    struct list_node stalled_node;
    struct mono orphan_until, connected_at, left_at;
    uint64_t story;          /* of the bulk loss that it has not told of yet; 0 = none */
    struct mono troubled_at; /* suspect, or lost without a word: since when; unset = it is fine */
    struct list_node troubled_node; /* in core->troubled while that is set */
    struct list_node orphan_node; /* in core->orphans: without a session, but it may hold leases */
    struct msg_heartbeat hb;
    bool has_hb;
    char trouble[160], peer[64];
    struct {
        enum end cause;
        char *detail; /* NULL: none yet */
        int64_t age_ms;
        struct mono at;
    } last_end;
    struct hours reconnects;
    struct cuts *cuts; /* NULL: it was never cut */
    struct mono hb_at;
    int64_t hb_gap_max_ms;
    double rtt_ms;
    bool clock_off; /* as of the last heartbeat that told */
    uint64_t sent_tasks, results, sessions;
    int64_t window; /* slots + queue, as HELLO says */
    UT_hash_handle hh;
};

enum session_state {
    SESSION_NEW,
    SESSION_WAITING,  /* its first line has come, and waits for its turn */
    SESSION_ADMITTED, /* its HELLO may be said */
    SESSION_INFLIGHT,
    SESSION_READY,
    SESSION_CLOSING
};

struct session {
    session_id id;
    enum session_state state;
    char *allowed_agents, peer[64];
    struct agent *agent;            /* from HELLO on */
    struct mono opened_at, last_rx; /* opened_at: its HELLO deadline runs since then */
    struct mono began_at;    /* as opened_at, but with what the master overslept or made it wait */
    struct mono waits_since; /* SESSION_WAITING */
    enum end end;            /* why it ends: the first cause counts */
    bool end_told;
    char *end_detail;           /* NULL: the cause says it all */
    struct window credit, sent; /* tasks: granted, and sent */
    struct window received, settled,
        granted;             /* results: come in, committed or refused, and the window told */
    struct byte_window path; /* what it carries of results, in bytes */
    struct mono answered_at; /* when it was last shown that it is heard: an ack of anything */
    bool tell_window;        /* by an ack, though of nothing */
    struct strbuf control;
    struct msg_ack *acks; /* results to acknowledge, in order */
    size_t n_acks, acks_cap;
    /* When what the agent has received last grew, or nothing was on its way. */
    struct mono moved_at;
    bool borne; /* ops.bear() holds */
    /* Tasks up to `mark` were sent by marked_at. While the agent has taken fewer, by its own count,
     * the oldest that it has not is at least so old; that age at its last heartbeat is untaken_ms.
     */
    uint64_t mark, taken;
    struct mono marked_at;
    int64_t untaken_ms;
    uint64_t *reported; /* SESSION_INFLIGHT: tasks the agent said it holds */
    size_t n_reported, reported_cap;
    struct strbuf verdicts;
    bool asked;           /* to write, and core_produce() has not come yet, … */
    struct mono asked_at; /* … for so long: its socket takes nothing. To a tick. */
    struct list_node hungry_node;
    struct list_node suspect_node;  /* in core->suspects: silent, and its agent is told to be so */
    struct list_node arriving_node; /* in core->arriving until it is READY or CLOSING, but … */
    struct list_node waiting_node;  /* … in core->waiting while it is WAITING */
    struct list_node node;          /* in core->session_list, always */
};

struct core {
    struct core_ops ops;
    void *arg;
    char store_id[UUID_TEXT_MAX];
    uint64_t epoch, lease_counter;
    struct ticket_ring *tickets;
    struct rng rng;
    struct cidr deny[64];
    unsigned n_deny, max_agents;
    bool tell_steps;
    struct agent *agents;
    struct batch *batches;
    struct idmap sessions, tasks, hosts;
    struct group *groups;     /* by target */
    struct list session_list; /* who was heard last is last: silence is looked for in front */
    struct list arriving;     /* in the order of opened_at */
    struct list waiting;      /* whose HELLO waits for its turn, in order */
    struct bucket hellos;     /* turns */
    struct {
        uint64_t n; /* that have had to wait, and of whom nothing was told yet */
        int64_t longest_ms;
    } paced;
    struct list suspects; /* with those who were heard since the last scan */
    struct list stalled;  /* agents, connected or not */
    struct list troubled; /* agents; whose trouble is the newest is first */
    struct list orphans;  /* agents; who holds nothing any more goes with the next scan */
    struct list hungry, stuck_hosts, rated_hosts, stragglers;
    struct heap due; /* runs by their deadlines */
    /* CORE_*; tests lower them. Read on for a busy host when half of its queue is gone. */
    size_t host_queue_most, host_queue_least;
    unsigned skipped_hosts_max, refill_rows_max;
    size_t window_tasks_max, window_batch_max, window_bytes_max;
    uint64_t results_max, result_bytes_max; /* the result window of one session */
    struct list active[TASK_CLASSES];
    int class_turn[TASK_CLASSES];
    /* READY tasks that saw DEATHS_ALONE deaths: one at a time, each alone on its agent … */
    struct list alone;
    struct agent *alone_agent; /* … this one: it gets nothing else until it is empty, and then … */
    bool alone_runs;           /* … the task itself runs there */
    size_t ready; /* READY tasks of all batches that are not paused, but for those aside */
    size_t window_tasks, window_bytes, storing;
    size_t asked;         /* rows of all refills under way */
    unsigned connected;   /* agents with a session */
    uint64_t fleet_epoch; /* counts changes of who is connected: for batch->matching */
    struct mono last_tick, scanned_at;
    /* Agents that may hold tasks from before this start and have not said so yet. */
    unsigned awaited;
    struct mono hold_until; /* unset once they have, or the grace is over */
    double own_lag_ms;
    struct bulk bulk;
    struct bulk_story story;  /* of the last bulk loss */
    struct mono overslept_at; /* unset: never; within BULK_WINDOW_MS it explains silence */
    int64_t overslept_ms;     /* the longest of that window */
    struct mono committed_at; /* the store last answered, or owed nothing */
    bool draining;
    struct core_stats stats;
};

/* fleet.c: agents and sessions */
/* After a restart: who may still run tasks, until all have said so or the grace is over. */
void fleet_await(struct core *c, const char *const *names, unsigned n, struct mono now);
void fleet_stop_awaiting(struct core *c, struct mono now);
struct session *fleet_session(struct core *c, session_id id); /* NULL: closed */
void fleet_enter(struct core *c, struct session *s, enum session_state to);
void fleet_close(struct core *c, struct session *s, int code, const char *reason);
bool fleet_hello(struct core *c, struct session *s, const struct msg_hello *m, struct mono now);
/* A stall is the death that it is about to become: what the process had is blamed then and there,
 * and holds nothing any more when it dies. */
enum lease_loss { LOSS_RELEASED, LOSS_NACK, LOSS_GRACE, LOSS_DEATH, LOSS_STALL };
/* Its leases end now. */
void fleet_agent_lost(struct core *c, struct agent *a, enum lease_loss why, struct mono now);
void fleet_adopted(struct core *c, struct agent *a); /* no orphan any more */
/* From its session, if it has one, which is closed. */
void fleet_detach(struct core *c, struct agent *a, int code, const char *reason, struct mono now);
void fleet_want_write(struct core *c, struct session *s); /* once, until core_produce() comes */
void fleet_control(struct core *c, struct session *s); /* there are control lines: ask to write */
void fleet_inflight_end(struct core *c, struct session *s, struct mono now);
void fleet_credit(struct core *c, struct session *s, struct window w);
void fleet_tags_json(const struct agent *a, struct strbuf *b); /* as an object */
void fleet_bye(struct core *c, struct session *s, const char *reason, struct mono now);
void fleet_destroy_all(struct core *c);
/* Tells the agent, if it is there. */
void fleet_cancel(struct core *c, struct agent *a, uint64_t task);
void fleet_ack(struct core *c, struct session *s, uint64_t task, enum ack_verdict v,
               size_t record_len);
void fleet_stored(struct core *c, session_id s, uint64_t task, enum ack_verdict v,
                  size_t record_len);
unsigned fleet_matching(struct core *c, struct batch *b); /* agents that could take a task of b */
unsigned fleet_able(struct core *c, struct batch *b);     /* … and may be sent to, as of a tick */

/* admit.c: at which rate HELLOs are heard */
void admit_init(struct core *c, const struct core_config *cfg, struct mono now);
void admit_tick(struct core *c); /* every SCAN_MS */

/* flow.c: how many results an agent may send */
/* For a line that is about to be sent: grants, never falling. */
struct window flow_grant(struct core *c, struct session *s, struct mono now);
/* False: more than was granted. */
bool flow_take(struct core *c, struct session *s, size_t record_len, struct mono now);
/* The acks that wait, and the window if it is due, become control lines. */
void flow_put_acks(struct core *c, struct session *s, struct mono now);
/* Any bytes of it: who is heard, but of whom there was nothing to acknowledge, is told so. */
void flow_heard(struct core *c, struct session *s, struct mono now);

/* clone.c: two processes of one name */
#define CLONE_REASON                                                                               \
    "two processes use this name: give each agent a --name of its own, or stop one (refused for "  \
    "60 s)"
/* For its HELLO. True: it is refused with CLOSE_CLONE, and so is who has the name now. */
bool clone_judge(struct core *c, struct agent *a, const struct msg_hello *m, const char *peer,
                 struct mono now);
bool clone_quarantined(const struct agent *a, struct mono now);

/* ending.c: why a session ends */
void ending_note(struct session *s, enum end cause, const char *detail); /* the first one counts */
/* What its socket says. */
void ending_note_socket(struct core *c, struct session *s, enum end cause, const char *detail,
                        struct mono now);
/* Once for each session: what is kept of it, and told. */
void ending_tell(struct core *c, struct session *s, struct mono now);

/* liveness.c: alive, slow or dead */
void liveness_heard(struct core *c, struct session *s, struct mono now); /* any frame of it */
static inline bool session_suspect(const struct session *s)
{
    return list_linked(&s->suspect_node);
}
void liveness_unsuspect(struct core *c, struct session *s); /* nothing is said of it */
/* The agent is suspect or lost: since now, unless it has been in trouble before. */
void liveness_trouble(struct core *c, struct agent *a, struct mono now);
void liveness_trouble_over(struct core *c, struct agent *a);
static inline bool agent_stalled(const struct agent *a)
{
    return list_linked(&a->stalled_node);
}
void liveness_unstall(struct core *c, struct agent *a); /* nothing is said of it */
/* New tasks may go to it, as far as it is the agent's affair. */
static inline bool session_able(const struct session *s)
{
    const struct agent *a = s->agent;
    return s->state == SESSION_READY && !session_suspect(s) && !a->draining && !a->slow &&
           !agent_stalled(a);
}
static inline bool agent_able(const struct agent *a)
{
    return a->session && session_able(a->session);
}
void liveness_sent(struct session *s, struct mono now); /* a task more */
void liveness_heartbeat(struct core *c, struct session *s, const struct msg_heartbeat *m,
                        struct mono now);
/* The time that a master overslept is nobody's silence: before each scan. */
void liveness_notice_sleep(struct core *c, struct mono now);
void liveness_tick(struct core *c, struct mono now);

/* bulk_watch.c: many agents in trouble at once */
void bulk_watch(struct core *c, struct mono now); /* with each scan, before the verdicts */
/* With each heartbeat: who was lost with others tells how it was there. */
void bulk_hear(struct core *c, struct agent *a, const struct msg_heartbeat *m);

/* lease.c: what a task goes through at agents */
void lease_take(struct core *c, struct task *t, struct agent *a, struct mono now);
void lease_drop(struct core *c, struct task *t); /* LEASED → no queue; the caller goes on */
/* Its twin's lease becomes its own. */
void lease_continue(struct core *c, struct task *t, struct agent *a, struct lease_no no);
void lease_emptied(struct core *c, struct agent *a); /* one lease fewer, perhaps the last */
/* What its leases end of when nobody brings them: its process died, or nobody knows. */
enum lease_loss lease_loss_of(const struct agent *a);
void lease_lost(struct core *c, struct task *t, enum lease_loss why, enum cause cause,
                struct mono now);
void lease_ended(struct core *c, struct task *t); /* its result is on disk: out of memory */
void lease_result(struct core *c, struct session *s, const struct msg_result *m, struct mono now);
/* The master's own: t is in no queue and at no agent. message NULL: the cause says it all. */
void lease_verdict(struct core *c, struct task *t, enum cause cause, const char *message);
void lease_nack(struct core *c, struct session *s, const struct msg_nack *m, bool release,
                struct mono now);
void lease_inflight(struct core *c, struct session *s, const struct msg_inflight *m,
                    struct mono now);
void lease_inflight_end(struct core *c, struct session *s, struct mono now);

/* history.c: what a task went through */
/* An ending of its current or last lease, to `agent`. */
void history_add(struct task *t, const char *agent, enum attempt_end end, enum cause cause,
                 struct mono now);
/* False: nothing but its one attempt. t NULL: it is not in memory. */
bool history_tell(const struct task *t, struct core_history *out);
void history_append(struct core_history *h, const struct core_attempt *a);

/* window.c: what of a batch is in memory */
/* Asks for more when there is room. */
void batch_refill(struct core *c, struct batch *b, struct mono now);
void batch_refill_over(struct core *c, struct batch *b);
void batch_rewind(struct core *c, struct batch *b, uint64_t id, struct mono now);
size_t batch_queued(const struct batch *b);

/* batch.c: batches and the tasks they own */
struct batch *batch_find(struct core *c, uint32_t num);
struct task *task_find(struct core *c, uint64_t id);
struct task *task_new(struct core *c, struct batch *b, uint64_t id, uint64_t host_hash);
void task_free(struct core *c, struct task *t);    /* in no queue, not leased */
void task_unqueue(struct core *c, struct task *t); /* READY, WAITING → in no queue */
void task_unready(struct core *c, struct task *t); /* READY → in no queue, to be leased */
void batch_queue(struct core *c, struct task *t, bool front); /* → READY; front: of its queue */
void task_set_running(struct task *t, bool running);
bool task_has_history(const struct task *t); /* that only memory knows */
static inline bool task_counts_as_ready(const struct task *t)
{
    return t->state == TASK_READY && !t->aside && !t->batch->paused;
}
void batch_activate(struct core *c, struct batch *b);    /* its place in the turns, by its queues */
void batch_grow(struct core *c, struct batch *b);        /* by one task */
void batch_end_if_done(struct core *c, struct batch *b); /* may free b */
void batch_destroy_all(struct core *c);
void batch_tick(struct core *c, struct mono now);
bool batch_matches(const struct batch *b, const struct agent *a);
uint64_t batch_ended(const struct batch *b);

/* lane.c: batches that grow, and tasks with a deadline of their own */
void lane_give_deadline(struct core *c, struct task *t, int64_t in_ms, struct mono now);
bool lane_allows(struct core *c, const struct task *t, const struct agent *a, struct mono now);
struct mono lane_deadline(const struct task *t);    /* the batch's, or an earlier one of its own */
void lane_requeued(struct core *c, struct task *t); /* → READY: its own deadline counts again */
void lane_forget(struct core *c, struct task *t);
void lane_tick(struct core *c, struct mono now); /* at every tick */

/* stuck.c: why a batch does not advance */
enum waits_for batch_waits(struct core *c, struct batch *b, struct mono now);
const char *batch_wait_text(const struct core *c, const struct batch *b, enum waits_for why);

/* pause.c: batches that are held back */
void pause_pass(struct batch *b, uint64_t id); /* not kept in memory: to be read again on resume */

/* skip.c: tasks of busy hosts that stay in the store */
bool skip_due(const struct core *c, const struct batch *b,
              const struct host *h); /* its queue is full */
/* This task of b is out of memory, or goes. False: b has passed over as many hosts as it may. */
bool skip_note(struct core *c, struct batch *b, struct host *h, uint64_t id);
void skip_host_moved(struct core *c, struct host *h); /* fewer wait: is it time to read on? */
/* Fills q with what is wanted. False: nothing. */
bool skip_ask(struct core *c, struct batch *b, struct core_refill *q);
void skip_leave_out(struct core *c, struct batch *b, struct core_refill *q);
void skip_answered(struct core *c, struct batch *b, const struct core_refilled *r);
void skip_cut(struct core *c, struct batch *b);              /* its cursor went back */
void skip_clear(struct core *c, struct batch *b, bool pass); /* pass: noted as in pause_pass() */
bool skip_is_full(const struct core *c, const struct batch *b);

/* straggle.c: second leases near the end of a batch */
void straggle_note(struct task *t, struct mono now); /* it was answered */
void straggle_tick(struct core *c, struct batch *b, struct mono now);
/* A task that this agent may try, too: its twin is made. NULL: none. */
struct task *straggle_pick(struct core *c, struct agent *a, struct mono now);
struct lease_no straggle_lease(const struct task *t);
/* t leaves LEASED: the agent of the twin, unless it is `from`, is told. */
void straggle_settle(struct core *c, struct task *t, const struct agent *from);
bool straggle_given_back(struct core *c, struct task *t, const struct agent *a,
                         struct lease_no no); /* false: not the twin's lease */
void straggle_agent_gone(struct core *c, struct agent *a);
bool straggle_take_over(struct core *c, struct task *t); /* t lost its own lease; false: no twin */

/* slots.c: targets that ask for several agents */
#define SLOTS_RESCAN_MS 5000 /* what was left out is looked at again at most this often */
uint64_t slots_agent_hash(const char *name);
void slots_join(struct core *c, struct task *t, uint32_t slot);
void slots_leave(struct core *c, struct task *t);
void slots_set(struct task *t, const struct agent *a); /* who has it now; NULL = nobody */
void slots_know(struct core *c, struct task *t, const struct core_refilled *r);
bool slots_allow(const struct task *t, const struct agent *a);
bool slots_surplus(struct core *c, struct task *t);   /* more want an agent than there are */
void slots_leave_out(struct core *c, struct task *t); /* in no queue: gone from memory; of a lane
                                                         → READY, aside */
/* Its result is on the way to the store: others that this agent holds go to others. */
void slots_answered(struct core *c, struct task *t, struct agent *a, struct mono now);
void slots_tick(struct core *c, struct batch *b, struct mono now);

/* polite.c: at most per_host in flight per host, and per_host_rate starts a second */
struct host *polite_find(struct core *c, uint64_t hash); /* NULL: nothing is known of it */
void polite_settle(struct core *c, struct host *h);      /* it goes when nothing needs it */
/* False: t waits now in its host's queue, or it is skipped and gone from memory. */
bool polite_enter(struct core *c, struct task *t, struct mono now);
void polite_wait(struct core *c, struct task *t);  /* in no queue → WAITING, or READY at once */
void polite_count(struct core *c, struct task *t); /* it runs already: counted, budget or not */
void polite_leave(struct core *c, struct task *t); /* the next one that waits becomes READY */
void polite_unwait(struct core *c, struct task *t);
void polite_wake(struct core *c, uint64_t host); /* a READY task of it went away unused */

/* A second place for a task that is in flight: false, not now. *h is given back to _over. */
bool polite_second(struct core *c, const struct task *t, struct host **h, struct mono now);
void polite_second_over(struct core *c, struct host *h); /* may be NULL */
bool polite_limits(const struct batch *b);               /* it has a limit per host */
/* One start of a task whose place is not asked for: is there a token for it; taken. */
bool polite_could_start(struct core *c, const struct task *t, struct mono now);
void polite_started(struct core *c, const struct task *t, struct mono now);
void polite_tick(struct core *c);                   /* every SCAN_MS */
void polite_rates(struct core *c, struct mono now); /* at every tick */
void polite_forget_rates(struct core *c);           /* at the end */

/* tell.c: what the log is told of tasks */
static inline bool tells(const struct core *c, const struct batch *b, bool notable)
{
    return notable || b->log_tasks || c->tell_steps;
}
/* batch, trace, asked and notable are filled in; where it may be ordinary, ask tells() before. */
void tell_step(struct core *c, const struct batch *b, const struct core_told *t);
void tell_stored(struct core *c, const struct batch *b, const struct core_told *t,
                 session_id sid); /* and the agent */
void tell_ending(struct core *c, const struct batch *b, enum cause cause);

/* dispatch.c: whose turn it is */
bool dispatch_fill(struct core *c, struct session *s, struct strbuf *frame, size_t max,
                   struct mono now);
void dispatch_wake(struct core *c); /* hungry sessions may write, if there is something to send */
void dispatch_hungry(struct core *c, struct session *s); /* its credit rose, or it may take again */
void dispatch_forget(struct core *c, struct session *s); /* it goes away */
bool dispatch_can_take(const struct core *c, const struct session *s);
