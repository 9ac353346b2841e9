/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/err.h"
#include <stdint.h>

/* ids - the identifiers that people see. Pure; any thread. */

#define UUID_TEXT_MAX  37
#define TRACE_TEXT_MAX 33

/* RFC 9562 UUIDv7 from wall time and ten random bytes, as lower-case text. */
void uuid7_format(struct wall now, const uint8_t random[10], char out[UUID_TEXT_MAX]);
bool uuid_valid(const char *text); /* any version, lower case */

/* W3C trace-context trace id: 32 lower-case hex digits, not all zero. */
void trace_format(const uint8_t random[16], char out[TRACE_TEXT_MAX]);
bool trace_valid(const char *text);

/* The trace id of a W3C traceparent header, "00-TRACE-PARENT-FLAGS" or what a later version makes
 * of it. False: it is none, and out is untouched. */
bool trace_of_parent(const char *text, char out[TRACE_TEXT_MAX]);

/* A decimal string without sign, spaces or leading zeros (but "0" itself). ERR_INVALID otherwise.
 */
MUST_USE enum err u64_parse(const char *text, size_t len, uint64_t *out);
MUST_USE enum err i64_parse(const char *text, size_t len, int64_t *out);
