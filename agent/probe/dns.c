/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_check.h"
#include "agent/probe/dns_pool.h"
#include "agent/probe/dns_tcp.h"
#include "agent/probe/dns_wire.h"
#include "agent/probe/own_resolver.h"
#include "agent/run/local_fault.h"
#include "agent/run/probe_kind.h"
#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * One question, and as many tries as the target asks for, each recorded: a hidden repeat would
 * falsify the time. Over UDP it shares a socket of the worker's pool with others, over TCP it has
 * its own.
 *
 *   UDP_WAIT ──answer, failed──────────────────────────────► OVER ──► done
 *      └──TC──► TCP_CONNECT ──► TCP_WAIT ──answer, failed──► OVER
 *   OVER ──failed, tries left──► PAUSE ──► UDP_WAIT or TCP_CONNECT
 *
 * `transport: tcp` begins at TCP_CONNECT. In every state deadline, error and cancel lead to OVER,
 * whose timer calls done() on the loop, never inside start().
 *
 * The time left is shared out evenly among the tries left.
 *
 * What carries another id or question is no answer to us: it is counted and the wait goes on.
 *
 * Silence of the agent's own resolver may be its own fault or that of the name asked for. When it
 * has answered nobody for CANARY_AFTER_MS it is asked for the NS of the root, which any living
 * resolver has in its cache; silent to that too, for as long again: agent_resolver_down.
 */
enum dns_state { DNS_IDLE, DNS_UDP_WAIT, DNS_TCP_CONNECT, DNS_TCP_WAIT, DNS_PAUSE, DNS_OVER };

#define FRAME_BYTES     2 /* the length before a message over TCP (RFC 1035 §4.2.2) */
#define CANARY_AFTER_MS 500
#define CANARY_AGAIN_MS 20
#define UDP_ERROR       "the server's host sent an error back"
#define RETRY_PAUSE_MS  100 /* after a try that failed at once */
#define RCODE_NOERROR   0
#define FOREIGN_MAX     1000 /* over TCP, where they are the server's own and no stranger's */
#define RCODE_SERVFAIL  2
#define RCODE_NXDOMAIN  3
#define TYPE_NS         2

struct dns_env { /* one per worker */
    struct ip server;
    uint16_t port;
    struct mono answered_at; /* by it, last, to any probe */
    struct dns_pool *pool;
};

struct probe {
    struct probe_env *env;
    struct dns_env *shared;
    const struct target *t;
    struct result *r;
    probe_done_f *done;
    void *arg;
    enum dns_state state;
    struct ip server;
    uint16_t port;
    bool own_server; /* the agent's, not one that the target names */
    struct dns_query query, canary_query;
    struct dns_wait udp, canary_udp;
    uint8_t frame[FRAME_BYTES + DNS_QUERY_MAX]; /* the length, then the query */
    size_t frame_len;
    struct dns_tcp tcp;
    struct timer timer, canary;
    struct mono deadline;
    struct mono started_at, try_at, canary_at; /* canary_at unset: not asked */
    struct wall try_wall;
    double try_ms;
    struct mono phase_at; /* unset: not yet asked, or not yet connecting */
    unsigned foreign;     /* replies over TCP with another id or question */
    bool cancelled;
};

/* ---- the end */

static void begin_try(struct probe *p);

static void on_pause(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, timer);
    REQUIRE(p->state == DNS_PAUSE);
    begin_try(p);
}

/* Another time it may go well, and what is wrong is not the agent's. */
static bool worth_a_retry(const struct result *r)
{
    switch (r->cause) {
    case CAUSE_dns_timeout:
    case CAUSE_dns_servfail:
    case CAUSE_dns_malformed:
    case CAUSE_connect_refused:
    case CAUSE_connect_reset:
    case CAUSE_connect_timeout:
    case CAUSE_reset_after_connect:
    case CAUSE_empty_reply:
    case CAUSE_unreachable:
        return true;
    case CAUSE_rcode_mismatch:
        return r->dns->rcode == RCODE_SERVFAIL;
    default:
        return false;
    }
}

static bool is_timeout(enum cause c)
{
    return c == CAUSE_dns_timeout || c == CAUSE_connect_timeout;
}

/* False: it stays with what has been found. */
static bool try_again(struct probe *p, struct mono now)
{
    struct mono at = is_timeout(p->r->cause) ? now : mono_add_ms(now, RETRY_PAUSE_MS);
    if (p->cancelled || p->r->n_tries >= (unsigned)p->t->retries || !worth_a_retry(p->r) ||
        !mono_before(at, p->deadline))
        return false;
    result_try_over(p->r, p->try_wall, p->try_ms);
    p->state = DNS_PAUSE;
    p->phase_at = (struct mono){0};
    timer_arm(loop_timers(p->env->loop), &p->timer, at, on_pause);
    return true;
}

static void on_over(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, timer);
    REQUIRE(p->state == DNS_OVER && !p->tcp.active && p->udp.socket == NULL);
    if (try_again(p, now))
        return;
    dns_pool_give_up(&p->canary_udp);
    timer_disarm(loop_timers(p->env->loop), &p->canary);
    dns_tcp_fini(&p->tcp);
    p->done(p, p->arg);
    free(p);
}

/* The phase of the state that is left, whether it came to its end or not: the phases add up to the
 * total. */
static void phase_end(struct probe *p, struct mono now)
{
    struct result_timings *t = &p->r->t;
    if (p->state == DNS_IDLE || !mono_is_set(p->phase_at))
        return;
    double ms = mono_diff_ms_f(now, p->phase_at);
    if (p->state == DNS_TCP_CONNECT)
        t->connect_ms = ms;
    else
        t->dns_ms = t->dns_ms < 0 ? ms : t->dns_ms + ms;
}

static void enter(struct probe *p, enum dns_state next)
{
    REQUIRE(p->state != DNS_OVER);
    struct mono now = loop_now_fresh(p->env->loop);
    phase_end(p, now);
    p->state = next;
    p->phase_at = now;
    if (next != DNS_OVER)
        return;
    p->r->t.total_ms = mono_diff_ms_f(now, p->started_at);
    p->try_ms = mono_diff_ms_f(now, p->try_at);
    dns_pool_give_up(&p->udp);
    dns_tcp_stop(&p->tcp);
    timer_arm(loop_timers(p->env->loop), &p->timer, loop_now(p->env->loop), on_over);
}

/* What the agent's own resolver does to us is not the target's doing. */
static enum cause own_fault(enum cause c)
{
    switch (c) {
    case CAUSE_connect_refused:
    case CAUSE_connect_reset:
    case CAUSE_connect_timeout:
    case CAUSE_reset_after_connect:
    case CAUSE_empty_reply:
    case CAUSE_unreachable:
        return CAUSE_agent_resolver_down;
    default:
        return c;
    }
}

/* Silence of a server that the target names may be our own network's. (That of our own server is
 * told by the canary.) */
static void doubt_network(struct probe *p, enum cause c)
{
    if (!p->own_server && (is_timeout(c) || c == CAUSE_unreachable))
        p->r->doubt = (struct result_doubt){vital_of(&p->server), p->try_at};
}

/* "… with 1.1.1.1:53 over UDP", and what was heard meanwhile. */
static void conclude(struct probe *p, enum cause c, const char *what)
{
    char heard[80] = "";
    const struct result_dns *d = p->r->dns;
    REQUIRE(p->state == DNS_OVER);
    unsigned foreign = p->foreign + p->udp.foreign;
    if (foreign > 0)
        snprintf(heard, sizeof(heard), "; %u repl%s with a wrong id or question ignored", foreign,
                 foreign == 1 ? "y" : "ies");
    result_end(p->r, p->own_server ? own_fault(c) : c, "%s (%s, %s%s)", what, d->server,
               strcmp(d->transport, "tcp") ? "UDP" : "TCP", heard);
    doubt_network(p, c);
}

static void fail(struct probe *p, enum cause c, const char *what)
{
    enter(p, DNS_OVER);
    conclude(p, c, what);
}

static enum cause cause_of_errno(const struct probe *p, int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
        return CAUSE_connect_refused;
    case ECONNRESET:
    case EPIPE:
        return p->state == DNS_TCP_CONNECT ? CAUSE_connect_reset : CAUSE_reset_after_connect;
    case ETIMEDOUT:
        return p->state == DNS_TCP_CONNECT ? CAUSE_connect_timeout : CAUSE_dns_timeout;
    default:
        return local_fault(errnum, &p->server);
    }
}

static void fail_errno(struct probe *p, const char *what, int errnum)
{
    char text[120];
    snprintf(text, sizeof(text), "%s: %s", what, strerror(errnum));
    fail(p, cause_of_errno(p, errnum), text);
}

/* Nobody has heard from the own server since this probe began, and a canary had its time. */
static bool resolver_is_silent(const struct probe *p)
{
    struct mono now = loop_now(p->env->loop);
    return mono_is_set(p->canary_at) &&
           !mono_before(now, mono_add_ms(p->canary_at, CANARY_AFTER_MS)) &&
           mono_before(p->shared->answered_at, p->started_at);
}

static void on_deadline(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, timer);
    if (p->state == DNS_TCP_CONNECT)
        fail(p, CAUSE_connect_timeout, "no TCP connection within the time-out");
    else if (p->udp.doubt != 0)
        fail_errno(p, UDP_ERROR, p->udp.doubt);
    else if (resolver_is_silent(p))
        fail(p, CAUSE_agent_resolver_down, "no answer, and none to a question about the root");
    else
        fail(p, CAUSE_dns_timeout, "no answer within the time-out");
}

static void on_canary_reply(struct dns_wait *w, const uint8_t *msg, size_t len)
{
    struct probe *p = CONTAINER_OF(w, struct probe, canary_udp);
    p->shared->answered_at = loop_now(p->env->loop);
}

/* It says nothing of the question: that may have arrived. */
static void on_canary_error(struct dns_wait *w, int errnum)
{
}

static void on_canary(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, canary);
    uint8_t msg[DNS_QUERY_MAX];
    size_t len = 0;
    REQUIRE(p->own_server);
    if (!mono_before(p->shared->answered_at, p->started_at))
        return;
    if (p->state != DNS_UDP_WAIT) { /* between two tries */
        timer_arm(loop_timers(p->env->loop), t, mono_add_ms(now, CANARY_AGAIN_MS), on_canary);
        return;
    }
    p->canary_query = (struct dns_query){.name = "", .type = TYPE_NS, .recursion = true};
    p->canary_udp = (struct dns_wait){
        .query = &p->canary_query, .on_reply = on_canary_reply, .on_error = on_canary_error};
    enum err e = dns_query_build(&p->canary_query, msg, sizeof(msg), &len);
    REQUIRE(e == ERR_NONE);
    p->canary_at = loop_now(p->env->loop);
    int errnum = dns_pool_ask(p->shared->pool, &p->server, p->port, &p->canary_udp, msg, len);
    if (errnum)
        fail_errno(p, "cannot send a question about the root", errnum);
}

/* Only when it can have its time before the deadline. */
static void arm_canary(struct probe *p)
{
    struct mono at = mono_add_ms(p->started_at, CANARY_AFTER_MS);
    if (p->own_server && !mono_before(p->deadline, mono_add_ms(at, CANARY_AFTER_MS)))
        timer_arm(loop_timers(p->env->loop), &p->canary, at, on_canary);
}

/* ---- the answer */

static void take_message(struct probe *p, struct dns_message *m)
{
    struct result_dns *d = p->r->dns;
    d->qr = m->qr;
    d->aa = m->aa;
    d->tc = m->tc;
    d->rd = m->rd;
    d->ra = m->ra;
    d->ad = m->ad;
    d->cd = m->cd;
    d->rcode = m->rcode;
    d->edns = m->edns;
    m->edns = NULL;
    for (unsigned s = 0; s < 3; s++) {
        d->sections[s] = m->sections[s];
        d->n_sections[s] = m->n_sections[s];
        m->sections[s] = NULL;
        m->n_sections[s] = 0;
    }
}

/* It knew: a resolver that lost its own way out answers too, with SERVFAIL. */
static bool useful(int rcode)
{
    return rcode == RCODE_NOERROR || rcode == RCODE_NXDOMAIN;
}

static void answered(struct probe *p, const uint8_t *msg, size_t len)
{
    struct dns_message m;
    char why[120];
    p->r->dns->size_bytes = (int64_t)len;
    loop_at(p->env->loop, "answer", p->r->task);
    enter(p, DNS_OVER);
    if (dns_message_parse(msg, len, p->query.type, &m, why, sizeof(why)) != ERR_NONE) {
        conclude(p, CAUSE_dns_malformed, why);
        return;
    }
    dns_check(p->t, &m, p->r->t.total_ms, p->r);
    if (p->own_server && p->r->cause != CAUSE_NONE && !useful(m.rcode))
        p->r->doubt = (struct result_doubt){VITAL_RESOLVER, p->try_at};
    take_message(p, &m);
    dns_message_fini(&m);
}

static void heard_from_server(struct probe *p, const uint8_t *msg)
{
    struct mono now = loop_now_fresh(p->env->loop);
    vitals_good(p->env->vitals, vital_of(&p->server), now);
    if (!p->own_server)
        return;
    p->shared->answered_at = now;
    if (useful(msg[3] & 0xf))
        vitals_good(p->env->vitals, VITAL_RESOLVER, now);
}

/* ---- sockets */

#define DETAIL_MAX (ADDR_TEXT_MAX + POLICY_WHY_MAX + 64) /* and the sentence of the cause */

/* The policy is asked each time: the master may have denied the server since the first. False: the
 * probe has failed. */
static bool server_allowed(struct probe *p)
{
    if (p->own_server || policy_check_resolver(p->env->policy, &p->server, p->port) == CAUSE_NONE)
        return true;
    char addr[ADDR_TEXT_MAX], why[POLICY_WHY_MAX], text[DETAIL_MAX];
    p->phase_at = (struct mono){0}; /* it is never asked */
    snprintf(text, sizeof(text), "%s: %s: %s", cause_text(CAUSE_policy_resolver),
             addr_format(&p->server, p->port, addr),
             policy_why_resolver(p->env->policy, &p->server, p->port, why));
    fail(p, CAUSE_policy_resolver, text);
    return false;
}

static void on_tcp_connected(struct dns_tcp *t)
{
    enter(CONTAINER_OF(t, struct probe, tcp), DNS_TCP_WAIT);
}

static void on_tcp_message(struct dns_tcp *t, const uint8_t *msg, size_t len)
{
    struct probe *p = CONTAINER_OF(t, struct probe, tcp);
    if (!dns_reply_matches(&p->query, msg, len)) {
        if (++p->foreign >= FOREIGN_MAX)
            fail(p, CAUSE_dns_malformed, "nothing but replies to other questions");
        return;
    }
    heard_from_server(p, msg);
    answered(p, msg, len);
}

static void on_tcp_trouble(struct dns_tcp *t, enum dns_tcp_trouble what, int errnum)
{
    struct probe *p = CONTAINER_OF(t, struct probe, tcp);
    switch (what) {
    case DNS_TCP_NOT_CONNECTED:
        return fail_errno(p, "no TCP connection", errnum);
    case DNS_TCP_NOT_SENT:
        return fail_errno(p, "cannot send the question", errnum);
    case DNS_TCP_BROKEN:
        return fail_errno(p, "the connection broke", errnum);
    case DNS_TCP_NO_MEMORY:
        return fail(p, CAUSE_agent_memory, cause_text(CAUSE_agent_memory));
    case DNS_TCP_CLOSED:
        return fail(p, CAUSE_empty_reply, "the server closed the connection without an answer");
    case DNS_TCP_CUT_SHORT:
        return fail(p, CAUSE_dns_malformed,
                    "the server closed the connection in the middle of its answer");
    }
    UNREACHABLE("no such trouble");
}

static void start_tcp(struct probe *p)
{
    static const struct dns_tcp_events events = {on_tcp_connected, on_tcp_message, on_tcp_trouble};
    free(p->r->dns->transport);
    p->r->dns->transport = mem_strdup("tcp");
    enter(p, DNS_TCP_CONNECT);
    if (!server_allowed(p))
        return;
    int errnum =
        dns_tcp_start(&p->tcp, p->env->loop, &events, &p->server, p->port, p->frame, p->frame_len);
    if (!errnum)
        return;
    p->phase_at = (struct mono){0};
    fail_errno(p, "cannot reach the server", errnum);
}

static void on_udp_reply(struct dns_wait *w, const uint8_t *msg, size_t len)
{
    struct probe *p = CONTAINER_OF(w, struct probe, udp);
    REQUIRE(p->state == DNS_UDP_WAIT);
    heard_from_server(p, msg);
    if (dns_reply_truncated(msg)) {
        p->r->dns->truncated = true;
        start_tcp(p);
    } else {
        answered(p, msg, len);
    }
}

static void on_udp_error(struct dns_wait *w, int errnum)
{
    struct probe *p = CONTAINER_OF(w, struct probe, udp);
    REQUIRE(p->state == DNS_UDP_WAIT);
    fail_errno(p, UDP_ERROR, errnum);
}

static void start_udp(struct probe *p)
{
    enter(p, DNS_UDP_WAIT);
    if (!server_allowed(p))
        return;
    p->udp =
        (struct dns_wait){.query = &p->query, .on_reply = on_udp_reply, .on_error = on_udp_error};
    int errnum = dns_pool_ask(p->shared->pool, &p->server, p->port, &p->udp, p->frame + FRAME_BYTES,
                              p->frame_len - FRAME_BYTES);
    if (!errnum)
        return;
    p->phase_at = (struct mono){0};
    fail_errno(p, "cannot send the question", errnum);
}

/* ---- per worker */

static bool dns_setup(struct probe_env *env, void **state)
{
    struct dns_env *e = mem_zalloc(sizeof(*e));
    *state = e;
    if (own_resolver(env->resolver_servers, &e->server, &e->port)) {
        e->pool = dns_pool_create(env->loop, DNS_POOL_AGE_MS);
        return true;
    }
    LOG(LOG_ERROR, "probe", "bad_resolver", LS("resolver", env->resolver_servers));
    free(e);
    *state = NULL;
    return false;
}

static void dns_teardown(struct probe_env *env, void *state)
{
    struct dns_env *e = state;
    dns_pool_destroy(&e->pool);
    free(e);
}

/* ---- start and cancel */

static void choose_server(struct probe *p)
{
    const char *named = p->t->dns.resolver;
    p->own_server = named == NULL;
    p->server = p->shared->server;
    p->port = p->shared->port;
    if (named) {
        enum err e = addr_parse(named, DNS_PORT, &p->server, &p->port);
        REQUIRE(e == ERR_NONE); /* the target was validated */
    }
}

static void make_query(struct probe *p)
{
    const struct target_dns *d = &p->t->dns;
    size_t len = 0;
    p->query.id = dns_pool_random(p->shared->pool); /* over UDP the pool gives another one */
    p->query.name = d->name;
    p->query.type = d->type;
    p->query.recursion = d->recursion;
    p->query.dnssec = d->dnssec;
    p->query.edns_size = (uint16_t)d->edns_size;
    enum err e = dns_query_build(&p->query, p->frame + FRAME_BYTES, DNS_QUERY_MAX, &len);
    REQUIRE(e == ERR_NONE); /* the target was validated */
    p->frame[0] = (uint8_t)(len >> 8);
    p->frame[1] = (uint8_t)len;
    p->frame_len = FRAME_BYTES + len;
}

static void make_result(struct probe *p)
{
    char server[ADDR_TEXT_MAX];
    struct result_dns *d = mem_zalloc(sizeof(*d));
    REQUIRE(p->r->dns == NULL && p->r->http == NULL);
    const char *named = p->t->dns.resolver; /* in its one form already */
    d->server = mem_strdup(named ? named : addr_format(&p->server, p->port, server));
    d->transport = mem_strdup(p->t->dns.tcp ? "tcp" : "udp");
    d->rcode = -1;
    d->size_bytes = -1;
    p->r->dns = d;
}

/* Its share of the time that is left. */
static struct mono try_deadline(const struct probe *p)
{
    int64_t left_ms = mono_diff_ms(p->deadline, p->try_at);
    unsigned tries = (unsigned)p->t->retries - p->r->n_tries + 1;
    return tries == 1 ? p->deadline : mono_add_ms(p->try_at, left_ms / tries);
}

static void begin_try(struct probe *p)
{
    REQUIRE(p->state == DNS_IDLE || p->state == DNS_PAUSE);
    p->try_at = loop_now_fresh(p->env->loop);
    p->try_wall = wall_now();
    p->foreign = 0;
    p->udp = (struct dns_wait){0};
    make_query(p);
    make_result(p);
    timer_arm(loop_timers(p->env->loop), &p->timer, try_deadline(p), on_deadline);
    if (p->t->dns.tcp)
        start_tcp(p);
    else
        start_udp(p);
}

static struct probe *dns_start(struct probe_env *env, const struct target *t, struct result *r,
                               struct mono deadline, probe_done_f *done, void *arg)
{
    REQUIRE(t->kind == TARGET_DNS && env->state[TARGET_DNS] != NULL && done != NULL);
    struct probe *p = mem_zalloc(sizeof(*p));
    *p = (struct probe){.env = env,
                        .shared = env->state[TARGET_DNS],
                        .t = t,
                        .r = r,
                        .done = done,
                        .arg = arg,
                        .deadline = deadline,
                        .started_at = loop_now_fresh(env->loop)};
    p->tcp.ports = env->ports;
    choose_server(p);
    arm_canary(p);
    begin_try(p);
    return p;
}

static void dns_cancel(struct probe *p)
{
    p->cancelled = true;
    if (p->state != DNS_OVER)
        enter(p, DNS_OVER);
}

const struct probe_kind probe_dns = {
    .setup = dns_setup,
    .teardown = dns_teardown,
    .start = dns_start,
    .cancel = dns_cancel,
};
