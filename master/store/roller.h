/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/writer.h"

/*
 * roller - the thread that rolls up each hour once it is over, and each day, and sees to it that
 * what of history is old enough goes.
 *
 * It computes on a read-only connection of its own, at a lower priority than the other threads, and
 * brings what it has made to the writer in requests of STORE_HOURS_ONCE hours, one at a time. The
 * store says up to which hour all is rolled up: so a start goes on where the last one ended, and an
 * hour that was half written is made again, the same. A failure is told, and tried again.
 */
/* What is late by then belongs to a run that has ended by itself. */
#define ROLLER_GRACE_MS 300000

struct roller;

MUST_USE enum err roller_start(const struct store_config *c, struct store_stats *stats,
                               struct writer *w, struct roller **out, char *why, size_t why_max);
/* Joins, closes its connection. An answer of the writer may still come; NULL is fine. */
void roller_stop(struct roller *r);
void roller_destroy(struct roller **rp); /* it is stopped, and so is the writer */
