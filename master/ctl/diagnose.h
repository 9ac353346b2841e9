/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/node.h"
#include "common/strbuf.h"
#include "common/table.h"

/* diagnose - what the master found of itself, for people; root is the answer of GET /diagnosis.
 * Pure; one thread. */

/* What is not well, with its meaning and what to do; all: also the rest, a line each. */
void diagnose_put(struct strbuf *out, const struct json_node *root, bool all,
                  const struct table_style *style);

/* 0 well, 1 warnings, 2 bad; 3: it does not say. */
int diagnose_code(const struct json_node *root);
