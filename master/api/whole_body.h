/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/*
 * whole_body - a body that is collected and only then read, gzip undone. Api thread.
 *
 * The memory of all of them together is bounded: those up to WHOLE_SMALL share WHOLE_SMALL_TOTAL,
 * and of larger ones there is one at a time. Who finds no place is refused with 429 while it sends.
 */
#define WHOLE_SMALL       (1u << 20)
#define WHOLE_SMALL_TOTAL (32u << 20)

struct whole_body;
/* NULL: its Content-Encoding is not taken, and that is the answer. what: "a definition", for
 * sentences. */
struct whole_body *whole_body_create(struct http_req *r, size_t max, const char *what);
void whole_body_destroy(struct whole_body **bp);

/* As a route's body(). */
enum step whole_body_feed(struct whole_body *b, const char *p, size_t *n);
/* STEP_MORE: it is whole; STEP_DONE: it is not, and that is the answer. */
enum step whole_body_end(struct whole_body *b);
const char *whole_body_text(const struct whole_body *b, size_t *len);

/* False: it is neither gzip nor plain, and the 415 is set. */
bool body_encoding(struct http_req *r, bool *gzip);
