/* SPDX-License-Identifier: MIT */
#pragma once
#include "proto/result.h"

/*
 * timings - the phases of a record, found without building a tree of it: millions of records an
 * hour are looked at for nothing else.
 *
 * Pure; any thread. The record was checked when it came in; what a disk has made of it since is
 * read as "never happened".
 */
void timings_read(const char *record, size_t len, struct result_timings *out);
