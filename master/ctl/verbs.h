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
int apply_run(struct ctl *c);
int schedule_list_run(struct ctl *c);
int schedule_show_run(struct ctl *c);
int schedule_pause_run(struct ctl *c);
int schedule_resume_run(struct ctl *c);
int schedule_remove_run(struct ctl *c);
int checks_run(struct ctl *c);
int check_run(struct ctl *c);
int overview_run(struct ctl *c);
int incidents_run(struct ctl *c);
int incident_run(struct ctl *c);
int ack_run(struct ctl *c);
int alert_list_run(struct ctl *c);
int alert_show_run(struct ctl *c);
int alert_set_run(struct ctl *c);
int alert_test_run(struct ctl *c);
int alert_remove_run(struct ctl *c);
int deliveries_run(struct ctl *c);
int help_run(struct ctl *c);
