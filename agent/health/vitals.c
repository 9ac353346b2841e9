/* SPDX-License-Identifier: MIT */
#include "agent/health/vitals.h"

enum vital vital_of(const struct ip *ip)
{
    enum ip_scope scope = ip_scope(ip);
    if (scope == IP_LOOPBACK)
        return VITAL_NONE;
    if (ip->family == AF_INET)
        return scope == IP_PRIVATE ? VITAL_V4_PRIVATE : VITAL_V4;
    return scope == IP_PRIVATE ? VITAL_V6_PRIVATE : VITAL_V6;
}

const char *vital_text(enum vital v)
{
    static const char *const texts[VITALS] = {
        [VITAL_NONE] = "nothing",        [VITAL_RESOLVER] = "the agent's own resolver",
        [VITAL_V4] = "the IPv4 network", [VITAL_V4_PRIVATE] = "the private IPv4 network",
        [VITAL_V6] = "the IPv6 network", [VITAL_V6_PRIVATE] = "the private IPv6 network",
    };
    REQUIRE((unsigned)v < VITALS);
    return texts[v];
}

void vitals_good(struct vitals *v, enum vital vital, struct mono at)
{
    REQUIRE((unsigned)vital < VITALS);
    if (v == NULL || vital == VITAL_NONE)
        return;
    /* Workers may overtake each other by a moment: a sign is worth no less for that. */
    atomic_store_explicit(&v->good_ns[vital], at.ns, memory_order_relaxed);
}

struct mono vitals_last(const struct vitals *v, enum vital vital)
{
    REQUIRE((unsigned)vital < VITALS);
    return (struct mono){atomic_load_explicit(&v->good_ns[vital], memory_order_relaxed)};
}
