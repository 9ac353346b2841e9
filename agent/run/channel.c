/* SPDX-License-Identifier: MIT */
#include "agent/run/channel.h"

#include "common/log.h"
#include "common/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define TRY_MS       1500 /* doubled in the second round: 4.5 s with one server */
#define TRIES        2
#define RCVBUF_BYTES (4 * 1024 * 1024) /* a burst of answers must not be lost here */

struct chan_socket {
    struct list_node node;
    struct loop_fd watch;
    struct channel *channel;
};

static void on_socket(struct loop_fd *f, uint32_t events)
{
    struct channel *c = CONTAINER_OF(f, struct chan_socket, watch)->channel;
    ares_socket_t fd = f->fd;
    bool in = events & (EPOLLIN | EPOLLERR | EPOLLHUP), out = events & EPOLLOUT;
    ares_process_fd(c->ares, in ? fd : ARES_SOCKET_BAD, out ? fd : ARES_SOCKET_BAD);
    c->after_event(c); /* f may be gone */
}

static struct chan_socket *find_socket(struct channel *c, int fd)
{
    LIST_EACH (&c->sockets, n) {
        struct chan_socket *s = CONTAINER_OF(n, struct chan_socket, node);
        if (s->watch.fd == fd)
            return s;
    }
    return NULL;
}

static struct chan_socket *add_socket(struct channel *c)
{
    struct chan_socket *s = mem_zalloc(sizeof(*s));
    s->channel = c;
    list_push_back(&c->sockets, &s->node);
    return s;
}

static void remove_socket(struct channel *c, struct chan_socket *s)
{
    loop_remove(c->loop, &s->watch);
    list_remove(&c->sockets, &s->node);
    free(s);
}

/* c-ares: watch this descriptor so, or not at all (it closes it next). */
static void on_sock_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct channel *c = arg;
    REQUIRE(c != NULL && c->loop != NULL);
    struct chan_socket *s = find_socket(c, fd);
    uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
    if (events == 0) {
        if (s)
            remove_socket(c, s);
        return;
    }
    if (!s)
        s = add_socket(c);
    bool ok = s->watch.added ? loop_modify(c->loop, &s->watch, events)
                             : loop_add(c->loop, &s->watch, fd, events, on_socket);
    if (!ok) /* its queries run into their time-out */
        LOG(LOG_ERROR, "resolver", "cannot_watch_socket", LI("errno", errno));
}

static bool channel_init(struct channel *c, const char *servers)
{
    struct ares_options o = {
        .flags =
            ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_STAYOPEN | ARES_FLAG_NOCHECKRESP,
        .timeout = TRY_MS,
        .tries = TRIES,
        .socket_receive_buffer_size = RCVBUF_BYTES,
        .sock_state_cb = on_sock_state,
        .sock_state_cb_data = c,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_RCVBUF |
               ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
    int status = ares_init_options(&c->ares, &o, mask);
    if (status != ARES_SUCCESS) {
        LOG(LOG_ERROR, "resolver", "cannot_start", LS("why", ares_strerror(status)));
        return false;
    }
    if (servers && (status = ares_set_servers_ports_csv(c->ares, servers)) != ARES_SUCCESS) {
        LOG(LOG_ERROR, "resolver", "bad_servers", LS("servers", servers),
            LS("why", ares_strerror(status)));
        ares_destroy(c->ares);
        return false;
    }
    return true;
}

struct channel *channel_create(struct loop *l, const char *servers, channel_f *after_event,
                               void *arg)
{
    REQUIRE(l != NULL && after_event != NULL);
    struct channel *c = mem_zalloc(sizeof(*c));
    c->loop = l;
    c->after_event = after_event;
    c->arg = arg;
    list_init(&c->sockets);
    if (!channel_init(c, servers)) {
        free(c);
        c = NULL;
    }
    return c;
}

void channel_destroy(struct channel **cp)
{
    struct channel *c = *cp;
    if (!c)
        return;
    ares_destroy(c->ares);
    REQUIRE(c->n_queries == 0);
    LIST_EACH_SAFE (&c->sockets, n, tmp)
        remove_socket(c, CONTAINER_OF(n, struct chan_socket, node));
    free(c);
    *cp = NULL;
}

void channel_process(struct channel *c)
{
    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}
