/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/run/curl_loop.h"
#include "agent/run/probe_kind.h"
#include <check.h>

/* probe_run - one HTTP probe on a loop of its own, from a target in JSON to its result. */
struct probe_run {
    struct probe_env env;
    struct policy *policy;
    unsigned calls;
    bool starting;
};

static inline void probe_run_init(struct probe_run *r, const char *ca_file, bool dev)
{
    *r = (struct probe_run){0};
    r->policy = policy_create(&(struct policy_config){.dev = dev});
    r->env.policy = r->policy;
    r->env.ca_file = ca_file;
    r->env.loop = loop_create(NULL, NULL);
    r->env.resolver =
        resolver_create(r->env.loop, &(struct resolver_config){.servers = "127.0.0.1:9"});
    r->env.curl = curl_loop_create(r->env.loop);
    ck_assert(probe_http.setup(&r->env, &r->env.state[TARGET_HTTP]));
}

static inline void probe_run_fini(struct probe_run *r)
{
    probe_http.teardown(&r->env, r->env.state[TARGET_HTTP]);
    curl_loop_destroy(&r->env.curl);
    resolver_destroy(&r->env.resolver);
    loop_destroy(&r->env.loop);
    policy_destroy(&r->policy);
}

static inline void probe_run_done(struct probe *p, void *arg)
{
    struct probe_run *r = arg;
    ck_assert(!r->starting);
    r->calls++;
    loop_stop(r->env.loop);
}

static inline struct target *probe_run_target(const char *json)
{
    struct json_doc *doc = NULL;
    struct target *t = NULL;
    struct target_problem problem;
    char why[200];
    ck_assert_msg(json_parse(json, strlen(json), &doc, why, sizeof(why)) == ERR_NONE, "%s", why);
    ck_assert_msg(target_from_json(json_root(doc), NULL, &t, &problem) == ERR_NONE, "%s",
                  problem.detail);
    json_free(&doc);
    return t;
}

static inline struct result *probe_run_go(struct probe_run *r, const struct target *t, bool cancel)
{
    struct result *res = result_create(1, NULL);
    r->calls = 0;
    r->starting = true;
    struct probe *p = probe_http.start(&r->env, t, res, mono_add_ms(mono_now(), t->timeout_ms),
                                       probe_run_done, r);
    r->starting = false;
    if (cancel)
        probe_http.cancel(p);
    loop_run(r->env.loop);
    ck_assert_uint_eq(r->calls, 1);
    return res;
}
