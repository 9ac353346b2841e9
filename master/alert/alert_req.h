/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/mailbox.h"
#include "common/metrics.h"
#include "master/alert/alert.h"

/*
 * alert_req - what other threads ask of the sender of alerts, by mailbox: as core_req.h, and under
 * its rules.
 *
 * Caller-owned; in the sender's hands between the post and done(), which runs exactly once on the
 * sender's thread, also when it stops, must be quick, and owns the letter again.
 */
#define ALERT_TESTS_MAX    16    /* letters in the sender's mailbox; more are ERR_FULL */
#define ALERT_TEST_WAIT_MS 30000 /* done() comes within this */

struct sender_stats { /* atomics: any thread may read */
    struct counter delivered, failed, retried, skipped;
    struct gauge active, waiting; /* waiting: as of the last look at the queue, 256 at most */
    struct histogram took_ms;
};

/* One message to a channel now, through the way that real ones take; it is tried once. */
struct alert_test {
    struct letter letter;
    void (*done)(struct alert_test *t);
    void *arg;
    char name[ALERT_NAME_MAX + 1];  /* of the channel */
    char dedup[ALERT_NAME_MAX + 1]; /* the beginning of its key; "" = "test" */
    int64_t wait_ms;                /* at most ALERT_TEST_WAIT_MS */
    /* out */
    bool found;     /* false: there is no such channel, and nothing else is said */
    bool delivered; /* the service has taken it */
    int status;     /* of its answer; 0 = none */
    int64_t took_ms;
    char error[ALERT_WHY_MAX]; /* "" = none; holds no secret */
};
