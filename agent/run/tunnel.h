/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/run/connector.h"
#include "agent/run/probe_kind.h"
#include "agent/run/tunnel_talk.h"

/*
 * tunnel - a connection to a target through the proxy that the target names.
 *
 * Belongs to its loop's thread. The proxy's name is asked of the agent's own resolvers, and it is
 * connected like any address: the policy is asked. The target's addresses, which the caller has
 * resolved, are held against the policy as well, and the proxy is asked for one of them and never
 * for a name, so that no proxy leads around the wall. Of the target's addresses at most
 * TUNNEL_ADDRS_MAX are asked for, in the order given, each over a connection of its own: the next
 * one when the proxy says that it could not reach the last, or does not answer within an even share
 * of the time. Not a byte behind the proxy's reply is read. Every start yields exactly one
 * callback, also after cancel, never inside tunnel_start().
 *
 * The causes: proxy_* (proxy_failed only when the proxy said so of every address that was asked
 * for), policy_* of the target's addresses or of the proxy's, agent_*. Each detail names the proxy.
 */
#define TUNNEL_ADDRS_MAX  4 /* one target must not cost a proxy a connection for each of 16 */
#define TUNNEL_DETAIL_MAX 512

struct tunnel;
typedef void tunnel_f(struct tunnel *t);

struct tunnel_to {
    const struct target_proxy *proxy; /* borrowed until the callback */
    const struct ip *addrs;           /* at least one; copied */
    unsigned n_addrs;
    uint16_t port;
    struct mono deadline;
};

struct tunnel {       /* caller-owned, zeroed; may be used again after its callback */
    int fd;           /* the tunnel, non-blocking, and the callee's to close; −1 = none */
    struct ip ip;     /* of the target: the last that was asked for; unset = none was */
    enum cause cause; /* CAUSE_NONE when fd is there */
    char detail[TUNNEL_DETAIL_MAX];
    /* The proxy's name; the first connection to it; the tunnel. Unset = not reached. */
    struct mono resolved_at, connected_at, ready_at;
    bool cancelled;
    struct ip proxy_ip;        /* the proxy's address that was connected; unset = none was */
    struct result_doubt doubt; /* of a failure by mere silence */
    tunnel_f *done;
    void *arg;
    /* private to tunnel */
    struct probe_env *env; /* NULL: not under way */
    enum tunnel_state {
        TUNNEL_IDLE,
        TUNNEL_RESOLVE,
        TUNNEL_CONNECT,
        TUNNEL_TALK,
        TUNNEL_END
    } state;
    const struct target_proxy *proxy;
    struct ip addrs[TUNNEL_ADDRS_MAX];
    unsigned n_addrs, next;
    uint16_t port;
    struct mono deadline, tried_at; /* tried_at: of the present step */
    struct resolve resolve;
    struct connector connector;
    struct tunnel_talk talk;
    struct loop_fd talk_fd;
    struct timer timer; /* of the talk, or of the end */
};

/* env: loop, resolver, policy, vitals and ports are used. */
void tunnel_start(struct tunnel *t, struct probe_env *env, const struct tunnel_to *to);
void tunnel_cancel(struct tunnel *t); /* the callback follows with cancelled = true */
static inline bool tunnel_under_way(const struct tunnel *t)
{
    return t->env != NULL;
}
