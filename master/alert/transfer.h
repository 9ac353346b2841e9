/* SPDX-License-Identifier: MIT */
#pragma once
#include <curl/curl.h>
#include "master/alert/alert_impl.h"

/*
 * transfer - one message on its way: an HTTP POST or a mail, by libcurl.
 *
 * Sender's thread. No redirect is followed (a webhook that moved is to be told), of the answer
 * TRANSFER_ANSWER_MAX are read. A password goes over TLS or not at all.
 */
#define TRANSFER_ANSWER_MAX 4096

struct transfer {
    CURL *easy;
    struct curl_slist *headers, *to;
    struct alert_message message;
    size_t sent; /* of a mail's body */
    char answer[TRANSFER_ANSWER_MAX];
    size_t answer_len;
    char error[CURL_ERROR_SIZE];
};

/* Takes *m. The handle's private pointer is `arg`. ERR_SYSTEM: libcurl has no memory; m is freed.
 */
MUST_USE enum err transfer_init(struct transfer *t, const struct alert_channel *c,
                                struct alert_message *m, void *arg);
void transfer_fini(struct transfer *t); /* taken out of its multi handle before */

/* After its end. True: the service has taken it; else why says what happened, without secrets. */
bool transfer_done(struct transfer *t, const struct alert_channel *c, CURLcode code, int *status,
                   char why[ALERT_WHY_MAX]);
