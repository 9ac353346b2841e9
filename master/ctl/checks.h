/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/node.h"
#include "common/table.h"

/* checks - what is said of a check's state in more than one place. One thread. */

/* The colour of "up", "degraded", "down", "unknown". */
enum table_tone checks_tone(const char *state);
/* "99.95 %" of a part from 0 to 1; "-" where it is not known. */
#define CHECKS_PERCENT_MAX 24
char *checks_percent(const struct json_node *part, char buf[CHECKS_PERCENT_MAX]);
/* Whether the word is the number of a check or of an incident; else a sentence, and an exit code.
 */
int checks_check_id(const char *word, const char *of, const char *verb);
