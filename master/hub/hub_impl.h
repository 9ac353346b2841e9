/* SPDX-License-Identifier: MIT */
#pragma once
#include <pthread.h>
#include <stdatomic.h>
#include "common/idmap.h"
#include "common/ws/ws_loop.h"
#include "master/auth/tokens.h"
#include "master/hub/courier.h"
#include "master/hub/desk.h"
#include "master/hub/door.h"
#include "master/hub/gate.h"
#include "master/hub/hub.h"
#include "master/hub/annals.h"
#include "master/hub/journal.h"
#include "master/hub/load.h"
#include "master/hub/timekeeper.h"

/* hub_impl - what hub.c (thread, core, life), hub_ops.c (what the core asks for) and conn.c
 * (sockets) share; nobody else. */

/*
 * CREATED ──start──► RUNNING ──asked──► DRAINING ──all stored──► PARTING ──all gone──► STOPPING
 * ──loop ended──► STOPPED. While DRAINING nothing is read any more: what comes unread is not
 * acknowledged, and its agent keeps it.
 */
enum hub_state { HUB_CREATED, HUB_RUNNING, HUB_DRAINING, HUB_PARTING, HUB_STOPPING, HUB_STOPPED };

#define PEER_TEXT_MAX    64
#define CLOSE_REASON_MAX 123 /* RFC 6455 §5.5: a control frame has at most 125 bytes */
#define CAUSE_TEXT_MAX   160

/* One socket on the agents' port, from accept to its end; a session from its upgrade on. */
struct conn {
    struct hub *hub;
    struct lws *wsi;
    struct list_node node;
    struct door_seat seat;
    session_id sid; /* 0: not yet, or no more */
    char token_id[TOKEN_ID_MAX];
    char *agents; /* names the token is bound to; NULL = any */
    char peer[PEER_TEXT_MAX];
    struct line_buf in;
    size_t message_bytes;          /* of the WebSocket message that is coming in */
    bool held;                     /* not read from: it waits for its turn, and has said more */
    struct list_node closing_node; /* in hub->closing from conn_close() on */
    bool closing, killed;
    int close_code;
    char close_reason[CLOSE_REASON_MAX + 1];
    struct mono close_by;
    int peer_code;              /* of the peer's close frame, 0 = none came */
    char cause[CAUSE_TEXT_MAX]; /* … and what it says */
    int write_errno;
    size_t last_write;    /* bytes of the last frame */
    struct sockinfo link; /* as it was when the master gave it up */
    bool has_link;
};

struct hub {
    struct ws_loop *loop;
    char *iface; /* lws keeps the pointer */
    int port;
    struct core *core;
    struct tokens *tokens;
    struct courier courier;
    struct desk desk;
    struct journal *journal;
    struct annals annals;
    struct timekeeper timekeeper;
    const struct conn *ending; /* whose end the core is told of at the moment */
    enum hub_state state;
    int64_t max_agents;
    struct idmap sessions; /* conns, by sid */
    struct list conns;
    struct list closing; /* in the order of close_by */
    struct door door;
    struct strbuf frame;
    uv_prepare_t turn;
    uv_timer_t clock;  /* the timekeeper's */
    uv_timer_t callup; /* runs while agents wait for their turn to say HELLO */
    struct mono scanned_at, phase_until;
    double cpu; /* part of a core that the thread used in the last SCAN_MS; negative: not known */
    int64_t cpu_used_ns;
    struct mono cpu_at;
    bool out_of_descriptors; /* the loop takes a breath after each turn */
    _Atomic bool stop_asked;
    struct load load;
    struct mono ticked_at; /* unset: not yet */
    int64_t waited_ns;     /* for a CPU, then */
    _Atomic bool overloaded;
    _Atomic int64_t lag_us;
    pthread_t thread;
};

/* ---- hub.c */
bool hub_poll_tokens(struct hub *h, struct mono now); /* true: they changed */

/* ---- hub_ops.c */
extern const struct core_ops hub_core_ops;
/* Fills in what the sockets know (desk.look). */
void hub_look(void *hub, struct agent_view *views, unsigned n);

/* ---- conn.c */
extern const struct lws_protocols hub_protocols[];
void conn_want_write(struct hub *h, session_id s);
int64_t conn_unread_bytes(struct hub *h, session_id s); /* what the kernel holds; 0: not known */
void conn_bear(struct hub *h, session_id s, bool on);   /* with one that does not read */
void conn_close_session(struct hub *h, session_id s, int code, const char *reason);
void conn_close(struct conn *c, int code, const char *reason, struct mono now);
void conn_close_all(struct hub *h, int code, const char *reason, struct mono now);
bool conn_any_closing(struct hub *h); /* a close frame is not yet sent and answered */
/* The queues of the socket: before its end, or as they were at its end. False: not known. */
bool conn_link(struct hub *h, session_id s, struct sockinfo *out);
/* Of the last frame, which its socket has not taken whole: at most so many bytes wait here. */
int64_t conn_held_bytes(struct hub *h, session_id s);
void conn_close_revoked(struct hub *h, struct mono now);
void conn_call_up(struct hub *h, struct mono now);       /* whose turn it is to say HELLO */
void conn_cut_strangers(struct hub *h, struct mono now); /* every tick */
void conn_tick(struct hub *h, struct mono now); /* cuts peers that do not take their close frame */
