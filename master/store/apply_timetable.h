/* SPDX-License-Identifier: MIT */
#pragma once
#include "master/store/apply.h"

/* apply_timetable - the part of apply.h for the requests of schedules: under its rules. */
MUST_USE enum err apply_timetable(struct apply *a, struct store_req *r);
unsigned apply_timetable_rows(const struct store_req *r);
