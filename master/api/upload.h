/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"
#include "proto/target.h"

/*
 * upload - one batch on its way into the store: targets in one by one, rows out in groups, then
 * commit and opening.
 *
 * Api thread. At most UPLOAD_PIPELINE groups of an upload are in the store's hands; beyond that,
 * and while the store's mailbox is full, the request is suspended. What was not committed when the
 * upload goes is aborted in the store.
 */
#define UPLOAD_PIPELINE    4
#define UPLOAD_GROUP_BYTES (1u << 20)

/* False: the refusal is set. What can be known before anything of it is read. */
bool upload_may_begin(struct http_req *r);

struct upload;
struct upload *upload_create(struct http_req *r, bool strict);
void upload_destroy(struct upload **up);

/* The options of DESIGN §7 as an object; ERR_INVALID with a problem, ERR_DENIED when it takes an
 * admin. */
MUST_USE enum err upload_options(struct upload *u, const struct json_node *options,
                                 struct target_problem *p);
void upload_set_class(struct upload *u, enum task_class c);
/* The request is one target: what is wrong with it is what the answer says. */
void upload_set_single(struct upload *u);

/* Instead: all that of asked for, and a note that this batch retries it. */
void upload_options_of(struct upload *u, const struct batch_info *of);

enum upload_kind { UPLOAD_TEXT, UPLOAD_JSON };
/* line: its number for errors. A blank or comment line of text is passed over. */
void upload_add(struct upload *u, enum upload_kind kind, uint64_t line, const char *text,
                size_t len);
void upload_add_node(struct upload *u, uint64_t line, const struct json_node *n);
void upload_reject(struct upload *u, uint64_t line, const char *code, const char *detail);

/* Tasks of another batch, as they were read; then upload_pump_rows() until it says STEP_MORE. */
void upload_add_rows(struct upload *u, struct store_req *ended_tasks);
enum step upload_pump_rows(struct upload *u);

/* Before upload_finish: taken, and kept in the commit that opens the batch, with its answer. */
void upload_keep_answer(struct upload *u, struct store_idempotency *first);

/* Before each target. STEP_MORE: there is room for it. STEP_WAIT: suspended. STEP_DONE: the refusal
 * is set. */
enum step upload_pump(struct upload *u);
/* After the last: everything is stored, committed, opened in the core. STEP_MORE: it is. Called
 * again after each resume. */
enum step upload_finish(struct upload *u);
const struct batch_info *upload_info(const struct upload *u); /* after upload_finish */
/* The members of the 202. */
void upload_put(const struct upload *u, struct json_out *w);
