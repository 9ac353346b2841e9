/* SPDX-License-Identifier: MIT */
#include "agent/run/curl_loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"

struct curl_loop {
    CURLM *multi;
    struct loop *loop;
    struct timer timer;
    struct list idle; /* struct curl_sock for the next descriptors */
    unsigned transfers;
};

struct curl_sock {
    struct list_node node; /* when idle */
    struct loop_fd f;
    struct curl_loop *c;
};

static void finish_transfers(struct curl_loop *c)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        struct curl_transfer *t = NULL;
        CURLcode rc = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        REQUIRE(t != NULL && t->added && t->easy == m->easy_handle);
        curl_loop_remove(c, t); /* m is gone from here on */
        t->done(t->easy, rc, t->arg);
    }
}

static void act(struct curl_loop *c, curl_socket_t fd, int flags)
{
    int running;
    loop_at(c->loop, "libcurl", 0);
    CURLMcode rc = curl_multi_socket_action(c->multi, fd, flags, &running);
    REQUIRE(rc == CURLM_OK);
    finish_transfers(c);
}

static void on_socket_event(struct loop_fd *f, uint32_t events)
{
    struct curl_sock *s = CONTAINER_OF(f, struct curl_sock, f);
    int flags = 0;
    if (events & (EPOLLIN | EPOLLHUP))
        flags |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        flags |= CURL_CSELECT_OUT;
    if (events & EPOLLERR)
        flags |= CURL_CSELECT_ERR;
    act(s->c, f->fd, flags);
}

static uint32_t epoll_events(int what)
{
    switch (what) {
    case CURL_POLL_IN:
        return EPOLLIN;
    case CURL_POLL_OUT:
        return EPOLLOUT;
    case CURL_POLL_INOUT:
        return EPOLLIN | EPOLLOUT;
    default:
        return 0;
    }
}

static struct curl_sock *sock_take(struct curl_loop *c)
{
    struct list_node *n = list_pop_front(&c->idle);
    struct curl_sock *s =
        n ? CONTAINER_OF(n, struct curl_sock, node) : mem_zalloc(sizeof(struct curl_sock));
    s->c = c;
    return s;
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *sock)
{
    struct curl_loop *c = arg;
    struct curl_sock *s = sock;
    if (what == CURL_POLL_REMOVE) {
        if (!s)
            return 0;
        loop_remove(c->loop, &s->f);
        curl_multi_assign(c->multi, fd, NULL);
        list_push_front(&c->idle, &s->node);
        return 0;
    }
    /* An error from here would end the multi handle for good, with all its transfers; a descriptor
     * that the kernel will not watch (no memory) ends by its own time-out. */
    if (!s) {
        s = sock_take(c);
        curl_multi_assign(c->multi, fd, s);
    }
    bool watched = s->f.added
                       ? loop_modify(c->loop, &s->f, epoll_events(what))
                       : loop_take_over(c->loop, &s->f, fd, epoll_events(what), on_socket_event);
    if (!watched)
        LOG(LOG_ERROR, "worker", "not_watched", LS("detail", strerror(errno)));
    return 0;
}

static void on_timer(struct timer *t, struct mono now)
{
    act(CONTAINER_OF(t, struct curl_loop, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct curl_loop *c = arg;
    if (timeout_ms < 0)
        timer_disarm(loop_timers(c->loop), &c->timer);
    else
        timer_arm(loop_timers(c->loop), &c->timer,
                  mono_add_ms(timeout_ms ? loop_now_fresh(c->loop) : loop_now(c->loop), timeout_ms),
                  on_timer);
    return 0;
}

struct curl_loop *curl_loop_create(struct loop *l)
{
    REQUIRE(l != NULL);
    CURLM *multi = curl_multi_init();
    if (!multi)
        return NULL;
    struct curl_loop *c = mem_zalloc(sizeof(*c));
    c->multi = multi;
    c->loop = l;
    list_init(&c->idle);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return c;
}

void curl_loop_destroy(struct curl_loop **cp)
{
    struct curl_loop *c = *cp;
    if (!c)
        return;
    REQUIRE(c->transfers == 0);
    curl_multi_cleanup(c->multi);
    timer_disarm(loop_timers(c->loop), &c->timer);
    for (struct list_node *n; (n = list_pop_front(&c->idle));)
        free(CONTAINER_OF(n, struct curl_sock, node));
    free(c);
    *cp = NULL;
}

bool curl_loop_add(struct curl_loop *c, struct curl_transfer *t)
{
    REQUIRE(!t->added && t->easy != NULL && t->done != NULL);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    if (curl_multi_add_handle(c->multi, t->easy) != CURLM_OK)
        return false;
    t->added = true;
    c->transfers++;
    return true;
}

void curl_loop_remove(struct curl_loop *c, struct curl_transfer *t)
{
    if (!t->added)
        return;
    REQUIRE(c->transfers > 0);
    t->added = false;
    c->transfers--;
    CURLMcode rc = curl_multi_remove_handle(c->multi, t->easy);
    REQUIRE(rc == CURLM_OK);
}
