/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/sqlite_timetable.h"

/*
 * roll - makes the rollups of one hour of many checks out of what the store has of it: the results
 * of its runs, the gaps, the changes of state; and of hours those of a day.
 *
 * One thread, with a reader's connection and a transaction of it open. What was made once is made
 * the same again, but for the last missed slots of a gap that has grown since. Memory: ROLL_CHECKS
 * cells of some 3 KiB.
 *
 * A run belongs to the hour of its slot, and so does each of the slots of a gap, which lie evenly
 * in it. What is known of the state between two changes holds; but of the time in which the master
 * was down (ROLL_QUIET slots and more) nothing is known.
 */
#define ROLL_CHECKS 25000 /* at once: 75 MB */
/* Of the list of one check's tasks: 3,600 slots of 133 tries, with distances of the busiest lane.
 */
#define ROLL_TASKS_MAX (4u << 20)
#define ROLL_QUIET     3 /* check.h takes the news of two intervals for too old */

struct roll;

/* ---- the hour of checks from `first` on, at most ROLL_CHECKS of them. */
struct roll_goal {
    uint32_t hour;
    struct wall end;    /* no later than the hour's: where the time that is known ends */
    uint64_t most_rows; /* of tasks to be read; over it *partial, without runs */
    uint64_t first;
    bool one; /* first alone */
};
MUST_USE enum err roll_hour(struct sqlite_db *d, const struct roll_goal *g, struct roll **out,
                            bool *partial);
/* The day that begins with this hour, of its hours that are there; likewise. */
MUST_USE enum err roll_day(struct sqlite_db *d, uint32_t hour, uint64_t first, struct roll **out);
void roll_destroy(struct roll **rp);

size_t roll_count(const struct roll *r);  /* 0: there are no checks from `first` on */
uint64_t roll_last(const struct roll *r); /* the last check; the next roll begins behind it */
/* The i-th of those checks; false: nothing is known of it in this time. tasks: its runs, by id,
 * each as the varint of its distance to the one before. */
bool roll_encode(const struct roll *r, size_t i, uint64_t *check, struct strbuf *rollup,
                 struct strbuf *tasks);
