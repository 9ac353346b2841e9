/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/run/loop.h"
#include <curl/curl.h>

/*
 * curl_loop - one curl multi handle driven by a worker's loop through curl_multi_socket_action.
 *
 * Belongs to its loop's thread. The easy handles are the caller's; a transfer added ends by its
 * callback, which runs outside libcurl and after the handle has left the multi, or by
 * curl_loop_remove(), then without one.
 */
struct curl_loop;
typedef void curl_loop_f(CURL *easy, CURLcode rc, void *arg);

struct curl_transfer { /* caller-owned, zeroed; CURLOPT_PRIVATE of the easy handle is ours while it
                          runs */
    CURL *easy;
    curl_loop_f *done;
    void *arg;
    bool added;
};

struct curl_loop *curl_loop_create(struct loop *l); /* NULL: libcurl could not start */
void curl_loop_destroy(struct curl_loop **cp);      /* no transfer may be under way */

/* The callback never runs inside. False: libcurl had no memory. */
bool curl_loop_add(struct curl_loop *c, struct curl_transfer *t);
/* Not from inside a callback of libcurl. No effect when it is not under way. */
void curl_loop_remove(struct curl_loop *c, struct curl_transfer *t);
