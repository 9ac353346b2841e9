/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/policy/policy.h"
#include "common/options.h"

/* policy_options - the rules of the policy as flags give them. Main thread, at start. */
struct policy_options { /* filled by options */
    struct option_list allow, deny, allow_ports, deny_ports, allow_methods, deny_methods,
        allow_resolvers, deny_resolvers;
    bool dev;
};

/* ERR_INVALID: why names the flag and the fix. out (zeroed) is given to policy_options_free() in
 * both cases, and borrows the words of o. */
MUST_USE enum err policy_options_read(const struct policy_options *o, struct policy_config *out,
                                      char *why, size_t why_max);
void policy_options_free(struct policy_config *c);
