/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * dns_text - a sticky-error cursor over a DNS message, and names and RDATA in presentation form.
 *
 * Pure. Reads stop at `end` (of the message or of one RDATA); only compressed names may look
 * elsewhere, and only backwards. After the first thing wrong `why` is set, later reads answer
 * zeros, and what was appended is rubbish that the caller drops.
 */
struct dns_cur {
    const uint8_t *msg;
    size_t pos, end;
    const char *why; /* NULL = all well */
};
void dns_cur_init(struct dns_cur *c, const uint8_t *msg, size_t len);
void dns_cur_fail(struct dns_cur *c, const char *why);
uint32_t dns_cur_uint(struct dns_cur *c, unsigned bytes);  /* 1, 2 or 4, big-endian */
const uint8_t *dns_cur_bytes(struct dns_cur *c, size_t n); /* NULL on error */

/* Appends the name at the cursor with its last dot ("." is the root). */
void dns_cur_name(struct dns_cur *c, struct strbuf *b);

/* Appends one octet: plain, or escaped when it is not printable or one of specials. */
void dns_text_octet(struct strbuf *b, uint8_t octet, const char *specials);
/* Appends the next n octets as a quoted string; all to the end as base64. */
void dns_text_quoted(struct dns_cur *c, size_t n, struct strbuf *b);
void dns_text_base64(struct dns_cur *c, struct strbuf *b);

/* Appends the RDATA between pos and end. Generic: \# LENGTH HEX whatever the type is. */
void dns_text_rdata(struct dns_cur *c, uint16_t type, bool generic, struct strbuf *b);

/* Reads one label or name in presentation form: uncompressed wire form into out[DNS 255]. 0: not a
 * name. A last dot is optional. */
size_t dns_text_to_wire(const char *name, uint8_t *out, size_t cap);
