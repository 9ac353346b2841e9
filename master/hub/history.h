/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/json.h"
#include "master/core/core.h"

/* history - what a task went through, as the JSON that is stored with its result and shown by the
 * API. Pure. */
#define HISTORY_JSON_MAX 2048

/* {"lost":…,"left_out":…,"attempts":[{"agent":…,"leased_at":…,"ended_at":…,"end":…,"cause":…}]};
 * now and wall are of one moment. */
void history_encode(const struct core_history *h, struct mono now, struct wall wall,
                    struct strbuf *out);
