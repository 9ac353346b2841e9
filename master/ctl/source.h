/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * source - the file, or standard input, that is submitted: read once in pieces, never held as a
 * whole.
 *
 * One thread. Its first bytes are kept, so that its kind can be told and an upload that the master
 * refused at its start can begin anew even from a pipe.
 */
#define SOURCE_HEAD_MAX (64u << 10)

struct source {
    FILE *file;
    const char *name; /* borrowed; "-" is standard input */
    char *head;
    size_t head_len, at; /* of the head, sent */
    bool beyond;         /* more than the head was sent */
    int os_errno;        /* of a read that failed */
};

/* ERR_IO: cannot be opened or read; os_errno says why. */
MUST_USE enum err source_open(struct source *s, const char *name);
void source_close(struct source *s);

/* The Content-Type by the name's ending, else by the first bytes. */
const char *source_type(const struct source *s);
const char *source_type_of(const char *name, const char *head, size_t len); /* pure */

/* A client_read_f; arg is the source. */
ssize_t source_read(void *arg, char *buf, size_t max);

/* Back to the first byte; false when it is a pipe of which too much has gone. */
bool source_rewind(struct source *s);
