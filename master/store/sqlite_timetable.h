/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/sqlite.h"

/*
 * sqlite_timetable - what sqlite.h has for schedules: their definitions, their journal, their
 * history, and who is alerted. In sqlite_schedule.c, sqlite_journal.c, sqlite_history.c,
 * sqlite_alerts.c, sqlite_boot_timetable.c, sqlite_roll.c and sqlite_check_timetable.c.
 */

/* ---- writer. Those that can say no set r->err and why, and have written nothing then. */
MUST_USE enum err sqlite_schedule_put(struct sqlite_db *d, struct store_req *r, struct wall now);
MUST_USE enum err sqlite_schedule_remove(struct sqlite_db *d, struct store_req *r, struct wall now);
MUST_USE enum err sqlite_schedule_pause(struct sqlite_db *d, struct store_req *r, struct wall now);
MUST_USE enum err sqlite_journal(struct sqlite_db *d, struct store_req *r, struct wall now);
MUST_USE enum err sqlite_snapshot_put(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_hours_put(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_history_purge(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_channel_put(struct sqlite_db *d, struct store_req *r, struct wall now);
MUST_USE enum err sqlite_channel_remove(struct sqlite_db *d, struct store_req *r, struct wall now);
MUST_USE enum err sqlite_delivery_add(struct sqlite_db *d, struct store_req *r, struct wall now);
MUST_USE enum err sqlite_delivery_tell(struct sqlite_db *d, struct store_req *r);

/* A delivery for each of these channels that there is. *queued grows by those that are new. */
MUST_USE enum err sqlite_deliveries_queue(struct sqlite_db *d, const struct store_entry *entry,
                                          struct wall now, unsigned *queued);

/* ---- readers */
MUST_USE enum err sqlite_schedule_list(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_schedule_get(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_history(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_overview(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_transitions(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_misses(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_check_runs(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_tasks_results(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_incidents(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_channels(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_deliveries(struct sqlite_db *d, struct store_req *r);

/* ---- start */
MUST_USE enum err sqlite_boot_timetable(struct sqlite_db *d, struct store_timetable *t);

/* ---- rollups: what the roller reads, on a reader's connection (roller.h) */
/* The hour before which all are rolled up; 0: there never was a schedule. */
MUST_USE enum err sqlite_roll_mark(struct sqlite_db *d, uint32_t *hour);

struct roll_span { /* checks from .. to of an hour */
    uint32_t hour;
    uint64_t first, last;
};
/* Calls f for each run of a slot in that hour, by task; its checks in no order. */
struct roll_run {
    uint64_t task, check;
    int outcome; /* < 0: no result */
    const char *record;
    size_t record_len;
};
typedef void roll_run_f(void *arg, const struct roll_run *run);
/* *looked grows by the rows of tasks that were read; over `most` it gives up with ERR_TOO_BIG. */
MUST_USE enum err sqlite_roll_runs(struct sqlite_db *d, const struct roll_span *span, uint64_t most,
                                   uint64_t *looked, roll_run_f *f, void *arg);

struct roll_check {
    uint64_t id;
    struct wall created, removed; /* removed 0: it is there */
};
/* At most *n checks from `first` on that were there in that hour, by id. */
MUST_USE enum err sqlite_roll_checks(struct sqlite_db *d, uint32_t hour, uint64_t first,
                                     struct roll_check *out, size_t *n);
/* ERR_NOT_FOUND */
MUST_USE enum err sqlite_roll_check(struct sqlite_db *d, uint64_t id, struct roll_check *out);
/* The state before that moment; *known false: it never changed. */
MUST_USE enum err sqlite_roll_state(struct sqlite_db *d, uint64_t check, struct wall at,
                                    enum verdict_state *state, bool *known);
/* Calls f for each change in [from, to) in order; check 0 = of all. */
typedef void roll_change_f(void *arg, uint64_t check, struct wall at, enum verdict_state now);
MUST_USE enum err sqlite_roll_changes(struct sqlite_db *d, uint64_t check, struct wall from,
                                      struct wall to, roll_change_f *f, void *arg);
/* Calls f for each gap that touches [from, to), of checks first .. last. */
typedef void roll_miss_f(void *arg, uint64_t check, const struct plan_gap *gap);
MUST_USE enum err sqlite_roll_misses(struct sqlite_db *d, uint64_t first, uint64_t last,
                                     struct wall from, struct wall to, roll_miss_f *f, void *arg);
/* Calls f with the rollup of each of the span's checks that has one in that hour, by check. */
typedef void roll_hour_f(void *arg, uint64_t check, const void *bytes, size_t len);
MUST_USE enum err sqlite_roll_hours(struct sqlite_db *d, const struct roll_span *span, bool days,
                                    roll_hour_f *f, void *arg);

/* ---- proof: a part of sqlite_check() */
MUST_USE enum err sqlite_check_timetable(struct sqlite_db *d, sqlite_finding_f *finding, void *arg);
