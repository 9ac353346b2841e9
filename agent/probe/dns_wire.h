/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "proto/result.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * dns_wire - DNS messages (RFC 1035): the query we send, and the reply of a stranger,
 * bounds-checked, in presentation form.
 *
 * Pure; a message belongs to one thread. All text of records that comes out is printable ASCII:
 * what is not is escaped (RFC 1035 §5.1, RFC 4343); that of extended errors is UTF-8 without
 * control characters. Types without a form of their own here, and classes other than IN, are
 * written as RFC 3597 says: \# LENGTH HEX.
 */
#define DNS_HEADER_BYTES  12
#define DNS_NAME_WIRE_MAX 255
#define DNS_NAME_TEXT_MAX (4 * DNS_NAME_WIRE_MAX) /* every octet as \DDD */
#define DNS_QUERY_MAX     (DNS_HEADER_BYTES + DNS_NAME_WIRE_MAX + 4 + 11)
#define DNS_MESSAGE_MAX   65535
#define DNS_RR_READ_MAX   4096 /* records looked at in one reply */
#define DNS_RR_KEEP_MAX   256  /* records kept of them … */
#define DNS_EDE_TEXT_MAX  256
#define DNS_TEXT_KEEP_MAX                                                                          \
    (40 * 1024) /* … and the sum of their text: doubled by JSON's escapes it still fits a result \
                 */

struct dns_query {
    uint16_t id;
    const char *name;       /* presentation form, without the last dot; "" is the root */
    uint16_t type;          /* class IN */
    uint16_t edns_size;     /* the UDP size that EDNS offers; 0 = no EDNS */
    bool recursion, dnssec; /* dnssec needs EDNS */
};
/* Writes into buf[cap] (DNS_QUERY_MAX always suffices). ERR_INVALID: the name is no name. */
MUST_USE enum err dns_query_build(const struct dns_query *q, uint8_t *buf, size_t cap, size_t *len);

/* Is this datagram an answer to q? Id, QR, opcode and question must agree; an error reply may leave
 * the question out. */
bool dns_reply_matches(const struct dns_query *q, const uint8_t *msg, size_t len);

/* The TC flag of a message of at least DNS_HEADER_BYTES, before it is parsed. */
bool dns_reply_truncated(const uint8_t *msg);

struct dns_message {
    bool qr, aa, tc, rd, ra, ad, cd;
    int rcode;                     /* with the upper bits of EDNS */
    struct result_edns *edns;      /* NULL = none; owned */
    struct result_rr *sections[3]; /* answer, authority, additional without OPT; owned */
    unsigned n_sections[3];
    unsigned n_answers;  /* in the answer section as sent, kept or not */
    unsigned n_records;  /* in all sections as sent, without OPT */
    unsigned n_matching; /* in the answer section, of the type asked for (ANY: of any type), kept or
                            not */
};
/*
 * ERR_CORRUPT: not a message; the reason is in why. *out is zeroed then. With TC set, records that
 * are cut off at the end are no error.
 */
MUST_USE enum err dns_message_parse(const uint8_t *msg, size_t len, uint16_t type,
                                    struct dns_message *out, char *why, size_t why_max);
void dns_message_fini(struct dns_message *m);
