/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/* checks - what the handlers of one check share. Api thread. */

/* The id in the address. False: it is none, and the 404 is set. */
bool checks_take_id(struct http_req *r, uint64_t *id);
enum step checks_no_such(struct http_req *r);
/* Asks the scheduler for this check alone; the answer is checks_view(). */
enum step checks_ask(struct http_req *r, uint64_t id);
/* NULL: the scheduler knows no such check (any more). */
const struct scheduler_check_view *checks_view(const struct http_req *r);
