/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/boot.h"
#include "common/clock.h"
#include "common/mailbox.h"
#include "common/metrics.h"
#include "master/store/timetable.h"
#include "proto/cause.h"
#include "proto/end.h"
#include "proto/message.h"
#include "proto/ticket.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/*
 * store - batches, tasks and results on disk: SQLite in WAL mode, one writer thread with group
 * commit, reader threads.
 *
 * store_post() may be called from any thread; a request is caller-owned and in the store's hands
 * until its done() runs, exactly once, on a store thread: it must be quick (post a letter, resume a
 * connection) and then owns the request again. For a writer's request done() means committed (or
 * err set and nothing of it written). Writer order: results, interactive opens, bulk rows, sweeps
 * last. A failed fsync ends the process with a clear line, it never goes on (PLATFORM §5). Bounds:
 * STORE_*.
 */
#define STORE_COMMIT_ROWS    1000 /* rows in one commit, at most */
#define STORE_WRITER_LETTERS 16384
#define STORE_WRITER_BYTES   (64u << 20)
#define STORE_READER_LETTERS 4096
#define STORE_READERS        2
#define STORE_PAGE_ROWS      1000       /* rows of one page, at most */
#define STORE_PAGE_BYTES     (4u << 20) /* and bytes: a page may be shorter than asked */
#define STORE_HOSTS_MAX      4          /* hashes of hosts in the filter of a page */
#define STORE_REFILL_HOSTS   16         /* and in that of a refill */
#define STORE_CURRENT_ROWS   250000     /* read for what is not rolled up yet: some 100 ms */
#define STORE_ARENA_BYTES                                                                          \
    (64u << 20) /* ceiling of a request's arena; an overflown one must not be posted */

struct store;

/* How a batch came in and what it asks for; strings are owned by the holder of the struct
 * (batch_info_fini). */
struct batch_info {
    uint32_t num;
    char uuid[UUID_TEXT_MAX];
    char trace[TRACE_TEXT_MAX];
    enum task_class cls;
    int64_t deadline_s, per_host;
    double per_host_rate; /* starts a second per host; 0 = no limit */
    uint32_t slots;       /* tasks a target, each for another agent; 0 counts as 1 */
    bool all_agents;      /* BEGIN: slots = agents that match and were seen in AGENTS_SEEN_S */
    char *name;           /* NULL = none */
    char *labels;         /* JSON object text, NULL = none */
    char *agents; /* JSON object text of the selection {"names":[…],"tags":{…}}, NULL = any agent */
    struct wall created_at, opened_at, deadline_at, ended_at; /* unset = not yet */
    char boot[BOOT_ID_MAX]; /* deadline_at, by the time since that boot; "" = not known */
    int64_t deadline_boot_us;
    struct wall purged_at; /* set: only this row is left of it */
    uint64_t total, rejected, duplicates;
    uint64_t ended[OUTCOME_COUNT]; /* terminal counts by outcome */
    uint64_t low_water;            /* every ordinal under it has ended */
    enum batch_mark {
        MARK_NONE,
        MARK_CANCEL,
        MARK_EXPIRE
    } mark; /* committed; the sweep may be under way */
    enum cause mark_cause;
    bool paused;                  /* nothing of it is dispatched */
    bool log_tasks;               /* each step of its tasks is logged, here and at the agents */
    bool lane;                    /* the runs of schedules, opened by LANE_OPEN … */
    bool growing;                 /* … and not closed: it does not end, whatever its counts say */
    char retry_of[UUID_TEXT_MAX]; /* the batch whose tasks these are once more; "" = none */
};
void batch_info_fini(struct batch_info *b);
uint64_t batch_info_ended(const struct batch_info *b); /* sum over outcomes */

/* What its row says of it; bits 1 << phase select. */
enum batch_phase {
    PHASE_RUNNING,
    PHASE_PAUSED,
    PHASE_CANCELLING,
    PHASE_EXPIRING,
    PHASE_ENDED,
    PHASE_COUNT
};
enum batch_phase batch_info_phase(const struct batch_info *b);

/*
 * The tasks of one target have consecutive ids: its first has slot 0, and task - slot names the
 * target. (A retry holds fewer of them, so that no arithmetic on the ordinal would do.)
 */
static inline uint64_t task_id(uint32_t batch, uint32_t ordinal)
{
    return (uint64_t)batch << 32 | ordinal;
}
static inline uint32_t task_batch(uint64_t task)
{
    return (uint32_t)(task >> 32);
}

#define AGENTS_SEEN_S 86400 /* "all" agents: seen within this */

/* The first answer to an upload with an Idempotency-Key (DESIGN §3), written in the commit that
 * opens its batch and known for IDEMPOTENCY_KEEP_S. */
#define IDEMPOTENCY_KEY_MAX 255
#define IDEMPOTENCY_KEEP_S  86400
#define IDEMPOTENCY_ID_MAX  32 /* of the token */
#define IDEMPOTENCY_DIGEST  32 /* SHA-256 */
struct store_idempotency {
    char token[IDEMPOTENCY_ID_MAX], key[IDEMPOTENCY_KEY_MAX + 1];
    uint8_t digest[IDEMPOTENCY_DIGEST];
    char *answer; /* JSON, heap */
};
void store_idempotency_free(struct store_idempotency **ip);

/* What happened to the fleet or the master: kept over restarts, the newest STORE_EVENTS_KEPT. Named
 * by the boot epoch of its start and its number in it. Strings are owned; NULL = none. */
#define STORE_EVENTS_KEPT   100000
#define STORE_EVENTS_ONCE   100   /* in one request to add some */
#define STORE_EVENTS_BOOT   10001 /* given to a start */
#define STORE_EVENTS_LOOKED 20000 /* looked at for one page */
struct store_event {
    uint64_t epoch, number;
    struct wall at;
    char *kind, *agent, *detail, *evidence;
    enum end cause;
};
void store_event_fini(struct store_event *e);

enum store_op {
    /* writer */
    STORE_UPLOAD_BEGIN,  /* upload.info in (num is given back), state receiving */
    STORE_UPLOAD_ROWS,   /* upload.info.num, rows: appended with the next ordinals */
    STORE_UPLOAD_COMMIT, /* opens the batch: total, opened_at, deadline_at given back in upload.info
                          */
    STORE_UPLOAD_ABORT,  /* forgets it; rows are deleted in chunks */
    STORE_RESULTS,       /* results: verdict of each given back */
    STORE_MARK,  /* mark.batch, mark, cause: committed, then swept; progress goes to on_swept */
    STORE_PAUSE, /* pause: committed; nothing changes when the batch has ended */
    STORE_AGENT_EMPTY, /* agent.name, at: it is gone and holds no task any more */
    STORE_EVENTS_ADD,  /* events: what is there already is left as it is */
    STORE_LANE_OPEN,   /* lane.info in (num and the times are given back): an open-ended batch, open
                          at once. ERR_EXISTS: its uuid is taken */
    STORE_LANE_CLOSE,  /* lane.info.num: nothing is added to it any more; it ends when all has.
                          ERR_NOT_FOUND: it does not grow (any more) */
    STORE_RUNS_ADD,    /* runs: rows of their tasks; first of each is given back. All of them or
                          none. ERR_NOT_FOUND: a lane of them does not grow; ERR_FULL: it has no
                          ordinals left. Either way: open another */
    STORE_SCHEDULE_PUT, /* put; ERR_EXISTS: another version is there; ERR_FULL: too many checks */
    STORE_SCHEDULE_REMOVE, /* name → name.id; its checks are no more. ERR_NOT_FOUND */
    STORE_SCHEDULE_PAUSE,  /* name, paused → name.id; ERR_NOT_FOUND */
    STORE_JOURNAL,         /* journal */
    STORE_SNAPSHOT,        /* snapshot: of all checks of a chunk by id */
    STORE_HOURS_PUT,       /* hours: replaces what is there of the same check and hour */
    STORE_CHANNEL_PUT,     /* channel */
    STORE_CHANNEL_REMOVE,  /* channel.name; ERR_NOT_FOUND */
    STORE_DELIVERY_ADD,    /* delivery: by hand, as a test; id is given back */
    STORE_DELIVERY_TELL,   /* delivery: id with its new state */
    STORE_HISTORY_PURGE,   /* history_purge: some of what is old enough */
    STORE_AGENT_SEEN,      /* agent: upsert name, tags, last_seen; from now on it may hold tasks */
    /* readers */
    STORE_REFILL,          /* refill */
    STORE_BATCH_GET,       /* by uuid: batch_get */
    STORE_ENDED_TASKS,     /* what the user gave, of tasks that ended so: ended_tasks */
    STORE_FAILED_HOSTS,    /* how many failed of each host, in a stretch of tasks: failed_hosts */
    STORE_BATCH_LIST,      /* newest first: batch_list */
    STORE_RESULTS_PAGE,    /* results_page */
    STORE_EVENTS_PAGE,     /* events_page: oldest first */
    STORE_TASK_GET,        /* task_get: spec, user_id and the result if there is one */
    STORE_IDEMPOTENCY_GET, /* idempotency: what was answered; ERR_NOT_FOUND: nothing, or long ago */
    STORE_SCHEDULE_LIST,   /* schedules: by name, behind `after` */
    STORE_SCHEDULE_GET,    /* schedule_get: ERR_NOT_FOUND */
    STORE_HISTORY,         /* history: hours or days of one check */
    STORE_OVERVIEW,        /* overview: days of many checks */
    STORE_TRANSITIONS,     /* transitions: of one check, or of all, newest first */
    STORE_MISSES,          /* misses: of one check, newest first */
    STORE_CHECK_RUNS,      /* check_runs: its tasks in the hours that are rolled up, newest first */
    STORE_TASKS_RESULTS,   /* results of given tasks: tasks_results */
    STORE_INCIDENTS,       /* incidents: newest first */
    STORE_CHANNELS,        /* channels: all, or one by name */
    STORE_DELIVERIES       /* deliveries: newest first, or those that are due */
};

struct store_row { /* one accepted target, going in or read; strings in one arena of the request */
    const char *spec;
    uint32_t spec_len;
    const char *user_id; /* NULL = none */
    uint64_t host_hash;
    uint32_t slot;   /* in: with expand 0 */
    uint32_t target; /* read: ordinal of the task with slot 0 */
};
struct store_result { /* in: all but verdict */
    uint64_t task;
    const char *agent; /* NULL: the master's own verdict */
    uint32_t attempt;  /* 0 for the master's own */
    enum outcome outcome;
    const char *cause; /* "" = none */
    const char *record;
    uint32_t record_len;
    const char *history; /* JSON of its attempts, NULL = one, of which the rest says all */
    struct wall leased_at, arrived_at; /* of the lease that brought it; unset: not known */
    enum ack_verdict
        verdict; /* out: STORED or DUPLICATE (there was one already) or REJECTED (no such task) */
    bool again;  /* out, DUPLICATE: this agent has answered another task of the target; this one has
                    no result yet */
    bool lane;   /* out: of a run */
};
struct store_task { /* a refilled task */
    uint64_t task, host_hash;
    const char *spec;
    uint32_t spec_len, slot;
    struct wall at;      /* of a run: of its slot; unset: an ordinary task */
    int64_t deadline_ms; /* of it, from `at` on; 0 = the batch's */
};
struct store_answer { /* a task with a result of an agent, of a target that has others without */
    uint64_t task, agent; /* hash64 of the agent's name */
    uint32_t slot;
};
struct store_result_row {
    uint64_t seq, task;
    const char *agent, *cause, *record, *spec, *user_id; /* agent, user_id may be NULL */
    uint32_t record_len, spec_len, attempt;
    enum outcome outcome;
    const char *history;               /* TASK_GET; NULL = none, see store_result */
    struct wall stored_at;             /* TASK_GET; unset: by a version that did not keep it */
    struct wall leased_at, arrived_at; /* TASK_GET; unset: likewise, or not known */
};
struct store_host {
    uint64_t hash, failed, task; /* task: the first of them */
    enum cause cause;            /* NONE: one that this version does not know */
};
struct store_label { /* not terminated */
    const char *key, *value;
    size_t key_len, value_len;
};
#define STORE_LABELS_MAX 8 /* in the filter of a list */
struct cause_count {
    char cause[CAUSE_MAX];
    uint64_t count;
};
#define CAUSE_COUNTS_MAX          64
#define STORE_INCIDENTS_NOT_ENDED (-2) /* instead of one state */
#define STORE_RETRIES_MAX         16   /* newest retries of a batch that are told with it */

struct store_req {
    struct letter letter; /* weight_bytes is set by store_post */
    enum store_op op;
    void (*done)(struct store_req *r);
    void *arg;
    enum err err;  /* out: ERR_NONE, ERR_NOT_FOUND, ERR_NO_SPACE (disk full: HTTP 507), ERR_IO,
                      ERR_CLOSED */
    char why[160]; /* out, when err: one sentence */
    struct strbuf
        arena; /* in and out: the bytes that the rows point into; freed by store_req_destroy */
    union {
        struct {
            struct batch_info info;
            struct store_row *rows; /* heap; at most STORE_COMMIT_ROWS */
            unsigned n_rows;
            unsigned expand; /* ROWS: each row becomes so many tasks of one target; 0 = one, with
                                the slot that the row says */
            struct store_idempotency *first; /* COMMIT: kept with the batch, owned; NULL = none.
                                                ERR_EXISTS: its key has one */
        } upload;
        struct {
            struct store_result *items; /* heap; at most STORE_COMMIT_ROWS */
            unsigned n;
        } results;
        struct {
            uint32_t batch;
            enum batch_mark mark;
            enum cause cause;
            void *waiter; /* the poster's own */
        } mark;
        struct {
            uint32_t batch;
            bool paused;
            void *waiter; /* the poster's own */
        } pause;
        struct {
            struct store_event *items; /* heap */
            unsigned n;
        } events;
        struct {
            uint64_t epoch, number; /* behind this one; out: where to go on */
            char *agent, *kind;     /* NULL = any */
            unsigned limit;
            struct store_event *items; /* out */
            unsigned n;
            bool more; /* out: there are more behind. As with results, n = 0 is an answer */
            bool lost; /* out: some behind the cursor are gone, or were never stored */
        } events_page;
        struct {
            char *name, *tags_json, *instance;
            struct wall at;
        } agent;
        struct {
            uint32_t batch;
            uint64_t after; /* task id: exclusive cursor (task_id(batch, 0) − 1 … : use from = first
                               id to look at) */
            uint64_t to; /* the last id to look at; 0 = the batch's last */
            unsigned limit;
            bool only; /* of these hosts; false: of all but these */
            unsigned n_hosts;
            uint64_t hosts[STORE_REFILL_HOSTS];
            uint64_t passed[STORE_REFILL_HOSTS]; /* out, unless `only`: the last task of each that
                                                    was left out; 0 = none */
            struct store_task *tasks;            /* out: those without a result, by id */
            unsigned n;
            struct store_answer *answers; /* out: of the targets of these tasks, by id */
            unsigned n_answers;
            uint64_t last;  /* out: highest id looked at: the next cursor */
            bool exhausted; /* out: nothing lies behind `last` */
        } refill;
        struct {
            char uuid[UUID_TEXT_MAX];
            struct batch_info info;                      /* out */
            struct cause_count causes[CAUSE_COUNTS_MAX]; /* out, by count descending */
            unsigned n_causes;
            char retries[STORE_RETRIES_MAX]
                        [UUID_TEXT_MAX]; /* out: batches that retry it, newest first */
            unsigned n_retries;
        } batch_get;
        struct {
            uint32_t batch;
            uint64_t after;           /* ordinal to begin at */
            unsigned outcomes, limit; /* outcomes: bits 1 << enum outcome */
            struct store_row *rows;   /* out: by ordinal; in the arena of this request */
            unsigned n;
            uint64_t next;  /* out: the ordinal to go on from … */
            bool exhausted; /* … unless there is nothing more. As with pages, n = 0 is an answer */
        } ended_tasks;
        struct {
            uint32_t batch;
            uint64_t after;           /* ordinal to begin at: 5,000 are looked at */
            struct store_host *hosts; /* out: each once with each cause */
            unsigned n;
            uint64_t next;  /* out: the ordinal to go on from … */
            bool exhausted; /* … unless there is nothing more */
        } failed_hosts;
        struct {
            uint32_t before; /* batches with a smaller number; 0 = from the newest */
            unsigned limit;
            unsigned phases;                             /* of these; 0 = of any */
            struct store_label labels[STORE_LABELS_MAX]; /* with all of these, borrowed */
            unsigned n_labels;
            bool lanes;               /* those, too */
            struct batch_info *infos; /* out */
            unsigned n;
            uint32_t last; /* out: the lowest number looked at … */
            bool more; /* … and there may be more below it. As with pages, n = 0 is an answer */
        } batch_list;
        struct {
            uint32_t batch;
            uint64_t after; /* seq */
            unsigned limit;
            size_t max_bytes; /* with the row that passes it; STORE_PAGE_BYTES unless set */
            int outcome;      /* −1 = any */
            char cause[CAUSE_MAX], agent[AGENT_NAME_MAX + 1]; /* "" = any */
            uint64_t hosts[STORE_HOSTS_MAX]; /* of one of these hashes; n_hosts 0 = any */
            unsigned n_hosts;
            struct store_result_row *rows; /* out */
            unsigned n;
            bool more;     /* out: further rows are there now */
            uint64_t last; /* out: the next cursor. A filter may let few rows through, or none: only
                              20,000 are looked at, so n = 0 with more set is an answer */
        } results_page;
        struct {
            uint64_t task;
            struct store_result_row row; /* out; record NULL = no result yet */
        } task_get;
        struct {
            struct batch_info info;
            char *lane; /* OPEN: schedule_lane(); heap */
        } lane;
        struct {
            struct store_run *items; /* heap; at most STORE_RUNS_ONCE, of STORE_COMMIT_ROWS tasks */
            unsigned n;
        } runs;
        struct store_put put;
        struct {
            char name[SCHEDULE_NAME_MAX + 1];
            bool paused;
            uint64_t id;       /* out */
            uint64_t *removed; /* out, REMOVE: ids of its checks; heap */
            size_t n_removed;
        } name;
        struct {
            struct store_entry *items; /* heap, with all that they own */
            unsigned n;
            unsigned queued; /* out: deliveries that now wait */
        } journal;
        struct {
            struct scheduler_saved *items; /* heap; ids of one SCHEDULER_CHUNK */
            unsigned n;
            uint64_t chunk; /* id / SCHEDULER_CHUNK */
            struct wall at;
        } snapshot;
        struct {
            struct store_hour *items; /* heap, at most STORE_HOURS_ONCE; bytes in the arena */
            unsigned n;
            bool days;
            uint32_t until; /* all hours before this one are there with these; 0 = not yet */
        } hours;
        struct {
            struct wall before;      /* what ended before this goes; 0 = nothing */
            struct wall runs_before; /* and what names the tasks of hours before this */
            bool checks;             /* also removed checks: no task of them is left */
            unsigned limit;          /* rows, about */
            unsigned rows;           /* out: that are gone; 0: there are no more */
        } history_purge;
        struct store_channel channel;
        struct store_delivery delivery;
        struct {
            char after[SCHEDULE_NAME_MAX + 1], *owner; /* owner NULL = any; heap */
            unsigned limit;
            struct store_schedule *items; /* out */
            unsigned n;
            bool more;
        } schedules;
        struct {
            char name[SCHEDULE_NAME_MAX + 1];
            bool targets;
            struct store_schedule schedule; /* out */
            struct store_check *checks;     /* out, with targets: in the order of their ids */
            size_t n_checks;
        } schedule_get;
        struct {
            uint64_t check;
            uint32_t from, to;        /* hours, the second is not in it */
            bool days;                /* whole days, and the hours at both ends that are none */
            bool current;             /* also what is not rolled up yet, made of the results */
            struct store_hour *items; /* out: by hour */
            unsigned n;
            bool
                partial; /* out: of what is not rolled up, runs and latencies are left out: it would
                            take more than STORE_CURRENT_ROWS rows to find those of one check */
        } history;
        struct {
            uint64_t after, schedule; /* check, exclusive; schedule 0 = any */
            uint32_t from, to;        /* hours, of whole days */
            unsigned limit;           /* checks */
            struct store_hour *items; /* out: by check, then by hour: heads (rollup_decode_head) */
            unsigned n;
            uint64_t last;
            bool more;
        } overview;
        struct {
            uint64_t check, before; /* check 0 = of all; before: id, 0 = from the newest */
            unsigned limit;
            struct store_transition *items; /* out */
            unsigned n;
            bool more;
        } transitions;
        struct {
            uint64_t check, before; /* first_seq; 0 = from the newest */
            unsigned limit;
            struct store_miss *items; /* out */
            unsigned n;
            bool more;
        } misses;
        struct {
            uint64_t check;
            uint32_t before; /* hour; 0 = from the newest */
            unsigned limit;  /* tasks, about */
            uint64_t *tasks; /* out, heap: newest first */
            unsigned n;
            uint32_t last; /* out: hours before this one follow, when more */
            bool more;
        } check_runs;
        struct {
            const uint64_t *tasks; /* borrowed; at most STORE_PAGE_ROWS */
            unsigned n_tasks;
            struct store_result_row
                *rows; /* out: in their order, without those that are not there */
            unsigned n;
            unsigned looked; /* out: for so many of them; more would be over STORE_PAGE_BYTES */
        } tasks_results;
        struct {
            uint64_t before, only; /* ids; 0 = from the newest, any */
            int state; /* enum incident_state, −1 = any, or STORE_INCIDENTS_NOT_ENDED */
            unsigned limit;
            struct incident *items; /* out, heap */
            char **schedules;       /* out, heap: of each, that of the check that opened it */
            unsigned n;
            bool more;
        } incidents;
        struct {
            char name[65];               /* "" = all */
            struct store_channel *items; /* out */
            unsigned n;
        } channels;
        struct {
            uint64_t before;
            char channel[65];  /* "" = any */
            int state;         /* −1 = any but skipped */
            uint64_t incident; /* 0 = any */
            bool due; /* pending ones by next_at instead, oldest first, but none behind another of
                         its incident and channel */
            unsigned limit;
            struct store_delivery *items; /* out */
            unsigned n;
            bool more;
        } deliveries;
        struct {
            struct store_idempotency *first; /* in: token, key; out: the rest */
            struct wall at;                  /* in: now */
            uint32_t batch;                  /* out */
            char uuid[UUID_TEXT_MAX];        /* out */
        } idempotency;
    };
};
struct store_req *store_req_create(enum store_op op, void (*done)(struct store_req *), void *arg);
void store_req_destroy(
    struct store_req **rp); /* frees the arena and all that the op's out-members own */

/* Takes r. ERR_FULL (the box: the caller waits, e.g. suspends its upload; uploads are refused from
 * half of the bounds on, results and agents at the bounds, MARK and ABORT never) or ERR_CLOSED: r
 * stays with the caller. */
MUST_USE enum err store_post(struct store *s, struct store_req *r);
/* True while the writer's mailbox is under half of its bounds: the time to resume a suspended
 * upload. */
bool store_writer_has_room(struct store *s);

struct store_config {
    const char *dir; /* DIR/sonde.db; locked against a second master (ERR_BUSY) */
    /* Store thread: ended more of a marked batch; the counts are those just committed. finished:
     * nothing is left to sweep. */
    void (*on_swept)(void *arg, uint32_t batch, enum outcome outcome, uint64_t count,
                     bool finished);
    /* Store thread: the writer made room (has_room turned true). Both may be called before
     * store_open has returned. */
    void (*on_room)(void *arg);
    void *arg;
    /* Ended batches are purged, oldest first, when they ended so long ago, and while the store
     * holds more than so many bytes. 0 = never for that. For its size none goes that ended within
     * the grace: who waited for its end can read it. */
    int64_t retention_days, retention_bytes, retention_grace_s;
    /* Of lanes, in place of retention_days: raw results of schedules; and of their hours and days.
     * 0 = never. A lane stays until its hours are rolled up in any case: its end must lie before
     * meta's `rolled_until` (microseconds of the time of day). */
    int64_t schedule_retention_hours, history_days;
    /* How long after its end, and after the start, an hour is rolled up; 0 = ROLLER_GRACE_MS
     * (roller.h), < 0 = never. */
    int64_t roll_grace_ms;
};
/* What a starting master needs, read synchronously by store_open. */
struct store_boot {
    char store_id[UUID_TEXT_MAX];
    uint64_t boot_epoch; /* counted up and committed by this open */
    struct ticket_key keys[TICKET_KEYS_MAX];
    unsigned n_keys;
    struct batch_info *open; /* heap: batches that have not ended, by number; marked ones are swept
                                on by the writer */
    unsigned n_open;
    struct store_event *events; /* heap: the newest STORE_EVENTS_BOOT, oldest first */
    unsigned n_events;
    struct store_timetable timetable;
    char **holders; /* heap: names of agents that may still hold tasks */
    unsigned n_holders;
};
void store_boot_fini(struct store_boot *b);

/* Creates or migrates forward; sweeps away uploads that never ended. On error one sentence in why:
 * ERR_BUSY, ERR_DENIED (directory not writable), ERR_VERSION (a newer schema), ERR_CORRUPT, ERR_IO.
 */
MUST_USE enum err store_open(const struct store_config *c, struct store **out,
                             struct store_boot *boot, char *why, size_t why_max);
/* Commits what waits, answers everything with done(), joins the threads, checkpoints, closes. */
void store_close(struct store **sp);

struct store_stats {
    struct histogram commit_ms;
    struct counter commits, rows, results, duplicates; /* rows: tasks of uploads */
    struct counter batches_purged, tasks_purged;
    struct counter events, events_dropped; /* stored; not, for the store was too far behind */
    struct counter damaged;  /* columns that the disk has changed, each time one was read */
    struct gauge used_bytes; /* as of the last look of the retention; free pages do not count */
    struct gauge commit_p99_ms, commit_p99_at_ns; /* of the last seconds, and when it was so */
    struct gauge commit_since_ns; /* of the one under way, with its checkpoint; 0 = none is */
    struct counter hours_rolled, history_purged; /* rows of hours and days; of all history */
    struct counter rolls_failed;
    struct gauge rolled_until_s, roll_ms; /* hours before this are rolled up; what the last took */
    struct gauge disk_full;               /* 1 while the disk is full; it clears by itself */
};
struct store_stats *store_stats(struct store *s); /* atomics: any thread */
void store_mailbox_stats(struct store *s, struct mailbox_stats *writer,
                         struct mailbox_stats *reader);
/* Of the commits of the last seconds, and of the one under way (pace.h). */
int64_t store_commit_p99_ms(struct store *s, struct mono now);
bool store_writable(struct store *s); /* for /readyz */

/*
 * `sonde-master check`: proves from the rows of DIR/sonde.db, offline or beside a running master
 * (read only), that for each batch total = tasks, each task has at most one result, terminal counts
 * match the results, an ended batch has a result for every task; integrity_check first. Prints
 * findings to `to`; true when all holds.
 */
bool store_check(const char *dir, FILE *to);
