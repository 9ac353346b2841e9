/* SPDX-License-Identifier: MIT */
#include "agent/run/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/run/local_fault.h"
#include "common/require.h"

#define UNWATCHED  "the connection to the proxy cannot be watched"
#define READ_BYTES 4096 /* looked at in one go; a usual reply has a tenth of it */

/*
 *   start ─► RESOLVE ─► CONNECT ─► TALK ─┬─► the tunnel stands ─► end
 *                          ▲             │
 *                          └─────────────┘ another address; else, as any failure and cancel, END
 *
 * END waits for the loop, so that no callback runs inside start or cancel.
 */

static void address_over(struct tunnel *t, enum cause c, enum vital silent, bool about_address,
                         const char *detail);
static void next_or_finish(struct tunnel *t, bool about_address);

static const char *name_of(const struct tunnel *t, char buf[PROXY_NAME_MAX])
{
    return target_proxy_name(t->proxy, buf);
}

static void enter(struct tunnel *t, enum tunnel_state state)
{
    REQUIRE(t->env != NULL || state == TUNNEL_IDLE);
    t->state = state;
}

static void talk_close(struct tunnel *t)
{
    if (!t->talk_fd.added)
        return;
    loop_remove(t->env->loop, &t->talk_fd);
    ports_close(t->env->ports, t->talk_fd.fd);
}

static void finish(struct tunnel *t)
{
    REQUIRE(t->env != NULL && (t->fd >= 0) == (t->cause == CAUSE_NONE && !t->cancelled));
    REQUIRE(!t->talk_fd.added);
    timer_disarm(loop_timers(t->env->loop), &t->timer);
    tunnel_talk_fini(&t->talk);
    t->env = NULL;
    enter(t, TUNNEL_IDLE);
    t->done(t);
}

static void on_end(struct timer *timer, struct mono now)
{
    finish(CONTAINER_OF(timer, struct tunnel, timer));
}

static void finish_soon(struct tunnel *t)
{
    enter(t, TUNNEL_END);
    timer_arm(loop_timers(t->env->loop), &t->timer, loop_now(t->env->loop), on_end);
}

/* ---- the verdict */

/* Of several failures the one that must be told: our own fault (another agent must try), then what
 * left open whether the target is well, then what the proxy said of the target, then policy. */
static int cause_rank(enum cause c)
{
    if (c == CAUSE_NONE)
        return -1;
    if (cause_where(c) == WHERE_AGENT)
        return 3;
    if (cause_where(c) == WHERE_POLICY)
        return 0;
    return c == CAUSE_proxy_failed ? 1 : 2;
}

/* silent: what the silence that caused it casts doubt on; it began with the present step. */
static void note(struct tunnel *t, enum cause c, enum vital silent, const char *detail)
{
    if (cause_rank(c) < cause_rank(t->cause))
        return;
    t->cause = c;
    t->doubt = (struct result_doubt){silent, t->tried_at};
    snprintf(t->detail, sizeof(t->detail), "%s", detail);
}

static bool is_timeout(enum cause c)
{
    return c == CAUSE_dns_timeout || c == CAUSE_connect_timeout;
}

/* A failure on the way to the proxy, in words that are about the proxy. */
static enum cause cause_of_way(enum cause c)
{
    if (cause_where(c) == WHERE_AGENT || cause_where(c) == WHERE_POLICY)
        return c;
    return is_timeout(c) ? CAUSE_proxy_timeout : CAUSE_proxy_unreachable;
}

/* ---- the talk */

static void on_talk_time(struct timer *timer, struct mono now)
{
    struct tunnel *t = CONTAINER_OF(timer, struct tunnel, timer);
    char detail[TUNNEL_DETAIL_MAX], name[PROXY_NAME_MAX], to[ADDR_TEXT_MAX];
    snprintf(detail, sizeof(detail), "%s was asked for %s and has not answered", name_of(t, name),
             addr_format(&t->ip, t->port, to));
    address_over(t, CAUSE_proxy_timeout, vital_of(&t->proxy_ip), true, detail);
}

static void talk_over(struct tunnel *t)
{
    char detail[TUNNEL_DETAIL_MAX], name[PROXY_NAME_MAX], to[ADDR_TEXT_MAX];
    snprintf(detail, sizeof(detail), "%s was asked for %s: %s", name_of(t, name),
             addr_format(&t->ip, t->port, to), t->talk.words);
    address_over(t, t->talk.cause, VITAL_NONE, t->talk.about_address, detail);
}

static void stands(struct tunnel *t)
{
    t->fd = t->talk_fd.fd;
    loop_remove(t->env->loop, &t->talk_fd);
    t->ready_at = loop_now_fresh(t->env->loop);
    t->cause = CAUSE_NONE;
    t->doubt = (struct result_doubt){0};
    t->detail[0] = '\0';
    finish(t);
}

static void hung_up(struct tunnel *t, int errnum)
{
    char words[TALK_WORDS_MAX];
    if (errnum == 0)
        snprintf(words, sizeof(words), "it closed the connection before its reply was over");
    else
        snprintf(words, sizeof(words), "the connection broke before its reply was over (%s)",
                 strerror(errnum));
    tunnel_talk_closed(&t->talk, words);
}

/* True when all has been sent or the talk is over. */
static bool send_out(struct tunnel *t)
{
    struct tunnel_talk *talk = &t->talk;
    while (talk->out_len > 0 && talk->state != TALK_ENDED) {
        ssize_t n = send(t->talk_fd.fd, talk->out + talk->out_at, talk->out_len - talk->out_at,
                         MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0 && errno != EINTR)
            hung_up(t, errno);
        else if (n > 0)
            tunnel_talk_sent(talk, (size_t)n);
    }
    return true;
}

static bool talk_is_over(const struct tunnel_talk *talk)
{
    return talk->state == TALK_STANDS || talk->state == TALK_ENDED;
}

/* Looks before it takes, so that what follows the reply stays for whom it is. True: go on. */
static bool take_in(struct tunnel *t)
{
    char bytes[READ_BYTES];
    ssize_t n = recv(t->talk_fd.fd, bytes, sizeof(bytes), MSG_PEEK);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0) {
        hung_up(t, n < 0 ? errno : 0);
        return true;
    }
    size_t used = tunnel_talk_take(&t->talk, bytes, (size_t)n);
    REQUIRE(used > 0);
    if (recv(t->talk_fd.fd, bytes, used, 0) != (ssize_t)used && !talk_is_over(&t->talk))
        hung_up(t, errno);
    return true;
}

static void go_on(struct tunnel *t)
{
    struct tunnel_talk *talk = &t->talk;
    bool more = true;
    while (more && !talk_is_over(talk))
        more = send_out(t) && (talk_is_over(talk) || take_in(t));
    uint32_t events = talk->out_len > 0 ? EPOLLOUT : EPOLLIN;
    if (talk->state == TALK_STANDS)
        stands(t);
    else if (talk->state == TALK_ENDED)
        talk_over(t);
    else if (events != t->talk_fd.events && !loop_modify(t->env->loop, &t->talk_fd, events))
        address_over(t, CAUSE_agent_memory, VITAL_NONE, false, UNWATCHED);
}

static void on_talk(struct loop_fd *f, uint32_t events)
{
    go_on(CONTAINER_OF(f, struct tunnel, talk_fd));
}

/* An even share of what is left for each address that may be asked for yet. */
static struct mono share(const struct tunnel *t, struct mono now)
{
    unsigned addresses = t->n_addrs - t->next + 1; /* with the present one */
    int64_t left_ms = mono_diff_ms(t->deadline, now);
    if (addresses == 1 || left_ms <= 0)
        return t->deadline;
    return mono_add_ms(now, left_ms / addresses);
}

static bool is_allowed(struct tunnel *t, const struct ip *ip)
{
    char detail[TUNNEL_DETAIL_MAX], to[ADDR_TEXT_MAX], why[POLICY_WHY_MAX];
    enum cause c = policy_check(t->env->policy, ip, t->port);
    if (!c)
        return true;
    snprintf(detail, sizeof(detail), "%s: %s", addr_format(ip, t->port, to),
             policy_why(t->env->policy, ip, t->port, why));
    note(t, c, VITAL_NONE, detail);
    return false;
}

static void talk_start(struct tunnel *t, int fd)
{
    struct loop *l = t->env->loop;
    enter(t, TUNNEL_TALK);
    if (!loop_add(l, &t->talk_fd, fd, EPOLLIN, on_talk)) {
        enum cause c = local_fault(errno, &t->proxy_ip);
        ports_close(t->env->ports, fd);
        address_over(t, c, VITAL_NONE, false, UNWATCHED);
        return;
    }
    t->ip = t->addrs[t->next - 1];
    timer_arm(loop_timers(l), &t->timer, share(t, loop_now_fresh(l)), on_talk_time);
    tunnel_talk_begin(&t->talk, t->proxy, &t->ip, t->port);
    go_on(t);
}

/* ---- the way to the proxy */

static void on_connected(struct connector *c)
{
    struct tunnel *t = c->arg;
    char detail[TUNNEL_DETAIL_MAX], name[PROXY_NAME_MAX];
    if (t->cancelled) {
        finish(t);
        return;
    }
    if (c->cause) {
        snprintf(detail, sizeof(detail), "proxy %s at %s", name_of(t, name), c->detail);
        address_over(t, cause_of_way(c->cause), c->silent, false, detail);
        return;
    }
    t->proxy_ip = c->ip;
    t->tried_at = c->connected_at;
    if (!mono_is_set(t->connected_at))
        t->connected_at = c->connected_at;
    if (is_allowed(t, &t->addrs[t->next - 1])) { /* still: the master may have denied it since */
        talk_start(t, c->fd);
        return;
    }
    ports_close(t->env->ports, c->fd);
    next_or_finish(t, true);
}

static void address_start(struct tunnel *t)
{
    REQUIRE(t->next < t->n_addrs);
    t->next++;
    t->tried_at = loop_now_fresh(t->env->loop);
    enter(t, TUNNEL_CONNECT);
    t->connector.vitals = t->env->vitals;
    connector_start(&t->connector, t->env->loop, t->env->policy, t->resolve.addrs,
                    t->resolve.n_addrs, t->proxy->port, t->deadline);
}

/* about_address: what failed might not with another address of the target. */
static void next_or_finish(struct tunnel *t, bool about_address)
{
    bool time_left = mono_before(loop_now_fresh(t->env->loop), t->deadline);
    if (about_address && time_left && t->next < t->n_addrs)
        address_start(t);
    else
        finish(t);
}

/* The present address of the target has failed. */
static void address_over(struct tunnel *t, enum cause c, enum vital silent, bool about_address,
                         const char *detail)
{
    talk_close(t);
    timer_disarm(loop_timers(t->env->loop), &t->timer);
    note(t, c, silent, detail);
    next_or_finish(t, about_address);
}

static void on_resolved(struct resolve *q)
{
    struct tunnel *t = q->arg;
    char detail[TUNNEL_DETAIL_MAX];
    if (t->cancelled) {
        finish(t);
        return;
    }
    if (q->cause) {
        snprintf(detail, sizeof(detail), "proxy %s: %s%s%s", t->proxy->host, cause_text(q->cause),
                 q->detail[0] ? ": " : "", q->detail);
        bool own = q->cause == CAUSE_dns_servfail || q->cause == CAUSE_dns_refused;
        note(t, cause_of_way(q->cause), own ? VITAL_RESOLVER : VITAL_NONE, detail);
        finish(t);
        return;
    }
    t->resolved_at = loop_now_fresh(t->env->loop);
    address_start(t);
}

void tunnel_start(struct tunnel *t, struct probe_env *env, const struct tunnel_to *to)
{
    REQUIRE(t->env == NULL && t->done != NULL && to->n_addrs > 0);
    t->fd = -1;
    t->ip = t->proxy_ip = (struct ip){0};
    t->doubt = (struct result_doubt){0};
    t->cause = CAUSE_NONE;
    t->detail[0] = '\0';
    t->resolved_at = t->connected_at = t->ready_at = (struct mono){0};
    t->cancelled = false;
    t->env = env;
    t->proxy = to->proxy;
    t->port = to->port;
    t->deadline = to->deadline;
    t->tried_at = loop_now(env->loop);
    t->next = 0;
    t->n_addrs = 0;
    for (unsigned i = 0; i < to->n_addrs && t->n_addrs < TUNNEL_ADDRS_MAX; i++)
        if (is_allowed(t, &to->addrs[i]))
            t->addrs[t->n_addrs++] = to->addrs[i];
    t->connector.done = on_connected;
    t->connector.arg = t;
    t->resolve = (struct resolve){.done = on_resolved, .arg = t};
    if (t->n_addrs == 0) {
        finish_soon(t);
        return;
    }
    enter(t, TUNNEL_RESOLVE);
    resolve_start(env->resolver, &t->resolve, to->proxy->host, IP_ANY, to->deadline);
}

void tunnel_cancel(struct tunnel *t)
{
    REQUIRE(t->env != NULL);
    if (t->cancelled)
        return;
    t->cancelled = true;
    switch (t->state) {
    case TUNNEL_RESOLVE:
        resolve_cancel(&t->resolve);
        return;
    case TUNNEL_CONNECT:
        connector_cancel(&t->connector);
        return;
    case TUNNEL_TALK:
        talk_close(t);
        finish_soon(t);
        return;
    case TUNNEL_END:
        return;
    case TUNNEL_IDLE:
        break;
    }
    UNREACHABLE("a tunnel under way that is idle");
}
