/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * charset - which characters the bytes of a page mean, and the page as UTF-8. Pure; any thread.
 *
 * A page's charset is, as in browsers, what its byte order mark says, else the label of its
 * Content-Type, else what an HTML page says in a <meta> of its first 1,024 bytes. Only labels of
 * the WHATWG's list are known: a page never chooses what iconv loads. Without a known label the
 * bytes decide: more bad UTF-8 than good, and no NUL, is windows-1252, everything else UTF-8.
 */
struct charset; /* NULL stands for UTF-8 */
#define CHARSET_LABEL_MAX 32

/* The label behind "charset=" in a Content-Type or a <meta>; "" = none, or too long for any. */
void charset_label(const char *text, size_t n, char out[CHARSET_LABEL_MAX]);

/* What the page's beginning at p means. label: from charset_label(), "" = none. */
const struct charset *charset_of(const char *label, const char *p, size_t n, bool html);

/* Appends at most max_bytes of valid UTF-8: what has no meaning becomes U+FFFD, control characters
 * but newline, return and tab become spaces, a byte order mark and an unfinished character at the
 * end go. After 1,000 faults the rest is taken as UTF-8: so little time is lost on bytes that are
 * not what they were said to be. */
void charset_decode(const struct charset *c, const char *p, size_t n, struct strbuf *out,
                    size_t max_bytes);
