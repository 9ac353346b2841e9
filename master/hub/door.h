/* SPDX-License-Identifier: MIT */
#pragma once
#include "common/list.h"

/*
 * door - the sockets of the agents' port: who has a place, and who must go so that another gets
 * one.
 *
 * Pure; hub thread. Agents that have said who they are keep their places. Strangers (no good
 * upgrade yet) and guests (upgraded, no HELLO) share what the agents leave free and DOOR_SPARE
 * more; when all is taken the oldest stranger goes, else the oldest guest: a flood of them pushes
 * itself out, and an agent is past both in a moment. Who was told to go counts until he is gone.
 */
#define DOOR_SPARE 512 /* besides the agents: a second of strangers in a storm */
/* Between two turns of the loop so many can be told to go; then those who knock are refused. */
#define DOOR_LEAVING_MAX 256

enum door_place { DOOR_NOWHERE, DOOR_STRANGER, DOOR_GUEST, DOOR_KNOWN, DOOR_LEAVING };
struct door_seat { /* embedded in its socket's struct; zeroed = nowhere */
    struct list_node node;
    enum door_place place;
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
void door_enter(struct door *d, struct door_seat *s);    /* a stranger */
void door_upgraded(struct door *d, struct door_seat *s); /* … is a guest … */
void door_known(struct door *d, struct door_seat *s);    /* … is known, if he was not before */
void door_send_off(struct door *d, struct door_seat *s); /* he has no place any more */
void door_leave(struct door *d, struct door_seat *s);    /* he is gone */
