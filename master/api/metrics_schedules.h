/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/*
 * metrics_schedules - what /metrics tells of probing on a schedule: sums of a bounded number, and
 * with --check-metrics N the series of N checks, those with the smallest ids. Api thread.
 *
 * Checks are asked for in pages, so the thread is not held by many of them. Names of schedules and
 * targets are labels: who asks for that knows how many he has.
 */
void metrics_put_schedules(struct strbuf *b, struct scheduler_stats *s);
void metrics_put_alerts(struct strbuf *b, struct sender_stats *s);

/* STEP_WAIT: a page of checks is asked for; STEP_MORE: all that are wanted are there, or none. */
enum step metrics_ask_checks(struct http_req *r);
void metrics_put_checks(struct http_req *r);
