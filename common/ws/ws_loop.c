/* SPDX-License-Identifier: MIT */
#include "common/ws/ws_loop.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/cidr.h"
#include "common/log.h"
#include "common/mem.h"

/* The lag is the worst of so many whole seconds, the one under way among them. */
#define LAG_SECONDS 5

struct lag_slot {
    int64_t second;
    double worst_ms;
};

enum loop_state { LOOP_OPEN, LOOP_CLOSING, LOOP_CLOSED };

/* OPEN → CLOSING (stop: handles and lws are told to go) → CLOSED (uv_run came back, lws is freed).
 */
struct ws_loop {
    uv_loop_t uv;
    void *foreign[1]; /* what lws wants: an array of loops */
    uv_async_t wake, stop;
    uv_timer_t tick;
    struct lws_context *lws;
    struct ws_loop_callbacks cb;
    void *arg;
    int tick_ms;
    enum loop_state state;
    struct lag_slot lag[LAG_SECONDS];
    _Atomic int64_t last_tick_ns;
};

/* Nothing set: no pings, no hang-up by lws (its timers are one sorted list, and liveness is the
 * session's affair). */
static const lws_retry_bo_t no_retry_policy;

static void emit_log(int level, const char *line)
{
    char text[512];
    size_t n = strcspn(line, "\n");
    if (n >= sizeof(text))
        n = sizeof(text) - 1;
    memcpy(text, line, n);
    text[n] = '\0';
    LOG(level == LLL_ERR ? LOG_ERROR : LOG_WARN, "lws", "message", LS("text", text));
}

static enum err listen_error(int error, const struct ip *ip, uint16_t port)
{
    char text[ADDR_TEXT_MAX];
    if (error == EADDRINUSE)
        return ERR_BUSY;
    LOG(LOG_ERROR, "loop", "cannot_listen", LS("address", addr_format(ip, port, text)),
        LS("problem", strerror(error)));
    return ERR_SYSTEM;
}

/*
 * A listener of our own on the address, closed at once: lws calls it a success when the address is
 * not ours, and does not say why when the port is in use.
 */
static enum err try_listen(const struct ip *ip, uint16_t port)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int on = 1;
    int fd = socket(ip->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return listen_error(errno, ip, port);
    ip_to_sockaddr(ip, port, &ss, &len);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    enum err e = ERR_NONE;
    if (bind(fd, (struct sockaddr *)&ss, len) != 0 || listen(fd, 1) != 0)
        e = listen_error(errno, ip, port);
    close(fd);
    return e;
}

/* lws unlinks the path before it binds, which would take the socket away from a running server. */
static bool unix_path_in_use(const char *path)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(sun.sun_path))
        return false;
    memcpy(sun.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool busy = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 || errno == EAGAIN;
    close(fd);
    return busy;
}

static enum err check_listen(const struct lws_context_creation_info *info)
{
    struct ip ip = {.family = AF_INET};
    if (info->port == CONTEXT_PORT_NO_LISTEN || info->port == CONTEXT_PORT_NO_LISTEN_SERVER)
        return ERR_NONE;
    if (lws_check_opt(info->options, LWS_SERVER_OPTION_UNIX_SOCK))
        return info->iface != NULL && unix_path_in_use(info->iface) ? ERR_BUSY : ERR_NONE;
    if (info->iface != NULL && ip_parse(info->iface, &ip) != ERR_NONE)
        return ERR_NONE; /* an interface name: left to lws */
    return try_listen(&ip, (uint16_t)info->port);
}

static void note_lag(struct ws_loop *l, struct mono now, double late_ms)
{
    int64_t second = now.ns / NS_PER_SEC;
    struct lag_slot *slot = &l->lag[second % LAG_SECONDS];
    if (slot->second != second)
        *slot = (struct lag_slot){.second = second};
    if (late_ms > slot->worst_ms)
        slot->worst_ms = late_ms;
}

static void on_tick(uv_timer_t *t)
{
    struct ws_loop *l = t->data;
    REQUIRE(l != NULL && l->state == LOOP_OPEN);
    struct mono now = mono_now();
    struct mono last = ws_loop_last_tick(l);
    note_lag(l, now, mono_diff_ms_f(now, last) - l->tick_ms);
    atomic_store_explicit(&l->last_tick_ns, now.ns, memory_order_relaxed);
    if (l->cb.on_tick != NULL)
        l->cb.on_tick(l->arg, now);
}

static void on_wake(uv_async_t *a)
{
    struct ws_loop *l = a->data;
    REQUIRE(l != NULL && l->state == LOOP_OPEN);
    if (l->cb.on_wake != NULL)
        l->cb.on_wake(l->arg);
}

/* Tells everything on the loop to go; uv_run returns when it has gone. */
static void begin_close(struct ws_loop *l)
{
    REQUIRE(l->state == LOOP_OPEN);
    l->state = LOOP_CLOSING;
    uv_close((uv_handle_t *)&l->tick, NULL);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->stop, NULL);
    lws_context_destroy(l->lws);
}

static void on_stop(uv_async_t *a)
{
    struct ws_loop *l = a->data;
    REQUIRE(l != NULL);
    begin_close(l);
}

/* After uv_run came back: lws frees its context only in this second call. */
static void finish_close(struct ws_loop *l)
{
    REQUIRE(l->state == LOOP_CLOSING);
    lws_context_destroy(l->lws);
    l->lws = NULL;
    l->state = LOOP_CLOSED;
}

static void open_handles(struct ws_loop *l)
{
    REQUIRE(uv_async_init(&l->uv, &l->wake, on_wake) == 0);
    REQUIRE(uv_async_init(&l->uv, &l->stop, on_stop) == 0);
    REQUIRE(uv_timer_init(&l->uv, &l->tick) == 0);
    l->wake.data = l->stop.data = l->tick.data = l;
    atomic_store_explicit(&l->last_tick_ns, mono_now().ns, memory_order_relaxed);
}

/* Counted from here, so that what the caller did between create and run is no lag. */
static void start_ticking(struct ws_loop *l)
{
    uv_update_time(&l->uv);
    REQUIRE(uv_timer_start(&l->tick, on_tick, (uint64_t)l->tick_ms, (uint64_t)l->tick_ms) == 0);
    atomic_store_explicit(&l->last_tick_ns, mono_now().ns, memory_order_relaxed);
}

/* A loop that still holds something is left in memory: freeing it would be worse than losing it. */
static void free_loop(struct ws_loop *l)
{
    int rc = uv_loop_close(&l->uv);
    if (rc != 0) {
        LOG(LOG_ERROR, "loop", "not_empty", LS("problem", uv_strerror(rc)));
        return;
    }
    free(l);
}

/* With IPv6 built in, lws 4.1.6 listens on [::] whatever IPv4 address it was given: on all
 * interfaces. */
static bool listens_on_ipv4(const struct lws_context_creation_info *info)
{
    struct ip ip;
    return info->iface != NULL && ip_parse(info->iface, &ip) == ERR_NONE && ip.family == AF_INET;
}

static enum err create_context(struct ws_loop *l, struct lws_context_creation_info *info)
{
    if (listens_on_ipv4(info))
        info->options |= LWS_SERVER_OPTION_DISABLE_IPV6;
    l->foreign[0] = &l->uv;
    info->foreign_loops = l->foreign;
    info->options |= LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND;
    info->options &= ~LWS_SERVER_OPTION_ALLOW_LISTEN_SHARE;
    info->retry_and_idle_policy = &no_retry_policy;
    info->extensions = NULL;
    l->lws = lws_create_context(info);
    if (l->lws != NULL)
        return ERR_NONE;
    LOG(LOG_ERROR, "loop", "no_context", LI("port", info->port), LS("iface", info->iface));
    return check_listen(info) == ERR_BUSY ? ERR_BUSY : ERR_SYSTEM;
}

enum err ws_loop_create(struct lws_context_creation_info *info, int tick_ms,
                        const struct ws_loop_callbacks *cb, void *arg, struct ws_loop **out)
{
    REQUIRE(info != NULL && cb != NULL && out != NULL && tick_ms > 0);
    lws_set_log_level(LLL_ERR | LLL_WARN, emit_log);
    enum err e = check_listen(info);
    if (e != ERR_NONE)
        return e;
    struct ws_loop *l = mem_zalloc(sizeof(*l));
    l->cb = *cb;
    l->arg = arg;
    l->tick_ms = tick_ms;
    if (uv_loop_init(&l->uv) != 0) {
        free(l);
        return ERR_SYSTEM;
    }
    e = create_context(l, info);
    if (e != ERR_NONE) {
        free_loop(l);
        return e;
    }
    open_handles(l);
    *out = l;
    return ERR_NONE;
}

struct lws_context *ws_loop_context(struct ws_loop *l)
{
    REQUIRE(l->lws != NULL);
    return l->lws;
}

uv_loop_t *ws_loop_uv(struct ws_loop *l)
{
    return &l->uv;
}

void ws_loop_run(struct ws_loop *l)
{
    REQUIRE(l->state == LOOP_OPEN);
    start_ticking(l);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    finish_close(l);
}

void ws_loop_wake(struct ws_loop *l)
{
    uv_async_send(&l->wake);
}

void ws_loop_stop(struct ws_loop *l)
{
    uv_async_send(&l->stop);
}

void ws_loop_destroy(struct ws_loop **lp)
{
    struct ws_loop *l = *lp;
    if (l == NULL)
        return;
    *lp = NULL;
    if (l->state == LOOP_OPEN) { /* it never ran */
        begin_close(l);
        uv_run(&l->uv, UV_RUN_DEFAULT);
        finish_close(l);
    }
    free_loop(l);
}

double ws_loop_lag_ms(struct ws_loop *l)
{
    int64_t oldest = mono_now().ns / NS_PER_SEC - LAG_SECONDS + 1;
    double worst = 0;
    for (size_t i = 0; i < ARRAY_LEN(l->lag); i++)
        if (l->lag[i].second >= oldest && l->lag[i].worst_ms > worst)
            worst = l->lag[i].worst_ms;
    return worst;
}

struct mono ws_loop_last_tick(struct ws_loop *l)
{
    return (struct mono){atomic_load_explicit(&l->last_tick_ns, memory_order_relaxed)};
}
