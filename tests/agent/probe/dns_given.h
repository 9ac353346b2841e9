/* SPDX-License-Identifier: MIT */
#pragma once
#include <stdio.h>
#include <string.h>
#include "agent/run/probe_kind.h"
#include "tests/support/check_main.h"
#include "tests/support/dns_server.h"

/*
 * dns_given - what the tests of DNS probes share: a server on loopback, which is the agent's own
 * resolver too, and a probe of it at a time, run to its end.
 */
static struct dns_server server;
static struct probe_env env;
static char own_servers[64];
static struct target *target;
static struct result *result;
static unsigned ended;

static inline void setup(void)
{
    struct policy_config c = {.dev = true};
    dns_server_start(&server);
    snprintf(own_servers, sizeof(own_servers), "127.0.0.1:%u,192.0.2.1", server.port);
    env = (struct probe_env){.loop = loop_create(NULL, NULL),
                             .policy = policy_create(&c),
                             .resolver_servers = own_servers};
    ck_assert(probe_dns.setup(&env, &env.state[TARGET_DNS]));
    target = NULL;
    result = NULL;
    ended = 0;
}

static inline void teardown(void)
{
    result_destroy(&result);
    target_destroy(&target);
    probe_dns.teardown(&env, env.state[TARGET_DNS]);
    policy_destroy(&env.policy);
    loop_destroy(&env.loop);
    dns_server_stop(&server);
}

static inline void on_done(struct probe *p, void *arg)
{
    ck_assert_ptr_eq(arg, &env);
    ended++;
    loop_stop(env.loop);
}

static inline void take_target(const char *json)
{
    struct json_doc *doc;
    struct target_problem problem;
    char why[200];
    target_destroy(&target);
    ck_assert_msg(json_parse(json, strlen(json), &doc, why, sizeof(why)) == ERR_NONE, "%s: %s",
                  json, why);
    ck_assert_msg(target_from_json(json_root(doc), NULL, &target, &problem) == ERR_NONE, "%s: %s",
                  json, problem.detail);
    json_free(&doc);
}

static inline struct probe *start(const char *json, int timeout_ms)
{
    take_target(json);
    result_destroy(&result);
    result = result_create(1, NULL);
    ended = 0;
    struct probe *p =
        probe_dns.start(&env, target, result, mono_add_ms(mono_now(), timeout_ms), on_done, &env);
    ck_assert_uint_eq(ended, 0); /* never inside start */
    return p;
}

/* options: what follows the type, ", \"transport\": \"tcp\"" */
static inline void run(const char *name, const char *type, const char *options, int timeout_ms)
{
    char json[512];
    snprintf(json, sizeof(json),
             "{\"dns\": \"%s\", \"type\": \"%s\", \"resolver\": \"127.0.0.1:%u\"%s}", name, type,
             server.port, options);
    start(json, timeout_ms);
    loop_run(env.loop);
    ck_assert_uint_eq(ended, 1);
    ck_assert_ptr_nonnull(result->dns);
    ck_assert(result->t.total_ms >= 0);
}

static inline void ends(const char *name, const char *options, int timeout_ms, enum cause want)
{
    run(name, "A", options, timeout_ms);
    ck_assert_msg(result->cause == want, "%s: %s (%s)", name,
                  result->cause ? cause_word(result->cause) : "ok",
                  result->message ? result->message : "");
}
