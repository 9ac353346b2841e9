/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/metrics.h"
#include "master/alert/alert_req.h"
#include "master/store/store.h"

/*
 * sender - works off the queue of deliveries: a thread of its own, because a service may take its
 * time.
 *
 * The queue is the store's: a delivery is there from the commit of what it tells of until it was
 * taken, over restarts; so each arrives at least once, and with a key by which the service (or a
 * person) sees that it is the same. A try that failed is repeated after 2 s, 4 s, … an hour, with
 * jitter, for SENDER_GIVE_UP_S; what a service says is wrong with the message itself (400, 413,
 * 422) is not repeated. SENDER_ACTIVE_MAX are under way at once, two for one channel, and one for
 * one incident and channel, so that its end does not overtake its beginning.
 */
#define SENDER_ACTIVE_MAX  32
#define SENDER_CHANNEL_MAX 2
#define SENDER_GIVE_UP_S   86400
#define SENDER_RETRY_MAX_S 3600
#define SENDER_LOOK_MS     5000 /* the queue is looked at so often at least */
#define SENDER_LOOK        256  /* deliveries looked at */

struct sender;
/* Starts the thread. */
struct sender *sender_create(struct store *s);
/* Ends the thread, before the store closes: what is under way is given SENDER_STOP_MS, the rest
 * stays in the queue. NULL is fine. */
#define SENDER_STOP_MS 2000
void sender_stop(struct sender *s);
/* After the store has closed, which still answers what it was asked: with a full disk not before.
 */
void sender_destroy(struct sender **sp);

void sender_poke(void *sender); /* any thread: something was queued; NULL is fine */
/* Any thread, as alert_req.h says. */
MUST_USE enum err sender_test(void *sender, struct alert_test *t);
struct sender_stats *sender_stats(struct sender *s);
