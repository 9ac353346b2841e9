/* SPDX-License-Identifier: MIT */
#include "tests/support/check_main.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "common/ws/ws_loop.h"

#define TICK_MS 5

struct seen {
    struct ws_loop *loop;
    pthread_t thread; /* of the last callback */
    int ticks, wakes, stop_after_ticks;
    int block_first_tick_us;
    int established, closed;
};

static void on_tick(void *arg, struct mono now)
{
    struct seen *s = arg;
    s->thread = pthread_self();
    if (s->ticks++ == 0 && s->block_first_tick_us > 0)
        usleep((useconds_t)s->block_first_tick_us);
    if (s->ticks == s->stop_after_ticks)
        ws_loop_stop(s->loop);
}

static void on_wake(void *arg)
{
    struct seen *s = arg;
    s->thread = pthread_self();
    s->wakes++;
}

static const struct ws_loop_callbacks callbacks = {.on_tick = on_tick, .on_wake = on_wake};

static int on_ws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                 size_t len)
{
    struct seen *s = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        if (++s->established == 2)
            ws_loop_stop(s->loop);
        break;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
        s->closed++;
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        ck_abort_msg("client: %s", in != NULL ? (const char *)in : "?");
        break;
    default:
        break;
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    {.name = "t", .callback = on_ws, .rx_buffer_size = 512}, {.name = NULL}};

static enum err create(struct seen *s, int port, const char *iface, uint64_t options)
{
    struct lws_context_creation_info info = {.port = port,
                                             .iface = iface,
                                             .protocols = protocols,
                                             .options = options,
                                             .user = s,
                                             .gid = -1,
                                             .uid = -1};
    return ws_loop_create(&info, TICK_MS, &callbacks, s, &s->loop);
}

static void *run(void *loop)
{
    ws_loop_run(loop);
    return NULL;
}

/* A TCP listener on a free port of 127.0.0.1. */
static int listen_somewhere(int *port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    ck_assert_int_ge(fd, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, len), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
    *port = ntohs(sin.sin_port);
    return fd;
}

static int free_port(void)
{
    int port;
    close(listen_somewhere(&port));
    return port;
}

static void unix_path(char path[64])
{
    snprintf(path, 64, "/tmp/test_ws_loop.%d.sock", (int)getpid());
}

START_TEST(test_ticks_until_stopped_from_a_callback)
{
    struct seen s = {.stop_after_ticks = 3};
    ck_assert_int_eq(create(&s, CONTEXT_PORT_NO_LISTEN, NULL, 0), ERR_NONE);
    ws_loop_run(s.loop);
    ck_assert_int_ge(s.ticks, 3);
    ws_loop_destroy(&s.loop);
    ck_assert_ptr_null(s.loop);
}
END_TEST

START_TEST(test_stops_from_another_thread)
{
    struct seen s = {0};
    pthread_t t;
    ck_assert_int_eq(create(&s, CONTEXT_PORT_NO_LISTEN, NULL, 0), ERR_NONE);
    PTOK(pthread_create(&t, NULL, run, s.loop));
    ws_loop_wake(s.loop);
    ws_loop_stop(s.loop);
    PTOK(pthread_join(t, NULL));
    ws_loop_destroy(&s.loop);
}
END_TEST

START_TEST(test_destroys_a_loop_that_never_ran)
{
    struct seen s = {0};
    ck_assert_int_eq(create(&s, CONTEXT_PORT_NO_LISTEN, NULL, 0), ERR_NONE);
    ws_loop_destroy(&s.loop);
    ck_assert_int_eq(s.ticks, 0);
}
END_TEST

START_TEST(test_wakes_coalesce)
{
    struct seen s = {.stop_after_ticks = 2};
    ck_assert_int_eq(create(&s, CONTEXT_PORT_NO_LISTEN, NULL, 0), ERR_NONE);
    for (int i = 0; i < 1000; i++)
        ws_loop_wake(s.loop);
    ws_loop_run(s.loop);
    ck_assert_int_eq(s.wakes, 1);
    ws_loop_destroy(&s.loop);
}
END_TEST

START_TEST(test_callbacks_run_on_the_loop_thread)
{
    struct seen s = {.stop_after_ticks = 2};
    pthread_t t;
    ck_assert_int_eq(create(&s, CONTEXT_PORT_NO_LISTEN, NULL, 0), ERR_NONE);
    PTOK(pthread_create(&t, NULL, run, s.loop));
    ws_loop_wake(s.loop);
    PTOK(pthread_join(t, NULL));
    ck_assert(pthread_equal(s.thread, t));
    ws_loop_destroy(&s.loop);
}
END_TEST

START_TEST(test_lag_shows_a_blocked_callback)
{
    struct seen s = {.stop_after_ticks = 3, .block_first_tick_us = 100000};
    ck_assert_int_eq(create(&s, CONTEXT_PORT_NO_LISTEN, NULL, 0), ERR_NONE);
    ws_loop_run(s.loop);
    ck_assert(ws_loop_lag_ms(s.loop) >= 90);
    ck_assert(mono_is_set(ws_loop_last_tick(s.loop)));
    ws_loop_destroy(&s.loop);
}
END_TEST

START_TEST(test_port_of_another_program_is_busy)
{
    struct seen s = {0};
    int port, fd = listen_somewhere(&port);
    ck_assert_int_eq(create(&s, port, "127.0.0.1", 0), ERR_BUSY);
    ck_assert_int_eq(create(&s, port, NULL, LWS_SERVER_OPTION_DISABLE_IPV6), ERR_BUSY);
    ck_assert_ptr_null(s.loop);
    close(fd);
}
END_TEST

START_TEST(test_port_of_another_loop_is_busy)
{
    struct seen a = {0}, b = {0};
    int port = free_port();
    ck_assert_int_eq(create(&a, port, "127.0.0.1", 0), ERR_NONE);
    ck_assert_int_eq(create(&b, port, "127.0.0.1", 0), ERR_BUSY);
    ck_assert_int_eq(create(&b, port, "127.0.0.1", LWS_SERVER_OPTION_ALLOW_LISTEN_SHARE), ERR_BUSY);
    ws_loop_destroy(&a.loop);
    ck_assert_int_eq(create(&b, port, "127.0.0.1", 0), ERR_NONE);
    ws_loop_destroy(&b.loop);
}
END_TEST

static bool can_connect(const char *address, int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    ck_assert_int_eq(inet_pton(AF_INET, address, &to.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
    close(fd);
    return ok;
}

START_TEST(test_listens_on_the_given_address_only)
{
    struct seen s = {0};
    ck_assert_int_eq(create(&s, 0, "127.0.0.1", 0), ERR_NONE);
    int port = lws_get_vhost_listen_port(lws_get_vhost_by_name(ws_loop_context(s.loop), "default"));
    ck_assert_int_gt(port, 0);
    ck_assert(can_connect("127.0.0.1", port));
    ck_assert(!can_connect("127.0.0.2", port));
    ws_loop_destroy(&s.loop);
}
END_TEST

START_TEST(test_address_that_is_not_ours_is_an_error)
{
    struct seen s = {0};
    ck_assert_int_eq(create(&s, free_port(), "192.0.2.1", 0), ERR_SYSTEM);
}
END_TEST

START_TEST(test_unix_path_of_a_running_server_is_busy)
{
    struct seen a = {0}, b = {0};
    char path[64];
    unix_path(path);
    ck_assert_int_eq(create(&a, 0, path, LWS_SERVER_OPTION_UNIX_SOCK), ERR_NONE);
    ck_assert_int_eq(create(&b, 0, path, LWS_SERVER_OPTION_UNIX_SOCK), ERR_BUSY);
    ws_loop_destroy(&a.loop);
    unlink(path);
}
END_TEST

START_TEST(test_stale_unix_path_is_taken_over)
{
    struct seen s = {0};
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    unix_path(sun.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
    close(fd);
    ck_assert_int_eq(create(&s, 0, sun.sun_path, LWS_SERVER_OPTION_UNIX_SOCK), ERR_NONE);
    ws_loop_destroy(&s.loop);
    unlink(sun.sun_path);
}
END_TEST

START_TEST(test_stop_closes_open_connections)
{
    struct seen s = {0};
    int port = free_port();
    ck_assert_int_eq(create(&s, port, "127.0.0.1", 0), ERR_NONE);
    struct lws_client_connect_info cc = {.context = ws_loop_context(s.loop),
                                         .address = "127.0.0.1",
                                         .port = port,
                                         .path = "/",
                                         .host = "localhost",
                                         .origin = "localhost",
                                         .protocol = "t"};
    ck_assert_ptr_nonnull(lws_client_connect_via_info(&cc));
    ws_loop_run(s.loop); /* on_ws stops it when both ends are established */
    ck_assert_int_eq(s.established, 2);
    ck_assert_int_eq(s.closed, 2);
    ws_loop_destroy(&s.loop);
}
END_TEST

TESTS(running, test_ticks_until_stopped_from_a_callback, test_stops_from_another_thread,
      test_destroys_a_loop_that_never_ran, test_wakes_coalesce,
      test_callbacks_run_on_the_loop_thread, test_lag_shows_a_blocked_callback,
      test_stop_closes_open_connections)
TESTS(listening, test_port_of_another_program_is_busy, test_port_of_another_loop_is_busy,
      test_listens_on_the_given_address_only, test_address_that_is_not_ours_is_an_error,
      test_unix_path_of_a_running_server_is_busy, test_stale_unix_path_is_taken_over)
CHECK_MAIN("ws_loop", running, listening)
