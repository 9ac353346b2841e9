/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stdbool.h>
#include <stddef.h>

/* gunzip - a gzip body in pieces, 32 KiB out at a time, so that a small body cannot blow up in
 * memory. Pure; owned by one thread. */
struct gunzip;
struct gunzip *gunzip_create(void);
void gunzip_destroy(struct gunzip **zp);
/*
 * *n: bytes of p in, bytes not yet used out. *out, *out_len: what came of them, valid until the
 * next call; none and *n 0 when all is used up. ERR_INVALID: not gzip.
 */
MUST_USE enum err gunzip_next(struct gunzip *z, const char **p, size_t *n, const char **out,
                              size_t *out_len);
bool gunzip_whole(const struct gunzip *z); /* it ended where gzip says it ends */
