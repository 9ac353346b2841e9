/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/end.h"

/* reason - why a connection failed or ended, in words for people, and what to do about it. Pure;
 * any thread. */

const char *reason_http_problem(int status, char *buf,
                                size_t size); /* an answer that is not the upgrade; may use buf */
const char *reason_http_fix(int status);
const char *reason_error_fix(const char *problem); /* of the socket, TLS or lws */
/* How the session ended, by its close frame: own = this agent sent it. 0: none came. */
enum end reason_end(uint16_t code, bool own);
