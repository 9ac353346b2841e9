/* SPDX-License-Identifier: MIT */
/*
 * poison_agent - sonde-agent as it is, but for http targets of which it falls ill, by the beginning
 * of their path:
 *
 *   /poison   the process aborts when the probe starts
 *   /block    the worker's thread never comes back from the start of the probe   } if POISON_AGENT
 *   /endless  the probe never ends, be it cancelled; its worker goes on          } is "blocks"
 *
 * The linker puts this kind of probe in the place of probe_http (--wrap); what is shipped knows
 * nothing of it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/run/probe_kind.h"

extern const struct probe_kind __real_probe_http;
extern const struct probe_kind __wrap_probe_http;

static bool setup(struct probe_env *env, void **state)
{
    return __real_probe_http.setup(env, state);
}

static void teardown(struct probe_env *env, void *state)
{
    __real_probe_http.teardown(env, state);
}

/* It stands for the probe of an endless target, which nobody frees: the process does not end well.
 */
static char endless;

static bool path_is(const struct target *t, const char *beginning)
{
    const char *path = strchr(t->uri + strlen("http://"), '/');
    return path && strncmp(path, beginning, strlen(beginning)) == 0;
}

static bool blocks(void)
{
    const char *how = getenv("POISON_AGENT");
    return how && strcmp(how, "blocks") == 0;
}

static struct probe *start(struct probe_env *env, const struct target *t, struct result *r,
                           struct mono deadline, probe_done_f *done, void *arg)
{
    if (path_is(t, "/poison"))
        abort();
    while (path_is(t, "/block") && blocks())
        pause();
    if (path_is(t, "/endless") && blocks())
        return (struct probe *)&endless;
    return __real_probe_http.start(env, t, r, deadline, done, arg);
}

static void cancel(struct probe *p)
{
    if (p != (struct probe *)&endless)
        __real_probe_http.cancel(p);
}

const struct probe_kind __wrap_probe_http = {
    .setup = setup,
    .teardown = teardown,
    .start = start,
    .cancel = cancel,
};
