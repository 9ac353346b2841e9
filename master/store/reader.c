/* SPDX-License-Identifier: MIT */
#include "master/store/reader.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"
#include "master/store/sqlite_timetable.h"

/* Requests are small; what they bring back is bounded by STORE_PAGE_BYTES each and one at a time
 * per thread. */
#define READER_BYTES (STORE_READER_LETTERS * (sizeof(struct store_req) + 4096))

struct reader {
    struct mailbox *box;
    struct sqlite_db *db;
    struct store_stats *stats;
    pthread_t thread;
};
struct readers {
    struct reader all[STORE_READERS];
};
_Static_assert(STORE_READERS == 2, "one for pages, one for the rest");

static enum err dispatch_timetable(struct sqlite_db *d, struct store_req *r)
{
    switch (r->op) {
    case STORE_SCHEDULE_LIST:
        return sqlite_schedule_list(d, r);
    case STORE_SCHEDULE_GET:
        return sqlite_schedule_get(d, r);
    case STORE_HISTORY:
        return sqlite_history(d, r);
    case STORE_OVERVIEW:
        return sqlite_overview(d, r);
    case STORE_TRANSITIONS:
        return sqlite_transitions(d, r);
    case STORE_MISSES:
        return sqlite_misses(d, r);
    case STORE_CHECK_RUNS:
        return sqlite_check_runs(d, r);
    case STORE_TASKS_RESULTS:
        return sqlite_tasks_results(d, r);
    case STORE_INCIDENTS:
        return sqlite_incidents(d, r);
    case STORE_CHANNELS:
        return sqlite_channels(d, r);
    case STORE_DELIVERIES:
        return sqlite_deliveries(d, r);
    default:
        UNREACHABLE("a writer's request in a reader");
    }
}

static enum err dispatch(struct sqlite_db *d, struct store_req *r)
{
    switch (r->op) {
    case STORE_REFILL:
        return sqlite_refill(d, r);
    case STORE_BATCH_GET:
        return sqlite_batch_get(d, r);
    case STORE_ENDED_TASKS:
        return sqlite_ended_tasks(d, r);
    case STORE_FAILED_HOSTS:
        return sqlite_failed_hosts(d, r);
    case STORE_BATCH_LIST:
        return sqlite_batch_list(d, r);
    case STORE_RESULTS_PAGE:
        return sqlite_results_page(d, r);
    case STORE_EVENTS_PAGE:
        return sqlite_events_page(d, r);
    case STORE_TASK_GET:
        return sqlite_task_get(d, r);
    case STORE_IDEMPOTENCY_GET:
        return sqlite_idempotency_get(d, r);
    default:
        return dispatch_timetable(d, r);
    }
}

/* What it could not give as it was written. */
static void tell_damaged(struct reader *reader)
{
    unsigned n = sqlite_take_damaged(reader->db);
    if (n == 0)
        return;
    counter_add(&reader->stats->damaged, n);
    LOG(LOG_ERROR, "store", "damaged_rows", LU("columns", n),
        LS("meaning", "the disk has changed what was written; what can be read of it is given"),
        LS("fix", "see `sonde-master check`, restore the store from a backup"));
}

static void answer(struct reader *reader, struct store_req *r)
{
    struct sqlite_db *d = reader->db;
    enum err e = sqlite_begin(d);
    if (!e)
        e = dispatch(d, r);
    sqlite_rollback(d); /* ends the read transaction */
    r->err = e;
    if (e == ERR_NOT_FOUND)
        snprintf(r->why, sizeof(r->why), "no such %s",
                 r->op == STORE_SCHEDULE_GET ? "schedule"
                 : r->op == STORE_CHANNELS   ? "channel"
                                             : "batch or task");
    else if (e) {
        LOG(LOG_ERROR, "store", "read_failed", LERR("err", e), LS("why", sqlite_why(d)));
        snprintf(r->why, sizeof(r->why), "the store cannot be read: %.100s", sqlite_why(d));
    }
    tell_damaged(reader);
    r->done(r);
}

static void *reader_main(void *arg)
{
    struct reader *r = arg;
    REQUIRE(r != NULL && r->db != NULL);
    struct list in;
    list_init(&in);
    while (mailbox_wait(r->box, &in, -1) > 0 || !mailbox_finished(r->box)) {
        struct list_node *n;
        while ((n = list_pop_front(&in)))
            answer(r, CONTAINER_OF(n, struct store_req, letter.node));
    }
    return NULL;
}

enum err readers_start(const char *dir, struct store_stats *stats, struct readers **out, char *why,
                       size_t why_max)
{
    struct readers *r = mem_zalloc(sizeof(*r));
    enum err e = ERR_NONE;
    for (unsigned i = 0; !e && i < STORE_READERS; i++)
        e = sqlite_open_reader(dir, &r->all[i].db, why, why_max);
    if (e) {
        for (unsigned i = 0; i < STORE_READERS; i++)
            sqlite_close(&r->all[i].db);
        free(r);
        return e;
    }
    for (unsigned i = 0; i < STORE_READERS; i++) {
        struct reader *one = &r->all[i];
        one->stats = stats;
        one->box = mailbox_create("store-reader", STORE_READER_LETTERS, READER_BYTES, NULL, NULL);
        PTOK(pthread_create(&one->thread, NULL, reader_main, one));
        pthread_setname_np(one->thread, "store-reader");
    }
    *out = r;
    return ERR_NONE;
}

void readers_stop(struct readers *r)
{
    for (unsigned i = 0; i < STORE_READERS; i++)
        mailbox_close(r->all[i].box);
    for (unsigned i = 0; i < STORE_READERS; i++) {
        PTOK(pthread_join(r->all[i].thread, NULL));
        sqlite_close(&r->all[i].db);
    }
}

void readers_destroy(struct readers **rp)
{
    struct readers *r = *rp;
    *rp = NULL;
    for (unsigned i = 0; i < STORE_READERS; i++) {
        REQUIRE(r->all[i].db == NULL);
        mailbox_destroy(&r->all[i].box);
    }
    free(r);
}

enum err readers_post(struct readers *r, struct store_req *req)
{
    bool page = req->op == STORE_RESULTS_PAGE || req->op == STORE_ENDED_TASKS ||
                req->op == STORE_FAILED_HOSTS || req->op == STORE_EVENTS_PAGE ||
                (req->op >= STORE_SCHEDULE_LIST && req->op <= STORE_INCIDENTS);
    return mailbox_post(r->all[page].box, &req->letter);
}

void readers_mailbox_stats(struct readers *r, struct mailbox_stats *out)
{
    *out = (struct mailbox_stats){0};
    for (unsigned i = 0; i < STORE_READERS; i++) {
        struct mailbox_stats one;
        mailbox_stats(r->all[i].box, &one);
        out->letters += one.letters;
        out->bytes += one.bytes;
        out->max_letters += one.max_letters;
        out->max_bytes += one.max_bytes;
        out->posted += one.posted;
        out->refused += one.refused;
    }
}
