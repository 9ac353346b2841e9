/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"

/*
 * json_walk - steps through JSON text (RFC 8259) without building a tree, for the bodies of
 * strangers: no memory beyond a few words, however large or deep the text.
 *
 * Pure. json_walk_check() comes first; the other calls REQUIRE text that it found good.
 */
#define JSON_WALK_DEPTH_MAX 512

struct json_walk {
    const char *p, *end;
};

/* Is the text exactly one value, at most JSON_WALK_DEPTH_MAX deep? Bytes over 127 in strings are
 * not looked at; an editor's byte order mark in front is none of the text. On success w stands at
 * the value. */
bool json_walk_check(struct json_walk *w, const char *text, size_t len);

/* w stands at a value: steps over it. */
void json_walk_skip(struct json_walk *w);

/* w stands at a value: into the object's first member or the array's first item, and from one to
 * the next; false at the end. For objects key[0..key_len) is the name as it stands in the text,
 * without its quotes. The caller skips each value. */
bool json_walk_first_member(struct json_walk *w, const char **key, size_t *key_len);
bool json_walk_next_member(struct json_walk *w, const char **key, size_t *key_len);
bool json_walk_first_item(struct json_walk *w);
bool json_walk_next_item(struct json_walk *w);

/*
 * Appends to b what a string says, given without its quotes; `quote` is the one that may stand
 * escaped in it. Half a surrogate pair becomes U+FFFD where halves_ok. False: an escape that there
 * is none.
 */
bool json_walk_unescape(const char *s, size_t n, char quote, bool halves_ok, struct strbuf *b);
