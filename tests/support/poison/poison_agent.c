/* SPDX-License-Identifier: MIT */
/*
 * poison_agent - sonde-agent as it is, but for one kind of task that kills it: an http target whose
 * path begins with /poison aborts the process when its probe starts.
 *
 * The linker puts this kind of probe in the place of probe_http (--wrap); what is shipped knows
 * nothing of it.
 */
#include <stdlib.h>
#include <string.h>

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

static bool is_poison(const struct target *t)
{
    const char *path = strchr(t->uri + strlen("http://"), '/');
    return path && strncmp(path, "/poison", strlen("/poison")) == 0;
}

static struct probe *start(struct probe_env *env, const struct target *t, struct result *r,
                           struct mono deadline, probe_done_f *done, void *arg)
{
    if (is_poison(t))
        abort();
    return __real_probe_http.start(env, t, r, deadline, done, arg);
}

static void cancel(struct probe *p)
{
    __real_probe_http.cancel(p);
}

const struct probe_kind __wrap_probe_http = {
    .setup = setup,
    .teardown = teardown,
    .start = start,
    .cancel = cancel,
};
