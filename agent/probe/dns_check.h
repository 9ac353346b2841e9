/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/probe/dns_wire.h"
#include "proto/result.h"
#include "proto/target.h"

/*
 * dns_check - holds a DNS reply against what the target's `expect` asks, and ends the result. Pure.
 *
 * All expectations are evaluated and reported as checks; the first that does not hold gives the
 * cause.
 */
void dns_check(const struct target *t, const struct dns_message *m, double total_ms,
               struct result *r);
