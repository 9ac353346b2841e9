/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/policy/policy.h"
#include "agent/health/vitals.h"
#include "agent/run/loop.h"
#include "agent/run/ports.h"
#include "agent/run/resolver.h"
#include "proto/result.h"
#include "proto/target.h"

/*
 * probe_kind - what a worker needs to know of a kind of probe; agent/probe implements two: http and
 * dns.
 *
 * All on the worker's thread. start() takes a target (borrowed until done), a result to fill
 * (borrowed), the deadline; every start yields exactly one done(), never inside start(), also after
 * cancel(). The probe object is freed by its kind after done().
 */
struct curl_loop;
struct probe_env { /* one per worker */
    struct loop *loop;
    struct resolver *resolver;
    struct curl_loop *curl;
    struct policy *policy;
    struct vitals *vitals;        /* signs of life go here, NULL = to nobody */
    struct ports *ports;          /* TCP sockets are closed by it, NULL = uncounted */
    const char *ca_file;          /* NULL = the system's bundle */
    const char *resolver_servers; /* the agent's own resolvers as text, or NULL = /etc/resolv.conf:
                                     for DNS probes without one */
    void *state[2];               /* by enum target_kind: what setup() returned */
};
struct probe;
typedef void probe_done_f(struct probe *p, void *arg);

struct probe_kind {
    /* Per worker, before the first start; NULL state is fine. false: cannot work (logged). */
    bool (*setup)(struct probe_env *env, void **state);
    void (*teardown)(struct probe_env *env, void *state);
    struct probe *(*start)(struct probe_env *env, const struct target *t, struct result *r,
                           struct mono deadline, probe_done_f *done, void *arg);
    void (*cancel)(struct probe *p);
};
extern const struct probe_kind probe_http; /* agent/probe/http.c */
extern const struct probe_kind probe_dns;  /* agent/probe/dns.c */
