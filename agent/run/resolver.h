/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/health/vitals.h"
#include "agent/run/loop.h"
#include "common/cidr.h"
#include "common/list.h"
#include "proto/cause.h"
#include "proto/target.h"

/*
 * resolver - names to addresses for HTTP probes: A and AAAA in parallel over c-ares, on a worker's
 * loop.
 *
 * Belongs to one worker. One long-lived channel of the agent's own resolvers (/etc/resolv.conf or
 * --resolver), renewed every few minutes (source port), bounded in queries in flight (what is over
 * waits in order), RCVBUF 4 MB, a fixed tick while busy. A literal address answers at once. Every
 * start yields exactly one callback, also after cancel, never inside resolve_start().
 */
struct resolver;
#define RESOLVE_ADDRS_MAX 16

struct resolver_config {
    const char *servers; /* "1.1.1.1:53,[::1]:5353" or NULL: those of /etc/resolv.conf */
    bool named; /* by a target: its silence is dns_timeout and never the agent's own fault */
    struct vitals *vitals; /* of the agent's own: useful answers go here, NULL = to nobody */
};
struct resolver *
resolver_create(struct loop *l, const struct resolver_config *c); /* NULL: c-ares could not start */
void resolver_destroy(struct resolver **rp);                      /* no request may be under way */

struct resolve;
typedef void resolve_f(struct resolve *r); /* r->cause tells: CAUSE_NONE, dns_*, agent_* */

struct resolve {                        /* caller-owned, zeroed */
    struct ip addrs[RESOLVE_ADDRS_MAX]; /* families interleaved, IPv6 first (RFC 8305 §4), as
                                           ip_version allows */
    unsigned n_addrs;
    enum cause cause;
    char detail[128]; /* particulars for people, "" = none */
    bool cancelled;
    resolve_f *done;
    void *arg;
    /* private to resolver */
    struct resolver *owner;
    struct list_node node;
    struct timer timer;
    void *query;
};
/* host: ASCII name or literal. deadline: then cause is dns_timeout. /etc/hosts is not read: what is
 * probed is the DNS. */
void resolve_start(struct resolver *r, struct resolve *q, const char *host, enum ip_version v,
                   struct mono deadline);
/* So many questions are out that further names wait for their turn. */
bool resolver_is_full(const struct resolver *r);
void resolve_cancel(struct resolve *q); /* the callback follows with cancelled = true */
