/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/probe/dns_text.h"

/*
 * dns_svcb - the parameters of SVCB and HTTPS records (RFC 9460, 9461, 9540) in presentation form.
 * Pure.
 */

/* Appends the parameters from the cursor to its end, a blank between them. What the RFC calls
 * malformed (keys out of order, a value of a wrong shape) fails the cursor. */
void dns_svcb_params(struct dns_cur *c, struct strbuf *b);
