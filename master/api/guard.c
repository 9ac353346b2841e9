/* SPDX-License-Identifier: MIT */
#include "master/api/guard.h"
#include "common/cidr.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sockinfo.h"
#include "master/api/http.h"
#include "master/api/slow.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

struct guard_conn {
    struct list_node node;
    int fd;
    bool cut; /* its socket is shut down */
    struct slow slow;
    struct http_req *req; /* NULL: without a request */
};

void guard_init(struct guard *g)
{
    *g = (struct guard){.no_head = {0}};
    PTOK(pthread_mutex_init(&g->lock, NULL));
    list_init(&g->waiting);
    list_init(&g->busy);
}

void guard_fini(struct guard *g)
{
    REQUIRE(list_empty(&g->waiting) && list_empty(&g->busy));
    PTOK(pthread_mutex_destroy(&g->lock));
}

static struct slow_look look(const struct guard_conn *c)
{
    struct slow_look l = {.ours = c->req != NULL && http_is_waiting(c->req)};
    l.known = sockinfo_bytes(c->fd, &l.in, &l.out);
    return l;
}

static const char *peer_of(int fd, char text[IP_TEXT_MAX])
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    struct ip ip;
    uint16_t port;
    if (getpeername(fd, (struct sockaddr *)&ss, &len) != 0 ||
        !ip_from_sockaddr((struct sockaddr *)&ss, &ip, &port))
        return "unix";
    return ip_format(&ip, text);
}

static void cut(struct guard_conn *c, struct counter *count, const char *why)
{
    char peer[IP_TEXT_MAX];
    if (c->cut)
        return;
    LOG(LOG_WARN, "api", "connection_cut", LS("peer", peer_of(c->fd, peer)), LS("why", why),
        LS("trace", c->req != NULL ? c->req->trace : NULL));
    counter_add(count, 1);
    c->cut = true;
    shutdown(c->fd, SHUT_RDWR);
}

/* ---- what the api thread tells */

/* Those that were cut go with the next turn of the daemon: they do not count. */
static void push_out(struct guard *g)
{
    if (g->waiting.count <= GUARD_WAITING_MAX)
        return;
    LIST_EACH (&g->waiting, n) {
        struct guard_conn *c = CONTAINER_OF(n, struct guard_conn, node);
        if (c->cut)
            continue;
        cut(c, &g->pushed_out, "too many connections without a request: others need the place");
        return;
    }
}

static void enter(struct guard *g, struct guard_conn *c, enum slow_phase phase)
{
    struct slow_look l = {.known = false};
    if (phase != SLOW_HEAD) /* nothing has come of a new one, or all at once */
        l.known = sockinfo_bytes(c->fd, &l.in, &l.out);
    slow_enter(&c->slow, phase, &l, mono_now());
}

void guard_opened(struct guard *g, struct guard_conn **slot, int fd)
{
    REQUIRE(*slot == NULL);
    struct guard_conn *c = *slot = mem_zalloc(sizeof(*c));
    c->fd = fd;
    PTOK(pthread_mutex_lock(&g->lock));
    enter(g, c, SLOW_HEAD);
    list_push_back(&g->waiting, &c->node);
    push_out(g);
    PTOK(pthread_mutex_unlock(&g->lock));
}

void guard_closed(struct guard *g, struct guard_conn **slot)
{
    struct guard_conn *c = *slot;
    REQUIRE(c != NULL && c->req == NULL);
    PTOK(pthread_mutex_lock(&g->lock));
    list_remove(&g->waiting, &c->node);
    PTOK(pthread_mutex_unlock(&g->lock));
    free(c);
    *slot = NULL;
}

void guard_request(struct guard *g, struct guard_conn *c, struct http_req *r)
{
    REQUIRE(c != NULL && c->req == NULL);
    PTOK(pthread_mutex_lock(&g->lock));
    c->req = r;
    enter(g, c, SLOW_BUSY);
    list_remove(&g->waiting, &c->node);
    list_push_back(&g->busy, &c->node);
    PTOK(pthread_mutex_unlock(&g->lock));
}

void guard_lasting(struct guard *g, struct guard_conn *c)
{
    PTOK(pthread_mutex_lock(&g->lock));
    REQUIRE(c->req != NULL);
    enter(g, c, SLOW_LASTING);
    PTOK(pthread_mutex_unlock(&g->lock));
}

void guard_answered(struct guard *g, struct guard_conn *c)
{
    REQUIRE(c != NULL);
    PTOK(pthread_mutex_lock(&g->lock));
    REQUIRE(c->req != NULL);
    c->req = NULL;
    enter(g, c, SLOW_IDLE);
    list_remove(&g->busy, &c->node);
    list_push_back(&g->waiting, &c->node);
    push_out(g);
    PTOK(pthread_mutex_unlock(&g->lock));
}

/* ---- the other thread */

static void judge(struct guard *g, struct guard_conn *c, struct mono now)
{
    struct slow_look l = look(c);
    switch (slow_judge(&c->slow, &l, now)) {
    case SLOW_FINE:
        return;
    case SLOW_NO_HEAD:
        cut(c, &g->no_head, "no whole request within 8 s");
        return;
    case SLOW_NO_PROGRESS:
        cut(c, &g->no_progress, "less than 1 KiB in 30 s");
        return;
    }
    UNREACHABLE("a verdict is one of three");
}

void guard_tick(struct guard *g)
{
    struct mono now = mono_now();
    PTOK(pthread_mutex_lock(&g->lock));
    LIST_EACH (&g->waiting, n) {
        judge(g, CONTAINER_OF(n, struct guard_conn, node), now);
    }
    LIST_EACH (&g->busy, n) {
        judge(g, CONTAINER_OF(n, struct guard_conn, node), now);
    }
    PTOK(pthread_mutex_unlock(&g->lock));
}
