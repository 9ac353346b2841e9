/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "master/schedule/scheduler.h"

/*
 * timetable - what the store keeps of schedules: the types of its requests (store.h).
 *
 * A run of a check is one or more tasks of an open-ended batch, its lane (store_lane), so that
 * everything that holds for tasks holds for it. A row of such a task names its check, its slot and
 * when that was due; its spec is the check's.
 */
#define STORE_RUNS_ONCE 1000 /* runs in one request, at most */
#define STORE_PUT_DIFF  200  /* changes of a PUT that are told one by one */
/* Of all targets together, as a start reads them: 100,000 specs of 2 KiB. */
#define STORE_TARGETS_BYTES (256u << 20)

/* LANE_OPEN: an open-ended batch; LANE_CLOSE: nothing is added any more, it ends when all has. */
struct store_run { /* RUNS_ADD */
    uint32_t batch;
    uint64_t check, seq;
    struct wall at;
    uint64_t host_hash;
    uint32_t n; /* tasks, of one target: slots 0 … n - 1; at least one. Those behind the lane's
                   `slots` may go to an agent that has another of them */
    struct wall deadline_at; /* of its tasks; unset: the lane's */
    uint64_t first;          /* out: the first of them */
    void *arg;               /* the poster's own */
};

/* SCHEDULE_PUT. One transaction: all of it or nothing. Strings are borrowed until done. */
enum store_put_what { PUT_SAME, PUT_NEW, PUT_CHANGED, PUT_REMOVED };
struct store_put {
    const char *name, *doc, *owner; /* owner NULL = none */
    bool paused, dry_run;           /* dry_run: tells what would be; nothing is written */
    uint64_t if_version;            /* 0 = whatever is there; else ERR_EXISTS (a conflict) */
    const struct schedule_target *targets;
    size_t n_targets;
    /* out */
    uint64_t id, version; /* the first version is 1; the same definition and targets leave it */
    bool created, doc_changed;
    uint64_t *ids;         /* of the checks, as targets; heap */
    uint8_t *what;         /* enum store_put_what, as targets; heap */
    struct wall *createds; /* since when there is such a check, as targets; heap */
    uint64_t *removed;     /* ids of checks that are no more; heap */
    char **removed_keys;   /* heap; the first STORE_PUT_DIFF */
    size_t n_removed, n_new, n_changed;
    char *old_doc; /* heap, NULL: created */
    bool old_paused;
};

/* JOURNAL: entries of the scheduler (scheduler.h), in order, with copies of their strings. */
struct store_entry {
    enum scheduler_entry_kind kind;
    struct wall at;
    uint64_t check;
    char *schedule, *key, *advice; /* heap; NULL = none */
    enum verdict_state from, to;
    enum cause cause;
    uint64_t slot, task;
    bool flapping;
    struct plan_gap gap;
    enum incident_action_kind action;
    struct incident incident;
    int days_left, threshold;
    struct wall not_after;
    char **alerts; /* heap: one delivery is queued in the same commit for each that exists */
    unsigned n_alerts;
    char *delivery; /* JSON of the message's facts (alert.h), when there are alerts; heap */
};

/* A schedule as it stands in the store; strings are owned. */
struct store_schedule {
    uint64_t id, version, n_checks;
    char *name, *doc, *owner;
    bool paused;
    struct wall created_at, changed_at;
};
struct store_check {
    uint64_t id, schedule;
    char *key, *spec, *host; /* in the arena of whoever holds it */
    size_t spec_len;
    uint64_t host_hash;
    struct wall created;
};
/* A task of a run that was under way at the last end. */
struct store_open_task {
    uint64_t check, seq, task;
    struct wall at;
    int outcome; /* < 0: no result */
    enum cause cause;
    char agent[AGENT_NAME_MAX + 1]; /* "" = none */
};

/* What a start reads (store_boot.timetable). */
struct store_timetable {
    struct strbuf arena; /* of the checks' strings */
    struct store_schedule *schedules;
    size_t n_schedules;
    struct store_check *checks; /* by id */
    size_t n_checks;
    struct scheduler_saved *saved; /* by id: the last snapshot with what was journalled since */
    size_t n_saved;
    struct incident *incidents; /* not ended */
    size_t n_incidents;
    uint64_t last_incident;
    struct store_open_task *tasks; /* by check, then by task */
    size_t n_tasks;
    struct { /* lanes that are open-ended */
        uint32_t batch;
        char *lane; /* schedule_lane() */
        struct wall opened_at;
    } * lanes;
    size_t n_lanes;
};
void store_timetable_fini(struct store_timetable *t);

/* ---- history */
#define STORE_HOURS_ONCE 500 /* hours in one request, at most */
struct store_hour {          /* of one check, as kept: rollup.h decodes it */
    uint64_t check;
    uint32_t hour; /* of days: the first one */
    const void *bytes;
    size_t len;
    const void *tasks; /* HOURS_PUT: of its runs, by id, each as the varint of its distance */
    size_t tasks_len;
};
struct store_transition {
    uint64_t id, check;
    struct wall at;
    enum verdict_state from, to;
    enum cause cause;
    uint64_t slot, task;
    bool flapping;
    const char *advice, *schedule, *key;
};
struct store_miss {
    uint64_t check;
    struct plan_gap gap;
};

/* ---- alerts */
struct store_channel { /* strings are owned */
    char *name, *doc;  /* doc: JSON with its secrets */
    struct wall created_at, changed_at;
};
enum delivery_state { DELIVERY_PENDING, DELIVERY_DONE, DELIVERY_FAILED, DELIVERY_SKIPPED };
struct store_delivery { /* strings are owned */
    uint64_t id;
    char *channel, *facts; /* facts: JSON (alert.h) */
    char *dedup;           /* "incident 17 confirmed", unique for a channel; NULL = none */
    uint64_t incident;     /* 0 = of none */
    enum delivery_state state;
    unsigned attempts;
    struct wall created_at, next_at, ended_at;
    int status;  /* of the last answer; 0 = none */
    char *error; /* of the last attempt, NULL = none */
};
void store_put_forget(struct store_put *p); /* what came out of it */
void store_schedule_fini(struct store_schedule *s);
void store_entry_fini(struct store_entry *e);
void store_channel_fini(struct store_channel *c);
void store_delivery_fini(struct store_delivery *d);

/* Of store_req_destroy() and store_post(): what a request of schedules owns, and weighs. */
struct store_req;
void store_timetable_req_free(struct store_req *r);
size_t store_timetable_weight(const struct store_req *r);
