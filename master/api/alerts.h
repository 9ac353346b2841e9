/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/api/http.h"

/* alerts - what the handlers of alert channels share. Api thread. */

enum step alerts_no_such(struct http_req *r); /* 404: the name in the address is no channel's */
