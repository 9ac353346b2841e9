/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/clock.h"
#include "common/list.h"

/*
 * door - the sockets of the agents' port: who has a place, and who must go so that another gets
 * one.
 *
 * Pure; hub thread. Agents that have said who they are keep their places. Strangers (no good
 * upgrade yet), guests (upgraded, no HELLO) and those whose HELLO waits for its turn share what the
 * agents leave free and DOOR_SPARE more; when all is taken the oldest stranger goes, else the
 * oldest guest: a flood of them pushes itself out, and an agent is past both in a moment. Who waits
 * for a turn is not pushed out: it is the first in the line that would go. A stranger may stay
 * DOOR_STRANGER_MS. Who was told to go counts until he is gone.
 */
#define DOOR_SPARE 512 /* besides the agents: a second of strangers in a storm */
/* And so many at the same time, whatever is free: lws keeps their time-outs in one sorted list. At
 * 10,000 agents a second that come back, each has 200 ms to send its request. */
#define DOOR_STRANGERS_MAX 2048
/* Between two turns of the loop so many can be told to go; then those who knock are refused. */
#define DOOR_LEAVING_MAX 256
#define DOOR_STRANGER_MS 5000 /* for a request of one small packet */

enum door_place {
    DOOR_NOWHERE,
    DOOR_STRANGER,
    DOOR_GUEST,
    DOOR_WAITING, /* for its turn */
    DOOR_KNOWN,
    DOOR_LEAVING
};
struct door_seat { /* embedded in its socket's struct; zeroed = nowhere */
    struct list_node node;
    enum door_place place;
    struct mono came_at;
};
struct door {
    size_t places, taken; /* taken: without those who leave */
    size_t leaving;
    struct list strangers, guests; /* the oldest first */
};
void door_init(struct door *d, size_t max_agents);

/* Somebody is about to come in. False: he is refused. *out: who must go for him, NULL = nobody; the
 * caller sends him off and says door_send_off. */
bool door_knock(const struct door *d, struct door_seat **out);
/* A stranger whose time is over, NULL = none. */
struct door_seat *door_overdue(const struct door *d, struct mono now);

void door_enter(struct door *d, struct door_seat *s, struct mono now); /* a stranger … */
void door_upgraded(struct door *d, struct door_seat *s);               /* … a guest … */
void door_waits(struct door *d, struct door_seat *s); /* a guest, in the line for its turn … */
void door_called(struct door *d,
                 struct door_seat *s); /* … out of it: a guest again, the youngest */
void door_known(struct door *d, struct door_seat *s);    /* … known, if he was not before */
void door_send_off(struct door *d, struct door_seat *s); /* he has no place any more */
void door_leave(struct door *d, struct door_seat *s);    /* he is gone */
