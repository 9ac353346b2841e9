/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/strbuf.h"
#include "proto/limits.h"
#include <stdbool.h>
#include <stdint.h>

/*
 * upload_lines - splits bytes that still come into lines, each at most LINES_TEXT_MAX. Pure; owned
 * by one thread.
 *
 * A line ends with '\n' or "\r\n", the last one with the body. A byte order mark at the start is
 * dropped.
 */
#define LINES_TEXT_MAX TASK_MAX_BYTES

enum line_event { LINE_MORE, LINE_READY, LINE_TOO_LONG };
struct lines {
    struct strbuf buf;
    bool skipping, whole; /* in a line too long; buf holds a line that was handed out */
    uint64_t number;      /* of the line handed out last, from 1 */
    const char *text;     /* that line, valid until the next call */
    size_t len;
};
void lines_init(struct lines *l);
void lines_fini(struct lines *l);
enum line_event lines_next(struct lines *l, const char *p, size_t n, size_t *used);
enum line_event lines_end(struct lines *l); /* the body is over: LINE_MORE when nothing is left */
