/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "common/strbuf.h"

/*
 * file_text - a small file of text, whole. Any thread; blocks.
 *
 * "-" is the standard input. ERR_IO, ERR_TOO_BIG (out's ceiling), ERR_INVALID (not UTF-8, or a NUL
 * in it): why[why_max] is a sentence that names the file, and out holds a part.
 */
MUST_USE enum err file_text(const char *path, struct strbuf *out, char *why, size_t why_max);
