/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/sqlite.h"

/*
 * writer - the one thread that writes: what waits when the last commit ends goes into the next.
 *
 * Order within a commit: results, interactive uploads, other uploads (at most half of the rows
 * while others wait), sweeps last, and behind them the retention. A request stays counted against
 * the bounds until it is answered. A full disk answers uploads with ERR_NO_SPACE and keeps the rest
 * until there is room; a disk that fails ends the process.
 */
struct writer;

/* Takes db and receiving (numbers of uploads to forget) and starts the thread; what is open comes
 * from boot. */
struct writer *writer_start(const struct store_config *c, struct store_stats *stats,
                            struct sqlite_db *db, const struct store_boot *boot, uint64_t last_seq,
                            const uint32_t *receiving, unsigned n_receiving);
/* Commits what waits, joins, checkpoints and closes the connection. */
void writer_stop(struct writer **wp);

MUST_USE enum err writer_post(struct writer *w, struct store_req *r);
bool writer_has_room(struct writer *w);
void writer_mailbox_stats(struct writer *w, struct mailbox_stats *out);
