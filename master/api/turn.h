/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/*
 * turn - changes of schedules and alert channels, one at a time: two of one name reach the
 * scheduler in the order of their commits, and what a change was checked against holds until it is
 * stored. Api thread.
 *
 * Who has it gives it back with turn_leave() as soon as its answer is known; a request that ends
 * gives it back in any case. At most TURNS_MAX wait.
 */
#define TURNS_MAX 256 /* as many as come from one address */

/* STEP_MORE: r has it. STEP_WAIT: called again when it is its turn. STEP_DONE: too many wait, and
 * that is the answer. */
enum step turn_take(struct http_req *r);
void turn_leave(struct http_req *r); /* harmless for who has it not */
