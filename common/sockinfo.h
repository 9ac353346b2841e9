/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* sockinfo - what the kernel knows of a TCP socket (tcp(7), SIOCINQ, SIOCOUTQ, TCP_INFO). Any
 * thread. */
struct sockinfo {
    int64_t recvq_bytes, sendq_bytes; /* −1: not known */
    double rtt_ms, rttvar_ms;
    uint32_t retransmits, unacked;
};
bool sockinfo_read(int fd, struct sockinfo *out);
/* Received, and sent and acknowledged, since it was opened. False: no TCP. */
bool sockinfo_bytes(int fd, uint64_t *in, uint64_t *out);

/* Keepalive 20/3/5, TCP_USER_TIMEOUT 20 s, TCP_NOTSENT_LOWAT 16 KiB, TCP_NODELAY. Best effort (unix
 * sockets: none). */
void sockinfo_tune_link(int fd);
/* Of a link whose peer speaks and does not read: the kernel would end it after its 20 s. With on it
 * leaves that to us for a minute. */
void sockinfo_bear(int fd, bool on);
