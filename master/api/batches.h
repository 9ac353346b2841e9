/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/*
 * batches - what the API says of a batch. Api thread.
 *
 * The counts of an open batch are the core's alone, asked before the store's row is read; of one
 * that is not open in the core they are the row's, with nothing running. Either way they are of one
 * moment and add up.
 */
/* c NULL: not open in the core. causes may be NULL. */
void batch_put(struct json_out *w, const struct batch_info *b, const struct core_counts *c,
               const struct cause_count *causes, unsigned n_causes);
/* What changes while it runs: state, counts, rate, eta, what it waits for. */
void batch_put_progress(struct json_out *w, const struct batch_info *b,
                        const struct core_counts *c);
bool batch_is_ended(const struct batch_info *b);

/* Looks r->param up: suspends, and the answer is r->sreq->batch_get. STEP_DONE: the parameter is no
 * id, and a 404 is set. */
enum step batch_ask(struct http_req *r);
/* STEP_MORE: it is there. STEP_DONE: the refusal is set. */
enum step batch_answer(struct http_req *r);

/* False: it is a lane of schedules (master/schedule), which nobody cancels, pauses or retries as a
 * batch: the 409 is set. */
bool batch_is_users(struct http_req *r, const struct batch_info *b);

/* 410: only its row is left. */
enum step batch_purged(struct http_req *r, const struct batch_info *b);

/* Asks the core about it; the answer is r->creq. */
enum step batch_ask_core(struct http_req *r, enum core_req_op op, uint32_t batch);

/* Waits until the batch has ended, wait_ms have passed or the master stops (STEP_MORE). Asked in
 * slices, so that a master that stops need not wait. Begins zeroed. */
#define BATCH_WAIT_MAX_MS 60000
struct batch_wait {
    struct mono until; /* unset = not begun */
};
enum step batch_wait(struct http_req *r, struct batch_wait *w, uint32_t batch, int64_t wait_ms);
