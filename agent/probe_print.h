/* SPDX-License-Identifier: MIT */
#pragma once
#include "proto/result.h"
#include "proto/target.h"
#include <stdio.h>

/*
 * probe_print - one result as a page for people: the verdict, a waterfall of the phases, and what
 * was seen. Pure but for `to`.
 *
 * What comes from the network is shown without control characters, so that it cannot drive the
 * reader's terminal.
 */
void probe_print(const struct target *t, const struct result *r, struct wall now, FILE *to);
