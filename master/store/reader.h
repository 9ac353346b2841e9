/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/sqlite.h"

/*
 * reader - the threads that answer questions, each with its own read-only connection and one short
 * transaction a request.
 *
 * One reads pages of results, the other everything else, so that an export never delays the refill
 * of the dispatcher.
 */
struct readers;

MUST_USE enum err readers_start(const char *dir, struct store_stats *stats, struct readers **out,
                                char *why, size_t why_max);
/* Answers what waits, joins, closes the connections. From then on a post gets ERR_CLOSED. */
void readers_stop(struct readers *r);
void readers_destroy(struct readers **rp); /* they are stopped */
MUST_USE enum err readers_post(struct readers *r, struct store_req *req);
void readers_mailbox_stats(struct readers *r, struct mailbox_stats *out); /* of all together */
