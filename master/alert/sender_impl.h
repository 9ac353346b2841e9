/* SPDX-License-Identifier: MIT */
#pragma once
#include <pthread.h>
#include "master/alert/sender.h"
#include "master/alert/transfer.h"

/* sender_impl - what the files of the sender share; nobody else. But for atomics and mailboxes all
 * of it is its thread's. */

/*
 * A delivery on its way.
 *
 *      start ──► running ──► (its end is) told ──committed──► over, and freed
 *                               ▲           │
 *                               └──refused──┘
 */
struct job {
    struct list_node node;
    struct sender *sender;
    struct store_delivery d;
    struct alert_channel *channel; /* as it was at the look; NULL: there is none */
    struct transfer transfer;
    bool running;
    bool told;     /* its end is on its way to the store */
    bool over;     /* it is there, and a look that is under way may not have seen it */
    bool hopeless; /* another try would end the same */
    struct mono began;
    bool trial;              /* asked for by hand: it is tried once */
    bool looked;             /* … with channels that were read after it came */
    bool stored;             /* … its row was asked for */
    struct alert_test *test; /* who waits for it, until then */
    struct mono until;
};

struct sender {
    struct store *store;
    pthread_t thread;
    CURLM *multi;
    struct mailbox *tests, *answers;
    _Atomic bool poked, stopping;
    bool looking, again; /* again: poked during a look */
    unsigned next;       /* of a look: the next channel to be asked for by name */
    struct mono look_at;
    /* The newest delivery that was seen; and that was seen before the channels were read: of a
     * newer one the channel may be there by now. */
    uint64_t seen, seen_before;
    struct alert_channel *channels[ALERT_CHANNELS_MAX];
    unsigned n_channels;
    struct list jobs; /* all that are not in the store as they are now */
    unsigned asked;   /* store requests under way */
    struct sender_stats stats;
};

/* ---- sender.c */
struct store_req *sender_request(struct sender *s, enum store_op op);
/* Takes q. False: the store takes nothing now, and q is gone. */
MUST_USE bool sender_ask(struct sender *s, struct store_req *q);
struct alert_channel *sender_channel(struct sender *s, const char *name); /* NULL: there is none */

/* ---- sender_job.c */
/* channel, which is copied, may be NULL. */
struct job *sender_job_create(struct sender *s, const struct alert_channel *channel);
void sender_job_free(struct job *j);
bool sender_job_may_start(struct sender *s, const struct store_delivery *d);
void sender_job_start(struct job *j, struct mono now); /* it may have ended already */
void sender_jobs_end(struct sender *s);                /* takes what the transfers say */
void sender_jobs_tell(struct sender *s);               /* what the store took no word of yet */
void sender_job_told(struct sender *s, const struct store_req *q); /* the store's answer */
void sender_jobs_forget(struct sender *s);                         /* those that are over */

/* ---- sender_trial.c: messages by hand */
void sender_trials_take(struct sender *s, struct mono now);
void sender_trials_look(struct sender *s);                       /* channels are being read */
void sender_trials_begin(struct sender *s, const char *problem); /* … they are, or NULL */
void sender_trial_added(struct sender *s, const struct store_req *q, struct mono now);
void sender_trial_end(struct job *j, struct mono now); /* tells who waits */
/* Those whose time is over; milliseconds until the next is, at most max_ms. */
int64_t sender_trials_expire(struct sender *s, struct mono now, int64_t max_ms);
void sender_trials_refuse(struct sender *s, const char *why); /* all of them */
