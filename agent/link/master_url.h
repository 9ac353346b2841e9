/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * master_url - ws[s]://HOST[:PORT][/PATH]: where the master is. Pure; any thread.
 *
 * The port defaults to 80 or 443, the path to /ws. User info, a query and a fragment are refused:
 * addresses end up in logs.
 */
struct master_url {
    bool tls;
    char host[256];      /* without brackets */
    char authority[272]; /* for the Host header: host, bracketed when IPv6, and the port if it is
                            not the scheme's */
    uint16_t port;
    char path[512];
};

/* ERR_INVALID with one sentence in why, which names the fix. */
MUST_USE enum err master_url_parse(const char *text, struct master_url *out, char *why,
                                   size_t why_max);
