/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/outbox/segment.h"
#include "common/clock.h"
#include "common/list.h"

/*
 * spool - the books of what the outbox has on disk: which result lies in which file, what is to be
 * written next, and which files are done with.
 *
 * Pure: it makes jobs, and someone else (spooler) carries them out, one at a time. What waits when
 * a job ends goes into the next, so a slow disk gets larger jobs, and a result that is acknowledged
 * before its turn never reaches it. A file goes when all its results are acknowledged. Between that
 * and the acknowledgement the acks are noted in the files too, so that a kill does not send again
 * what the master has; a note that is lost costs one result that it answers with `duplicate`.
 *
 * Bounded: the files by max_bytes (over it what waits stays in memory, which the outbox bounds by
 * spool_room), the notes by SPOOL_NOTES_MAX, a job by SPOOL_JOB_BYTES. A job that fails is tried
 * again in another file after SPOOL_RETRY_MS; until it works the results live in memory alone.
 */
#define SPOOL_JOB_BYTES (256 * 1024)
#define SPOOL_ENDS_MAX  32
#define SPOOL_NOTES_MAX SEGMENT_ACKS_MAX
#define SPOOL_RETRY_MS  1000
#define SPOOL_SLOW_MS   5000 /* a job under way for longer is worth a word */
#define SPOOL_NOTES_MS  200  /* how long notes and files that are done with wait for a result */

struct outbox_item {
    uint64_t task;
    const char *ticket, *record; /* borrowed from the outbox until the ack */
    size_t record_len;
};

struct spool_file;
struct spool_place { /* a result's, embedded in the outbox's entry */
    struct list_node node;
    struct spool_file *file; /* NULL: not written, nor about to be */
    struct list *in;         /* the list that holds node; NULL: it is on disk, or not ours */
    struct outbox_item item;
};

/* A file that is done with: removed, or moved to the directory foreign-STORE. */
struct spool_end {
    uint64_t number;
    bool aside;
    char store[MESSAGE_ID_MAX + 1];
};
struct spool_job {
    unsigned n_ends; /* these come first: they make room */
    struct spool_end ends[SPOOL_ENDS_MAX];
    uint64_t number; /* of the file to write to; 0: none */
    bool fresh;      /* which does not exist yet */
    uint64_t offset;
    struct strbuf bytes; /* as large as SPOOL_JOB_MAX */
};
#define SPOOL_JOB_MAX                                                                              \
    (SEGMENT_HEAD_BYTES + SPOOL_JOB_BYTES + RESULT_MAX_BYTES + TICKET_TEXT_MAX +                   \
     SPOOL_NOTES_MAX * 8 + 2 * SEGMENT_RECORD_BYTES)

struct spool;
struct spool *spool_create(size_t max_bytes, const char *agent, const char *instance);
/* No place may be in it any more. */
void spool_destroy(struct spool **sp);

/* What comes from now on belongs to this store. Of another one before: its files are set aside, and
 * the outbox must forget its results next. */
void spool_set_store(struct spool *s, const char *store);
const char *spool_store(const struct spool *s); /* "" = none; borrowed */

void spool_add(struct spool *s, struct spool_place *p);    /* a result that is to be written */
void spool_remove(struct spool *s, struct spool_place *p); /* it is acknowledged */

/* ---- at start: what files hold, told in the order of their numbers */

/* A file as it was found. Results of another agent, or in a form that this one cannot read, are set
 * aside: NULL. p NULL: it could not be read, and stays where it is. */
struct spool_file *spool_found(struct spool *s, uint64_t number, const char *p, size_t n);
void spool_adopt(struct spool *s, struct spool_place *p, struct spool_file *f);
/* It holds something that was not taken up: it stays until the next start. */
void spool_pin(struct spool_file *f);
/* An ack was read: like spool_remove(), and nothing is noted. */
void spool_forget(struct spool *s, struct spool_place *p);

/* ---- jobs */

/* Fills in the next job; false: there is nothing to do now. spool_done() must follow before the
 * next. */
bool spool_next(struct spool *s, struct spool_job *j, struct mono now);
/* errnum: 0, or why it failed. */
void spool_done(struct spool *s, int errnum, struct mono now);
/* The process is about to end: what is not needed goes now. */
void spool_close(struct spool *s);

struct spool_stats {
    size_t bytes, files, waiting,
        max_bytes;          /* bytes, files: on disk; waiting: results that are not */
    int errnum;             /* why nothing can be written; 0: it can */
    bool full;              /* max_bytes are reached, and results wait */
    struct mono busy_since; /* since when a job is under way; unset: none is */
    uint64_t failures, written, notes_lost;
};
void spool_stats(const struct spool *s, struct spool_stats *out);
/* One sentence in buf when results cannot be written, else "". */
#define SPOOL_TROUBLE_MAX 256
const char *spool_trouble(const struct spool_stats *st, struct mono now,
                          char buf[SPOOL_TROUBLE_MAX]);
/* How many bytes of results may come until max_bytes are reached. */
size_t spool_room(const struct spool *s);
