/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/* schedules - what the handlers of schedules share. Api thread. */

/* The name in the address; longer ones than there are name no schedule. */
bool schedules_name_fits(const struct http_req *r);
enum step schedules_no_such(struct http_req *r, const char *name); /* 404 */
/* Asks the scheduler for those of these names, and between them. */
enum step schedules_ask(struct http_req *r, const char *from, const char *to);
/* Of a store's answer that is no good: 404, or what reply_store_error() says. */
enum step schedules_failed(struct http_req *r);

/*
 * Tells the scheduler of what is committed: STEP_WAIT until it has heard it, also while its mailbox
 * is full; STEP_MORE: it has, or the master stops, and then its next start reads it. Called again
 * with the same q, which is made at the first call and kept in r->qreq.
 */
enum step schedules_tell(struct http_req *r, struct schedule_req *(*make)(struct http_req *r));
