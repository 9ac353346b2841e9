/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/master_options.h"

/*
 * commands - what sonde-master does besides serving: token add|list|revoke, check, check-nginx,
 * --check-config, --print-config, --version, --help.
 *
 * Main thread of a process that does nothing else; works beside a running master. Answers go to
 * stdout, one sentence on what is wrong to stderr.
 */
#define EXIT_USAGE 2

/* True when the words or flags name such a command; *rc is then the exit code. */
bool command_run(const struct master_options *o, const char *const *words, size_t n, int *rc);
