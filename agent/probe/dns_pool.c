/* SPDX-License-Identifier: MIT */
#include "agent/probe/dns_pool.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"
#include "common/random.h"

/*
 *   OPEN ──questions, age, a question given up, an error──► CLOSING ──last question over──► closed
 *
 * An OPEN socket with room stands in the bucket of its server; one without questions in `idle` too,
 * the longest idle first.
 */
#define BUCKETS     256
#define EVENTS_MAX  64 /* read in one turn, so that a flood cannot hold the loop */
#define ID_BYTES    2
#define RANDOM_IDS  256
#define CONTROL_MAX 512

struct dns_socket {
    struct dns_pool *pool;
    struct loop_fd watch;
    int fd;
    struct ip server;
    uint16_t port;
    struct list_node node, idle_node;
    struct mono opened_at;
    bool closing, reading; /* reading: its owner is further up the stack */
    unsigned asked, foreign, n_waits;
    uint16_t ids[DNS_POOL_WAITS]; /* beside waits: found without touching them */
    struct dns_wait *waits[DNS_POOL_WAITS];
};

struct dns_pool {
    struct loop *loop;
    int64_t age_ms;
    struct timer sweep;           /* armed while a socket is idle */
    struct list buckets[BUCKETS]; /* dns_socket.node */
    struct list idle;             /* dns_socket.idle_node */
    unsigned n_sockets;
    uint16_t ids[RANDOM_IDS];
    unsigned n_ids; /* left */
    uint8_t datagram[DNS_MESSAGE_MAX];
};

uint16_t dns_pool_random(struct dns_pool *pool)
{
    if (pool->n_ids == 0) { /* a system call for each would cost as much as to send */
        random_bytes(pool->ids, sizeof(pool->ids));
        pool->n_ids = RANDOM_IDS;
    }
    return pool->ids[--pool->n_ids];
}

static struct list *bucket_of(struct dns_pool *pool, const struct ip *server, uint16_t port)
{
    uint32_t h = port;
    for (unsigned i = 0; i < sizeof(server->bytes); i++)
        h = h * 31 + server->bytes[i];
    return &pool->buckets[(h ^ h >> 16) % BUCKETS];
}

/* ---- sockets */

static void leave_bucket(struct dns_socket *s)
{
    if (list_linked(&s->node))
        list_remove(bucket_of(s->pool, &s->server, s->port), &s->node);
}

static void leave_idle(struct dns_socket *s)
{
    if (list_linked(&s->idle_node))
        list_remove(&s->pool->idle, &s->idle_node);
}

static void socket_close(struct dns_socket *s)
{
    REQUIRE(s->n_waits == 0 && !s->reading && s->pool->n_sockets > 0);
    leave_bucket(s);
    leave_idle(s);
    loop_remove(s->pool->loop, &s->watch);
    close(s->fd);
    s->pool->n_sockets--;
    free(s);
}

static void close_when_done(struct dns_socket *s)
{
    if (s->closing && s->n_waits == 0 && !s->reading)
        socket_close(s);
}

/* Takes no new questions; closed with the last that it has. */
static void retire(struct dns_socket *s)
{
    s->closing = true;
    leave_bucket(s);
    leave_idle(s);
}

static bool too_old(const struct dns_socket *s)
{
    return !mono_before(loop_now(s->pool->loop), mono_add_ms(s->opened_at, s->pool->age_ms));
}

static void on_sweep(struct timer *t, struct mono now);

static void arm_sweep(struct dns_pool *pool)
{
    if (!list_empty(&pool->idle) && !timer_armed(&pool->sweep))
        timer_arm(loop_timers(pool->loop), &pool->sweep,
                  mono_add_ms(loop_now(pool->loop), pool->age_ms), on_sweep);
}

static void on_sweep(struct timer *t, struct mono now)
{
    struct dns_pool *pool = CONTAINER_OF(t, struct dns_pool, sweep);
    LIST_EACH_SAFE (&pool->idle, n, tmp) {
        struct dns_socket *s = CONTAINER_OF(n, struct dns_socket, idle_node);
        if (too_old(s))
            socket_close(s);
    }
    arm_sweep(pool);
}

static void go_idle(struct dns_socket *s)
{
    struct dns_pool *pool = s->pool;
    list_push_back(&pool->idle, &s->idle_node);
    arm_sweep(pool);
    if (pool->idle.count <= DNS_POOL_IDLE)
        return;
    struct dns_socket *oldest = CONTAINER_OF(list_first(&pool->idle), struct dns_socket, idle_node);
    retire(oldest);
    close_when_done(oldest);
}

/* ---- questions */

/* The wait leaves the socket, which may be closed by it unless it is being read. */
static void wait_end(struct dns_wait *w)
{
    struct dns_socket *s = w->socket;
    unsigned i = 0;
    while (i < s->n_waits && s->waits[i] != w)
        i++;
    REQUIRE(i < s->n_waits);
    s->n_waits--;
    s->ids[i] = s->ids[s->n_waits];
    s->waits[i] = s->waits[s->n_waits];
    w->foreign += s->foreign;
    w->socket = NULL;
    if (!s->closing && !list_linked(&s->node))
        list_push_front(bucket_of(s->pool, &s->server, s->port), &s->node);
    if (!s->closing && s->n_waits == 0)
        go_idle(s);
    else
        close_when_done(s);
}

void dns_pool_give_up(struct dns_wait *w)
{
    if (w->socket == NULL)
        return;
    retire(w->socket);
    wait_end(w);
}

static struct dns_wait *find_wait(const struct dns_socket *s, uint16_t id)
{
    for (unsigned i = 0; i < s->n_waits; i++)
        if (s->ids[i] == id)
            return s->waits[i];
    return NULL;
}

static uint16_t fresh_id(struct dns_socket *s)
{
    for (;;) {
        uint16_t id = dns_pool_random(s->pool);
        if (find_wait(s, id) == NULL)
            return id;
    }
}

static void wait_begin(struct dns_socket *s, struct dns_wait *w)
{
    REQUIRE(!s->closing && s->n_waits < DNS_POOL_WAITS);
    leave_idle(s);
    w->socket = s;
    w->foreign -= s->foreign; /* only those that come from now on: wait_end() adds all again */
    s->ids[s->n_waits] = w->query->id;
    s->waits[s->n_waits++] = w;
    if (++s->asked == DNS_POOL_QUESTIONS)
        retire(s);
    else if (s->n_waits == DNS_POOL_WAITS)
        leave_bucket(s);
}

/* ---- what comes back */

static uint16_t id_of(const uint8_t *msg)
{
    return (uint16_t)(msg[0] << 8 | msg[1]);
}

static void on_datagram(struct dns_socket *s, const uint8_t *msg, size_t len)
{
    struct dns_wait *w = len >= ID_BYTES ? find_wait(s, id_of(msg)) : NULL;
    if (w == NULL || !dns_reply_matches(w->query, msg, len)) {
        s->foreign++;
        return;
    }
    wait_end(w);
    w->on_reply(w, msg, len);
}

/* The packet that the error is about, as far as it is quoted: at least its id is wanted. Without
 * it, a lone question is meant, and of several none can be blamed. */
static void on_error(struct dns_socket *s, int errnum, const uint8_t *quoted, size_t len)
{
    struct dns_wait *w = NULL;
    retire(s);
    if (len >= ID_BYTES)
        w = find_wait(s, id_of(quoted));
    else if (s->n_waits == 1)
        w = s->waits[0];
    if (w != NULL) {
        wait_end(w);
        w->on_error(w, errnum);
        return;
    }
    for (unsigned i = 0; len < ID_BYTES && i < s->n_waits; i++)
        s->waits[i]->doubt = errnum;
}

static int errno_of(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        struct sock_extended_err e;
        bool v4 = c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR;
        bool v6 = c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR;
        if (!v4 && !v6)
            continue;
        memcpy(&e, CMSG_DATA(c), sizeof(e));
        return (int)e.ee_errno;
    }
    return 0;
}

/* One entry of the error queue. False: it is empty. */
static bool read_error(struct dns_socket *s)
{
    uint8_t quoted[ID_BYTES];
    union {
        char bytes[CONTROL_MAX];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = quoted, .iov_len = sizeof(quoted)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(s->fd, &m, MSG_ERRQUEUE);
    if (n < 0)
        return errno == EINTR;
    int errnum = errno_of(&m);
    if (errnum != 0)
        on_error(s, errnum, quoted, (size_t)n);
    return true;
}

static void read_errors(struct dns_socket *s)
{
    for (int i = 0; i < EVENTS_MAX; i++)
        if (!read_error(s))
            return;
}

static void read_datagrams(struct dns_socket *s)
{
    uint8_t *buf = s->pool->datagram;
    for (int i = 0; i < EVENTS_MAX && s->n_waits > 0; i++) {
        ssize_t n = recv(s->fd, buf, DNS_MESSAGE_MAX, 0);
        if (n >= 0)
            on_datagram(s, buf, (size_t)n);
        else if (errno == EAGAIN)
            return;
        else if (errno != EINTR)
            read_errors(s); /* it stands in the queue too */
    }
}

static void on_event(struct loop_fd *f, uint32_t events)
{
    struct dns_socket *s = CONTAINER_OF(f, struct dns_socket, watch);
    s->reading = true;
    if ((events & EPOLLERR) != 0)
        read_errors(s);
    if (s->n_waits > 0)
        read_datagrams(s);
    else /* nobody waits for it: a duplicate, or noise */
        retire(s);
    s->reading = false;
    close_when_done(s);
}

/* ---- asking */

static int set_up(struct dns_socket *s)
{
    struct sockaddr_storage sa;
    socklen_t len;
    int on = 1;
    bool v4 = s->server.family == AF_INET;
    if (setsockopt(s->fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_RECVERR : IPV6_RECVERR, &on,
                   sizeof(on)) != 0)
        return errno;
    ip_to_sockaddr(&s->server, s->port, &sa, &len);
    if (connect(s->fd, (struct sockaddr *)&sa, len) != 0)
        return errno;
    return loop_add(s->pool->loop, &s->watch, s->fd, EPOLLIN, on_event) ? 0 : errno;
}

/* NULL with errno. */
static struct dns_socket *socket_open(struct dns_pool *pool, const struct ip *server, uint16_t port)
{
    int fd = socket(server->family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    struct dns_socket *s = mem_zalloc(sizeof(*s));
    *s = (struct dns_socket){
        .pool = pool, .fd = fd, .server = *server, .port = port, .opened_at = loop_now(pool->loop)};
    int errnum = set_up(s);
    if (errnum != 0) {
        close(fd);
        free(s);
        errno = errnum;
        return NULL;
    }
    pool->n_sockets++;
    list_push_front(bucket_of(pool, server, port), &s->node);
    list_push_back(&pool->idle, &s->idle_node);
    return s;
}

static struct dns_socket *socket_for(struct dns_pool *pool, const struct ip *server, uint16_t port)
{
    struct list *bucket = bucket_of(pool, server, port);
    LIST_EACH_SAFE (bucket, n, tmp) {
        struct dns_socket *s = CONTAINER_OF(n, struct dns_socket, node);
        if (s->port != port || !ip_equal(&s->server, server))
            continue;
        if (!too_old(s))
            return s;
        retire(s);
        close_when_done(s);
    }
    return socket_open(pool, server, port);
}

/* 0, or an errno and the socket takes no more questions. */
static int send_question(struct dns_socket *s, const uint8_t *msg, size_t len)
{
    ssize_t n;
    do
        n = send(s->fd, msg, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 0;
    int errnum = errno;
    retire(s);
    close_when_done(s);
    return errnum;
}

int dns_pool_ask(struct dns_pool *pool, const struct ip *server, uint16_t port, struct dns_wait *w,
                 uint8_t *msg, size_t len)
{
    REQUIRE(w->socket == NULL && len >= DNS_HEADER_BYTES);
    w->foreign = 0;
    w->doubt = 0;
    for (;;) {
        struct dns_socket *s = socket_for(pool, server, port);
        if (s == NULL)
            return errno;
        bool used = s->asked > 0;
        w->query->id = fresh_id(s);
        msg[0] = (uint8_t)(w->query->id >> 8);
        msg[1] = (uint8_t)w->query->id;
        int errnum = send_question(s, msg, len);
        if (errnum == 0) {
            wait_begin(s, w);
            return 0;
        }
        if (!used)
            return errnum;
        /* The error may be one that came back for an earlier question: this one has not left. */
    }
}

/* ---- the pool */

struct dns_pool *dns_pool_create(struct loop *loop, int64_t age_ms)
{
    REQUIRE(loop != NULL && age_ms > 0);
    struct dns_pool *pool = mem_zalloc(sizeof(*pool));
    pool->loop = loop;
    pool->age_ms = age_ms;
    for (unsigned i = 0; i < BUCKETS; i++)
        list_init(&pool->buckets[i]);
    list_init(&pool->idle);
    return pool;
}

void dns_pool_destroy(struct dns_pool **pp)
{
    struct dns_pool *pool = *pp;
    if (pool == NULL)
        return;
    timer_disarm(loop_timers(pool->loop), &pool->sweep);
    LIST_EACH_SAFE (&pool->idle, n, tmp)
        socket_close(CONTAINER_OF(n, struct dns_socket, idle_node));
    REQUIRE(pool->n_sockets == 0);
    free(pool);
    *pp = NULL;
}
