/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>
#include "common/err.h"
#include "proto/limits.h"

/*
 * token_file - what an agent shows its master: kept in a file of its owner's, read anew for each
 * connect, so that it can be changed. Any thread; holds nothing.
 */

/* Reads the token: the first line, at most TOKEN_MAX printable characters. One sentence in why
 * otherwise. */
MUST_USE enum err token_file_read(const char *path, char out[TOKEN_MAX + 1], char *why,
                                  size_t why_max);
