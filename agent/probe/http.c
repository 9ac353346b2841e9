/* SPDX-License-Identifier: MIT */
#include "agent/probe/http_impl.h"
#include "agent/probe/own_resolver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"

/*
 *   start ─► resolve ─► connect ─► transfer ─┬─► expectations ─► end
 *              ▲                             │
 *              └───────── redirect ◄─────────┘        any failure, cancel ─► end
 *
 * One thing is under way at a time: the resolver's request, the connector, the transfer, or the end
 * timer. Each has the probe's deadline, so that a time-out is told by whoever it hits.
 */

static void hop_start(struct probe *p);

const struct target_http *http_hop(const struct probe *p)
{
    return p->hop_target ? &p->hop_target->http : &p->target->http;
}

static void probe_free(struct probe *p)
{
    REQUIRE(!p->transfer.added && p->carrier == NULL);
    if (p->fd >= 0)
        close(p->fd);
    http_answer_fini(&p->answer);
    tls_seen_reset(&p->tls);
    resolver_destroy(&p->named);
    target_destroy(&p->hop_target);
    curl_url_cleanup(p->url);
    free(p->method);
    free(p);
}

/* Never inside a callback of libcurl, nor inside start(). */
static void end(struct probe *p)
{
    REQUIRE(p->done != NULL);
    if (!mono_is_set(p->at.ended))
        p->at.ended = loop_now_fresh(p->env->loop);
    if (p->carrier)
        http_carrier_give(p);
    http_record_last(p);
    p->done(p, p->arg);
    probe_free(p);
}

static void on_end_timer(struct timer *t, struct mono now)
{
    end(CONTAINER_OF(t, struct probe, end_timer));
}

static void end_soon(struct probe *p)
{
    timer_arm(loop_timers(p->env->loop), &p->end_timer, loop_now(p->env->loop), on_end_timer);
}

static void set_cause(struct probe *p, enum cause c, const char *detail)
{
    REQUIRE(c != CAUSE_NONE);
    if (detail[0])
        result_end(p->r, c, "%s: %s", cause_text(c), detail);
    else
        result_end(p->r, c, NULL);
}

static void fail(struct probe *p, enum cause c, const char *detail)
{
    set_cause(p, c, detail);
    end(p);
}

static bool ended_by_cancel(struct probe *p)
{
    if (!p->cancelled)
        return false;
    fail(p, CAUSE_cancelled_by_user, "");
    return true;
}

static void next_hop(struct probe *p)
{
    char detail[256] = "";
    enum cause c = http_redirect(p, detail, sizeof(detail));
    if (c) {
        fail(p, c, detail);
        return;
    }
    http_answer_fini(&p->answer);
    http_answer_init(&p->answer);
    tls_seen_reset(&p->tls);
    p->at = (struct http_stamps){.started = p->at.ended}; /* hops leave no gap */
    p->connector.ip = (struct ip){0};
    c = policy_check_method(p->env->policy, p->method);
    if (c)
        fail(p, c, p->method);
    else
        hop_start(p);
}

static void answered(struct probe *p)
{
    char detail[64];
    if (!p->answer.redirecting) {
        http_expect(p);
        end(p);
        return;
    }
    unsigned followed = p->r->http ? p->r->http->n_hops : 0;
    if (followed < (unsigned)p->target->http.max_redirects) {
        next_hop(p);
        return;
    }
    snprintf(detail, sizeof(detail), "at most %d are followed", p->target->http.max_redirects);
    fail(p, CAUSE_too_many_redirects, detail);
}

static void on_transfer(CURL *easy, CURLcode rc, void *arg)
{
    struct probe *p = arg;
    char detail[256] = "";
    REQUIRE(p->carrier != NULL && p->carrier->easy == easy);
    p->at.ended = loop_now_fresh(p->env->loop);
    enum cause c = http_transfer_cause(p, rc, detail, sizeof(detail));
    http_carrier_give(p);
    if (c)
        fail(p, c, detail);
    else
        answered(p);
}

static void transfer_start(struct probe *p)
{
    p->transfer.done = on_transfer;
    p->transfer.arg = p;
    if (!http_carrier_take(p) || !http_carrier_prepare(p)) {
        fail(p, CAUSE_agent_memory, "libcurl could not take the request");
        return;
    }
    p->transfer.easy = p->carrier->easy;
    if (!curl_loop_add(p->env->curl, &p->transfer))
        fail(p, CAUSE_agent_memory, "libcurl could not take the request");
}

static void on_connected(struct connector *c)
{
    struct probe *p = c->arg;
    p->fd = c->fd;
    if (ended_by_cancel(p))
        return;
    if (c->cause) {
        fail(p, c->cause, c->detail);
        return;
    }
    p->at.connected = c->connected_at;
    transfer_start(p);
}

static void resolve_failed(struct probe *p)
{
    char detail[sizeof(p->resolve.detail) + ADDR_TEXT_MAX + 8];
    const char *server = p->target->http.resolver;
    snprintf(detail, sizeof(detail), "%s%s%s", p->resolve.detail, server ? " of " : "",
             server ? server : "");
    fail(p, p->resolve.cause, detail);
}

static void on_resolved(struct resolve *q)
{
    struct probe *p = q->arg;
    if (ended_by_cancel(p))
        return;
    if (q->cause) {
        resolve_failed(p);
        return;
    }
    p->at.resolved = loop_now_fresh(p->env->loop);
    p->connector.done = on_connected;
    p->connector.arg = p;
    connector_start(&p->connector, p->env->loop, p->env->policy, q->addrs, q->n_addrs,
                    http_hop(p)->port, p->deadline);
}

static void hop_start(struct probe *p)
{
    p->resolve = (struct resolve){.done = on_resolved, .arg = p};
    resolve_start(p->named ? p->named : p->env->resolver, &p->resolve, http_hop(p)->host,
                  p->target->http.ip_version, p->deadline);
}

/* A channel of its own: what one target's server does must not touch the names of others. */
static enum cause use_named_resolver(struct probe *p, const char **detail)
{
    struct ip ip;
    uint16_t port;
    const char *server = p->target->http.resolver;
    if (!server)
        return CAUSE_NONE;
    enum err e = addr_parse(server, DNS_PORT, &ip, &port);
    REQUIRE(e == ERR_NONE); /* it was normalised when it was accepted */
    *detail = server;
    enum cause c = policy_check_resolver(p->env->policy, &ip, port);
    if (c)
        return c;
    p->named =
        resolver_create(p->env->loop, &(struct resolver_config){.servers = server, .named = true});
    return p->named ? CAUSE_NONE : CAUSE_agent_memory;
}

/* What can be known before anything is sent. */
static enum cause ready_to_start(struct probe *p, const char **detail)
{
    *detail = "libcurl could not read the URL";
    if (!p->url)
        return CAUSE_agent_memory;
    *detail = p->method;
    enum cause c = policy_check_method(p->env->policy, p->method);
    return c ? c : use_named_resolver(p, detail);
}

static struct probe *http_start(struct probe_env *env, const struct target *t, struct result *r,
                                struct mono deadline, probe_done_f *done, void *arg)
{
    REQUIRE(t->kind == TARGET_HTTP && done != NULL);
    struct probe *p = mem_zalloc(sizeof(*p));
    p->env = env;
    p->http = env->state[TARGET_HTTP];
    p->target = t;
    p->r = r;
    p->deadline = deadline;
    p->done = done;
    p->arg = arg;
    p->fd = p->wire_fd = -1;
    p->started = p->at.started = loop_now_fresh(env->loop);
    p->method = mem_strdup(t->http.method);
    p->send_body = true;
    p->tls.verify = t->http.verify_tls;
    p->tls.store = p->http->store;
    p->url = http_first_url(t);
    http_answer_init(&p->answer);
    const char *detail;
    enum cause c = ready_to_start(p, &detail);
    if (c) {
        set_cause(p, c, detail);
        end_soon(p);
    } else {
        hop_start(p);
    }
    return p;
}

static void http_cancel(struct probe *p)
{
    if (p->cancelled || timer_armed(&p->end_timer))
        return;
    p->cancelled = true;
    if (p->transfer.added) {
        curl_loop_remove(p->env->curl, &p->transfer);
        set_cause(p, CAUSE_cancelled_by_user, "");
        end_soon(p);
    } else if (mono_is_set(p->at.resolved)) {
        connector_cancel(&p->connector);
    } else {
        resolve_cancel(&p->resolve);
    }
}

static bool http_setup(struct probe_env *env, void **state)
{
    struct tls_store *store = tls_store_create(env->ca_file);
    if (!store)
        return false;
    struct http_state *s = mem_zalloc(sizeof(*s));
    s->store = store;
    list_init(&s->idle);
    *state = s;
    return true;
}

static void http_teardown(struct probe_env *env, void *state)
{
    struct http_state *s = state;
    for (struct list_node *n; (n = list_pop_front(&s->idle));) {
        struct http_carrier *c = CONTAINER_OF(n, struct http_carrier, node);
        http_carrier_destroy(&c);
        s->carriers--;
    }
    REQUIRE(s->carriers == 0);
    tls_store_destroy(&s->store);
    free(s);
}

const struct probe_kind probe_http = {
    .setup = http_setup,
    .teardown = http_teardown,
    .start = http_start,
    .cancel = http_cancel,
};
