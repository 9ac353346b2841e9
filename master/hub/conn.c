/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "common/log.h"
#include "common/mem.h"
#include "common/sockinfo.h"
#include "common/utf8.h"
#include "master/hub/hub_impl.h"

/*
 * The sockets of the agents' port: gate, frames in, frames out, the end. lws calls in here; the
 * core is told of sessions only by number, and nothing here is called back while the core runs but
 * conn_want_write and conn_close_session, which only leave marks.
 */
#define RX_BUFFER_BYTES 4096 /* 5.5 KB a connection; larger brings nothing */
#define FRAME_MAX       (FRAME_COALESCE_BYTES + LINE_MAX_BYTES)
#define HEADER_MAX      2048
#define CLOSE_NO_STATUS 1005 /* RFC 6455 §7.4.1: a close frame without a code */
/* A flood that came in one moment must not stop the loop when its time is over. */
#define CUT_AT_ONCE 128
/* As many in one turn of the loop: a few ms. */
#define CALLED_AT_ONCE 64
#define CLOSE_FLUSH_MS 1000 /* a peer that does not take its close frame by then is cut */

static struct conn *conn_of(struct lws *wsi)
{
    struct conn *c = lws_get_opaque_user_data(wsi);
    REQUIRE(c == NULL || c->wsi == wsi);
    return c;
}

static struct conn *conn_find(struct hub *h, session_id s)
{
    return idmap_find(&h->sessions, s);
}

/* ---- sockets come and go */

static int on_socket(struct hub *h, struct lws *wsi)
{
    struct conn *c = mem_zalloc(sizeof(*c));
    c->hub = h;
    c->wsi = wsi;
    line_buf_init(&c->in);
    list_push_back(&h->conns, &c->node);
    door_enter(&h->door, &c->seat, mono_now());
    lws_set_opaque_user_data(wsi, c);
    return 0;
}

/* The session is over for the core, once; what lws still does with the socket is its affair. */
static void end_session(struct conn *c, enum end cause, const char *detail, struct mono now)
{
    session_id s = c->sid;
    if (s == 0)
        return;
    idmap_remove(&c->hub->sessions, s);
    c->sid = 0;
    c->hub->ending = c;
    core_session_closed(c->hub->core, s, cause, detail, now);
    c->hub->ending = NULL;
}

static void end_given_up(struct conn *c, struct mono now)
{
    end_session(c, end_of_close(c->close_code), c->close_reason, now);
}

static void kill_socket(struct conn *c)
{
    c->killed = true;
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
    /* lws looks at a timer that was set outside of its callbacks only at its next event. */
    lws_cancel_service(lws_get_context(c->wsi));
}

/* IPv4 in its own form, though the socket speaks IPv6. */
static void name_peer(struct conn *c)
{
    static const char mapped[] = "::ffff:";
    char text[PEER_TEXT_MAX] = "";
    lws_get_peer_simple(c->wsi, text, sizeof(text));
    bool v4 = strncmp(text, mapped, sizeof(mapped) - 1) == 0 && strchr(text, '.') != NULL;
    snprintf(c->peer, sizeof(c->peer), "%s", v4 ? text + sizeof(mapped) - 1 : text);
}

/* Without a close frame: it may not even have upgraded. */
static void send_off(struct conn *c, const char *why, struct mono now)
{
    door_send_off(&c->hub->door, &c->seat);
    c->close_code = CLOSE_HELLO_TIMEOUT;
    snprintf(c->close_reason, sizeof(c->close_reason), "%s", why);
    c->closing = true;
    end_given_up(c, now);
    kill_socket(c);
}

/* The longest without a word makes room for one who may have something to say. */
static void push_out(struct hub *h, struct door_seat *seat)
{
    struct conn *c = CONTAINER_OF(seat, struct conn, seat);
    name_peer(c);
    LOG(LOG_WARN, "gate", "pushed_out", LS("peer", c->peer),
        LU("strangers", h->door.strangers.count), LU("guests", h->door.guests.count),
        LI("max_agents", h->max_agents));
    counter_add(&core_stats(h->core)->pushed_out, 1);
    send_off(c, "the agents' port is crowded, and it had not said HELLO", mono_now());
}

void conn_cut_strangers(struct hub *h, struct mono now)
{
    struct door_seat *seat;
    for (int n = 0; n < CUT_AT_ONCE && (seat = door_overdue(&h->door, now)) != NULL; n++) {
        struct conn *c = CONTAINER_OF(seat, struct conn, seat);
        name_peer(c);
        LOG(LOG_INFO, "gate", "stranger_cut", LS("peer", c->peer),
            LU("strangers", h->door.strangers.count));
        counter_add(&core_stats(h->core)->strangers_cut, 1);
        send_off(c, "no whole request", now);
    }
}

/* Refused before EMFILE, at which lws would spin. */
static int on_accept(struct hub *h)
{
    struct door_seat *out;
    if (!door_knock(&h->door, &out)) {
        LOG(LOG_WARN, "gate", "socket_refused", LU("open", h->conns.count),
            LI("max_agents", h->max_agents));
        counter_add(&core_stats(h->core)->sockets_refused, 1);
        return -1;
    }
    if (out != NULL)
        push_out(h, out);
    return 0;
}

/* Without a close frame: what the socket still knows of it. */
static void end_lost(struct conn *c)
{
    int error = 0, fd = lws_get_socket_fd(c->wsi);
    socklen_t len = sizeof(error);
    bool known = fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0;
    if (error == 0)
        error = c->write_errno;
    if (!known && error == 0)
        end_session(c, END_connection_lost, "", mono_now());
    else
        end_session(c, end_of_errno(error), error != 0 ? strerror(error) : "", mono_now());
}

static int on_destroy(struct conn *c)
{
    if (c == NULL)
        return 0;
    end_lost(c);
    door_leave(&c->hub->door, &c->seat);
    list_remove(&c->hub->conns, &c->node);
    if (list_linked(&c->closing_node))
        list_remove(&c->hub->closing, &c->closing_node);
    lws_set_opaque_user_data(c->wsi, NULL);
    line_buf_fini(&c->in);
    free(c->agents);
    free(c);
    return 0;
}

/* ---- the gate */

static void read_header(struct lws *wsi, enum lws_token_indexes token, char *out, size_t max)
{
    out[0] = '\0';
    if (lws_hdr_total_length(wsi, token) > 0 && lws_hdr_copy(wsi, out, (int)max, token) < 0)
        out[0] = '\0'; /* longer than anything that could pass */
}

/* −1 hangs up; a positive answer would make lws use the connection after it is freed. */
static int refuse(struct lws *wsi, struct conn *c, enum gate_verdict v, const char *path)
{
    unsigned char buf[LWS_PRE + GATE_ANSWER_MAX];
    char answer[GATE_ANSWER_MAX];
    size_t n = gate_answer(v, answer);
    memcpy(buf + LWS_PRE, answer, n);
    LOG(LOG_WARN, "gate", "refused", LS("peer", c->peer), LI("status", gate_status(v)),
        LS("path", path), LS("why", gate_sentence(v)));
    journal_refused(c->hub->journal, c->peer, gate_status(v), gate_sentence(v), mono_now());
    if (lws_write(wsi, buf + LWS_PRE, n, LWS_WRITE_HTTP_HEADERS) < 0)
        return -1;
    return -1;
}

static enum gate_verdict judge(struct lws *wsi, struct hub *h, const char *upgrade, char *path,
                               struct token_grant *grant)
{
    char authorization[HEADER_MAX], subprotocols[HEADER_MAX];
    bool get = lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;
    read_header(wsi, get ? WSI_TOKEN_GET_URI : WSI_TOKEN_POST_URI, path, HEADER_MAX);
    read_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, authorization, sizeof(authorization));
    read_header(wsi, WSI_TOKEN_PROTOCOL, subprotocols, sizeof(subprotocols));
    struct gate_request q = {
        .get = get,
        .path = path,
        .upgrade = upgrade,
        .authorization = authorization,
        .subprotocols = subprotocols,
        .draining = h->state != HUB_RUNNING,
    };
    enum gate_verdict v = gate_judge(&q, h->tokens, grant);
    explicit_bzero(authorization, sizeof(authorization));
    return v;
}

static int on_request(struct lws *wsi, struct hub *h, struct conn *c, const char *upgrade)
{
    char path[HEADER_MAX];
    struct token_grant grant;
    if (c == NULL || c->closing) /* sent off in the turn in which its request came */
        return -1;
    name_peer(c);
    enum gate_verdict v = judge(wsi, h, upgrade, path, &grant);
    if (v == GATE_BAD_TOKEN && hub_poll_tokens(h, mono_now())) /* it may be new */
        v = judge(wsi, h, upgrade, path, &grant);
    if (v != GATE_PASS)
        return refuse(wsi, c, v, path);
    snprintf(c->token_id, sizeof(c->token_id), "%s", grant.id);
    free(c->agents);
    c->agents = mem_strdup(grant.agents);
    return 0;
}

static int on_established(struct hub *h, struct conn *c)
{
    REQUIRE(c != NULL && c->sid == 0);
    if (c->closing || c->token_id[0] == '\0')
        return -1; /* sent off meanwhile, or it did not come through the gate */
    sockinfo_tune_link(lws_get_socket_fd(c->wsi));
    door_upgraded(&h->door, &c->seat);
    c->sid = core_session_open(h->core, c->agents, c->peer, mono_now());
    idmap_add(&h->sessions, c->sid, c);
    return 0;
}

/* ---- frames in */

/* While it waits for its turn one piece more is kept; then it is not read any more. Not sooner:
 * what is not read does not tell of its end either. */
static void hold(struct conn *c)
{
    if (c->held)
        return;
    c->held = true;
    lws_rx_flow_control(c->wsi, 0);
}

static void unhold(struct conn *c)
{
    if (!c->held)
        return;
    c->held = false;
    lws_rx_flow_control(c->wsi, 1);
}

/* Before its HELLO. */
static bool must_wait(struct conn *c, struct mono now)
{
    if (c->seat.place == DOOR_WAITING)
        return true;
    if (c->seat.place != DOOR_GUEST || !line_buf_any(&c->in) ||
        core_session_may_speak(c->hub->core, c->sid, now))
        return false;
    door_waits(&c->hub->door, &c->seat);
    return true;
}

static void take_lines(struct conn *c, struct mono now)
{
    const char *line;
    size_t len;
    if (must_wait(c, now))
        return;
    while (!c->closing && (line = line_buf_next(&c->in, &len)) != NULL)
        core_session_line(c->hub->core, c->sid, line, len, now);
    if (c->seat.place == DOOR_GUEST && core_session_is_known(c->hub->core, c->sid))
        door_known(&c->hub->door, &c->seat);
}

static bool feed(struct conn *c, const char *p, size_t n, struct mono now)
{
    if (c->seat.place == DOOR_WAITING)
        hold(c);
    if (line_buf_feed(&c->in, p, n) != ERR_NONE)
        conn_close(c, CLOSE_TOO_BIG, "a line is at most 1 MiB", now);
    else
        take_lines(c, now);
    return !c->closing;
}

static void go_on(struct conn *c, struct mono now)
{
    REQUIRE(c != NULL);
    door_called(&c->hub->door, &c->seat);
    unhold(c);
    take_lines(c, now);
}

void conn_call_up(struct hub *h, struct mono now)
{
    session_id s;
    if (h->state != HUB_RUNNING) /* nothing is read any more */
        return;
    for (int n = 0; n < CALLED_AT_ONCE && (s = core_next_turn(h->core, now)) != 0; n++)
        go_on(conn_find(h, s), now);
}

static int on_receive(struct hub *h, struct conn *c, const char *in, size_t len)
{
    REQUIRE(c != NULL);
    struct mono now = mono_now();
    if (c->sid == 0 || c->closing || h->state != HUB_RUNNING)
        return 0;
    if (lws_frame_is_binary(c->wsi)) {
        conn_close(c, CLOSE_POLICY, "text frames only", now);
        return 0;
    }
    core_session_alive(h->core, c->sid, now);
    bool ends = lws_is_final_fragment(c->wsi) && lws_remaining_packet_payload(c->wsi) == 0;
    c->message_bytes += len;
    if (c->message_bytes + lws_remaining_packet_payload(c->wsi) > LINE_MAX_BYTES) {
        conn_close(c, CLOSE_TOO_BIG, "a message is at most 1 MiB", now);
        return 0;
    }
    if (feed(c, in, len, now) && ends && (len == 0 || in[len - 1] != '\n'))
        feed(c, "\n", 1, now);
    if (ends)
        c->message_bytes = 0;
    return 0;
}

static int on_pong(struct hub *h, struct conn *c)
{
    if (c != NULL && c->sid != 0)
        core_session_alive(h->core, c->sid, mono_now());
    return 0;
}

/* ---- frames out */

/*
 * lws takes a -1 from WRITEABLE for a dead socket and sends no close frame; from a timer it does,
 * and waits for the peer's.
 */
static int finish_close(struct conn *c, struct mono now)
{
    lws_close_reason(c->wsi, (enum lws_close_status)c->close_code, (unsigned char *)c->close_reason,
                     strlen(c->close_reason));
    end_given_up(c, now);
    lws_set_timer_usecs(c->wsi, 1);
    return 0;
}

static int on_writeable(struct hub *h, struct conn *c)
{
    static const char pre[LWS_PRE];
    struct mono now = mono_now();
    if (c == NULL || c->sid == 0)
        return 0;
    strbuf_reset(&h->frame);
    strbuf_append(&h->frame, pre, LWS_PRE);
    bool more = core_produce(h->core, c->sid, &h->frame, LWS_PRE + FRAME_COALESCE_BYTES, now);
    REQUIRE(!h->frame.overflow);
    size_t n = h->frame.len - LWS_PRE;
    if (n == 0)
        return c->closing ? finish_close(c, now) : 0;
    errno = 0; /* lws does not always get as far as the socket */
    if (lws_write(c->wsi, (unsigned char *)h->frame.data + LWS_PRE, n, LWS_WRITE_TEXT) < 0) {
        c->write_errno = errno;
        return -1;
    }
    c->last_write = n;
    if (more || c->closing)
        lws_callback_on_writable(c->wsi);
    return 0;
}

void conn_want_write(struct hub *h, session_id s)
{
    struct conn *c = conn_find(h, s);
    if (c != NULL)
        lws_callback_on_writable(c->wsi);
}

int64_t conn_unread_bytes(struct hub *h, session_id s)
{
    struct conn *c = conn_find(h, s);
    struct sockinfo info;
    if (c == NULL || c->closing)
        return 0;
    sockinfo_read(lws_get_socket_fd(c->wsi), &info);
    return info.recvq_bytes > 0 ? info.recvq_bytes : 0;
}

void conn_bear(struct hub *h, session_id s, bool on)
{
    struct conn *c = conn_find(h, s);
    if (c != NULL)
        sockinfo_bear(lws_get_socket_fd(c->wsi), on);
}

/* ---- the end */

static int on_peer_close(struct conn *c, const unsigned char *in, size_t len)
{
    if (c == NULL)
        return 0;
    c->peer_code = len < 2 ? CLOSE_NO_STATUS : in[0] << 8 | in[1];
    if (len < 2)
        return 0;
    char *reason = utf8_sanitized((const char *)in + 2, len - 2, CLOSE_REASON_MAX);
    snprintf(c->cause, sizeof(c->cause), "closed by the agent: %d %s", c->peer_code, reason);
    free(reason);
    return 0;
}

static int on_closed(struct conn *c)
{
    if (c == NULL)
        return 0;
    if (c->closing)
        end_given_up(c, mono_now());
    else if (c->peer_code != 0)
        end_session(c, end_of_agent_close(c->peer_code), c->cause, mono_now());
    else
        end_lost(c);
    return 0;
}

/* What core_produce still gives goes first; then the close frame. */
void conn_close(struct conn *c, int code, const char *reason, struct mono now)
{
    if (c->closing || c->sid == 0)
        return;
    c->closing = true;
    unhold(c); /* its close frame is to be heard */
    list_push_back(&c->hub->closing, &c->closing_node);
    c->has_link = sockinfo_read(lws_get_socket_fd(c->wsi), &c->link);
    c->close_code = code;
    snprintf(c->close_reason, sizeof(c->close_reason), "%s", reason);
    c->close_by = mono_add_ms(now, CLOSE_FLUSH_MS);
    LOG(code == CLOSE_NORMAL ? LOG_DEBUG : LOG_INFO, "hub", "closing", LS("peer", c->peer),
        LI("code", code), LS("reason", c->close_reason));
    lws_callback_on_writable(c->wsi);
}

/* What a socket that is being given up held then says more than what it holds by now. */
bool conn_link(struct hub *h, session_id s, struct sockinfo *out)
{
    struct conn *c = conn_find(h, s);
    const struct conn *of = c != NULL ? c : h->ending;
    if (of == NULL)
        return false;
    if (!of->has_link)
        return sockinfo_read(lws_get_socket_fd(of->wsi), out);
    *out = of->link;
    return true;
}

int64_t conn_held_bytes(struct hub *h, session_id s)
{
    struct conn *c = conn_find(h, s);
    return c != NULL && c->wsi != NULL && lws_partial_buffered(c->wsi) ? (int64_t)c->last_write : 0;
}

void conn_close_session(struct hub *h, session_id s, int code, const char *reason)
{
    struct conn *c = conn_find(h, s);
    if (c != NULL)
        conn_close(c, code, reason, mono_now());
}

void conn_close_all(struct hub *h, int code, const char *reason, struct mono now)
{
    LIST_EACH (&h->conns, n) {
        conn_close(CONTAINER_OF(n, struct conn, node), code, reason, now);
    }
}

bool conn_any_closing(struct hub *h)
{
    return !list_empty(&h->closing);
}

void conn_close_revoked(struct hub *h, struct mono now)
{
    LIST_EACH (&h->conns, n) {
        struct conn *c = CONTAINER_OF(n, struct conn, node);
        if (c->sid != 0 && !tokens_has(h->tokens, c->token_id))
            conn_close(c, CLOSE_REVOKED, "its token was revoked", now);
    }
}

static void cut(struct conn *c, struct mono now)
{
    end_given_up(c, now);
    kill_socket(c);
}

void conn_tick(struct hub *h, struct mono now)
{
    LIST_EACH_SAFE (&h->closing, n, tmp) {
        struct conn *c = CONTAINER_OF(n, struct conn, closing_node);
        if (mono_before(now, c->close_by))
            break;
        if (!c->killed)
            cut(c, now);
    }
}

/* ---- lws */

static int on_lws(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                  size_t len)
{
    struct hub *h = lws_context_user(lws_get_context(wsi));
    switch (reason) {
    case LWS_CALLBACK_FILTER_NETWORK_CONNECTION:
        return on_accept(h);
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        return on_socket(h, wsi);
    case LWS_CALLBACK_FILTER_HTTP_CONNECTION:
    case LWS_CALLBACK_HTTP:
        return on_request(wsi, h, conn_of(wsi), "");
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return on_request(wsi, h, conn_of(wsi), in);
    case LWS_CALLBACK_ESTABLISHED:
        return on_established(h, conn_of(wsi));
    case LWS_CALLBACK_RECEIVE:
        return on_receive(h, conn_of(wsi), in, len);
    case LWS_CALLBACK_RECEIVE_PONG:
        return on_pong(h, conn_of(wsi));
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return on_writeable(h, conn_of(wsi));
    case LWS_CALLBACK_TIMER:
        return -1;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return on_peer_close(conn_of(wsi), in, len);
    case LWS_CALLBACK_CLOSED:
        return on_closed(conn_of(wsi));
    case LWS_CALLBACK_WSI_DESTROY:
        return on_destroy(conn_of(wsi));
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
        return -1;
    default:
        return 0;
    }
}

/* One protocol, so that its name is the only one that lws can choose. */
const struct lws_protocols hub_protocols[] = {{.name = PROTO_SUBPROTOCOL,
                                               .callback = on_lws,
                                               .rx_buffer_size = RX_BUFFER_BYTES,
                                               .tx_packet_size = FRAME_MAX},
                                              {.name = NULL}};
