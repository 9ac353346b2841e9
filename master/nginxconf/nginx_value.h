/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/nginxconf/nginx_conf.h"

/*
 * nginx_value - what a directive comes to at a place: where it is inherited from, and what its text
 * means. Pure; any thread.
 */

/* The last one of that name directly in the block, or NULL. */
const struct nginx_node *nginx_own(const struct nginx_node *block, const char *directive);
/* The one in effect there: the block's own, else that of the nearest block around it. */
const struct nginx_node *nginx_effective(const struct nginx_node *block, const char *directive);
/* Its first argument, or dflt without one. */
const char *nginx_argument(const struct nginx_node *n, const char *dflt);

/* "60", "60s", "1m30s", "500ms"; "16m", "64k", "1g", "8192". ERR_INVALID: anything else, variables
 * too. */
MUST_USE enum err nginx_time_ms(const char *text, int64_t *ms);
MUST_USE enum err nginx_size(const char *text, int64_t *bytes);

/* The proxy_set_header in effect there for that header, with its value in words[2]; NULL = none.
 * All of them are inherited together, or none. */
const struct nginx_node *nginx_header(const struct nginx_node *block, const char *header);
