/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/list.h"
#include "proto/limits.h"

#define uthash_fatal(msg) UNREACHABLE("uthash: " msg)
#include <uthash.h>

/*
 * census - who has measured what lately: the names of agents and hosts, each kept once, and three
 * figures that incidents want with every verdict (incident.h): how many checks a host has, how many
 * hosts had a verdict in the last `window_ms`, and how many of these one agent alone has measured.
 *
 * O(1) for each verdict: the hosts with a verdict stand in one list by the time of their last one,
 * its length is the second figure, and who has become too old leaves it at the front. A host is an
 * agent's alone while nobody else has spoken of it for a whole window: it remembers who spoke last
 * and when somebody else last did, and moves between the agents' counters as it is looked at.
 *
 * One thread. Agents are counted references, hosts live while they have checks; so its memory is
 * bounded by the checks and by the agents that are remembered with them.
 */
struct census_agent {
    char *name;
    uint64_t hash; /* hash64 of the name; 0 is told as 1 */
    unsigned refs;
    unsigned hosts; /* that it alone has measured */
    UT_hash_handle hh;
};
struct census_host {
    char *name;
    unsigned checks;
    struct list_node link;        /* while it has had a verdict in the window */
    struct mono at;               /* of its last verdict */
    struct mono other_at;         /* when somebody else than `speaker` last spoke of it */
    struct census_agent *speaker; /* of the last verdict; NULL = several */
    bool guessed;                 /* there was none in this process: nobody has spoken yet */
    struct census_agent *alone;   /* whose counter it stands in; NULL = nobody's */
    UT_hash_handle hh;
};
struct census {
    int64_t window_ms;
    struct census_agent *agents; /* by name, and so are hosts */
    struct census_host *hosts;
    struct list judged;
};

void census_init(struct census *c, int64_t window_ms);
/* All agents and hosts have been put back. */
void census_fini(struct census *c);

/* Counts a reference, to be put back. */
struct census_agent *census_agent_get(struct census *c, const char *name);
void census_agent_put(struct census *c, struct census_agent *a);

/* A check of this host has come, or is gone. */
struct census_host *census_host_get(struct census *c, const char *name);
void census_host_put(struct census *c, struct census_host *h);

/* A verdict on one of its checks. by: the one agent that measured; NULL: several did. */
void census_verdict(struct census *c, struct census_host *h, struct census_agent *by,
                    struct mono now);
/* After a start: it had a verdict, who knows by whom. */
void census_guess(struct census *c, struct census_host *h, struct mono now);
/* Hosts with a verdict in the window. */
unsigned census_judged(struct census *c, struct mono now);
