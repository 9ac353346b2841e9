/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/ask.h"

/* submit - what verbs that make a batch have in common. One thread; all return exit codes. */

/* --wait in seconds, 0: not given. */
int submit_wait(const struct ctl *c, int64_t *wait_s);
int submit_check_key(const char *key); /* NULL is fine: none */

/* a holds the 202 of a new batch: says what was accepted, watches when it was asked to. a is used
 * for more answers. */
int submit_accepted(struct ctl *c, int64_t wait_s, struct answer *a);
