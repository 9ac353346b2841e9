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
 *   start ─► resolve ─► connect or tunnel ─► transfer ─┬─► expectations ─► end
 *              ▲                                       │
 *              └────────────── redirect ◄──────────────┘        any failure, cancel ─► end
 *
 * When retries are asked for, a try that ends with a failure of the target's becomes an entry of
 * the result's `tries`, and after a pause the next one begins like the first.
 *
 * One thing is under way at a time: the resolver's request, the connector or in its place the
 * tunnel through a proxy, the transfer, or the end timer. Each has the probe's deadline, so that a
 * time-out is told by whoever it hits.
 */

#define NO_URL "libcurl could not read the URL"
/* Between tries, doubled each time: what was overloaded or restarted gets a moment. */
#define RETRY_PAUSE_MS    100
#define TRY_MS_MIN        1000
#define POLICY_DETAIL_MAX (ADDR_TEXT_MAX + POLICY_WHY_MAX) /* no method is longer */

static void hop_start(struct probe *p);
static bool try_again(struct probe *p);

const struct target_http *http_hop(const struct probe *p)
{
    return p->hop_target ? &p->hop_target->http : &p->target->http;
}

const char *http_sni(const struct probe *p)
{
    return http_hop(p)->https && !p->drop_secrets ? p->target->http.tls.sni : NULL;
}

static void probe_free(struct probe *p)
{
    REQUIRE(!p->transfer.added && p->carrier == NULL && !timer_armed(&p->deadline_timer));
    REQUIRE(!p->tunnel || !tunnel_under_way(p->tunnel));
    if (p->fd >= 0)
        close(p->fd);
    http_answer_fini(&p->answer);
    tls_seen_reset(&p->tls);
    tls_store_destroy(&p->own_store);
    tls_identity_destroy(&p->identity);
    resolver_destroy(&p->named);
    free(p->tunnel);
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
    http_doubt(p);
    if (try_again(p))
        return;
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

/* What the policy refused and by which rule; of any other cause the detail that it has. */
static const char *policy_detail(struct probe *p, enum cause c, const char *detail,
                                 char out[POLICY_DETAIL_MAX])
{
    struct ip ip;
    uint16_t port;
    char why[POLICY_WHY_MAX] = "";
    if (c == CAUSE_policy_method)
        policy_why_method(p->env->policy, p->method, why);
    else if (c == CAUSE_policy_resolver && addr_parse(detail, DNS_PORT, &ip, &port) == ERR_NONE)
        policy_why_resolver(p->env->policy, &ip, port, why);
    else
        return detail;
    snprintf(out, POLICY_DETAIL_MAX, "%s: %s", detail, why);
    return out;
}

static void next_hop(struct probe *p)
{
    char detail[256] = "", words[POLICY_DETAIL_MAX];
    enum cause c = http_redirect(p, detail, sizeof(detail));
    if (c) {
        fail(p, c, detail);
        return;
    }
    http_answer_fini(&p->answer);
    http_answer_init(&p->answer);
    tls_seen_reset(&p->tls);
    p->at = (struct http_stamps){.started = p->at.ended}; /* hops leave no gap */
    p->ip = (struct ip){0};
    c = policy_check_method(p->env->policy, p->method);
    if (c)
        fail(p, c, policy_detail(p, c, p->method, words));
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
    loop_at(p->env->loop, "answer", p->r->task);
    timer_disarm(loop_timers(p->env->loop), &p->deadline_timer);
    p->at.ended = loop_now_fresh(p->env->loop);
    enum cause c = http_transfer_cause(p, rc, detail, sizeof(detail));
    http_carrier_give(p);
    if (c)
        fail(p, c, detail);
    else
        answered(p);
}

/*
 * The deadline is ours to hold, libcurl is told of none: it would end all that are due in one call,
 * in which everything else waits, and 7.88 can lose a time-out, once in some ten thousand probes of
 * silent servers (as far as can be seen from outside, it arms the timer a moment before the one
 * from which it then counts, and a timer looked at between the two is used up in vain).
 */
static void on_deadline(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, deadline_timer);
    curl_loop_remove(p->env->curl, &p->transfer);
    on_transfer(p->transfer.easy, CURLE_OPERATION_TIMEDOUT, p);
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
    if (!curl_loop_add(p->env->curl, &p->transfer)) {
        fail(p, CAUSE_agent_memory, "libcurl could not take the request");
        return;
    }
    timer_arm(loop_timers(p->env->loop), &p->deadline_timer, p->deadline, on_deadline);
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
    p->ip = c->ip;
    transfer_start(p);
}

static void on_tunnel(struct tunnel *t)
{
    struct probe *p = t->arg;
    p->fd = t->fd;
    p->ip = t->ip;
    /* Names are resolved when the proxy's is, unless what was found of the target's was refused. */
    if (mono_is_set(t->resolved_at) || cause_outcome(t->cause) != OUTCOME_REFUSED)
        p->at.resolved = t->resolved_at;
    p->at.connected = t->connected_at;
    p->at.tunnelled = t->ready_at;
    if (ended_by_cancel(p))
        return;
    if (t->cause)
        fail(p, t->cause, t->detail);
    else
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
    if (p->tunnel) {
        tunnel_start(p->tunnel, p->env,
                     &(struct tunnel_to){&p->target->http.proxy, q->addrs, q->n_addrs,
                                         http_hop(p)->port, p->deadline});
        return;
    }
    p->connector.done = on_connected;
    p->connector.arg = p;
    p->connector.vitals = p->env->vitals;
    connector_start(&p->connector, p->env->loop, p->env->policy, q->addrs, q->n_addrs,
                    http_hop(p)->port, p->deadline);
}

static void hop_start(struct probe *p)
{
    p->resolve = (struct resolve){.done = on_resolved, .arg = p};
    resolve_start(p->named ? p->named : p->env->resolver, &p->resolve, http_hop(p)->host,
                  p->target->http.ip_version, p->deadline);
}

/* An even share of the time that is left, lest the first try take it all; but no useless crumb. */
static struct mono try_deadline(const struct probe *p, struct mono now)
{
    int tries = p->target->retries - (int)p->r->n_tries + 1;
    int64_t share_ms = mono_diff_ms(p->last_deadline, now) / tries;
    if (share_ms < TRY_MS_MIN)
        share_ms = TRY_MS_MIN;
    struct mono at = mono_add_ms(now, share_ms);
    return tries == 1 || mono_before(p->last_deadline, at) ? p->last_deadline : at;
}

/* All that a try leaves behind is as at the start. False: no memory. */
static bool try_begin(struct probe *p)
{
    struct mono now = loop_now_fresh(p->env->loop);
    REQUIRE((int)p->r->n_tries <= p->target->retries && p->carrier == NULL && p->fd < 0);
    p->deadline = try_deadline(p, now);
    p->try_wall = wall_now();
    p->try_at = now;
    if (p->r->n_tries == 0)
        p->started = now;
    p->at = (struct http_stamps){.started = now};
    p->send_body = true;
    p->drop_secrets = false;
    target_destroy(&p->hop_target);
    free(p->method);
    p->method = mem_strdup(p->target->http.method);
    curl_url_cleanup(p->url);
    p->url = http_first_url(p->target);
    http_answer_fini(&p->answer);
    http_answer_init(&p->answer);
    tls_seen_reset(&p->tls);
    return p->url != NULL;
}

static void on_retry(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, retry_timer);
    if (try_begin(p))
        hop_start(p);
    else
        fail(p, CAUSE_agent_memory, NO_URL);
}

static bool timed_out(enum cause c)
{
    return c == CAUSE_dns_timeout || c == CAUSE_connect_timeout || c == CAUSE_tls_timeout ||
           c == CAUSE_response_timeout || c == CAUSE_body_timeout || c == CAUSE_proxy_timeout;
}

/* The agent's own failures are run again elsewhere, by the master; and more tries make what took
 * too long no faster. */
static bool worth_a_retry(const struct result *r)
{
    if (r->cause == CAUSE_NONE || r->cause == CAUSE_too_slow)
        return false;
    return r->outcome == OUTCOME_FAILED || cause_where(r->cause) == WHERE_PROXY;
}

static bool try_again(struct probe *p)
{
    struct result *r = p->r;
    int64_t pause_ms = timed_out(r->cause) ? 0 : RETRY_PAUSE_MS << r->n_tries;
    struct mono next = mono_add_ms(loop_now(p->env->loop), pause_ms);
    if (p->cancelled || (int)r->n_tries >= p->target->retries || !worth_a_retry(r) ||
        !mono_before(next, p->last_deadline))
        return false;
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    p->at = (struct http_stamps){.ended = p->at.ended};
    p->ip = (struct ip){0};
    result_try_over(r, p->try_wall, mono_diff_ms_f(p->at.ended, p->try_at));
    timer_arm(loop_timers(p->env->loop), &p->retry_timer, next, on_retry);
    return true;
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

/* NULL, or why not. */
static const char *read_tls(struct probe *p)
{
    const struct target_tls *t = &p->target->http.tls;
    const char *why = NULL;
    p->own_store = t->ca ? tls_store_of_pem(t->ca) : NULL;
    if (t->ca && !p->own_store)
        return "a certificate of ca cannot be read";
    if (t->cert)
        p->identity = tls_identity_create(t->cert, t->key, &why);
    p->tls.store = p->own_store ? p->own_store : p->http->store;
    return why;
}

/* What can be known before anything is sent. */
static enum cause ready_to_start(struct probe *p, const char **detail)
{
    const char *bad_tls = read_tls(p); /* before the clock of the first phase starts */
    *detail = NO_URL;
    if (!try_begin(p))
        return CAUSE_agent_memory;
    *detail = bad_tls;
    if (bad_tls)
        return CAUSE_bad_tls_option;
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
    p->last_deadline = deadline;
    p->done = done;
    p->arg = arg;
    p->fd = p->wire_fd = -1;
    p->tls.verify = t->http.verify_tls;
    if (t->http.proxy.kind != PROXY_NONE) {
        p->tunnel = mem_zalloc(sizeof(*p->tunnel));
        p->tunnel->done = on_tunnel;
        p->tunnel->arg = p;
    }
    http_answer_init(&p->answer);
    const char *detail;
    char words[POLICY_DETAIL_MAX];
    enum cause c = ready_to_start(p, &detail);
    if (c) {
        set_cause(p, c, policy_detail(p, c, detail, words));
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
    if (timer_armed(&p->retry_timer)) {
        timer_disarm(loop_timers(p->env->loop), &p->retry_timer);
        set_cause(p, CAUSE_cancelled_by_user, "");
        end_soon(p);
    } else if (p->transfer.added) {
        timer_disarm(loop_timers(p->env->loop), &p->deadline_timer);
        curl_loop_remove(p->env->curl, &p->transfer);
        set_cause(p, CAUSE_cancelled_by_user, "");
        end_soon(p);
    } else if (p->tunnel && tunnel_under_way(p->tunnel)) {
        tunnel_cancel(p->tunnel);
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
