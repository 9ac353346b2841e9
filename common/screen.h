/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/table.h"
#include <stdio.h>

/* screen - what stands behind a stream: a terminal with its width and colours, or a pipe. One
 * thread. */
bool screen_is_terminal(FILE *f);

/* A pipe has no width and no colours, so that nothing is lost to grep; NO_COLOR and TERM=dumb are
 * obeyed. */
struct table_style screen_style(FILE *f);

/*
 * Writes foreign bytes: as they are into a pipe; for a terminal, controls but the line's end become
 * '?'. *last is the filter's memory between pieces of one stream, 0 at its start. False: it could
 * not be written.
 */
bool screen_put(FILE *f, const char *bytes, size_t n, unsigned char *last);
