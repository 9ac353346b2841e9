/* SPDX-License-Identifier: MIT */
#pragma once
#include "agent/run/loop.h"
#include "common/list.h"

#include <ares.h>

/*
 * channel - one c-ares channel whose sockets are watched by a worker's loop.
 *
 * Belongs to the loop's thread. c-ares calls back only from channel_process(), from a socket's
 * event, from inside the call that asks, and from channel_destroy(); destroy is never called from
 * such a callback. Answers come with their rcode (NOCHECKRESP); truncated ones were asked again
 * over TCP.
 */
struct channel;
typedef void channel_f(struct channel *c);

struct channel {
    struct list_node node; /* the owner's, as are n_queries and retired */
    unsigned n_queries;
    bool retired;
    ares_channel ares;
    void *arg;
    /* private to channel */
    struct loop *loop;
    struct list sockets;
    channel_f *after_event;
};

/* servers: "ADDR:PORT,…", NULL = /etc/resolv.conf. after_event runs when the events of a socket
 * have been dealt with. NULL: c-ares could not start (logged). */
struct channel *channel_create(struct loop *l, const char *servers, channel_f *after_event,
                               void *arg);

/* What is still under way is called back with ARES_EDESTRUCTION. */
void channel_destroy(struct channel **cp);

/* Lets c-ares see its time-outs. */
void channel_process(struct channel *c);
