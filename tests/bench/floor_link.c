/* SPDX-License-Identifier: MIT */
#include "common/log.h"
#include "common/signals.h"
#include "common/ws/ws_loop.h"
#include "proto/message.h"
#include "tests/bench/bench_client.h"

#include <string.h>
#include <unistd.h>

/*
 * floor_link - what lws and the kernel alone take for a fleet of idle agents: a server that looks
 * for one word in each frame and answers at once with a fixed text. No token is asked for, nothing
 * is parsed, kept or watched.
 *
 *     floor_link PORT
 */
#define ME         "floor_link"
#define TICK_MS    1000
#define RX_BUFFER  4096 /* as the master */
#define ANSWER_MAX 1024

struct floor {
    struct ws_loop *loop;
    struct strbuf welcome;
    uv_poll_t signals;
    int signal_fd;
};
struct peer { /* made and zeroed by lws */
    unsigned long long beats;
};

static void make_welcome(struct floor *f)
{
    static const struct window wide = {1000000, 1000000000};
    strbuf_init(&f->welcome, ANSWER_MAX);
    msg_put_welcome(&f->welcome, &(struct msg_welcome){.proto = PROTO_VERSION_MAX,
                                                       .session = "floor",
                                                       .store_id = "floor",
                                                       .heartbeat_ms = HEARTBEAT_MS,
                                                       .timeout_ms = DEAD_MS,
                                                       .results = wide});
    msg_put_verdict_end(&f->welcome);
    REQUIRE(!f->welcome.overflow);
}

static int say(struct lws *wsi, const char *text, size_t n)
{
    unsigned char frame[LWS_PRE + ANSWER_MAX];
    REQUIRE(n <= ANSWER_MAX);
    memcpy(frame + LWS_PRE, text, n);
    return lws_write(wsi, frame + LWS_PRE, n, LWS_WRITE_TEXT) < 0 ? -1 : 0;
}

static bool holds(const char *in, size_t len, const char *word)
{
    return memmem(in, len, word, strlen(word)) != NULL;
}

static int on_receive(struct floor *f, struct lws *wsi, struct peer *p, const char *in, size_t len)
{
    char ack[160];
    if (holds(in, len, "\"inflight_end\""))
        return say(wsi, f->welcome.data, f->welcome.len);
    if (!holds(in, len, "\"heartbeat\""))
        return 0;
    int n = snprintf(ack, sizeof(ack),
                     "{\"type\":\"heartbeat_ack\",\"seq\":%llu,\"lag_ms\":0.1,\"results\":{"
                     "\"count\":1000000,\"bytes\":1000000000}}\n",
                     ++p->beats);
    return say(wsi, ack, (size_t)n);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    if (reason == LWS_CALLBACK_RECEIVE)
        return on_receive(lws_context_user(lws_get_context(wsi)), wsi, user, in, len);
    return 0;
}

static void on_signal(uv_poll_t *p, int status, int events)
{
    struct floor *f = p->data;
    if (signals_read(f->signal_fd) == 0 || uv_is_closing((uv_handle_t *)p))
        return;
    uv_close((uv_handle_t *)p, NULL);
    ws_loop_stop(f->loop);
}

static void open_loop(struct floor *f, long port)
{
    static const struct lws_protocols protocols[] = {
        {.name = PROTO_SUBPROTOCOL,
         .callback = on_lws,
         .per_session_data_size = sizeof(struct peer),
         .rx_buffer_size = RX_BUFFER,
         .tx_packet_size = FRAME_COALESCE_BYTES},
        {0},
    };
    static const struct ws_loop_callbacks callbacks = {0};
    struct lws_context_creation_info info = {
        .port = (int)port, .iface = "127.0.0.1", .protocols = protocols, .user = f};
    if (ws_loop_create(&info, TICK_MS, &callbacks, f, &f->loop) != ERR_NONE)
        bench_fail(ME, "no loop");
    f->signal_fd = signals_open_fd();
    f->signals.data = f;
    REQUIRE(uv_poll_init(ws_loop_uv(f->loop), &f->signals, f->signal_fd) == 0);
    REQUIRE(uv_poll_start(&f->signals, UV_READABLE, on_signal) == 0);
}

int main(int argc, char **argv)
{
    struct floor f = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: floor_link PORT\n");
        return 2;
    }
    signals_block();
    log_init(LOG_ERROR, LOG_TEXT, STDERR_FILENO);
    make_welcome(&f);
    open_loop(&f, bench_number(ME, argv[1], UINT16_MAX));
    ws_loop_run(f.loop);
    ws_loop_destroy(&f.loop);
    strbuf_fini(&f.welcome);
    close(f.signal_fd);
    return 0;
}
