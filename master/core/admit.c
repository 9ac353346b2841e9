/* SPDX-License-Identifier: MIT */
#include "master/core/state.h"

/*
 * When a HELLO is heard. It costs more than any other line: a name is looked up, the store and the
 * journal are told, what the agent holds is compared. Thousands of agents that come back in one
 * moment, after a restart of the master or of its proxy, would keep the loop from all else: from
 * those who are back already and beat, from results, from the store's answers. So turns come at a
 * bounded rate. Who finds none waits in a line, without end of its own: its deadline stands still,
 * nobody counts its silence, and it is never refused for having to wait. A session has one turn,
 * whatever its lines are.
 *
 * The line is no longer than the hub has places for those who are not known (door.h): at most the
 * largest fleet and a few hundred.
 */
#define COME_BACK_MS 5000 /* PROTOCOL 10: agents that hold tasks come back within this */

_Static_assert((CORE_AGENTS_MAX - CORE_HELLO_BURST) / CORE_HELLO_RATE * 1000 + COME_BACK_MS <=
                   ORPHAN_GRACE_MS,
               "the largest fleet that comes back at once is there within the grace");

void admit_init(struct core *c, const struct core_config *cfg, struct mono now)
{
    bucket_init(&c->hellos, cfg->hello_rate ? cfg->hello_rate : CORE_HELLO_RATE,
                cfg->hello_burst ? cfg->hello_burst : CORE_HELLO_BURST, now);
}

bool core_session_may_speak(struct core *c, session_id id, struct mono now)
{
    struct session *s = fleet_session(c, id);
    if (!s || (s->state != SESSION_NEW && s->state != SESSION_WAITING))
        return true;
    if (s->state == SESSION_WAITING)
        return false;
    if (list_empty(&c->waiting) && bucket_take(&c->hellos, now)) { /* nobody is passed */
        fleet_enter(c, s, SESSION_ADMITTED);
        return true;
    }
    fleet_enter(c, s, SESSION_WAITING);
    s->waits_since = now;
    counter_add(&c->stats.hellos_paced, 1);
    return false;
}

session_id core_next_turn(struct core *c, struct mono now)
{
    struct list_node *n = list_first(&c->waiting);
    if (!n || !bucket_take(&c->hellos, now))
        return 0;
    struct session *s = CONTAINER_OF(n, struct session, waiting_node);
    int64_t waited_ms = mono_diff_ms(now, s->waits_since);
    s->opened_at = now; /* before it enters: who arrives is in that order */
    fleet_enter(c, s, SESSION_ADMITTED);
    gauge_set(&c->stats.hello_wait_ms, waited_ms);
    c->paced.n++;
    c->paced.longest_ms = waited_ms > c->paced.longest_ms ? waited_ms : c->paced.longest_ms;
    return s->id;
}

size_t core_waiting(const struct core *c)
{
    return c->waiting.count;
}

/* A rush is told once, when it is over. */
void admit_tick(struct core *c)
{
    char detail[160];
    if (c->paced.n == 0 || !list_empty(&c->waiting))
        return;
    snprintf(detail, sizeof(detail),
             "%llu agents came faster than %.0f a second: they waited for their turn, up to %.1f s",
             (unsigned long long)c->paced.n, c->hellos.rate, (double)c->paced.longest_ms / 1000);
    c->ops.event(c->arg, "hellos_paced", NULL, detail);
    c->paced.n = 0;
    c->paced.longest_ms = 0;
}
