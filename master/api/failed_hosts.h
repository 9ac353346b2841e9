/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/*
 * failed_hosts - which hosts of a batch fail most: counted by the store in stretches, summed up
 * here, the first of them named by one of their tasks.
 *
 * Api thread; it belongs to the request. Bounded: at most FAILED_HOSTS_MAX hosts are told apart;
 * when there are more, the counts of those that came later are missing and `exact` says so.
 */
#define FAILED_HOSTS_MAX   16384
#define FAILED_HOSTS_SHOWN 20

struct failed_hosts;
/* n_failed: as far as the row of the batch says. */
struct failed_hosts *failed_hosts_create(uint32_t batch, uint64_t n_failed);
void failed_hosts_destroy(struct failed_hosts **hp);

/* STEP_WAIT: suspended, call again. STEP_MORE: all is there. STEP_DONE: the store failed, and the
 * refusal is set. */
enum step failed_hosts_step(struct failed_hosts *h, struct http_req *r);
/* failures_by_host and failures_by_host_exact. */
void failed_hosts_put(const struct failed_hosts *h, struct json_out *w);
