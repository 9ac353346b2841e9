/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdint.h>

/*
 * dns - the test world's name server, UDP and TCP on one port, with a zone that is code.
 *
 * The first label of a name says what happens (nx, nodata, servfail, refused, silent, trunc,
 * malformed, wrongid, private, meta, loop, alias, v6, both, many, and those of dns_lies.c); every
 * other name has A 127.0.0.1
 * and one or two of each record type.
 */
void dns_serve(const char *addr, uint16_t port);
uint16_t dns_port(void);

/* The same zone on another port of addr, where TCP is refused; its port. */
uint16_t dns_serve_udp_only(const char *addr);
