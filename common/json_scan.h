/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "common/json_tree.h"

/*
 * json_scan - checks text against RFC 8259 and our bounds, and on the way fills a document with it
 * if it is given one; only json*.c use it.
 *
 * Pure. Recursion is bounded by JSON_DEPTH_MAX. After a failure `why` is a static phrase and `p`
 * points at the fault, or `duplicate` is a name that stands twice in one object: only with a
 * document names are compared.
 */
struct json_scan {
    const char *p, *start, *end;
    const char *why, *duplicate;
    bool no_memory;
    unsigned depth;
    struct json_doc *doc;
    struct json_node unread; /* where values go that nobody wants */
};

void json_scan_init(struct json_scan *s, const char *text, size_t len);
/* Reads the document's own copy of the text, which has len bytes, and decodes strings in place. */
void json_scan_init_doc(struct json_scan *s, struct json_doc *d, size_t len);
bool json_scan_document(struct json_scan *s); /* one value, and nothing after it */
/* p stands at the value; afterwards behind it. */
bool json_scan_value(struct json_scan *s, struct json_node *n);
bool json_scan_string(struct json_scan *s); /* p stands at the opening quote */
void json_scan_space(struct json_scan *s);
/* Steps over c, or fails with why. */
bool json_scan_char(struct json_scan *s, char c, const char *why);
