/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/cidr.h"
#include "proto/cause.h"
#include "proto/target.h"
#include <stdbool.h>
#include <stddef.h>

/*
 * tunnel_talk - what is said to a proxy for one tunnel, and what its replies mean: HTTP CONNECT
 * (RFC 9110 §9.3.6, with Basic of RFC 7617) and SOCKS5 (RFC 1928, RFC 1929).
 *
 * Pure; belongs to one thread. A proxy is asked for a literal address and never for a name. Replies
 * are taken byte by byte, so that what follows them stays with whom it is for; they are bounded by
 * TALK_HEAD_MAX, and what a verdict quotes of them is valid UTF-8 without control characters.
 *
 *                 ┌─ SOCKS5: TALK_METHOD ─► (TALK_LOGIN) ─► TALK_REPLY ─┬─► TALK_STANDS
 *     begin ──────┤                                                     │
 *                 └─ HTTP:   TALK_STATUS ─► TALK_HEADERS ───────────────┴─► TALK_ENDED
 */
#define TALK_HEAD_MAX  (16 * 1024) /* of an HTTP proxy: all it says before the tunnel */
#define TALK_OUT_MAX   1024        /* CONNECT with 255 bytes each of user and password in base64 */
#define TALK_LINE_MAX  256         /* of a status line; the rest is not kept */
#define TALK_WORDS_MAX 160
#define TALK_REPLY_MAX 262 /* of SOCKS5: with a name of 255 bytes */

enum talk_state {
    TALK_STATUS,  /* waits for a status line */
    TALK_HEADERS, /* and for the empty line behind it */
    TALK_METHOD,  /* waits for the choice of a method */
    TALK_LOGIN,   /* for the verdict on user and password */
    TALK_REPLY,   /* for the reply to the request */
    TALK_STANDS,  /* the tunnel is there */
    TALK_ENDED    /* it will not be: cause, words */
};

struct tunnel_talk {
    enum talk_state state;
    enum cause cause;           /* of TALK_ENDED: proxy_refused, proxy_failed or proxy_protocol */
    bool about_address;         /* of TALK_ENDED: another address of the target may do */
    char words[TALK_WORDS_MAX]; /* of TALK_ENDED: what the proxy said, one clause */
    char out[TALK_OUT_MAX];     /* to be sent; holds secrets until it is */
    size_t out_len, out_at;
    /* private to tunnel_talk */
    const struct target_proxy *proxy;
    struct ip ip;
    uint16_t port;
    char line[TALK_LINE_MAX + 1];
    size_t line_len, line_bytes, head_bytes; /* line_bytes: of the present line, \r left out */
    int status;
    uint8_t in[TALK_REPLY_MAX];
    size_t in_len, in_want;
};

/* proxy is borrowed until the end. What is to be said first stands in out. */
void tunnel_talk_begin(struct tunnel_talk *t, const struct target_proxy *proxy, const struct ip *ip,
                       uint16_t port);

/* n bytes at the front of out have been sent. */
void tunnel_talk_sent(struct tunnel_talk *t, size_t n);

/* How many of the n bytes that came belong to the talk: all of them while it goes on with nothing
 * to send; those behind that are to be left where they are. */
size_t tunnel_talk_take(struct tunnel_talk *t, const void *p, size_t n);

/* The proxy hung up, with these words: the talk ends. */
void tunnel_talk_closed(struct tunnel_talk *t, const char *words);

/* Forgets what is secret. */
void tunnel_talk_fini(struct tunnel_talk *t);
