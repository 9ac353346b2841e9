/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/timetable.h"

/*
 * join - in which incident each check is, at a start.
 *
 * Pure. A snapshot knows; since then, the journal does not name the checks that join, and does not
 * need to: who went down joined that of its host, or of all hosts (incident.h). Whoever was in one
 * that has ended is in none.
 */

/* saved: as t's checks; check 0: nothing is known of that one. */
void join_incidents(const struct store_timetable *t, struct scheduler_saved *saved);
