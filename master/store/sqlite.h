/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/store.h"

/*
 * sqlite - the store's tables and statements: one connection, for one thread at a time.
 *
 * The only place that knows SQL. A writer connection runs everything between sqlite_begin() and
 * sqlite_commit(); a reader connection is read only. Errors: ERR_NO_SPACE (the disk is full: roll
 * back, try later), ERR_BUSY (another process holds the write lock), anything else means that the
 * disk or the file cannot be trusted any more; sqlite_why() has the sentence.
 */
struct sqlite_db;

/* The states of a batch row; they only grow, but an upload's row is deleted with it. */
enum batch_state { BATCH_RECEIVING, BATCH_OPEN, BATCH_ENDED, BATCH_PURGING, BATCH_PURGED };

/* Creates DIR/sonde.db when it is not there, refuses what is not ours, migrates forward. */
MUST_USE enum err sqlite_open_writer(const char *dir, struct sqlite_db **out, char *why,
                                     size_t why_max);
/* ERR_NOT_FOUND: no sonde.db there. */
MUST_USE enum err sqlite_open_reader(const char *dir, struct sqlite_db **out, char *why,
                                     size_t why_max);
void sqlite_close(struct sqlite_db **dp);
const char *sqlite_why(const struct sqlite_db *d);
/* How many columns were not as they were written since the last call. */
unsigned sqlite_take_damaged(struct sqlite_db *d);

MUST_USE enum err sqlite_begin(struct sqlite_db *d); /* writer: takes the write lock at once */
MUST_USE enum err sqlite_commit(struct sqlite_db *d);
void sqlite_rollback(struct sqlite_db *d); /* fine without a transaction */
/* A reader's: ends its transaction and begins another, which sees what was written meanwhile. */
MUST_USE enum err sqlite_renew(struct sqlite_db *d);
/* Statements under way end with ERR_IO once *stop is true. */
void sqlite_stop_on(struct sqlite_db *d, const _Atomic bool *stop);
/* Moves the WAL into the file when it has grown enough, or, with `all`, in any case. ERR_NO_SPACE
 * leaves the WAL. */
MUST_USE enum err sqlite_checkpoint(struct sqlite_db *d, bool all);

/* Inside a transaction: writes enough to tell whether the disk has room again. */
MUST_USE enum err sqlite_try_room(struct sqlite_db *d);

/* ---- start (sqlite_boot.c) */
/* Counts the boot epoch up, makes the store id and the first ticket key when there are none;
 * commits. */
MUST_USE enum err sqlite_boot(struct sqlite_db *d, struct store_boot *boot);
MUST_USE enum err sqlite_last_seq(struct sqlite_db *d, uint64_t *out);
/* Numbers of the uploads that never ended; *out is heap. */
MUST_USE enum err sqlite_receiving(struct sqlite_db *d, uint32_t **out, unsigned *n);

/* ---- writer (sqlite_write.c) */
/* Sets b->num. ERR_EXISTS: the uuid is taken. */
MUST_USE enum err sqlite_batch_insert(struct sqlite_db *d, struct batch_info *b);
/* Of b: num, total, rejected, duplicates and the times. */
MUST_USE enum err sqlite_batch_open(struct sqlite_db *d, const struct batch_info *b);
/* Of b: num, ended, low_water and ended_at. */
MUST_USE enum err sqlite_batch_progress(struct sqlite_db *d, const struct batch_info *b,
                                        uint64_t last_seq);
MUST_USE enum err sqlite_batch_mark(struct sqlite_db *d, uint32_t num, enum batch_mark mark,
                                    enum cause cause);
MUST_USE enum err sqlite_batch_pause(struct sqlite_db *d, uint32_t num, bool paused);
MUST_USE enum err sqlite_batch_delete(struct sqlite_db *d, uint32_t num);
MUST_USE enum err sqlite_task_insert(struct sqlite_db *d, uint64_t task,
                                     const struct store_row *row, uint32_t slot);
/* *n of the tasks of this batch, at most `limit`, are gone. */
MUST_USE enum err sqlite_tasks_delete(struct sqlite_db *d, uint32_t num, unsigned limit,
                                      unsigned *n);
/* *inserted false: the task had a result already. */
MUST_USE enum err sqlite_result_insert(struct sqlite_db *d, uint64_t seq, struct wall now,
                                       const struct store_result *r, bool *inserted);
/* Writer and readers. */
MUST_USE enum err sqlite_result_exists(struct sqlite_db *d, uint64_t task, bool *out);
MUST_USE enum err sqlite_cause_add(struct sqlite_db *d, uint32_t num, const char *cause,
                                   uint64_t n);
/* The first ordinal from `from` on without a result, looking at no more than `limit` results. */
MUST_USE enum err sqlite_low_water(struct sqlite_db *d, uint32_t num, uint64_t from, unsigned limit,
                                   uint64_t *out);
MUST_USE enum err sqlite_agent_seen(struct sqlite_db *d, const char *name, const char *instance,
                                    const char *tags_json, struct wall at);
MUST_USE enum err sqlite_agent_empty(struct sqlite_db *d, const char *name, struct wall at);
/* Keeps the first answer of batch `num`, and purges some of those that have expired. *added false:
 * this key has an answer that has not. */
MUST_USE enum err sqlite_idempotency_add(struct sqlite_db *d, uint32_t num,
                                         const struct store_idempotency *x, struct wall now,
                                         struct wall patient, bool *added);

/* The answer of a request that cannot be done, whatever the disk says: ERR_NONE, for it is no error
 * of the transaction. */
enum err sqlite_refuse(struct store_req *r, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- lanes (sqlite_lanes.c) */
/* Of a batch that was inserted and opened in this transaction. */
MUST_USE enum err sqlite_lane_open(struct sqlite_db *d, uint32_t num, const char *lane);
MUST_USE enum err sqlite_run_insert(struct sqlite_db *d, uint64_t task, const struct store_run *run,
                                    uint32_t slot);
/* Fills boot->timetable.lanes. */
MUST_USE enum err sqlite_lanes_boot(struct sqlite_db *d, struct store_boot *boot);
/* What ended before this is rolled up; unset: nothing is. */
MUST_USE enum err sqlite_rolled_until(struct sqlite_db *d, struct wall *out);
/* The newest of its tasks; 0: there is none. */
MUST_USE enum err sqlite_lane_last(struct sqlite_db *d, uint32_t num, int64_t *task);
/* The row of a lane that was purged, which nobody can ask for: gone. */
MUST_USE enum err sqlite_lane_purge(struct sqlite_db *d, uint32_t num);

/* sqlite_events.c */
MUST_USE enum err sqlite_events_add(struct sqlite_db *d, const struct store_event *events,
                                    unsigned n);
MUST_USE enum err sqlite_events_page(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_events_boot(struct sqlite_db *d, struct store_boot *boot);

/* This agent has answered a task of the same target; slots: as many as it has at most. */
MUST_USE enum err sqlite_target_answered(struct sqlite_db *d, uint64_t task, uint32_t slots,
                                         const char *agent, bool *out);
/* Calls f with the name and the tags (JSON or NULL) of each agent seen since then or connected. */
typedef void sqlite_agent_f(void *arg, const char *name, const char *tags_json);
MUST_USE enum err sqlite_agents_seen(struct sqlite_db *d, struct wall since, sqlite_agent_f *f,
                                     void *arg);

/* It is there, and was not purged. */
MUST_USE enum err sqlite_batch_kept(struct sqlite_db *d, const char *uuid, bool *out);
/* The task had a result, which has been purged. */
MUST_USE enum err sqlite_task_purged(struct sqlite_db *d, uint64_t task, bool *out);

/* ---- retention (sqlite_purge.c) */
MUST_USE enum err sqlite_used_bytes(struct sqlite_db *d, uint64_t *out);
/* A batch whose purge has begun, else the one that ended first and by then (lanes: by then); 0 =
 * none. Not one that is just being retried. */
MUST_USE enum err sqlite_purge_pick(struct sqlite_db *d, struct wall ended_by,
                                    struct wall lanes_ended_by, uint32_t *num);
MUST_USE enum err sqlite_purge_begin(struct sqlite_db *d, uint32_t num, struct wall now);
/* *n of its tasks and their results, at most `limit`, are gone; fewer: there are no more. */
MUST_USE enum err sqlite_purge_tasks(struct sqlite_db *d, uint32_t num, unsigned limit,
                                     unsigned *n);
MUST_USE enum err sqlite_purge_end(struct sqlite_db *d, uint32_t num, char uuid[UUID_TEXT_MAX]);

/* ---- readers (sqlite_read.c): fill the out-members of a request; ERR_NOT_FOUND is an answer */
MUST_USE enum err sqlite_refill(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_batch_get(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_ended_tasks(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_failed_hosts(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_batch_list(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_results_page(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_task_get(struct sqlite_db *d, struct store_req *r);
MUST_USE enum err sqlite_idempotency_get(struct sqlite_db *d, struct store_req *r);

/* ---- proof (sqlite_check.c) */
typedef void sqlite_finding_f(void *arg, const char *text);
/* Calls `finding` once for everything that does not hold, at most SQLITE_FINDINGS_MAX times a rule.
 */
#define SQLITE_FINDINGS_MAX 20
MUST_USE enum err sqlite_check(struct sqlite_db *d, sqlite_finding_f *finding, void *arg);

/* The text of the i-th prepared statement, NULL behind the last: for the test of the query plans.
 */
const char *sqlite_sql(unsigned i);
