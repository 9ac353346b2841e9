/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/* alerts - what the handlers of alert channels share. Api thread. */

/* In what STORE_CHANNELS answered; NULL: there is none of this name. */
const struct store_channel *alerts_find(const struct store_req *s, const char *name);
enum step alerts_no_such(struct http_req *r); /* 404: the name in the address is no channel's */
