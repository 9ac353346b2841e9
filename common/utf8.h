/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"

/* utf8 - RFC 3629: surrogates, overlong forms and code points over U+10FFFF are invalid. Pure; any
 * thread. */
bool utf8_valid(const char *p, size_t n);

/* Writes a code point that has a form, and says how many bytes that took. */
#define UTF8_MAX 4
size_t utf8_put(char out[UTF8_MAX], uint32_t point);

/* Appends at most max_bytes of p as valid UTF-8: each bad byte becomes U+FFFD, control characters
 * become spaces, and the cut never splits a character. */
void utf8_sanitize(struct strbuf *out, const char *p, size_t n, size_t max_bytes);

/* The same as a string of its own; caller frees. */
char *utf8_sanitized(const char *p, size_t n, size_t max_bytes);

/* The same for a text of many lines: newlines, carriage returns and tabs stay. */
void utf8_sanitize_text(struct strbuf *out, const char *p, size_t n, size_t max_bytes);
