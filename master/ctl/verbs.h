/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/ctl/ctl.h"

/* verbs - what `sonde` can do; each runs to its end and returns the exit code. */
int submit_run(struct ctl *c);
int probe_run(struct ctl *c);
int batches_run(struct ctl *c);
int status_run(struct ctl *c);
int results_run(struct ctl *c);
int cancel_run(struct ctl *c);
int pause_run(struct ctl *c);
int resume_run(struct ctl *c);
int retry_run(struct ctl *c);
int task_run(struct ctl *c);
int agents_run(struct ctl *c);
int events_run(struct ctl *c);
int diagnose_run(struct ctl *c);
int help_run(struct ctl *c);
