/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/*
 * json_scan - checks text against RFC 8259 and our bounds before any tree is built; only json*.c
 * use it.
 *
 * Pure. Recursion is bounded by JSON_DEPTH_MAX. After a failure `why` is a static phrase and `p`
 * points at the fault.
 */
struct json_scan {
    const char *p, *start, *end;
    const char *why;
    unsigned depth;
};

void json_scan_init(struct json_scan *s, const char *text, size_t len);
bool json_scan_document(struct json_scan *s); /* one value, and nothing after it */
bool json_scan_value(struct json_scan *s);    /* p stands at the value; afterwards behind it */
bool json_scan_string(struct json_scan *s);   /* p stands at the opening quote */
void json_scan_space(struct json_scan *s);
/* Steps over c, or fails with why. */
bool json_scan_char(struct json_scan *s, char c, const char *why);
