/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/probe/dns_text.h"

/* dns_loc - the RDATA of LOC (RFC 1876) in presentation form. Pure. */

/* Is it LOC of a version that RFC 1876 does not describe? Such a one is written as RFC 3597 says.
 */
bool dns_loc_unknown(const struct dns_cur *c, uint16_t type);

/* Appends "D M S.mmm N D M S.mmm E ALTm SIZEm HORIZm VERTm". */
void dns_loc(struct dns_cur *c, struct strbuf *b);
