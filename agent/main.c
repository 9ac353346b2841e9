/* SPDX-License-Identifier: MIT */
#include "agent/agent.h"
#include "agent/probe_cmd.h"
#include "common/signals.h"
#include <stdlib.h>
#include <unistd.h>

static int run_probe(const struct agent_options *o, struct policy *policy)
{
    struct probe_cmd_options c = {.target = o->probe_target,
                                  .flags = &o->target,
                                  .as_json = o->json,
                                  .resolver = o->resolver,
                                  .ca_file = o->ca_file,
                                  .policy = policy};
    return probe_cmd_run(&c);
}

/* Followed behind our back: libcurl would write down the keys of every TLS session, and lws send
 * the link to the master through the proxy, be it at loopback. */
static void forget_environment(void)
{
    unsetenv("SSLKEYLOGFILE");
    unsetenv("http_proxy");
}

int main(int argc, char **argv)
{
    struct agent_options o;
    int rc;
    forget_environment();
    if (agent_options_load(&o, argc, argv, &rc)) {
        log_init(o.log_level, o.log_format, STDERR_FILENO);
        struct policy *policy = agent_options_policy(&o);
        if (!o.probe_target)
            signals_block();
        rc = o.probe_target ? run_probe(&o, policy) : agent_run(&o, policy);
        policy_destroy(&policy);
    }
    agent_options_fini(&o);
    return rc;
}
