/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/*
 * cidr - IP addresses, prefixes, and ADDR:PORT in their text forms. Pure; any thread.
 */
struct ip {
    int family;        /* AF_INET or AF_INET6 */
    uint8_t bytes[16]; /* network order; 4 used for AF_INET */
};
struct cidr {
    struct ip ip;
    unsigned bits;
};
#define IP_TEXT_MAX   46
#define ADDR_TEXT_MAX 56 /* "[v6]:port" */

MUST_USE enum err ip_parse(const char *text, struct ip *out); /* no scope ids, no brackets */
char *ip_format(const struct ip *ip, char buf[IP_TEXT_MAX]);
bool ip_equal(const struct ip *a, const struct ip *b);
/* How far away it can be. Private: RFC 1918, RFC 6598, RFC 4193, link-local; an IPv4-mapped one
 * counts as what it maps. */
enum ip_scope { IP_LOOPBACK, IP_PRIVATE, IP_GLOBAL };
enum ip_scope ip_scope(const struct ip *ip);
/* "10.0.0.0/8", "::1" (= /128). Host bits set are ERR_INVALID. */
MUST_USE enum err cidr_parse(const char *text, struct cidr *out);
bool cidr_contains(const struct cidr *c, const struct ip *ip); /* families must match */

void ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *out,
                    socklen_t *len);
bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ip, uint16_t *port); /* false: not IP */

/* "1.2.3.4:53", "[::1]:53", or without port (then default_port). ERR_INVALID. */
MUST_USE enum err addr_parse(const char *text, uint16_t default_port, struct ip *ip,
                             uint16_t *port);
char *addr_format(const struct ip *ip, uint16_t port, char buf[ADDR_TEXT_MAX]);
