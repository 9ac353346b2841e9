/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/apply.h"

/*
 * apply_lane - open-ended batches in the transaction under way: opened, grown by the runs of
 * checks, closed.
 *
 * Writer thread only, as apply.h. A lane's row says what is committed: its total grows in the
 * commit that adds the rows, so that nobody ever sees one without the other.
 */
MUST_USE enum err apply_lane(struct apply *a, struct store_req *r);
unsigned apply_lane_rows(const struct store_req *r); /* of RUNS_ADD: its tasks */
