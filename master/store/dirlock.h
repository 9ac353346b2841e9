/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stddef.h>

/*
 * dirlock - the data directory, and the lock that lets only one master use it.
 *
 * The lock is flock(2) on DIR/lock, so it goes with the process however it ends; the file tells the
 * pid of its holder.
 */

/* Makes dir (mode 0700) when its parent is there, and locks it. ERR_BUSY, ERR_DENIED,
 * ERR_NOT_FOUND, ERR_NO_SPACE or ERR_IO, with a sentence. The lock lasts until *fd is closed. */
MUST_USE enum err dirlock_take(const char *dir, int *fd, char *why, size_t why_max);
