/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include "proto/limits.h"
#include <stddef.h>

/*
 * instance - the agent's data directory: its random id, made once and kept on disk, and the lock
 * that keeps a second process out.
 *
 * Main thread, at start. The lock is held until the process ends.
 */

/* Where data goes without --data: /var/lib/sonde-agent/NAME for root, else $XDG_DATA_HOME or
 * ~/.local/share, sonde-agent/NAME. ERR_NOT_FOUND: no home. */
MUST_USE enum err instance_default_dir(const char *name, char *out, size_t max);

/* Makes dir (mode 0700, with its parents) if need be. ERR_BUSY: another process has it; ERR_IO. One
 * sentence in why. */
MUST_USE enum err instance_open(const char *dir, char id[INSTANCE_ID_LEN + 1], char *why,
                                size_t why_max);
