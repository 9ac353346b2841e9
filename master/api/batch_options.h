/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "master/api/query.h"
#include "master/store/store.h"
#include "proto/target.h"

/*
 * batch_options - what a batch may ask for besides its targets (DESIGN §7), from JSON or from the
 * query. Pure.
 */
/* Fills cls, deadline_s, per_host, name, labels, agents; the rest of info stays. ERR_INVALID with a
 * problem; ERR_DENIED: per_host 0 without admin. */
MUST_USE enum err batch_options_parse(const struct json_node *obj, bool admin,
                                      struct batch_info *info, struct target_defaults **defaults,
                                      struct target_problem *p);

/* The same options as query parameters, written as that object. Not known ones are left for
 * query_end(). */
void batch_options_from_query(struct query *q, struct strbuf *out);
