/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/probe/dns_wire.h"
#include "agent/run/loop.h"
#include "common/cidr.h"
#include "common/list.h"

/*
 * dns_pool - the UDP sockets of one worker's DNS questions.
 *
 * Worker thread. Each socket is connected to one server from a port of the kernel's random choice.
 * It bears at most DNS_POOL_WAITS questions at a time, told apart by id and question, and gets no
 * new ones after DNS_POOL_QUESTIONS, after DNS_POOL_AGE_MS, or when one of its questions was given
 * up: so a port is not worth guessing and a late answer meets no stranger. What a host or router on
 * the way sends back is laid at the door of the question that it quotes, and of no other. Nothing
 * is ever sent twice. Sockets without questions: at most DNS_POOL_IDLE are kept.
 */
#define DNS_POOL_WAITS     32
#define DNS_POOL_QUESTIONS 256
#define DNS_POOL_AGE_MS    10000
#define DNS_POOL_IDLE      32

struct dns_pool;
struct dns_socket;

/* One question under way; embedded in its owner, who fills the first three. */
struct dns_wait {
    struct dns_query *query; /* the pool sets its id */
    /* The answer; the question is over. The bytes are the pool's and live for the call. */
    void (*on_reply)(struct dns_wait *w, const uint8_t *msg, size_t len);
    /* An error came back for this question, which is over. */
    void (*on_error)(struct dns_wait *w, int errnum);
    struct dns_socket *socket; /* NULL: not under way */
    unsigned foreign;          /* replies with another id or question, once the question is over */
    int doubt; /* an errno that came back while it waited, not known for which question; 0 = none */
};

/* age_ms: after it a socket takes no new questions, and is closed if it has none. */
struct dns_pool *dns_pool_create(struct loop *loop, int64_t age_ms);
/* No question may be under way. */
void dns_pool_destroy(struct dns_pool **pp);

/* Puts a fresh id into msg, a whole query, and sends it. 0, or an errno and the question is not
 * under way. Never calls back. */
int dns_pool_ask(struct dns_pool *pool, const struct ip *server, uint16_t port, struct dns_wait *w,
                 uint8_t *msg, size_t len);

/* Ends the wait without an answer; no effect when it is not under way. */
void dns_pool_give_up(struct dns_wait *w);

/* Random ids of the pool's store, for questions over TCP. */
uint16_t dns_pool_random(struct dns_pool *pool);
