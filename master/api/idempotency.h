/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/*
 * idempotency - an upload with an Idempotency-Key: of the same token and key only one is under way
 * at a time, and what was answered first is answered again to the same body and options (DESIGN
 * §3).
 *
 * Api thread. It belongs to the request; while it lives and nothing is stored, its key is taken. At
 * most one a connection.
 */
struct idempotency;

/* *out NULL: the request has no such header. STEP_DONE: a bad key (400), or the same one is under
 * way (409); *out NULL. */
enum step idempotency_begin(struct http_req *r, struct idempotency **out);
/* The answer is in the store: a repeat may find it, though this request goes on. */
void idempotency_stored(struct idempotency *i);
void idempotency_destroy(struct idempotency **ip);

/* What the answer depends on, in the order in which it comes: options, then the decoded body. */
void idempotency_hash(struct idempotency *i, const void *p, size_t n);

/* Before the first byte is used; asks the store once. STEP_WAIT: suspended, call again. STEP_DONE:
 * the store failed. */
enum step idempotency_look_up(struct idempotency *i);
/* There is a first answer: the body is hashed and otherwise passed over. */
bool idempotency_is_repeat(const struct idempotency *i);

/* Of a repeat, after the body. STEP_DONE: it was another body or had other options (422). */
enum step idempotency_check(struct idempotency *i);
uint32_t idempotency_batch(const struct idempotency *i);
const char *idempotency_uuid(const struct idempotency *i);
const char *idempotency_answer(const struct idempotency *i); /* a JSON object */

/* Of a first one, after the body: what the store is to keep but the answer, for the caller. */
struct store_idempotency *idempotency_record(struct idempotency *i);
