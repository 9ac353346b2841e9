/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/routes.h"

/* handlers - what the table of routes calls; one file per resource. All on the api thread, none
 * blocks. */
enum step health_alive(struct http_req *r);
enum step health_ready(struct http_req *r);
enum step metrics_page(struct http_req *r);
enum step openapi_get(struct http_req *r);

enum step batches_post_begin(struct http_req *r);
enum step batches_post_body(struct http_req *r, const char *p, size_t *n);
enum step batches_post_run(struct http_req *r);

enum step batches_list(struct http_req *r);
enum step batches_get(struct http_req *r);
enum step batches_cancel(struct http_req *r);
enum step batches_pause(struct http_req *r);
enum step batches_resume(struct http_req *r);
enum step batches_retry(struct http_req *r);

enum step results_by_accept(struct http_req *r); /* JSON pages unless Accept says NDJSON or CSV */
enum step results_ndjson(struct http_req *r);
enum step results_csv(struct http_req *r);

enum step events_get(struct http_req *r);       /* of a batch */
enum step fleet_events_get(struct http_req *r); /* of the fleet and the master */

enum step probes_begin(struct http_req *r);
enum step probes_body(struct http_req *r, const char *p, size_t *n);
enum step probes_run(struct http_req *r);

enum step tasks_get(struct http_req *r);

enum step agents_list(struct http_req *r);
enum step agents_get(struct http_req *r);

enum step schedules_list(struct http_req *r);
enum step schedules_get(struct http_req *r);
enum step schedules_put_begin(struct http_req *r);
enum step schedules_put_body(struct http_req *r, const char *p, size_t *n);
enum step schedules_put_run(struct http_req *r);
enum step schedules_delete(struct http_req *r);
enum step schedules_pause(struct http_req *r);
enum step schedules_resume(struct http_req *r);

enum step checks_list(struct http_req *r);
enum step checks_get(struct http_req *r);
enum step check_history(struct http_req *r);
enum step check_runs(struct http_req *r);
enum step overview_get(struct http_req *r);

enum step incidents_list(struct http_req *r);
enum step incidents_get(struct http_req *r);
enum step incidents_ack_begin(struct http_req *r);
enum step incidents_ack_body(struct http_req *r, const char *p, size_t *n);
enum step incidents_ack_run(struct http_req *r);

enum step alerts_list(struct http_req *r);
enum step alerts_get(struct http_req *r);
enum step alerts_put_begin(struct http_req *r);
enum step alerts_put_body(struct http_req *r, const char *p, size_t *n);
enum step alerts_put_run(struct http_req *r);
enum step alerts_delete(struct http_req *r);
enum step alerts_test(struct http_req *r);
enum step deliveries_list(struct http_req *r);

enum step diagnosis_get(struct http_req *r);
