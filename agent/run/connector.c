/* SPDX-License-Identifier: MIT */
#include "agent/run/connector.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/run/local_fault.h"
#include "common/require.h"

#define ATTEMPT_DELAY_MS 250  /* RFC 8305 §5: the recommended Connection Attempt Delay */
#define FIRST_LOCAL_PORT 1024 /* the kernel gives no lower one to a connect() */

static void try_next(struct connector *c);

static enum cause cause_of_errno(int errnum, const struct ip *ip)
{
    switch (errnum) {
    case ECONNREFUSED:
        return CAUSE_connect_refused;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return CAUSE_connect_reset;
    case ETIMEDOUT:
        return CAUSE_connect_timeout;
    default:
        return local_fault(errnum, ip);
    }
}

/* Of several failures the one that says most is kept: our own fault (not every address was tried,
 * so another agent must), then the target's answer, then a router's word, then that we have no way
 * for that address (the other family may have one), then policy. */
static int cause_rank(enum cause c)
{
    if (c == CAUSE_NONE)
        return -1;
    if (c == CAUSE_agent_network_down)
        return 1;
    if (cause_where(c) == WHERE_AGENT)
        return 4;
    if (cause_where(c) == WHERE_POLICY)
        return 0;
    return c == CAUSE_unreachable ? 2 : 3;
}

static void note_failure(struct connector *c, const struct ip *ip, enum cause cause,
                         const char *words)
{
    char text[ADDR_TEXT_MAX];
    if (cause_rank(cause) < cause_rank(c->cause))
        return;
    c->cause = cause;
    bool silence = cause == CAUSE_connect_timeout || cause == CAUSE_unreachable;
    c->silent = silence ? vital_of(ip) : VITAL_NONE;
    snprintf(c->detail, sizeof(c->detail), "%s: %s", addr_format(ip, c->port, text), words);
}

static void attempt_close(struct connect_attempt *a)
{
    if (!a->f.added)
        return;
    loop_remove(a->owner->loop, &a->f);
    close(a->f.fd);
    a->owner->open--;
}

static void release(struct connector *c)
{
    for (unsigned i = 0; i < c->n_attempts; i++)
        attempt_close(&c->attempts[i]);
    REQUIRE(c->open == 0);
    timer_disarm(loop_timers(c->loop), &c->pace);
    timer_disarm(loop_timers(c->loop), &c->deadline);
}

static void finish(struct connector *c)
{
    REQUIRE(c->loop != NULL && (c->fd >= 0) == (c->cause == CAUSE_NONE && !c->cancelled));
    release(c);
    c->loop = NULL;
    c->done(c);
}

static void on_finish_timer(struct timer *t, struct mono now)
{
    finish(CONTAINER_OF(t, struct connector, pace));
}

static void on_pace(struct timer *t, struct mono now)
{
    try_next(CONTAINER_OF(t, struct connector, pace));
}

static void on_deadline(struct timer *t, struct mono now)
{
    struct connector *c = CONTAINER_OF(t, struct connector, deadline);
    for (unsigned i = 0; i < c->next; i++)
        if (c->attempts[i].f.added)
            note_failure(c, &c->attempts[i].ip, CAUSE_connect_timeout, "no answer");
    finish(c);
}

/* A connect() to a free local port can meet itself (TCP simultaneous open): nobody listens there.
 */
static bool met_itself(const struct connect_attempt *a)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    struct ip ip;
    uint16_t port = a->owner->port, local_port;
    return port >= FIRST_LOCAL_PORT && getsockname(a->f.fd, (struct sockaddr *)&sa, &len) == 0 &&
           ip_from_sockaddr((struct sockaddr *)&sa, &ip, &local_port) && local_port == port &&
           ip_equal(&ip, &a->ip);
}

static int socket_error(int fd)
{
    int errnum = 0;
    socklen_t len = sizeof(errnum);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
        return errno;
    return errnum ? errnum : ECONNRESET; /* hung up between the handshake and our look */
}

/* 0, or an errno. Writable and nothing else: connected, and the socket need not be asked. */
static int attempt_error(const struct connect_attempt *a, uint32_t events)
{
    if (events != EPOLLOUT)
        return socket_error(a->f.fd);
    return met_itself(a) ? ECONNREFUSED : 0;
}

static void win(struct connector *c, struct connect_attempt *a)
{
    c->fd = a->f.fd;
    c->ip = a->ip;
    c->cause = CAUSE_NONE;
    c->detail[0] = '\0';
    c->connected_at = loop_now_fresh(c->loop);
    c->silent = VITAL_NONE;
    vitals_good(c->vitals, vital_of(&a->ip), c->connected_at);
    loop_let_go(c->loop, &a->f);
    c->open--;
    finish(c);
}

static void on_attempt(struct loop_fd *f, uint32_t events)
{
    struct connect_attempt *a = CONTAINER_OF(f, struct connect_attempt, f);
    struct connector *c = a->owner;
    int errnum = attempt_error(a, events);
    if (errnum == 0) {
        win(c, a);
        return;
    }
    enum cause cause = cause_of_errno(errnum, &a->ip);
    if (cause == CAUSE_connect_refused || cause == CAUSE_connect_reset)
        vitals_good(c->vitals, vital_of(&a->ip), loop_now_fresh(c->loop));
    note_failure(c, &a->ip, cause, strerror(errnum));
    attempt_close(a);
    try_next(c);
}

/* 0, or an errno: nothing is left open then. */
static int attempt_open(struct connector *c, struct connect_attempt *a, enum cause *denied)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int fd = socket(a->ip.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    ip_to_sockaddr(&a->ip, c->port, &sa, &len);
    *denied = policy_check(c->policy, &a->ip, c->port);
    if (*denied || (connect(fd, (struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS)) {
        int errnum = *denied ? EACCES : errno;
        close(fd);
        return errnum;
    }
    if (!loop_add(c->loop, &a->f, fd, EPOLLOUT | EPOLLONESHOT, on_attempt)) {
        close(fd);
        return ENOBUFS;
    }
    c->open++;
    return 0;
}

/* True when an attempt is under way. */
static bool attempt_start(struct connector *c, struct connect_attempt *a)
{
    enum cause denied = CAUSE_NONE;
    char why[POLICY_WHY_MAX];
    int errnum = attempt_open(c, a, &denied);
    if (errnum == 0)
        return true;
    if (denied)
        note_failure(c, &a->ip, denied, policy_why(c->policy, &a->ip, c->port, why));
    else
        note_failure(c, &a->ip, cause_of_errno(errnum, &a->ip), strerror(errnum));
    return false;
}

/* Starts the next address that can be started; when none is left and none is open, the end. The end
 * is told from the loop, because the caller may be connector_start(). */
static void try_next(struct connector *c)
{
    struct timers *ts = loop_timers(c->loop);
    while (c->next < c->n_attempts) {
        struct connect_attempt *a = &c->attempts[c->next++];
        if (!attempt_start(c, a))
            continue;
        if (c->next < c->n_attempts)
            timer_arm(ts, &c->pace, mono_add_ms(loop_now(c->loop), ATTEMPT_DELAY_MS), on_pace);
        return;
    }
    if (c->open == 0)
        timer_arm(ts, &c->pace, loop_now(c->loop), on_finish_timer);
}

void connector_start(struct connector *c, struct loop *l, struct policy *p, const struct ip *addrs,
                     unsigned n_addrs, uint16_t port, struct mono deadline)
{
    REQUIRE(c->loop == NULL && c->done != NULL);
    REQUIRE(n_addrs > 0 && n_addrs <= RESOLVE_ADDRS_MAX);
    c->fd = -1;
    c->cause = CAUSE_NONE;
    c->detail[0] = '\0';
    c->cancelled = false;
    c->silent = VITAL_NONE;
    c->connected_at = (struct mono){0};
    c->loop = l;
    c->policy = p;
    c->port = port;
    c->n_attempts = n_addrs;
    c->next = c->open = 0;
    for (unsigned i = 0; i < n_addrs; i++)
        c->attempts[i] = (struct connect_attempt){.owner = c, .ip = addrs[i]};
    timer_arm(loop_timers(l), &c->deadline, deadline, on_deadline);
    try_next(c);
}

void connector_cancel(struct connector *c)
{
    REQUIRE(c->loop != NULL);
    release(c);
    c->cancelled = true;
    c->next = c->n_attempts;
    timer_arm(loop_timers(c->loop), &c->pace, loop_now(c->loop), on_finish_timer);
}
