/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/cidr.h"
#include "common/clock.h"
#include <stdatomic.h>

/*
 * vitals - signs that this host can still measure: when something of each kind last answered.
 *
 * Workers stamp them (one relaxed atomic each), the link thread reads them. A target that is silent
 * while others of its kind answer is silent by itself; when nothing of its kind answers, it may be
 * our own doing (agent/health decides). Loopback says nothing of the network and has no sign.
 */
enum vital {
    VITAL_NONE,
    VITAL_RESOLVER, /* the agent's own gave a useful answer: NOERROR or NXDOMAIN */
    VITAL_V4,
    VITAL_V4_PRIVATE, /* a private network can live while the way out is dead */
    VITAL_V6,
    VITAL_V6_PRIVATE,
    VITALS
};
struct vitals {
    _Atomic int64_t good_ns[VITALS]; /* CLOCK_MONOTONIC; 0 = never */
};

enum vital vital_of(const struct ip *ip);
const char *vital_text(enum vital v); /* "the IPv4 network", … for people */

/* Something of this kind answered: an answer, but also a refusal or a reset, for both come from far
 * away. v NULL: nobody wants to know. */
void vitals_good(struct vitals *v, enum vital vital, struct mono at);
struct mono vitals_last(const struct vitals *v, enum vital vital);
