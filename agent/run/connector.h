/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/health/vitals.h"
#include "agent/policy/policy.h"
#include "agent/run/loop.h"
#include "agent/run/resolver.h"
#include "proto/cause.h"

/*
 * connector - one TCP connection to one of several addresses, raced as RFC 8305 §5 says.
 *
 * Belongs to its loop's thread. Addresses are tried in the order given: the next one at once when
 * the last attempt has failed, else after 250 ms; the first to connect wins and the others are
 * closed. The policy is asked in the line before each connect(). Every start yields exactly one
 * callback, also after cancel, never inside connector_start().
 */
#define CONNECT_DETAIL_MAX (ADDR_TEXT_MAX + POLICY_WHY_MAX + 2)

struct connector;
typedef void connector_f(struct connector *c);

struct connect_attempt {
    struct loop_fd f;
    struct connector *owner;
    struct ip ip;
};

struct connector { /* caller-owned, zeroed; may be used again after its callback */
    int fd;        /* connected, non-blocking, and the callee's to close; −1 = none */
    struct ip ip;
    enum cause cause; /* CAUSE_NONE when fd is there */
    char detail[CONNECT_DETAIL_MAX];
    struct mono connected_at;
    bool cancelled;
    enum vital silent;     /* what a failure by mere silence casts doubt on; VITAL_NONE = none */
    struct vitals *vitals; /* the caller's: signs of life go here, NULL = to nobody */
    connector_f *done;
    void *arg;
    /* private to connector */
    struct loop *loop;
    struct policy *policy;
    uint16_t port;
    unsigned n_attempts, next, open;
    struct connect_attempt attempts[RESOLVE_ADDRS_MAX];
    struct timer pace, deadline;
};

/* addrs (at least one) are copied. At the deadline the cause is connect_timeout. */
void connector_start(struct connector *c, struct loop *l, struct policy *p, const struct ip *addrs,
                     unsigned n_addrs, uint16_t port, struct mono deadline);
void connector_cancel(struct connector *c); /* the callback follows with cancelled = true */
