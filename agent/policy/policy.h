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
 * in the line before each connect() and before each question to a named resolver: so on literals,
 * on every resolved address and on every redirect. CONNECT is never allowed; TRACE and TRACK, which
 * make a server echo our own headers, only when the operator names them.
 */
struct policy;

struct port_range {
    uint16_t first, last;
};
struct policy_config { /* copied; deny always beats allow */
    const struct cidr *allow, *deny;
    size_t n_allow, n_deny;
    bool dev; /* loopback is allowed */
    const struct port_range *allow_ports, *deny_ports;
    size_t n_allow_ports, n_deny_ports; /* n_allow_ports 0: all */
    const char *const *allow_methods, *const *deny_methods;
    size_t n_allow_methods, n_deny_methods; /* n_allow_methods 0: all but TRACE and TRACK */
    const struct cidr *allow_resolvers, *deny_resolvers;
    size_t n_allow_resolvers, n_deny_resolvers; /* n_allow_resolvers 0: all */
};
struct policy *policy_create(const struct policy_config *c);
void policy_destroy(struct policy **pp);

/* CAUSE_NONE = allowed; CAUSE_policy_address, CAUSE_policy_port otherwise. Any thread. */
enum cause policy_check(struct policy *p, const struct ip *ip, uint16_t port);
/* CAUSE_NONE or CAUSE_policy_method. */
enum cause policy_check_method(struct policy *p, const char *method);
/* A resolver that a target names, over UDP or TCP: its address and port must be allowed like any
 * other, and the rules of resolvers come on top. CAUSE_NONE or CAUSE_policy_resolver. */
enum cause policy_check_resolver(struct policy *p, const struct ip *ip, uint16_t port);

/*
 * After a refusal, the rule that refused, for a detail behind the address or method: "it is in
 * 10.0.0.0/8 (private)", "--deny-port 25". Return out; "" when nothing refuses it any more.
 */
#define POLICY_WHY_MAX 160
const char *policy_why(struct policy *p, const struct ip *ip, uint16_t port,
                       char out[POLICY_WHY_MAX]);
const char *policy_why_method(struct policy *p, const char *method, char out[POLICY_WHY_MAX]);
const char *policy_why_resolver(struct policy *p, const struct ip *ip, uint16_t port,
                                char out[POLICY_WHY_MAX]);

/* Replaces the master's denials. Link thread; workers see the old or the new table, never a
 * mixture. */
void policy_set_master_deny(struct policy *p, const struct cidr *deny, size_t n);
