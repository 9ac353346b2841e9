/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_check.h"
#include "agent/probe/dns_pool.h"
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
 * One question, one try: a hidden repeat would falsify the time. Over UDP it shares a socket of the
 * worker's pool with others, over TCP it has its own.
 *
 *   UDP_WAIT ──answer──────────────────────────────► OVER
 *      └──TC──► TCP_CONNECT ──► TCP_SEND ──► TCP_READ ──► OVER     (`transport: tcp` begins at
 * TCP_CONNECT) every state: deadline, error, cancel ──► OVER, whose timer calls done() on the loop,
 * never inside start()
 *
 * What carries another id or question is no answer to us: it is counted and the wait goes on.
 *
 * Silence of the agent's own resolver may be its own fault or that of the name asked for. When it
 * has answered nobody for CANARY_AFTER_MS it is asked for the NS of the root, which any living
 * resolver has in its cache; silent to that too, for as long again: agent_resolver_down.
 */
enum dns_state { DNS_IDLE, DNS_UDP_WAIT, DNS_TCP_CONNECT, DNS_TCP_SEND, DNS_TCP_READ, DNS_OVER };

#define FRAME_BYTES     2 /* the length before a message over TCP (RFC 1035 §4.2.2) */
#define CANARY_AFTER_MS 500
#define UDP_ERROR       "the server's host sent an error back"
#define TYPE_NS         2
#define READS_MAX       64 /* in one turn, so that a flood cannot hold the loop */

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
    size_t frame_len, sent;
    uint8_t *reply; /* over TCP: what has come, the length included */
    size_t reply_cap, got;
    int fd;
    struct loop_fd watch;
    struct timer timer, canary;
    bool canary_sent;
    struct mono started_at, phase_at; /* phase_at unset: not yet asked, or not yet connecting */
    unsigned foreign;                 /* replies over TCP with another id or question */
};

/* ---- the end */

static void on_over(struct timer *t, struct mono now)
{
    struct probe *p = CONTAINER_OF(t, struct probe, timer);
    REQUIRE(p->state == DNS_OVER && p->fd < 0);
    p->done(p, p->arg);
    free(p->reply);
    free(p);
}

static void close_socket(struct probe *p)
{
    dns_pool_give_up(&p->udp);
    if (p->fd < 0)
        return;
    loop_remove(p->env->loop, &p->watch);
    close(p->fd);
    p->fd = -1;
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
    close_socket(p);
    dns_pool_give_up(&p->canary_udp);
    timer_disarm(loop_timers(p->env->loop), &p->canary);
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
    return p->canary_sent && mono_before(p->shared->answered_at, p->started_at);
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
    REQUIRE(p->own_server && p->state != DNS_OVER);
    if (p->state != DNS_UDP_WAIT || !mono_before(p->shared->answered_at, p->started_at))
        return;
    p->canary_query = (struct dns_query){.name = "", .type = TYPE_NS, .recursion = true};
    p->canary_udp = (struct dns_wait){
        .query = &p->canary_query, .on_reply = on_canary_reply, .on_error = on_canary_error};
    enum err e = dns_query_build(&p->canary_query, msg, sizeof(msg), &len);
    REQUIRE(e == ERR_NONE);
    p->canary_sent = true;
    int errnum = dns_pool_ask(p->shared->pool, &p->server, p->port, &p->canary_udp, msg, len);
    if (errnum)
        fail_errno(p, "cannot send a question about the root", errnum);
}

/* Only when it can have its time before the deadline. */
static void arm_canary(struct probe *p, struct mono deadline)
{
    struct mono at = mono_add_ms(p->started_at, CANARY_AFTER_MS);
    if (p->own_server && !mono_before(deadline, mono_add_ms(at, CANARY_AFTER_MS)))
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

static void answered(struct probe *p, const uint8_t *msg, size_t len)
{
    struct dns_message m;
    char why[120];
    p->r->dns->size_bytes = (int64_t)len;
    enter(p, DNS_OVER);
    if (dns_message_parse(msg, len, p->query.type, &m, why, sizeof(why)) != ERR_NONE) {
        conclude(p, CAUSE_dns_malformed, why);
        return;
    }
    dns_check(p->t, &m, p->r->t.total_ms, p->r);
    take_message(p, &m);
    dns_message_fini(&m);
}

static void heard_from_server(struct probe *p)
{
    if (p->own_server)
        p->shared->answered_at = loop_now(p->env->loop);
}

/* ---- sockets */

static void on_socket(struct loop_fd *f, uint32_t events);

/* The policy is asked each time: the master may have denied the server since the first. False: the
 * probe has failed. */
static bool server_allowed(struct probe *p)
{
    if (p->own_server || policy_check_resolver(p->env->policy, &p->server, p->port) == CAUSE_NONE)
        return true;
    fail(p, CAUSE_policy_resolver, cause_text(CAUSE_policy_resolver));
    return false;
}

/* 0, or an errno; the descriptor is p->fd and is closed with the probe. */
static int connect_tcp(struct probe *p)
{
    struct sockaddr_storage sa;
    socklen_t len;
    REQUIRE(p->fd >= 0);
    ip_to_sockaddr(&p->server, p->port, &sa, &len);
    if (connect(p->fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS)
        return errno;
    p->watch = (struct loop_fd){0};
    return loop_add(p->env->loop, &p->watch, p->fd, EPOLLOUT, on_socket) ? 0 : errno;
}

static void start_tcp(struct probe *p)
{
    free(p->r->dns->transport);
    p->r->dns->transport = mem_strdup("tcp");
    enter(p, DNS_TCP_CONNECT);
    p->phase_at = (struct mono){0};
    p->fd = socket(p->server.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (p->fd < 0) {
        fail_errno(p, "no socket", errno);
        return;
    }
    if (!server_allowed(p))
        return;
    p->phase_at = loop_now_fresh(p->env->loop);
    int errnum = connect_tcp(p);
    if (errnum)
        fail_errno(p, "cannot reach the server", errnum);
}

static void on_udp_reply(struct dns_wait *w, const uint8_t *msg, size_t len)
{
    struct probe *p = CONTAINER_OF(w, struct probe, udp);
    REQUIRE(p->state == DNS_UDP_WAIT);
    heard_from_server(p);
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
    p->phase_at = (struct mono){0};
    if (!server_allowed(p))
        return;
    p->udp =
        (struct dns_wait){.query = &p->query, .on_reply = on_udp_reply, .on_error = on_udp_error};
    p->phase_at = loop_now_fresh(p->env->loop);
    int errnum = dns_pool_ask(p->shared->pool, &p->server, p->port, &p->udp, p->frame + FRAME_BYTES,
                              p->frame_len - FRAME_BYTES);
    if (!errnum)
        return;
    p->phase_at = (struct mono){0};
    fail_errno(p, "cannot send the question", errnum);
}

static void on_tcp_connected(struct probe *p)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);
    if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        errnum = errno;
    if (errnum) {
        fail_errno(p, "no TCP connection", errnum);
        return;
    }
    enter(p, DNS_TCP_SEND);
}

static void on_tcp_send(struct probe *p)
{
    while (p->sent < p->frame_len) {
        ssize_t n = send(p->fd, p->frame + p->sent, p->frame_len - p->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            fail_errno(p, "cannot send the question", errno);
            return;
        }
        p->sent += (size_t)n;
    }
    enter(p, DNS_TCP_READ);
    if (!loop_modify(p->env->loop, &p->watch, EPOLLIN))
        fail_errno(p, "cannot watch the socket", errno);
}

/* A whole message is there. */
static void on_framed(struct probe *p)
{
    const uint8_t *msg = p->reply + FRAME_BYTES;
    size_t len = p->got - FRAME_BYTES;
    p->got = 0;
    if (!dns_reply_matches(&p->query, msg, len)) {
        p->foreign++;
        return;
    }
    heard_from_server(p);
    answered(p, msg, len);
}

static size_t framed_size(const struct probe *p)
{
    if (p->got < FRAME_BYTES)
        return FRAME_BYTES;
    return FRAME_BYTES + ((size_t)p->reply[0] << 8 | p->reply[1]);
}

/* Room for what the peer announced: at most 64 KiB. */
static bool make_room(struct probe *p, size_t need)
{
    REQUIRE(need <= FRAME_BYTES + DNS_MESSAGE_MAX);
    if (need <= p->reply_cap)
        return true;
    uint8_t *bigger = mem_try(need);
    if (!bigger)
        return false;
    if (p->got > 0)
        memcpy(bigger, p->reply, p->got);
    free(p->reply);
    p->reply = bigger;
    p->reply_cap = need;
    return true;
}

static void on_tcp_end(struct probe *p, ssize_t n, int errnum)
{
    if (n < 0)
        fail_errno(p, "the connection broke", errnum);
    else if (p->got == 0)
        fail(p, CAUSE_empty_reply, "the server closed the connection without an answer");
    else
        fail(p, CAUSE_dns_malformed,
             "the server closed the connection in the middle of its answer");
}

static void on_tcp_read(struct probe *p)
{
    for (int i = 0; i < READS_MAX && p->state == DNS_TCP_READ; i++) {
        size_t need = framed_size(p);
        if (!make_room(p, need)) {
            fail(p, CAUSE_agent_memory, cause_text(CAUSE_agent_memory));
            return;
        }
        if (p->got == need) { /* only when the announced length is 0 */
            on_framed(p);
            continue;
        }
        ssize_t n = recv(p->fd, p->reply + p->got, need - p->got, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            on_tcp_end(p, n, errno);
            return;
        }
        p->got += (size_t)n;
        if (p->got >= FRAME_BYTES && p->got == framed_size(p))
            on_framed(p);
    }
}

static void on_socket(struct loop_fd *f, uint32_t events)
{
    struct probe *p = CONTAINER_OF(f, struct probe, watch);
    if (p->state == DNS_TCP_CONNECT)
        on_tcp_connected(p);
    switch (p->state) {
    case DNS_TCP_SEND:
        return on_tcp_send(p);
    case DNS_TCP_READ:
        return on_tcp_read(p);
    case DNS_OVER:
        return;
    case DNS_IDLE:
    case DNS_UDP_WAIT:
    case DNS_TCP_CONNECT:
        break;
    }
    UNREACHABLE("a state without a socket has an event");
}

/* ---- per worker */

static bool dns_setup(struct probe_env *env, void **state)
{
    struct dns_env *e = mem_zalloc(sizeof(*e));
    *state = e;
    if (own_resolver(env->resolver_servers, &e->server, &e->port)) {
        e->pool = dns_pool_create(env->loop);
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
    d->server = mem_strdup(addr_format(&p->server, p->port, server));
    d->transport = mem_strdup(p->t->dns.tcp ? "tcp" : "udp");
    d->rcode = -1;
    d->size_bytes = -1;
    p->r->dns = d;
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
                        .fd = -1};
    p->started_at = loop_now_fresh(env->loop);
    choose_server(p);
    make_query(p);
    make_result(p);
    timer_arm(loop_timers(env->loop), &p->timer, deadline, on_deadline);
    arm_canary(p, deadline);
    if (t->dns.tcp)
        start_tcp(p);
    else
        start_udp(p);
    return p;
}

static void dns_cancel(struct probe *p)
{
    if (p->state != DNS_OVER)
        enter(p, DNS_OVER);
}

const struct probe_kind probe_dns = {
    .setup = dns_setup,
    .teardown = dns_teardown,
    .start = dns_start,
    .cancel = dns_cancel,
};
