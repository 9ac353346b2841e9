/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/run/loop.h"
#include "agent/run/ports.h"
#include "common/cidr.h"
#include <stddef.h>

/*
 * dns_tcp - one DNS question over a TCP connection of its own (RFC 7766): connect, send, read
 * messages.
 *
 * Worker thread. Embedded in its owner, zeroed before the first start; it may be started again
 * after a stop. Memory: what the server announces, at most 64 KiB. A callback may stop it.
 */
struct dns_tcp;
enum dns_tcp_trouble {
    DNS_TCP_NOT_CONNECTED, /* with an errno, as the next two */
    DNS_TCP_NOT_SENT,
    DNS_TCP_BROKEN,
    DNS_TCP_NO_MEMORY,
    DNS_TCP_CLOSED,    /* by the server, without an answer */
    DNS_TCP_CUT_SHORT, /* by the server, in the middle of one */
};
struct dns_tcp_events {
    void (*connected)(struct dns_tcp *t);
    /* A whole message, until the next one; unless the owner stops, the next one is waited for. */
    void (*message)(struct dns_tcp *t, const uint8_t *msg, size_t len);
    /* The owner is to stop it. errnum 0 = none. */
    void (*trouble)(struct dns_tcp *t, enum dns_tcp_trouble what, int errnum);
};
struct dns_tcp {
    struct ports *ports; /* the owner's, before the start; NULL = uncounted */
    struct loop *loop;
    const struct dns_tcp_events *events;
    struct loop_fd watch;
    bool active, connected;
    const uint8_t *frame; /* the owner's: the length, then the question */
    size_t frame_len, sent;
    uint8_t *reply; /* what has come, the length included */
    size_t reply_cap, got;
};

/* 0, or an errno and nothing has begun. frame lives until the stop. */
int dns_tcp_start(struct dns_tcp *t, struct loop *loop, const struct dns_tcp_events *events,
                  const struct ip *server, uint16_t port, const uint8_t *frame, size_t len);
/* Closes the connection; no effect when it is not under way. What the last message callback was
 * given stays until the next start or fini. */
void dns_tcp_stop(struct dns_tcp *t);
void dns_tcp_fini(struct dns_tcp *t);
