/* SPDX-License-Identifier: MIT */
#include "master/hub/door.h"

void door_init(struct door *d, size_t max_agents)
{
    *d = (struct door){.places = max_agents + DOOR_SPARE};
    list_init(&d->strangers);
    list_init(&d->guests);
}

static struct door_seat *oldest(const struct list *l)
{
    struct list_node *n = list_first(l);
    return n != NULL ? CONTAINER_OF(n, struct door_seat, node) : NULL;
}

bool door_knock(const struct door *d, struct door_seat **out)
{
    *out = NULL;
    if (d->leaving >= DOOR_LEAVING_MAX)
        return false;
    if (d->taken < d->places && d->strangers.count < DOOR_STRANGERS_MAX)
        return true;
    *out = oldest(&d->strangers);
    if (*out == NULL)
        *out = oldest(&d->guests);
    return *out != NULL;
}

/* Out of the list of his place. */
static void stand_up(struct door *d, struct door_seat *s)
{
    if (s->place == DOOR_STRANGER)
        list_remove(&d->strangers, &s->node);
    else if (s->place == DOOR_GUEST)
        list_remove(&d->guests, &s->node);
}

struct door_seat *door_overdue(const struct door *d, struct mono now)
{
    struct door_seat *s = oldest(&d->strangers);
    return s != NULL && mono_diff_ms(now, s->came_at) >= DOOR_STRANGER_MS ? s : NULL;
}

void door_enter(struct door *d, struct door_seat *s, struct mono now)
{
    REQUIRE(s->place == DOOR_NOWHERE);
    s->came_at = now;
    s->place = DOOR_STRANGER;
    list_push_back(&d->strangers, &s->node);
    d->taken++;
}

void door_upgraded(struct door *d, struct door_seat *s)
{
    if (s->place != DOOR_STRANGER)
        return; /* he was told to go already */
    stand_up(d, s);
    s->place = DOOR_GUEST;
    list_push_back(&d->guests, &s->node);
}

void door_waits(struct door *d, struct door_seat *s)
{
    REQUIRE(s->place == DOOR_GUEST);
    stand_up(d, s);
    s->place = DOOR_WAITING;
}

void door_called(struct door *d, struct door_seat *s)
{
    REQUIRE(s->place == DOOR_WAITING);
    s->place = DOOR_GUEST;
    list_push_back(&d->guests, &s->node);
}

void door_known(struct door *d, struct door_seat *s)
{
    if (s->place != DOOR_GUEST)
        return;
    stand_up(d, s);
    s->place = DOOR_KNOWN;
}

void door_send_off(struct door *d, struct door_seat *s)
{
    REQUIRE(s->place != DOOR_NOWHERE);
    if (s->place == DOOR_LEAVING)
        return;
    stand_up(d, s);
    s->place = DOOR_LEAVING;
    d->taken--;
    d->leaving++;
}

void door_leave(struct door *d, struct door_seat *s)
{
    REQUIRE(s->place != DOOR_NOWHERE);
    stand_up(d, s);
    if (s->place == DOOR_LEAVING)
        d->leaving--;
    else
        d->taken--;
    s->place = DOOR_NOWHERE;
}
