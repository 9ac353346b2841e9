/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/master_options.h"

/*
 * serve - the master itself: builds store, hub and API, runs until SIGTERM or SIGINT, drains, and
 * takes all down in reverse.
 *
 * Main thread, with the signals blocked. A second signal ends the process at once. The exit code is
 * returned; what went wrong at the start is one sentence on stderr.
 */
int serve_run(struct master_options *o);
