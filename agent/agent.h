/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/agent_options.h"

/* agent - the agent as a whole: identity, limits, pool and link put together. Main thread; returns
 * when the agent has ended. */

/* The exit code: 0 after an orderly drain, 1 when something could not start, 2 after one sentence
 * on stderr about what to change. */
int agent_run(const struct agent_options *o, struct policy *policy);
