/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/heap.h"
#include "common/idmap.h"
#include "master/schedule/census.h"
#include "master/schedule/scheduler.h"
#include "master/schedule/votes.h"

/*
 * scheduler_impl - what the files of the scheduler share: its state, and the steps of each of them.
 * Nobody else includes it.
 */
#define RUN_LEAST_MS  60000   /* a slow fleet still answers; the interval itself may be a second */
#define RUN_MOST_MS   3600000 /* who waits longer for a probe has forgotten why */
#define RUN_MARGIN_MS 15000   /* beyond the probe's own time-out: the way there, and its queue */
/* The core ends each task at its deadline, and the store commits that sooner or later. What has not
 * come so long after is lost by a bug, and no check may stand still for ever because of one. */
#define RUN_LOST_MS   600000
#define GAP_TELL_MS   60000 /* a gap that grows by the second is told by the minute */
#define INCIDENT_LOOK 1000  /* ms: incidents_tick() is once a second */
#define CRON_FAR_MS   (32 * INT64_C(86400000)) /* a month: news of a cron is not older than two */
#define CHECKS_LOOKED 20000                    /* by one scheduler_checks() */
#define CERT_DAYS_FAR 100000                   /* certificates of any year fit into an int */

/* A run of a check, from ops.run to its verdict. */
struct sched_run {
    uint64_t seq;
    struct wall at;
    unsigned coming;        /* asked of the store, and not begun yet */
    unsigned confirms;      /* tries asked for on top of the first round */
    bool silent;            /* its check was paused meanwhile: nobody asks what it says */
    int64_t interval_ms;    /* to the next slot */
    struct mono lost_at;    /* unset while the store has it */
    int64_t cert_not_after; /* the earliest that was seen; 0 = none */
    struct votes votes;
};

struct sched_check {
    struct plan_item item;
    struct check state;
    uint64_t id;
    struct sched_schedule *of;
    size_t pos; /* in of->checks */
    struct heap_node stale;
    struct census_host *host;
    char *key; /* with spec behind its NUL: one allocation */
    const char *spec;
    size_t spec_len;
    uint64_t host_hash;
    struct sched_run *run;   /* NULL: none is under way */
    struct plan_gap *untold; /* the gap, when it has grown since it was told; NULL: it has not */
    uint64_t gap_told;       /* first_seq of the gap that was told last … */
    struct mono gap_told_at; /* … and when */
    uint64_t settled;        /* last.seq, as it is in the figures */
    struct votes_streaks *streaks;
    char *advice;      /* NULL = none */
    uint64_t incident; /* while loading: the one that it was in */
    double total_ms;   /* of the last result; < 0: none */
    int64_t cert_not_after;
    uint16_t cert_warned;
    bool gone;         /* removed: is about to be freed */
    uint8_t recent_at; /* of recent[]: the newest */
    uint64_t recent[SCHEDULER_RECENT];
};

struct sched_schedule {
    uint64_t id;
    struct schedule *def;
    struct wall since;
    struct sched_check **checks;
    size_t n, cap;
    uint64_t by_state[VERDICT_STATES], unconfirmed, flapping;
    uint64_t runs, missed[PLAN_MISS_COUNT];
};

/* Whom an incident was told, for when the check that opened it is gone. */
struct sched_audience {
    char *schedule, *key;
    char *alerts[SCHEDULE_ALERTS_MAX];
    unsigned n_alerts;
};

struct scheduler {
    const struct scheduler_ops *ops;
    void *arg;
    struct check_now now; /* of the call that is under way */
    struct plan plan;
    struct census census;
    struct incidents *incidents;
    struct heap stale;           /* checks by when their news is too old, or sooner */
    struct idmap schedules;      /* by id */
    struct idmap tasks;          /* open ones: their check */
    struct idmap audiences;      /* by incident */
    struct sched_check **checks; /* by id */
    size_t n_checks, cap_checks;
    uint64_t by_state[VERDICT_STATES], flapping, running;
    struct mono looked_at; /* at the incidents */
    struct scheduler_stats stats;
};

/* ---- scheduler_held.c: schedules and checks in memory */
struct sched_schedule *sched_find_schedule(const struct scheduler *x, uint64_t id);
/* Takes def, instead of an older one of this id. */
struct sched_schedule *sched_hold_schedule(struct scheduler *x, uint64_t id, struct schedule *def,
                                           struct wall since);
void sched_schedule_free(struct sched_schedule *s);         /* without checks, and in no map */
size_t sched_place(const struct scheduler *x, uint64_t id); /* of the first check ≥ id */
struct sched_check *sched_find_check(const struct scheduler *x, uint64_t id);
/* Not in the plan yet. */
struct sched_check *sched_hold_check(struct scheduler *x, struct sched_schedule *s,
                                     const struct scheduler_check *c);
/* Another target, spec or host under the same id. */
void sched_change_check(struct scheduler *x, struct sched_check *c,
                        const struct scheduler_check *to);
void sched_doom_check(struct scheduler *x, struct sched_check *c);
void sched_bury(struct scheduler *x); /* frees the doomed */
/* Around each change of its state: takes it out of the figures, and puts it in again. */
void sched_uncount(struct scheduler *x, const struct sched_check *c);
void sched_count(struct scheduler *x, const struct sched_check *c);
/* Nothing of it that was due before this moment is due any more: not before an earlier one. */
void sched_begin_at(struct sched_check *c, struct wall at);
void sched_enter_plan(struct scheduler *x, struct sched_check *c);
/* Its news may be too old sooner than the heap knows. */
void sched_watch_age(struct scheduler *x, struct sched_check *c);
void sched_publish(struct scheduler *x);
static inline struct plan_now sched_plan_now(const struct scheduler *x)
{
    return (struct plan_now){x->now.mono, x->now.wall};
}

/* ---- scheduler_run.c: runs under way */
void sched_start_run(struct scheduler *x, struct sched_check *c, const struct plan_event *e,
                     unsigned agents);
struct sched_run *sched_make_run(struct scheduler *x, struct sched_check *c, uint64_t seq,
                                 struct wall at);
void sched_add_task(struct scheduler *x, struct sched_check *c, uint64_t task);
/* All that is known of it is in, or will never be: a verdict, or further tries. */
void sched_settle(struct scheduler *x, struct sched_check *c);
void sched_drop_run(struct scheduler *x, struct sched_check *c);
void sched_note_result(struct scheduler *x, struct sched_check *c,
                       const struct scheduler_result *r);

/* ---- scheduler_judge.c: what a verdict does */
void sched_judge(struct scheduler *x, struct sched_check *c, const struct verdict *v,
                 const struct verdict_vote *votes, unsigned n);
void sched_judge_age(struct scheduler *x, struct sched_check *c);
void sched_judge_pause(struct scheduler *x, struct sched_check *c);
void sched_judge_certificate(struct scheduler *x, struct sched_check *c, int64_t not_after);
/* As the incidents want it: by the state that it has now. */
struct incident_change sched_incident_change(struct scheduler *x, const struct sched_check *c,
                                             const struct census_agent *agent, uint64_t task);

/* ---- scheduler_tell.c: entries of the journal */
/* Slots were missed, as item.gap says: told now, or when it is time. */
void sched_tell_missed(struct scheduler *x, struct sched_check *c);
/* What has grown and was not told, now: before it ends. */
void sched_tell_untold(struct scheduler *x, struct sched_check *c);
void sched_tell_transition(struct scheduler *x, const struct sched_check *c,
                           const struct check_change *change, uint64_t slot, uint64_t task);
void sched_tell_certificate(struct scheduler *x, const struct sched_check *c, int days_left,
                            int threshold);
void sched_tell_incidents(struct scheduler *x);
void sched_audience_free(struct sched_audience *a); /* in no map */
