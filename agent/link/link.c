/* SPDX-License-Identifier: MIT */
#include "agent/link/link.h"
#include "agent/link/lookup.h"
#include "agent/link/master_url.h"
#include "agent/link/reason.h"
#include "agent/link/token_file.h"
#include "agent/link/warden.h"
#include "agent/link/work.h"
#include "common/backoff.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/random.h"
#include "common/signals.h"
#include "common/sockinfo.h"
#include "common/ws/ws_loop.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS            100
#define BACKOFF_BASE_MS    1000
#define BACKOFF_CAP_MS     30000
#define BACKOFF_FLOOR_MS   100
#define BACKOFF_HOLDING_MS 5000  /* the master's grace for leases is 15 s */
#define CLONE_WAIT_MS      60000 /* the master's quarantine */
#define SESSION_PROVED_MS  5000  /* so old it was a success: failures count from one again */
/* Never before ours: lws 4.1.6 forgets the handle of a connect that it gives up by itself. */
#define LWS_TIMEOUT_S      60
#define CONNECT_TIMEOUT_MS 10000 /* TCP, TLS and upgrade together: lws's begin anew at each */
#define PAGE_EVERY_MS      1000
#define CLOSE_PATIENCE_S   3 /* a peer that does not take our close frame is cut off */
#define RX_BUFFER_BYTES    FRAME_COALESCE_BYTES /* a frame of tasks in one piece */
/* The loop that watches the workers is watched, too, by the thread that waits for its end. Longer
 * than they are given; the join of a worker that stands is in it. */
#define LINK_STANDS_MS 60000
#define REASON_MAX     123 /* RFC 6455 §5.5: a control frame has at most 125 bytes */

/*
 * RESTING ──retry_at──► LOOKING ──address──► CONNECTING ──upgraded──► UP
 *    ▲                     │ no address          │ refused              │ lost or closed
 *    └─────────────────────┴─────────────────────┴──────────────────────┘
 * Any state → ENDED when the drain is complete.
 */
enum link_state { LINK_RESTING, LINK_LOOKING, LINK_CONNECTING, LINK_UP, LINK_ENDED };
static const char *const state_words[] = {"resting", "looking", "connecting", "up", "ended"};
static const unsigned char allowed[] = {
    [LINK_RESTING] = 1 << LINK_LOOKING | 1 << LINK_ENDED,
    [LINK_LOOKING] = 1 << LINK_CONNECTING | 1 << LINK_RESTING | 1 << LINK_ENDED,
    [LINK_CONNECTING] = 1 << LINK_UP | 1 << LINK_RESTING | 1 << LINK_ENDED,
    [LINK_UP] = 1 << LINK_RESTING,
    [LINK_ENDED] = 0,
};

struct link {
    const struct link_config *config;
    struct master_url url;
    struct ws_loop *loop;
    struct work work;
    enum link_state state;
    int result;

    struct lookup *lookup;
    struct lookup_result addresses;
    unsigned next_address, tried;
    struct lws *wsi;
    char token[TOKEN_MAX + 1];
    struct backoff backoff;
    struct mono retry_at, connecting_at, up_at;
    struct mono told_at; /* the page, last */
    uint64_t connects;
    bool timed_out;

    bool closing;    /* ops.close was called: this is what the close frame will say */
    bool close_sent; /* by us, or by the peer: nothing is ours to say any more */
    uint16_t close_code, peer_code;
    char close_reason[REASON_MAX + 1], peer_reason[REASON_MAX + 1];

    _Atomic int64_t ticked_ns; /* for the main thread; 0: not yet */
    uv_poll_t signals;
    int signal_fd;
    bool signalled;
    struct strbuf frame;
    unsigned char *out; /* LWS_PRE and a frame */
};

static void link_enter(struct link *l, enum link_state to, const char *why)
{
    REQUIRE(allowed[l->state] & (1u << to));
    LOG(LOG_DEBUG, "link", "state", LS("from", state_words[l->state]), LS("to", state_words[to]),
        LS("why", why));
    l->state = to;
}

/* ---- connecting */

static bool holds_something(const struct link *l)
{
    struct session_info i;
    session_info(l->work.session, &i);
    return i.tasks > 0 || i.results > 0;
}

static int64_t retry_delay_ms(struct link *l)
{
    int64_t asked = session_take_reconnect_ms(l->work.session);
    int64_t most_ms = holds_something(l) ? BACKOFF_HOLDING_MS : BACKOFF_CAP_MS;
    int64_t ms = backoff_next_within_ms(&l->backoff, most_ms, random_u64());
    if (asked >= 0)
        return asked + (int64_t)(random_u64() % BACKOFF_BASE_MS);
    if (l->peer_code == CLOSE_CLONE)
        return CLONE_WAIT_MS;
    return ms;
}

static void rest(struct link *l, int64_t ms, const char *why)
{
    l->retry_at = mono_add_ms(mono_now(), ms);
    link_enter(l, LINK_RESTING, why);
}

/* The next address is tried at once; when all have failed it is time to wait. */
static void on_failed(struct link *l, const char *problem, const char *fix)
{
    l->next_address++;
    bool more = ++l->tried < l->addresses.n;
    if (!more)
        l->tried = 0;
    int64_t ms = more ? 0 : retry_delay_ms(l);
    rest(l, ms, problem);
    LOG(LOG_WARN, "link", "connect_failed", LS("master", l->config->master), LS("problem", problem),
        LS("fix", fix), LI("retry_in_ms", ms));
}

static void wake_from_lookup(void *arg)
{
    ws_loop_wake(arg);
}

static void begin_connect(struct link *l)
{
    link_enter(l, LINK_LOOKING, "time to connect");
    l->lookup = lookup_start(l->url.host, wake_from_lookup, l->loop);
    if (!l->lookup)
        on_failed(l, "no thread for the lookup of the master's name",
                  "raise the limit of processes (ulimit -u)");
}

static void start_client(struct link *l, const struct ip *ip)
{
    char address[IP_TEXT_MAX];
    struct lws_client_connect_info info = {
        .context = ws_loop_context(l->loop),
        .address = ip_format(ip, address),
        .port = l->url.port,
        .ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT | (l->url.tls ? LCCSCF_USE_SSL : 0),
        .path = l->url.path,
        .host = l->url.authority,
        .protocol = PROTO_SUBPROTOCOL,
        .local_protocol_name = PROTO_SUBPROTOCOL,
        .alpn = "http/1.1",
        .pwsi = &l->wsi,
    };
    l->closing = l->close_sent = l->timed_out = false;
    l->connecting_at = mono_now();
    l->close_code = l->peer_code = 0;
    l->peer_reason[0] = '\0';
    link_enter(l, LINK_CONNECTING, address);
    /* A failure may be told from inside the call, or only by its answer. */
    if (!lws_client_connect_via_info(&info) && l->state == LINK_CONNECTING) {
        l->wsi = NULL;
        on_failed(l, "the connection could not be started", NULL);
    }
}

static void on_looked_up(struct link *l)
{
    char why[MESSAGE_TEXT_MAX];
    if (!lookup_take(&l->lookup, &l->addresses))
        return;
    if (l->addresses.n == 0) {
        snprintf(why, sizeof(why), "the name %s cannot be resolved: %s", l->url.host,
                 l->addresses.problem);
        on_failed(l, why, "check --master and the host's DNS");
        return;
    }
    if (token_file_read(l->config->token_file, l->token, why, sizeof(why)) != ERR_NONE) {
        on_failed(l, why, "put the agent's token there");
        return;
    }
    start_client(l, &l->addresses.ips[l->next_address % l->addresses.n]);
}

/* ---- what lws tells */

/* lws often says no more than "closed before established": the socket knows why. */
static int socket_error(struct lws *wsi)
{
    int fd = lws_get_socket_fd(wsi), e = 0;
    socklen_t len = sizeof(e);
    return fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len) == 0 ? e : 0;
}

static void on_connection_error(struct link *l, struct lws *wsi, const char *in, size_t len)
{
    char what[160], buf[120];
    int status = (int)lws_http_client_http_response(wsi), errnum = socket_error(wsi);
    l->wsi = NULL;
    if (l->state != LINK_CONNECTING)
        return;
    if (status != 0 && status != 101) {
        on_failed(l, reason_http_problem(status, buf, sizeof(buf)), reason_http_fix(status));
        return;
    }
    if (l->timed_out)
        snprintf(what, sizeof(what), "no connection and upgrade within %d s",
                 CONNECT_TIMEOUT_MS / 1000);
    else if (errnum != 0)
        snprintf(what, sizeof(what), "%s", strerror(errnum));
    else
        snprintf(what, sizeof(what), "%.*s", in ? (int)(len < 150 ? len : 150) : 0, in ? in : "");
    on_failed(l, what[0] ? what : "the connection could not be made", reason_error_fix(what));
}

/* A peer that hangs up or never answers the upgrade is told by lws in this way alone. */
static void on_gone(struct link *l, struct lws *wsi)
{
    if (l->wsi != wsi)
        return;
    l->wsi = NULL;
    if (l->state == LINK_CONNECTING)
        on_failed(
            l,
            "the connection was made, but not upgraded: it was cut, or there was no answer in time",
            "check that --master is the address of agents, and the proxy before it");
}

/* After every event: is there something to write, or a close to carry out? */
static void kick(struct link *l)
{
    work_spool(&l->work, mono_now());
    if (l->state == LINK_UP && (l->closing || session_wants_write(l->work.session, mono_now())))
        lws_callback_on_writable(l->wsi);
}

static int on_established(struct link *l, struct lws *wsi)
{
    if (l->state != LINK_CONNECTING)
        return -1; /* the drain was over before the master answered */
    REQUIRE(l->wsi == wsi);
    struct mono now = mono_now();
    sockinfo_tune_link(lws_get_socket_fd(wsi));
    link_enter(l, LINK_UP, "upgraded");
    l->up_at = now;
    l->connects++;
    session_on_connected(l->work.session, now);
    LOG(LOG_INFO, "link", "connected", LS("master", l->config->master));
    kick(l);
    return 0;
}

static void on_closed(struct link *l)
{
    REQUIRE(l->state == LINK_UP);
    uint16_t code = l->closing ? l->close_code : l->peer_code;
    enum end end = reason_end(code, l->closing);
    const char *by = l->closing ? "agent" : code ? "master" : "network";
    struct mono now = mono_now();
    int64_t lived_ms = mono_diff_ms(now, l->up_at);
    l->wsi = NULL;
    session_on_disconnected(l->work.session, now);
    if (lived_ms >= SESSION_PROVED_MS)
        backoff_reset(&l->backoff);
    l->tried = 0;
    rest(l, retry_delay_ms(l), "closed");
    LOG(code == CLOSE_NORMAL ? LOG_INFO : LOG_WARN, "link", "disconnected", LS("by", by),
        LI("code", code), LS("cause", end_word(end)), LS("meaning", end_text(end)),
        LS("fix", end_fix(end)), LS("reason", l->closing ? l->close_reason : l->peer_reason),
        LI("connected_ms", lived_ms), LI("retry_in_ms", mono_diff_ms(l->retry_at, now)));
}

static void on_peer_close(struct link *l, const unsigned char *in, size_t len)
{
    l->close_sent = true;
    if (len < 2)
        return;
    l->peer_code = (uint16_t)(in[0] << 8 | in[1]);
    snprintf(l->peer_reason, sizeof(l->peer_reason), "%.*s", (int)(len - 2), (const char *)in + 2);
}

/*
 * The close frame, then the wait for its echo. Returning −1 would be the documented way, but
 * Debian's lws on libuv closes such a connection twice in a row, and the second time without the
 * frame; this takes the same path once.
 */
static void carry_out_close(struct link *l)
{
    struct lws *wsi = l->wsi;
    if (l->close_sent)
        return;
    l->close_sent = true;
    lws_close_reason(wsi, (enum lws_close_status)l->close_code, (unsigned char *)l->close_reason,
                     strlen(l->close_reason));
    lws_set_timeout(wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

static int on_receive(struct link *l, struct lws *wsi, const char *in, size_t len)
{
    bool final = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    if (l->closing)
        return 0;
    session_on_bytes(l->work.session, in, len, final, mono_now());
    work_collect(&l->work, mono_now()); /* what a CANCEL or DRAIN gave back at once */
    kick(l);
    return 0;
}

static int on_writeable(struct link *l, struct lws *wsi)
{
    struct mono now = mono_now();
    if (l->state != LINK_UP)
        return 0;
    if (!l->closing) {
        strbuf_reset(&l->frame);
        session_produce(l->work.session, &l->frame, now);
    }
    if (l->closing)
        carry_out_close(l);
    if (l->closing || l->frame.len == 0)
        return 0;
    memcpy(l->out + LWS_PRE, l->frame.data, l->frame.len);
    if (lws_write(wsi, l->out + LWS_PRE, l->frame.len, LWS_WRITE_TEXT) < 0)
        return -1;
    kick(l);
    return 0;
}

static int add_token(struct link *l, struct lws *wsi, unsigned char **p, size_t len)
{
    char value[TOKEN_MAX + 16];
    int n = snprintf(value, sizeof(value), "Bearer %s", l->token);
    return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, (unsigned char *)value,
                                        n, p, *p + len);
}

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    struct link *l = lws_context_user(lws_get_context(wsi));
    REQUIRE(l != NULL);
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return add_token(l, wsi, in, len);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        on_connection_error(l, wsi, in, len);
        return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        return on_established(l, wsi);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return on_receive(l, wsi, in, len);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return on_writeable(l, wsi);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        on_peer_close(l, in, len);
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (l->state == LINK_UP)
            on_closed(l);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        on_gone(l, wsi);
        return 0;
    default:
        return 0;
    }
}

/* ---- what the work asks of the link */

static double link_lag_ms(void *arg)
{
    struct link *l = arg;
    return ws_loop_lag_ms(l->loop);
}

static int link_socket(void *arg)
{
    struct link *l = arg;
    return l->state == LINK_UP ? lws_get_socket_fd(l->wsi) : -1;
}

/* lws looks at a timer that was set outside of its callbacks only at its next event. */
static void set_timer(struct link *l, int secs)
{
    lws_set_timeout(l->wsi, PENDING_TIMEOUT_USER_REASON_BASE, secs);
    lws_cancel_service(ws_loop_context(l->loop));
}

static void link_close(void *arg, uint16_t code, const char *reason)
{
    struct link *l = arg;
    REQUIRE(l->state == LINK_UP && !l->closing);
    l->closing = true;
    l->close_code = code;
    snprintf(l->close_reason, sizeof(l->close_reason), "%s", reason);
    set_timer(l, CLOSE_PATIENCE_S);
    lws_callback_on_writable(l->wsi);
}

static void link_hopeless(void *arg)
{
    _exit(LINK_EXIT_STALLED); /* no orderly end: it would wait for the worker */
}

/* ---- the loop */

static void end(struct link *l)
{
    link_enter(l, LINK_ENDED, "drained");
    lookup_abandon(&l->lookup);
    work_fini(&l->work); /* before the loop: workers wake it */
    uv_close((uv_handle_t *)&l->signals, NULL);
    ws_loop_stop(l->loop);
}

static void watch_connecting(struct link *l, struct mono now)
{
    if (l->state != LINK_CONNECTING || l->timed_out ||
        mono_diff_ms(now, l->connecting_at) < CONNECT_TIMEOUT_MS)
        return;
    l->timed_out = true;
    set_timer(l, LWS_TO_KILL_ASYNC);
}

static void tell_page(struct link *l, struct mono now)
{
    struct page_figures f = {.connects = l->connects};
    if (!l->config->page || mono_diff_ms(now, l->told_at) < PAGE_EVERY_MS)
        return;
    l->told_at = now;
    work_figures(&l->work, &f, now);
    page_put(l->config->page, &f, now);
}

static void on_tick(void *arg, struct mono now)
{
    struct link *l = arg;
    atomic_store_explicit(&l->ticked_ns, now.ns, memory_order_relaxed);
    if (l->state == LINK_ENDED)
        return;
    tell_page(l, now);
    work_tick(&l->work, now);
    session_on_tick(l->work.session, now);
    if (l->state != LINK_UP && session_finished(l->work.session)) {
        end(l);
        return;
    }
    if (l->state == LINK_RESTING && !mono_before(now, l->retry_at))
        begin_connect(l);
    watch_connecting(l, now);
    kick(l);
}

static void on_wake(void *arg)
{
    struct link *l = arg;
    if (l->state == LINK_ENDED)
        return;
    if (l->state == LINK_LOOKING)
        on_looked_up(l);
    work_collect(&l->work, mono_now());
    kick(l);
}

static void on_signal(uv_poll_t *p, int status, int events)
{
    struct link *l = p->data;
    REQUIRE(l != NULL && l->state != LINK_ENDED);
    int sig = signals_read(l->signal_fd);
    if (sig != SIGTERM && sig != SIGINT)
        return;
    if (l->signalled) {
        LOG(LOG_WARN, "link", "second_signal",
            LS("effect", "the process ends at once; the master runs its tasks elsewhere"));
        _exit(EXIT_FAILURE);
    }
    l->signalled = true;
    LOG(LOG_INFO, "link", "drain", LI("signal", sig),
        LS("note", "finishing what runs; a second signal ends at once"));
    session_drain(l->work.session, mono_now());
    work_collect(&l->work, mono_now());
    kick(l);
}

static enum err open_loop(struct link *l)
{
    static const struct lws_protocols protocols[] = {
        {.name = PROTO_SUBPROTOCOL,
         .callback = on_lws,
         .rx_buffer_size = RX_BUFFER_BYTES,
         .tx_packet_size = FRAME_COALESCE_BYTES},
        {0},
    };
    static const struct ws_loop_callbacks callbacks = {.on_wake = on_wake, .on_tick = on_tick};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .client_ssl_ca_filepath = l->config->ca_file,
        .timeout_secs = LWS_TIMEOUT_S,
        .connect_timeout_secs = LWS_TIMEOUT_S,
        .user = l,
    };
    return ws_loop_create(&info, TICK_MS, &callbacks, l, &l->loop);
}

static void wake_from_worker(void *arg)
{
    struct link *l = arg;
    ws_loop_wake(l->loop);
}

static enum err open_work(struct link *l)
{
    struct work_config c = l->config->work;
    struct work_link wl = {.lag_ms = link_lag_ms,
                           .socket = link_socket,
                           .close = link_close,
                           .hopeless = link_hopeless,
                           .arg = l};
    c.pool.on_done = c.spool.wake = wake_from_worker;
    c.pool.on_done_arg = c.spool.arg = l;
    return work_init(&l->work, &c, &wl);
}

static void watch_signals(struct link *l)
{
    l->signal_fd = signals_open_fd();
    l->signals.data = l;
    REQUIRE(uv_poll_init(ws_loop_uv(l->loop), &l->signals, l->signal_fd) == 0);
    REQUIRE(uv_poll_start(&l->signals, UV_READABLE, on_signal) == 0);
}

static void *run(void *arg)
{
    struct link *l = arg;
    REQUIRE(l->state == LINK_RESTING && l->config != NULL);
    PTOK(pthread_setname_np(pthread_self(), "link"));
    if (open_loop(l) != ERR_NONE)
        return NULL;
    if (open_work(l) == ERR_NONE) {
        watch_signals(l);
        begin_connect(l);
        ws_loop_run(l->loop);
        close(l->signal_fd);
        l->result = EXIT_SUCCESS;
    }
    ws_loop_destroy(&l->loop);
    return NULL;
}

int link_run(const struct link_config *c)
{
    struct link l = {.config = c, .result = EXIT_FAILURE};
    char why[MESSAGE_TEXT_MAX];
    pthread_t thread;
    if (master_url_parse(c->master, &l.url, why, sizeof(why)) != ERR_NONE)
        UNREACHABLE("the options check the address");
    backoff_init(&l.backoff, BACKOFF_BASE_MS, BACKOFF_CAP_MS, BACKOFF_FLOOR_MS);
    strbuf_init(&l.frame, SESSION_FRAME_MAX);
    l.out = mem_alloc(LWS_PRE + SESSION_FRAME_MAX);
    PTOK(pthread_create(&thread, NULL, run, &l));
    if (!warden_wait(thread, &l.ticked_ns, LINK_STANDS_MS)) {
        LOG(LOG_ERROR, "link", "hopeless", LI("stood_ms", LINK_STANDS_MS),
            LS("effect", "the process ends to be started anew; its results are in the spool"));
        _exit(LINK_EXIT_STALLED);
    }
    strbuf_fini(&l.frame);
    free(l.out);
    explicit_bzero(l.token, sizeof(l.token));
    return l.result;
}
