/* SPDX-License-Identifier: MIT */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"

/* human - numbers as people read them, and durations as they write them. Pure; all return buf. */
#define HUMAN_MAX 32

char *human_count(uint64_t n, char buf[HUMAN_MAX]);   /* "1,234,567" */
char *human_ms(double ms, char buf[HUMAN_MAX]);       /* "0.42" "12.3" "815" */
char *human_duration(int64_t s, char buf[HUMAN_MAX]); /* "7s" "3m05s" "2h10m" "4d03h" */
char *human_took(int64_t ms, char buf[HUMAN_MAX]);    /* as a duration, but "0.05s" below 10 s */
char *human_bytes(uint64_t n, char buf[HUMAN_MAX]);   /* "512 B" "1.5 MiB" */
char *human_rate(double per_s, char buf[HUMAN_MAX]);  /* "0.4/s" "310/s" */

char *human_span(int64_t s, char buf[HUMAN_MAX]); /* "30s" "1h30m" "7d": as it is read below */

/* "90" (seconds), "90s", "5m", "1h30m", "7d"; ERR_INVALID for anything else, for 0, and for more
 * than milliseconds can hold. */
#define HUMAN_SPAN_MAX_S (INT64_MAX / 1000)
MUST_USE enum err human_parse_duration(const char *text, int64_t *seconds);
