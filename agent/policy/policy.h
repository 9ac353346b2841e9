/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/cidr.h"
#include "proto/cause.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * policy - the security wall: which addresses, ports, methods and resolvers this agent may touch.
 *
 * Built at start on the main thread, read by all workers; what the master adds (denials only)
 * replaces one immutable table atomically. Denied by default: this-network, loopback, private,
 * CGNAT, link-local (metadata services too), IETF special, documentation, benchmarking, multicast,
 * reserved and broadcast of IPv4 (RFC 6890); unspecified, loopback, ULA, link-local, site-local,
 * multicast, documentation of IPv6, and every IPv6 form that embeds a denied IPv4 address (mapped,
 * compatible, NAT64 64:ff9b::/96 and 64:ff9b:1::/48, 6to4, Teredo, ISATAP). An allowed CIDR of the
 * operator's lifts the default denials; deny of the operator or the master beats allow. It is asked
 * on literals, on every resolved address, on every redirect, and in the line before each connect().
 */
struct policy;

struct policy_config {
    const struct cidr *allow;
    size_t n_allow;
    const struct cidr *deny;
    size_t n_deny;
    bool dev; /* loopback is allowed */
    const uint16_t *deny_ports;
    size_t n_deny_ports;
};
struct policy *policy_create(const struct policy_config *c);
void policy_destroy(struct policy **pp);

/* CAUSE_NONE = allowed; CAUSE_policy_address, CAUSE_policy_port otherwise. Any thread. */
enum cause policy_check(struct policy *p, const struct ip *ip, uint16_t port);
/* CAUSE_NONE or CAUSE_policy_method. */
enum cause policy_check_method(struct policy *p, const char *method);
/* A resolver that a target names: CAUSE_NONE or CAUSE_policy_resolver. */
enum cause policy_check_resolver(struct policy *p, const struct ip *ip, uint16_t port);

/* Replaces the master's denials. Link thread; workers see the old or the new table, never a
 * mixture. */
void policy_set_master_deny(struct policy *p, const struct cidr *deny, size_t n);
