/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/cidr.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * own_resolver - the server that DNS probes ask when their target names none: the first of the
 * agent's own.
 */
#define DNS_PORT 53

/* servers: "ADDR[:PORT],…", or NULL for /etc/resolv.conf and, when that names none, 127.0.0.1 as
 * libc does. False: the first of `servers` is no address. */
bool own_resolver(const char *servers, struct ip *ip, uint16_t *port);
