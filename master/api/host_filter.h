/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>
#include <stdint.h>

/*
 * host_filter - a host as a person writes it, as the hashes under which its tasks are stored
 * (target_host_hash). Pure.
 *
 * A host name or address stands for the URLs of that host, for DNS questions about it that name no
 * resolver, and, being an address (with a port or without), for those that name it as theirs.
 */
#define HOST_HASHES_MAX 3

/* How many there are; 0: it is no host. */
unsigned host_filter_hashes(const char *host, uint64_t out[HOST_HASHES_MAX]);
