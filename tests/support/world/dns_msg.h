/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * dns_msg - DNS messages of the test world: questions as they came, replies built byte by byte,
 * well or ill.
 */
enum { DNS_MAX = 65535, DNS_UDP_ROOM = 1232, DNS_TTL = 60, DNS_NAME = 0xC00C };
enum {
    TYPE_A = 1,
    TYPE_NS = 2,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    TYPE_PTR = 12,
    TYPE_MX = 15,
    TYPE_TXT = 16,
    TYPE_AAAA = 28,
    TYPE_SRV = 33,
    TYPE_OPT = 41,
    TYPE_HTTPS = 65,
    TYPE_CAA = 257
};
enum { NOERROR = 0, SERVFAIL = 2, NXDOMAIN = 3, REFUSED = 5 };

struct dns_msg {
    uint8_t bytes[DNS_MAX];
    size_t len;
};

struct dns_question {
    char name[256];
    size_t end; /* where the question ends in the query */
    uint16_t type;
    bool edns;
};

void dns_put8(struct dns_msg *m, unsigned v);
void dns_put16(struct dns_msg *m, unsigned v);
void dns_put32(struct dns_msg *m, uint32_t v);
void dns_put_bytes(struct dns_msg *m, const void *from, size_t len);
void dns_put_name(struct dns_msg *m, const char *name);
void dns_put_text(struct dns_msg *m, const char *text);

/* Adds one to a counter of the header: at 6 of answers, 8 of authority, 10 of additional records.
 */
void dns_count_up(struct dns_msg *m, size_t at);

/* Opens an answer record owned by the question's name; dns_end_record closes it. */
size_t dns_begin_record(struct dns_msg *m, uint16_t type);
void dns_end_record(struct dns_msg *m, size_t start);

/* False: no question that is worth a reply. Names come out in lower case. */
bool dns_parse_question(const uint8_t *query, size_t len, struct dns_question *q);

/* Is this the first label of the name asked for? */
bool dns_is(const struct dns_question *q, const char *label);

/* The header and the question, and no record yet. */
void dns_start_reply(struct dns_msg *m, const uint8_t *query, const struct dns_question *q);
