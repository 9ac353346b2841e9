/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mailbox.h"
#include "master/schedule/scheduler.h"

/*
 * schedule_req - what other threads ask of the scheduler, by mailbox to the hub thread: as
 * core_req.h, and under its rules.
 *
 * What changes a schedule is committed by the store first; its poster brings the committed request
 * here. Everything in `out` parts belongs to the request and is freed by schedule_req_free.
 */
#define SCHEDULE_REQS_MAX 4096

enum schedule_req_op {
    SREQ_PUT,       /* stored: takes effect → done */
    SREQ_REMOVE,    /* id → found */
    SREQ_PAUSE,     /* id, pause → found */
    SREQ_ACK,       /* incident, who, note → err: ERR_NOT_FOUND, ERR_EXISTS; else done when it is
                       committed, or with ERR_CLOSED when the master stops before */
    SREQ_SCHEDULES, /* from, to → views */
    SREQ_CHECKS     /* filter → checks, last, more */
};
struct schedule_req {
    struct letter letter;
    enum schedule_req_op op;
    void (*done)(struct schedule_req *r);
    void *arg;
    uint64_t id;
    bool pause;
    struct schedule *schedule; /* PUT: taken, and then NULL here */
    void *put; /* PUT: struct store_put of the store after its commit, borrowed until done */
    uint64_t incident;
    char who[INCIDENT_WHO_MAX], note[INCIDENT_NOTE_MAX];
    struct scheduler_filter filter; /* strings borrowed until done */
    char filter_schedule[SCHEDULE_NAME_MAX + 1],
        filter_host[INCIDENT_HOST_MAX];                          /* homes for them */
    char from[SCHEDULE_NAME_MAX + 1], to[SCHEDULE_NAME_MAX + 1]; /* names; "" = any */
    /* out */
    bool found;
    enum err err;
    struct scheduler_view *views;
    size_t n_views;
    struct scheduler_check_view *checks;
    size_t n_checks;
    uint64_t last;
    bool more;
};
/* Frees it with all that it owns; NULL is fine. */
void schedule_req_free(struct schedule_req **rp);
