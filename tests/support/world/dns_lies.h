/* SPDX-License-Identifier: MIT */
#pragma once
#include <sys/socket.h>

#include "tests/support/world/dns_msg.h"

/*
 * dns_lies - answers that no honest name server gives.
 *
 * The first label of the name says which; one that begins with "rebind" has 127.0.0.1 at the first
 * question, a private address at the second, and so on by turns, each name for itself.
 */

/* How a reply travels. */
enum dns_way {
    DNS_AS_IT_IS,
    DNS_NOT_AT_ALL,
    DNS_EMPTY,           /* a datagram without a byte */
    DNS_FROM_OTHER_PORT, /* of the same host */
    DNS_AFTER_FLOOD,     /* behind many NXDOMAINs whose id is a guess */
    DNS_UNFRAMED,        /* over TCP, without its length */
    DNS_OVER_AND_OVER,   /* over TCP: with a foreign id, until the client leaves */
    DNS_CLOSE            /* the TCP connection ends instead */
};

/* False: it is not about this name. */
bool dns_lies(const uint8_t *query, const struct dns_question *q, bool over_udp, struct dns_msg *m,
              enum dns_way *way);

void dns_lies_send(int fd, const struct sockaddr_storage *to, socklen_t to_len, struct dns_msg *m,
                   enum dns_way way);
