/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"

/*
 * redact - a target's options as they may be shown: what is or may hold a credential reads "(set)",
 * so that one sees that it is there. Pure.
 *
 * Those are values of headers, bodies, auth, keys of certificates, users and passwords of proxies.
 */
#define REDACTED "(set)"

void redact_options(struct json_out *w, const struct json_node *options);
