/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"
#include "proto/target.h"

/*
 * upload_store - what an upload hands to the store: groups of rows, and the tally of those that are
 * on their way.
 *
 * A group is filled on the api thread and belongs to the store once posted. The tally is shared
 * with the store's threads and outlives the upload until the last group is answered; its lock is
 * taken before api->lock, never after.
 */
struct group;
struct group *group_create(void);
void group_destroy(struct group **gp);
/* False: the spec is too large, and the group as it was. The spec is borrowed until the next call.
 */
bool group_add(struct group *g, const struct target *t, const char **spec, size_t *len);
/* expand: tasks of a target. */
bool group_full(const struct group *g, uint32_t expand);
/* The rows that the store has read (STORE_ENDED_TASKS), as a group; s has none afterwards. */
struct group *group_take(struct store_req *s);

#define TALLY_WHY_MAX 160
struct tally;
struct tally *tally_create(struct api *a);
/* Takes *gp on success. ERR_FULL, ERR_CLOSED: it stays. */
MUST_USE enum err tally_post(struct tally *t, struct group **gp, uint32_t batch, uint32_t expand);
/* Suspends r and says true while `limit` or more groups are under way; the next answer resumes it.
 */
bool tally_wait(struct tally *t, unsigned limit, struct http_req *r);
void tally_unwait(struct tally *t); /* r goes on: nobody is to be resumed */
bool tally_failed(struct tally *t);
enum err tally_err(struct tally *t, char why[TALLY_WHY_MAX]);
/* The upload goes. main not NULL: it is posted as an abort as soon as no group is under way, and
 * taken. */
void tally_leave(struct tally **tp, struct store_req **main);

/* Aborts that found the writer's mailbox full are posted when there is room. */
void upload_aborts_retry(struct api *a);
