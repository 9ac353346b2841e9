/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/ask.h"

/*
 * watch - follows a batch to its end: a bar that moves on a terminal, a line now and then in a
 * pipe; all on standard error.
 *
 * One thread. A master that goes away is waited for a while: the batch goes on when it is back.
 */

/* a holds the batch at its end when the result is EXIT_ALL_OK. wait_s 0: as long as it takes. */
int watch_batch(struct ctl *c, const char *id, int64_t wait_s, struct answer *a);

/* Whether a line is due: something changed, and enough time has passed since the last. Pure. */
bool watch_line_due(int64_t since_ms, const char *last, const char *now);
