/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/idempotency.h"
#include "master/api/upload.h"

/*
 * upload_body - the body of a batch: bytes in as they come (gzip or not), targets out into an
 * upload.
 *
 * Api thread. JSON up to API_BODY_SMALL is kept until it is whole, so that its members may stand in
 * any order; beyond that, 'targets' must be the last member. Text, NDJSON and CSV are never kept.
 */
/* Their numbers are part of what an Idempotency-Key stands for: new ones go to the end. */
enum body_format { BODY_TEXT, BODY_NDJSON, BODY_JSON, BODY_CSV };
struct upload_body;
struct upload_body *upload_body_create(struct http_req *r, struct upload *u, enum body_format f,
                                       bool gzip);
/* Each decoded byte is hashed into it, and those of a repeat go no further. */
void upload_body_hash(struct upload_body *b, struct idempotency *i);
void upload_body_destroy(struct upload_body **bp);
/* *n: bytes of p in, bytes not yet used out. STEP_MORE: all used. STEP_WAIT: suspended. STEP_DONE:
 * a refusal is set. */
enum step upload_body_feed(struct upload_body *b, const char *p, size_t *n);
/* The body is over. Called again after each resume until it says STEP_MORE (all is in the upload)
 * or STEP_DONE. */
enum step upload_body_end(struct upload_body *b);
/* Parses and takes the options; STEP_DONE: refused. */
enum step upload_body_options(struct http_req *r, struct upload *u, const char *text, size_t len);
