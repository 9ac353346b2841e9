/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>

/*
 * sockdiag - counts the TCP sockets of this network namespace by state, as ss(8) does: asked of the
 * kernel over netlink, which walks its tables and sends only what matches. Any thread; for looks by
 * people, not for every second.
 */
#define SOCKDIAG_CLOSE_WAIT (1u << 8) /* 1 << the kernel's number of the state */

/* At one of these local ports, in one of these states; −1: the kernel does not say. */
int64_t sockdiag_count(const uint16_t *ports, unsigned n_ports, uint32_t states);
