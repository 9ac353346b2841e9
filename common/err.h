/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/require.h"

/*
 * err - what the world can do to us: peers, disks, networks, users.
 *
 * Functions that can fail return enum err (0 is success, errors are negative), leave their
 * out-parameters untouched on failure, and are MUST_USE. Any thread.
 */
#define MUST_USE __attribute__((warn_unused_result))

#define ERR_TABLE(X)                                                                               \
    X(ERR_FULL, -1, "full")                                                                        \
    X(ERR_NOMEM, -2, "out of memory")                                                              \
    X(ERR_INVALID, -3, "invalid")                                                                  \
    X(ERR_TOO_BIG, -4, "over the size limit")                                                      \
    X(ERR_NOT_FOUND, -5, "not found")                                                              \
    X(ERR_EXISTS, -6, "exists already")                                                            \
    X(ERR_DENIED, -7, "denied")                                                                    \
    X(ERR_IO, -8, "input/output error")                                                            \
    X(ERR_NO_SPACE, -9, "no space left")                                                           \
    X(ERR_CLOSED, -10, "closed")                                                                   \
    X(ERR_TIMEOUT, -11, "timed out")                                                               \
    X(ERR_BUSY, -12, "in use")                                                                     \
    X(ERR_CORRUPT, -13, "corrupt")                                                                 \
    X(ERR_VERSION, -14, "version not supported")                                                   \
    X(ERR_SYSTEM, -15, "system call failed")

enum err {
    ERR_NONE = 0,
#define X(name, value, text) name = value,
    ERR_TABLE(X)
#undef X
};

/* A static lower-case phrase, never NULL. */
const char *err_text(enum err e);
