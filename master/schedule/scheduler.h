/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/metrics.h"
#include "master/schedule/incident.h"
#include "master/schedule/plan.h"
#include "master/schedule/schedule.h"

/*
 * scheduler - all schedules of a master, and their checks: when runs are due, what their results
 * say together, which state each check has, and what people have to know of it.
 *
 * A pure machine like the core: (state, event, now) → (state, actions); one thread, no clock, disk
 * or socket of its own. The caller stores runs and journal entries, gives runs to the core, and
 * brings results back once they are committed. It stands on plan.h (slots), verdict.h, check.h and
 * incident.h.
 *
 *      plan: due ──room?──► ops.run ──committed──► began ──result──► … all in ──► verdict
 *                   │no        ▲                                                   │asks for more
 * tries ▼          └───────────── confirm (others preferred) ◄─────────┘ gap (journal) ▼ check
 * state ──► transition (journal), incidents
 *
 * A slot is run or missed, never both and never neither: it counts as run once its rows are
 * committed, or once they are on their way to the store, which keeps what it takes in order. So the
 * order of the calls of run and journal, and of snapshots between them, is that of the commits: a
 * run whose gap before it is not on disk, or the other way round, would be a hole in the books.
 * Not kept over a start: how often agents have failed in a row (votes.h) and what flapped; a check
 * that is down may be asked about once more.
 *
 * Bounds: one run at a time of each check; SCHEDULE_TARGETS_MAX checks, about 700 bytes each and
 * its spec.
 */
#define SCHEDULER_RECENT   16  /* newest tasks of a check that are remembered */
#define SCHEDULER_SHUN_MAX 128 /* as CORE_SHUN_MAX: more who have spoken are not named */

struct scheduler;

/* To be stored, and then given to the core: n tasks of one target for n different agents. */
struct scheduler_run {
    const struct schedule *schedule; /* valid until it is removed: copy what is kept */
    uint64_t check, seq;             /* seq: of the slot */
    struct wall at;                  /* of the slot */
    unsigned n;
    bool confirms; /* further tries of a run that has begun */
    const char *spec;
    size_t spec_len;
    uint64_t host_hash;
    const uint64_t *shun; /* hashes (hash64 of the name; 0 is told as 1) of agents that have spoken:
                             others are preferred */
    unsigned n_shun;      /* at most SCHEDULER_SHUN_MAX */
    int64_t deadline_ms;  /* from now: later nobody wants to know */
};

/* What is to be kept, in order. Strings are borrowed during the call. */
enum scheduler_entry_kind {
    ENTRY_TRANSITION, /* a check changed its state, or began or ended to flap */
    ENTRY_GAP,        /* missed slots, one record: replaces that of the same check and first_seq */
    ENTRY_INCIDENT,   /* as it is now: replaces that of the same id */
    ENTRY_CERTIFICATE /* days_left has passed a threshold, or a new certificate is there (threshold
                         0) */
};
struct scheduler_entry {
    enum scheduler_entry_kind kind;
    struct wall at;
    uint64_t check; /* but of INCIDENT */
    const char *schedule;
    const char *key; /* of the check: its URI */
    struct {
        enum verdict_state from, to;
        enum cause cause;
        uint64_t slot, task; /* task: the result that decided; 0 = none (stale, paused) */
        bool flapping;
        const char *advice; /* "down from bj-1 only", "" */
    } transition;
    struct plan_gap gap;
    struct {
        enum incident_action_kind action;
        const struct incident *incident;
        /* Of the check that opened it, and who is to be told: the channels of its schedule. */
        const char *const *alerts;
        unsigned n_alerts;
    } incident;
    struct {
        int days_left, threshold;
        struct wall not_after;
        const char *const *alerts;
        unsigned n_alerts;
    } certificate;
};

struct scheduler_ops {
    void (*run)(void *arg, const struct scheduler_run *r); /* scheduler_began follows */
    /* May a run of it begin now: PLAN_MISS_NONE, _no_agent or _overloaded. *agents: how many match
     * now, for count "all". */
    enum plan_miss (*room)(void *arg, const struct schedule *s, unsigned *agents);
    void (*journal)(void *arg, const struct scheduler_entry *e);
};

/* A check as it is kept: in snapshots, and read at a start. */
struct scheduler_saved {
    uint64_t check;
    struct plan_slot last;
    struct plan_gap gap;
    struct wall since; /* of the plan: created, resumed, rule changed */
    enum verdict_state state;
    struct wall state_since;
    uint64_t slot; /* the last that said something */
    enum cause cause;
    uint64_t incident;      /* 0 = in none */
    uint16_t cert_warned;   /* the smallest threshold passed; 0 = none */
    int64_t cert_not_after; /* seconds; 0 = not known */
};

struct scheduler *scheduler_create(const struct scheduler_ops *ops, void *arg,
                                   uint64_t last_incident, struct check_now now);
void scheduler_destroy(struct scheduler **sp);

/* ---- a start: all of it before the first tick. Actions come from scheduler_loaded() on. */
/* Takes s, whose id the store gave. since: its row's changed_at: of what lies before, nothing is
 * due that is not settled already, though the last snapshot may not know of the change. */
void scheduler_load_schedule(struct scheduler *x, uint64_t id, struct schedule *s,
                             struct wall since);
struct scheduler_check { /* strings are copied */
    uint64_t id;
    const char *key, *spec, *host;
    size_t spec_len;
    uint64_t host_hash;
    struct wall created;
};
/* saved NULL: it was never seen before. */
void scheduler_load_check(struct scheduler *x, uint64_t schedule, const struct scheduler_check *c,
                          const struct scheduler_saved *saved);
/* An incident that had not ended. Its checks come with scheduler_load_check. */
void scheduler_load_incident(struct scheduler *x, const struct incident *i);
/* A task of a run that has begun before this start: outcome < 0: no result yet. Of each check those
 * of its newest run count, all of them; older ones are ignored. It may have begun before the last
 * snapshot, as long ago as a deadline (1 h), when tasks of it are open. */
void scheduler_load_task(struct scheduler *x, uint64_t check, uint64_t seq, struct wall at,
                         uint64_t task, const char *agent, int outcome, enum cause cause);
void scheduler_loaded(struct scheduler *x, struct check_now now);

/* ---- users (the store has committed it). What is due at this moment is for the tick before. */
/* A new definition, or a changed one: takes s. checks: those that are new or changed; removed: ids.
 */
void scheduler_put(struct scheduler *x, uint64_t id, struct schedule *s,
                   const struct scheduler_check *checks, size_t n, const uint64_t *removed,
                   size_t n_removed, struct check_now now);
bool scheduler_remove(struct scheduler *x, uint64_t id, struct check_now now);
bool scheduler_pause(struct scheduler *x, uint64_t id, bool paused, struct check_now now);
MUST_USE enum err scheduler_ack(struct scheduler *x, uint64_t incident, const char *who,
                                const char *note, struct check_now now);

/* ---- the run of things */
/* What is due, stale, late: as often as scheduler_wait_ms says. */
void scheduler_tick(struct scheduler *x, struct check_now now);
int scheduler_wait_ms(const struct scheduler *x, struct check_now now, int max_ms);
/* Its rows are committed: tasks first … first + n - 1. The caller gives them to the core itself. */
void scheduler_began(struct scheduler *x, uint64_t check, uint64_t seq, uint64_t first, unsigned n,
                     struct check_now now);
/* A result was committed. Unknown tasks are ignored. */
struct scheduler_result {
    uint64_t task;
    const char *agent; /* NULL: the master's own verdict */
    enum cause cause;
    int64_t cert_not_after; /* seconds since 1970 of the leaf; 0 = none */
    double total_ms;        /* < 0: none */
};
void scheduler_result(struct scheduler *x, const struct scheduler_result *r, struct check_now now);

/* Each check once, by id: f is called for each chunk (id / SCHEDULER_CHUNK) with all that are in
 * it. Gaps that have grown since they were told are journalled first. */
#define SCHEDULER_CHUNK 4096
typedef void scheduler_saved_f(void *arg, const struct scheduler_saved *items, size_t n);
void scheduler_snapshot(struct scheduler *x, scheduler_saved_f *f, void *arg);

/* ---- views: copies for the API */
struct scheduler_view { /* of a schedule */
    uint64_t id;
    char name[SCHEDULE_NAME_MAX + 1];
    bool paused;
    uint64_t checks, by_state[VERDICT_STATES], unconfirmed, flapping;
    uint64_t runs, missed[PLAN_MISS_COUNT]; /* since this start */
    struct wall next;                       /* the next slot of any of its checks; 0 = none */
};
/* Those named `from` to `to`, by name; NULL: from the first, to the last. *out is heap. Looks at
 * each of their checks. */
size_t scheduler_views(const struct scheduler *x, const char *from, const char *to,
                       struct scheduler_view **out);

struct scheduler_check_view {
    uint64_t id;
    char *schedule, *key, *host; /* heap; freed by scheduler_check_views_free */
    enum verdict_state state;
    struct wall since, next;
    enum cause cause;
    bool confirmed, flapping, running, paused;
    char *advice; /* NULL = none */
    uint64_t slot, incident;
    double total_ms;        /* of the last result; < 0: none */
    int64_t cert_not_after; /* 0 = none */
    bool has_goal;          /* its schedule's */
    struct slo_goal goal;
    uint64_t recent[SCHEDULER_RECENT]; /* tasks, newest first; 0 = no more */
};
struct scheduler_filter {
    uint64_t after;       /* by id: behind this one */
    uint64_t only;        /* a check's id; 0 = any */
    const char *schedule; /* NULL = any */
    const char *host;     /* NULL = any */
    int state;            /* < 0 = any */
    unsigned limit;
};
/* Looks at 20,000 checks at most; *more: there are further ones behind *last. */
size_t scheduler_checks(const struct scheduler *x, const struct scheduler_filter *f,
                        struct scheduler_check_view **out, uint64_t *last, bool *more);
void scheduler_check_views_free(struct scheduler_check_view *v, size_t n);

struct scheduler_stats { /* atomics: any thread may read */
    struct gauge schedules, checks, checks_by_state[VERDICT_STATES], flapping, running, incidents;
    struct counter runs, confirms, missed[PLAN_MISS_COUNT], transitions, incidents_opened;
    struct counter lost; /* runs given up, because what ends them never came: a bug of somebody */
    struct histogram start_lag_ms; /* from the slot to the commit of its rows */
};
struct scheduler_stats *scheduler_stats(struct scheduler *x);
