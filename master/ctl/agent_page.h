/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/node.h"
#include "common/strbuf.h"

/* agent_page - one agent as the API tells it, on one page for people. Pure. */
void agent_page_put(const struct json_node *agent, struct strbuf *out);
