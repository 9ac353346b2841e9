/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/cidr.h"
#include "proto/cause.h"

/*
 * local_fault - whose fault it is that a socket could not be made, connected or watched.
 *
 * Any thread; costs a few system calls, sends nothing. Exhausted descriptors, ports and memory, and
 * a packet filter of this host, are the agent's. So is "no route" and "no source address" when this
 * host has no way to the internet for that family at all (IPv6 switched off, the uplink gone); with
 * such a way it is `unreachable`: others may have no route to that target either.
 */
enum cause local_fault(int errnum, const struct ip *ip);
